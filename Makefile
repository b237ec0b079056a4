# Everything a visitor wants to run. Cargo does the work; `.ci/packages` sees to GLib.

.DEFAULT_GOAL := help
.PHONY: help demo test check ci bench docs soak clean

# The file that the demo sends; empty: the demo's own program.
FILE ?=

# `make FILE="a b" demo` must reach cargo as one word. Quotes a word for the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'

# The tests in which threads meet, by parts of their names; the rest of `make soak` is the tests that
# are ignored elsewhere.
races = thread wake hub::contexts hub::sharing

# A target is described by what follows the two number signs.
help: ## Lists these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 14

demo: ## Sends a file through five channels: make demo [FILE=path]
	@.ci/packages demo
	@cargo run --release --locked --example journey -- $(if $(FILE),$(call quoted,$(FILE)))

test: ## Runs all tests: unit, integration and documentation; builds the examples
	@.ci/packages test
	@cargo build --locked --examples
	@cargo test --locked

check: ## Looks at format, lints and documentation
	@.ci/packages test
	@cargo fmt --check
	@cargo clippy --locked --all-targets -- -D warnings
	@RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

ci: ## Everything that must pass: check, then test
	@.ci/packages test
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory test

bench: ## Measures what a channel costs beside the bare system calls, and beside its peers
	@.ci/packages demo
	@cargo bench --locked --bench overhead
	@cargo bench --locked --bench peers

docs: ## Makes the documentation in target/doc
	@.ci/packages demo
	@cargo doc --locked --no-deps

soak: ## Runs for ten minutes: races, wakes, random programs, leaks
	@.ci/packages test
	@cargo test --quiet --locked --test qio --no-run
	@for round in 1 2 3 4 5 6 7 8 9 10; do \
		timeout 1m cargo test --quiet --locked --test qio -- $(races) || exit 1; \
	done
	@timeout 10m cargo test --quiet --locked --test qio -- --ignored --test-threads=1

clean: ## Removes what cargo has built
	@cargo clean
