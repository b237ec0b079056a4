//! Programs in other languages that use the C library: C, Python, GJS and Vala.
//!
//! The library is that of `.ci/capi`, which builds what is not up to date. `tests/lang` holds the
//! programs; `examples`, `README.md`, `docs/quick-start.md` and `data/docs` those for readers. A
//! test whose package `.ci/packages` left out is skipped; a tool that is missing for another reason
//! fails it, with the name of its package.

#[macro_use]
#[path = "qio/common/skip.rs"]
mod skip;
#[path = "qio/common/certs.rs"]
#[allow(dead_code)] // the bad ones
mod certs;
#[path = "lang/chat.rs"]
mod chat;
#[path = "lang/coverage.rs"]
mod coverage;
#[path = "lang/documents.rs"]
mod documents;
#[path = "lang/inspector.rs"]
mod inspector;
#[path = "lang/monitor.rs"]
mod monitor;
#[path = "examples/monitored.rs"]
mod monitored;
#[path = "lang/run.rs"]
mod run;
#[path = "lang/running.rs"]
mod running;
#[path = "lang/screen.rs"]
mod screen;
#[path = "lang/stubs.rs"]
mod stubs;
#[path = "lang/tls.rs"]
mod tls;

use std::{
    env, hint,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use run::{Program, TIMEOUT, compile_c, compile_vala, fair_valgrind, gjs, python, valgrind};
use tls::run_with_certificates;

/// The parts of the journey: each is a separate program in each language.
const PARTS: [&str; 6] = [
    "journey",
    "waiting",
    "subclass",
    "network",
    "streams",
    "gio_streams",
];

/// What else there is in C.
const MORE_IN_C: [&str; 10] = [
    "filter",
    "serving",
    "sockets",
    "forms",
    "tls",
    "tls_class",
    "tls_derived",
    "tls_authorize",
    "websock",
    "monitor",
];

/// The source of a part, and the last line that the program prints.
fn part(part: &str, language: &str) -> (String, String) {
    (
        format!("tests/lang/{part}.{language}"),
        format!("{part}: ok"),
    )
}

fn parts_in_c() -> impl Iterator<Item = (String, String)> {
    [PARTS.as_slice(), &MORE_IN_C]
        .concat()
        .into_iter()
        .map(|name| part(name, "c"))
}

#[test]
fn the_journey_in_c() {
    needs!("openssl", "glib-networking");
    for (source, last) in parts_in_c() {
        compile_c(source, &[]).run(&last);
    }
}

#[test]
fn the_journey_in_c_in_a_storm_of_signals_has_no_failed_operation() {
    needs!("openssl", "glib-networking");
    for (source, last) in parts_in_c() {
        // It counts the iterations of the loop, and each signal causes one.
        if last == "tls_authorize: ok" {
            continue;
        }
        compile_c(source, &["-include", "tests/lang/storm.h"]).run(&last);
    }
}

#[test]
fn the_journey_in_c_leaks_nothing() {
    needs!("valgrind", "openssl", "glib-networking");
    for (source, last) in parts_in_c() {
        valgrind(&compile_c(source, &[])).run(&last);
    }
}

#[test]
fn the_journey_in_c_has_no_memory_errors() {
    needs!("openssl", "glib-networking");
    let sanitizer = ["-fsanitize=address", "-fno-omit-frame-pointer"];
    if !run::links_with(&sanitizer) {
        // Valgrind above checks the same.
        return skip::skip("the C compiler has no AddressSanitizer");
    }
    for (source, last) in parts_in_c() {
        compile_c(source, &sanitizer)
            .command()
            // What is leaked is for valgrind to find, which also works inside of containers.
            .env("ASAN_OPTIONS", "detect_leaks=0")
            .run(&last);
    }
}

#[test]
fn closing_a_channel_of_a_class_with_its_own_source_wakes_waiters() {
    let program = compile_c("tests/lang/own_source.c", &[]);
    program.run("own_source: ok");
    valgrind(&program).run("own_source: ok");
}

#[test]
fn descriptor_ownership_is_transferred_on_success_and_memory_has_any_type() {
    compile_c("tests/lang/ownership.c", &[]).run("ownership: ok");
}

#[test]
fn system_errors_have_the_text_of_the_system_in_the_language_of_the_user() {
    let program = compile_c("tests/lang/messages.c", &[]);
    program
        .command()
        .env("LC_ALL", "C")
        .run("messages: ok: Bad file descriptor");
    if !std::path::Path::new("/usr/share/locale/de/LC_MESSAGES/libc.mo").exists() {
        return skip::skip("the C library has no German");
    }
    program
        .command()
        .env("LC_ALL", "C.UTF-8")
        .env("LANGUAGE", "de")
        .run("messages: ok: Ungültiger Dateideskriptor");
}

#[test]
fn coroutines_in_c_are_unwound_when_their_context_is_destroyed() {
    compile_c("tests/lang/dropped.c", &[]).run("dropped: ok");
}

/// Contexts that are torn down while threads close the channels that wait in them, for some
/// seconds.
fn teardown(command: Program, seconds: &str) {
    command
        .arg(seconds)
        // Freed memory is overwritten, so that a use after free crashes.
        .env("MALLOC_PERTURB_", "165")
        .run("teardown: ok");
}

#[test]
fn contexts_are_destroyed_while_threads_close_channels_that_wait_in_them() {
    teardown(compile_c("tests/lang/teardown.c", &[]).command(), "3");
}

#[test]
fn context_teardown_with_concurrent_threads_has_no_use_after_free() {
    let program = compile_c("tests/lang/teardown.c", &[]);
    teardown(fair_valgrind(&program), "6");
}

/// What `make soak` sets, or what it is otherwise.
fn setting(name: &str, otherwise: u32) -> u32 {
    match env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name}={value}")),
        Err(_) => otherwise,
    }
}

