# The commands of the project. Cargo does the work; `.ci/packages` installs system packages, `.ci/capi`
# builds the C library, `.ci/install` installs it.

.DEFAULT_GOAL := help
.PHONY: help demo picture test check ci distros bench abi msrv deb deb-test capi gir install uninstall docs soak loom miri
.PHONY: fuzz conformance clean

# The file that the demo sends; empty: the demo's own program.
FILE ?=

# Where the library is installed. The other folders are usual ones below PREFIX, unless they are given as well.
PREFIX ?= /usr/local
DESTDIR ?=
export PREFIX DESTDIR BINDIR MANDIR LIBDIR INCLUDEDIR GIRDIR TYPELIBDIR VAPIDIR PYOVERRIDESDIR GJSOVERRIDESDIR

# `make FILE="a b" demo` must reach cargo as one word. Quotes a word for the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'

# The tests in which threads meet, by parts of their names; the rest of `make soak` is the tests that
# are ignored elsewhere.
races = thread wake hub::contexts hub::sharing tls::sharing

# How often `make soak` repeats context teardown with concurrent threads, for SOAK_SECONDS each, and the
# storm of signals.
SOAK_RUNS ?= 1
SOAK_SECONDS ?= 60
export SOAK_RUNS SOAK_SECONDS

# The tests of what makes no system calls, by parts of their names: for Miri.
pure = sys::scm

# A target is described by what follows the two number signs.
help: ## Lists these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

demo: ## Sends a file through five channels: make demo [FILE=path]
	@.ci/packages demo
	@echo "demo: building the library and the command \`qio\`, which takes a minute the first time" >&2
	@cargo run --release --locked --features cli --bin qio -- demo $(if $(FILE),$(call quoted,$(FILE)))
	@echo "demo: next, a file of your own: make demo FILE=/etc/services" >&2
	@echo "demo: or connect any two addresses: target/release/qio relay --help" >&2

picture: ## Draws the terminal of README, with the commands that it shows
	@.ci/packages demo
	@.ci/picture

test: ## Runs all tests, of Rust and of the C library with its bindings; builds the examples
	@.ci/test

check: ## Checks formatting, lints and documentation
	@.ci/packages test >/dev/null
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings
	@cargo clippy --locked --lib --features capi -- -D warnings
	@cargo clippy --locked --lib --test tracing --features tracing -- -D warnings
	@RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --features hyper,tracing

ci: ## Everything that must pass: check, then test; fails on skips that tests/allowed-skips does not have
	@$(MAKE) --no-print-directory check
	@.ci/test strict

distros: ## Runs demo and test in fresh Debian 12, 13 and sid: make distros [SUITES=bookworm,trixie,sid]
	@.ci/distros $(if $(SUITES),$(call quoted,$(SUITES)))

bench: ## Measures the cost of a channel, compared with bare system calls, from C, and with its peers
	@.ci/packages test >/dev/null
	@.ci/capi
	@.ci/bench-peers
	@cargo build --quiet --release --locked --features cli --bin qio
	@failed=; \
	for bench in overhead capi peers net splice tls websock; do \
		cargo bench --locked -p qio-benches --bench $$bench || failed="$$failed $$bench"; \
	done; \
	.ci/bench-command || failed="$$failed command"; \
	test -z "$$failed" || { echo "bench: goals were missed in:$$failed" >&2; exit 1; }

capi: ## Builds the C library, its introspection data and its Vala binding in target/capi
	@.ci/packages capi
	@.ci/capi

gir: ## Regenerates data/Qio-1.0.gir, after a change of the headers
	@.ci/packages capi
	@.ci/capi gir

abi: ## Compares the C ABI and the Rust API with those of the last tag
	@.ci/packages test >/dev/null
	@cargo test --quiet --locked --test release -- --include-ignored abi::
	@.ci/abi

msrv: ## Checks that the oldest Rust of Cargo.toml is enough
	@.ci/packages demo
	@.ci/msrv