#[test]
#[ignore = "takes two minutes: `make soak`"]
fn contexts_are_destroyed_while_threads_close_channels_that_wait_in_them_on_a_busy_machine() {
    let program = compile_c("tests/lang/teardown.c", &[]);
    let seconds = setting("SOAK_SECONDS", 60).to_string();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        let runs = scope.spawn(|| {
            for run in 1..=setting("SOAK_RUNS", 1) {
                for command in [program.command(), fair_valgrind(&program)] {
                    teardown(command.limit(TIMEOUT * 3), &seconds);
                }
                eprintln!("teardown: run {run} ok");
            }
        });
        let ended = runs.join();
        is_over.store(true, Ordering::Relaxed);
        ended.expect("each run is right");
    });
}

#[test]
fn sockets_of_every_kind_in_python() {
    needs!("python3-gi", "gobject-introspection");
    python("tests/lang/sockets.py").run("sockets: ok");
}

#[test]
fn the_list_of_channels_and_its_warnings_in_python() {
    needs!("python3-gi", "gobject-introspection");
    python("tests/lang/monitor.py").run("monitor: ok");
}

#[test]
fn websockets_in_python() {
    needs!("python3-gi", "gobject-introspection");
    python("tests/lang/websock.py").run("websock: ok");
}

#[test]
fn websockets_in_gjs() {
    needs!("gjs", "gobject-introspection");
    gjs("tests/lang/websock.js").run("websock: ok");
}

#[test]
fn websockets_in_vala() {
    needs!("valac", "gobject-introspection");
    compile_vala("tests/lang/websock.vala", &["tests/lang/common.vala"]).run("websock: ok");
}

#[test]
fn libsoup_serves_http_and_has_websockets_over_tls_channels_in_c() {
    needs!("libsoup-3.0-dev", "valgrind");
    let program = run::compile_c_with("tests/lang/soup.c", &[], &["libsoup-3.0"]);
    program.run("soup: ok");
    valgrind(&program).run("soup: ok");
}

#[test]
fn libsoup_serves_http_and_has_websockets_over_tls_channels_in_python() {
    needs!("python3-gi", "gobject-introspection", "gir1.2-soup-3.0");
    python("tests/lang/soup.py").run("soup: ok");
}

#[test]
fn libsoup_has_websockets_over_tls_channels_in_gjs() {
    needs!("gjs", "gobject-introspection", "gir1.2-soup-3.0");
    gjs("tests/lang/soup.js").run("soup: ok");
}

#[test]
fn libsoup_has_websockets_over_tls_channels_in_vala() {
    needs!("valac", "gobject-introspection", "libsoup-3.0-dev");
    let options = ["--pkg=libsoup-3.0"];
    run::compile_vala_with("tests/lang/soup.vala", &[], &options).run("soup: ok");
}

#[test]
fn calls_from_c_allocate_nothing() {
    compile_c("tests/lang/allocations.c", &[]).run("allocations: ok");
}

#[test]
fn the_journey_in_python() {
    needs!("python3-gi", "gobject-introspection");
    for (source, last) in PARTS.map(|name| part(name, "py")) {
        python(source).run(&last);
    }
}

#[test]
fn python_exits_while_other_threads_execute_its_code() {
    needs!("python3-gi", "gobject-introspection");
    for thread in [
        "call",
        "reference",
        "late",
        "close",
        "class",
        "watch",
        "pool",
        "callback",
    ] {
        python("tests/lang/exit.py").arg(thread).run("exit: ok");
    }
}

#[test]
fn python_has_context_managers_bytes_and_any_exception() {
    needs!("python3-gi", "gobject-introspection");
    python("tests/lang/overrides.py").run("overrides: ok");
}

#[test]
fn python_awaits_on_the_main_context_and_under_asyncio() {
    needs!("python3-gi", "gobject-introspection");
    python("tests/lang/await.py").run("await: ok");
}

#[test]
fn python_sleeps_gathers_limits_the_time_and_exits() {
    needs!("python3-gi", "gobject-introspection");
    python("tests/lang/tasks.py").run("tasks: ok");
}

#[test]
fn asyncio_runs_the_main_context_with_timeouts_groups_processes_and_signals() {
    needs!("python3-gi", "gobject-introspection");
    python("tests/lang/event_loop.py").run("event loop: ok");
}

#[test]
fn channels_are_streams_of_asyncio_with_flow_control_and_tls() {
    needs!("python3-gi", "gobject-introspection");
    let program = python("tests/lang/asyncio_streams.py");
    run_with_certificates(program, "asyncio streams: ok");
}

#[test]
fn channels_are_transports_of_asyncio_with_buffered_protocols_and_starttls() {
    needs!("python3-gi", "gobject-introspection");
    let program = python("tests/lang/asyncio_transports.py");
    run_with_certificates(program, "asyncio transports: ok");
}

#[test]
fn the_journey_in_gjs() {
    needs!("gjs", "gobject-introspection");
    for (source, last) in PARTS.map(|name| part(name, "js")) {
        gjs(source).run(&last);
    }
}

#[test]
fn gjs_has_promises_of_all_asynchronous_methods_and_iteration() {
    needs!("gjs", "gobject-introspection");
    gjs("tests/lang/promises.js").run("promises: ok");
}

#[test]
fn the_journey_in_vala() {
    needs!("valac", "gobject-introspection");
    for (source, last) in PARTS.map(|name| part(name, "vala")) {
        compile_vala(source, &["tests/lang/common.vala"]).run(&last);
    }
}

#[test]
fn a_listener_accepts_in_every_language() {
    needs!(
        "gobject-introspection",
        "valgrind",
        "python3-gi",
        "gjs",
        "valac"
    );
    let listener = compile_c("tests/lang/listener.c", &[]);
    listener.run("listener: ok");
    valgrind(&listener).run("listener: ok");
    python("tests/lang/listener.py").run("listener: ok");
    gjs("tests/lang/listener.js").run("listener: ok");
    compile_vala("tests/lang/listener.vala", &[]).run("listener: ok");
}