deb: ## Builds Debian's packages in target/deb, with all crates in the source package, and checks them by lintian
	@.ci/deb

deb-test: ## Installs Debian's packages in a fresh system, uses them and removes them
	@.ci/deb test

install: ## Installs what `make capi` has built, or builds it: make install [PREFIX=/usr/local] [DESTDIR=]
	@test -e "$$(.ci/capi folder)/gi-stubs/repository/Qio.pyi" || $(MAKE) --no-print-directory capi
	@test -e "$$(.ci/capi folder)/command/man/qio.1" || .ci/capi command
	@.ci/install install

uninstall: ## Removes what `make install` has installed, by the same settings
	@.ci/install uninstall

docs: ## Builds the documentation for all languages in target/doc
	@.ci/packages docs
	@cargo doc --locked --no-deps -p glib -p gio -p futures-core -p futures-io
	@cargo doc --locked --no-deps --features hyper
	@.ci/capi docs

soak: ## Runs for half an hour: races, leaks, faults, forks, context teardown: make soak [SOAK_RUNS=5]
	@.ci/packages test >/dev/null
	@$(MAKE) --no-print-directory loom
	@cargo test --quiet --locked --test qio --no-run
	@for round in 1 2 3 4 5 6 7 8 9 10; do \
		timeout 1m cargo test --quiet --locked --test qio -- $(races) || exit 1; \
	done
	@timeout 20m cargo test --quiet --locked --test qio -- --ignored --test-threads=1 --skip all_of_autobahns_cases
	@timeout 60m cargo test --quiet --release --locked --test qio -- --ignored --test-threads=1 all_of_autobahns_cases
	@timeout 30m cargo test --quiet --locked --test inject -- --ignored --nocapture every_system_call_may_fail
	@.ci/capi
	@timeout $$((10 * $(SOAK_RUNS)))m cargo test --quiet --locked --test lang -- --ignored --test-threads=1
	@for run in $$(seq $(SOAK_RUNS)); do \
		timeout 5m cargo test --quiet --locked --test lang -- in_a_storm_of_signals || exit 1; \
	done

loom: ## Explores models of the waiting core in every order of their threads' steps
	@.ci/packages demo
	@cargo test --release --locked -p qio-loom

miri: ## Runs code without system calls under Miri, or under valgrind without a nightly Rust
	@.ci/packages demo
	@if cargo +nightly miri --version >/dev/null 2>&1; then \
		MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked --lib -- $(pure); \
	else \
		echo "miri: not installed (rustup +nightly component add miri); valgrind looks at the same" >&2; \
		cargo test --locked --lib --config 'target."cfg(unix)".runner = "valgrind -q --error-exitcode=99"' -- $(pure); \
	fi

conformance: ## Verifies the cases of a file in x509-limbo's format: make conformance X509_LIMBO=FILE
	@test -f $(call quoted,$(X509_LIMBO)) || { echo "conformance: X509_LIMBO is to name a file" >&2; exit 1; }
	@.ci/packages test >/dev/null
	@X509_LIMBO=$(call quoted,$(abspath $(X509_LIMBO))) cargo test --quiet --locked --lib -- \
		--include-ignored --nocapture layer::tls::tests::conformance

fuzz: ## Feeds parsers, and both ends of TLS and WebSocket, with random input, one minute each
	@.ci/packages test >/dev/null
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-fuzz@0.13.2
	@for target in $$(cargo fuzz list); do \
		mkdir -p fuzz/target/corpus/$$target; \
		case $$target in tls_*|websock_*) len=2048 ;; *) len=512 ;; esac; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target fuzz/target/corpus/$$target fuzz/corpus/$$target \
			-- -max_total_time=60 -max_len=$$len -verbosity=0 -print_final_stats=1 || exit 1; \
	done

clean: ## Removes what cargo has built
	@cargo clean
