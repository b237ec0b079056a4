//! Programs in other languages that use the C library: C, Python, GJS and Vala.
//!
//! The library is that of `.ci/capi`, which builds what is not up to date. `tests/lang` holds the
//! programs; `examples`, `README.md`, `docs/quick-start.md` and `data/docs` those for readers. A
//! test whose package `.ci/packages` left out is skipped; a tool that is missing for another reason
//! fails it, with the name of its package.

#[path = "qio/common/certs.rs"]
#[allow(dead_code)] // the bad ones
mod certs;
#[path = "lang/run.rs"]
mod run;
#[path = "lang/running.rs"]
mod running;
#[path = "lang/screen.rs"]
mod screen;
#[macro_use]
#[path = "qio/common/skip.rs"]
mod skip;

use std::{
    env, fs, hint,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use certs::{Directory, Request};
use run::{
    Binary, Program, TIMEOUT, compile_c, compile_vala, fair_valgrind, folder, gjs, in_root,
    library, python, python_has, valgrind,
};
use screen::Screen;

/// The parts of the journey: each is a separate program in each language.
const PARTS: [&str; 4] = ["journey", "waiting", "subclass", "network"];

/// What else there is in C.
const MORE_IN_C: [&str; 6] = [
    "sockets",
    "forms",
    "tls",
    "tls_class",
    "tls_derived",
    "tls_authorize",
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
fn credentials_of_tls_in_python() {
    needs!("python3-gi", "gobject-introspection");
    python("tests/lang/tls_creds.py").run("credentials: ok");
}

#[test]
fn tls_in_python_also_over_a_python_class() {
    needs!("python3-gi", "gobject-introspection");
    goes_through_tls(python("tests/lang/tls.py"));
}

#[test]
fn tls_in_gjs_also_over_a_gjs_class() {
    needs!("gjs", "gobject-introspection");
    goes_through_tls(gjs("tests/lang/tls.js"));
}

#[test]
fn tls_in_vala_also_over_a_vala_class() {
    needs!("valac", "gobject-introspection");
    let program = compile_vala("tests/lang/tls.vala", &["tests/lang/common.vala"]);
    goes_through_tls(program.command());
}

/// A program that is shown a directory of certificates for both ends: localhost, and alice, a
/// client.
#[track_caller]
fn goes_through_tls(program: Program) {
    let authority = Request::authority("an authority").signed_by_itself();
    let middle = Request::authority("one in the middle").signed_by(&authority);
    let server = Request::server("a server")
        .dns("localhost")
        .signed_by(&middle);
    let client = Request::client("alice").signed_by(&middle);
    let directory = Directory::new();
    directory.write("ca-cert.pem", &authority.pem);
    for (end, cert) in [("server", &server), ("client", &client)] {
        let chain = [cert.pem.as_str(), &middle.pem].concat();
        directory.write(&format!("{end}-cert.pem"), chain);
        directory.write(&format!("{end}-key.pem"), &cert.key);
    }
    program.env("QIO_TEST_PKI", directory.path()).run("tls: ok");
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
fn python_awaits_in_the_event_loop_of_pygobject() {
    needs!("python3-gi", "gobject-introspection");
    if !run::python_runs("import gi.events") {
        return skip::skip("no event loop of PyGObject: it is older than 3.50");
    }
    python("tests/lang/await.py")
        .arg("gi.events")
        .run("await: ok");
}

#[test]
fn the_journey_in_gjs() {
    needs!("gjs", "gobject-introspection");
    for (source, last) in PARTS.map(|name| part(name, "js")) {
        gjs(source).run(&last);
    }
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

#[test]
fn every_function_of_the_seed_header_works_as_there() {
    needs!("valgrind");
    let seed = compile_c("tests/lang/seed.c", &[]);
    seed.run("seed: ok");
    valgrind(&seed).run("seed: ok");
}

#[test]
fn no_function_of_c_crashes_or_hangs_without_a_free_descriptor() {
    needs!("python3-gi");
    python("tests/lang/no_descriptors.py")
        .arg(in_root("data/Qio-1.0.gir"))
        // Some arguments are none that a function takes: that is a critical warning, and no crash.
        .env("G_DEBUG", "")
        .run("no descriptors: ok");
}

#[test]
fn every_function_is_used_in_c() {
    let others = ["seed.c", "dropped.c", "listener.c", "journey.h", "tls.h"]
        .map(|name| format!("tests/lang/{name}"));
    let sources = parts_in_c().map(|(source, _)| source).chain(others);
    let uses: String = sources
        .map(|source| fs::read_to_string(in_root(source)).expect("readable"))
        .collect();
    let unused: Vec<_> = functions_of_the_headers()
        .into_iter()
        .filter(|function| !uses.contains(&format!("{function} (")))
        // Macros call them: QIO_TYPE_CHANNEL, QIO_CHANNEL_ERROR.
        .filter(|function| !function.ends_with("_get_type") && !function.ends_with("_quark"))
        .collect();
    assert!(unused.is_empty(), "{unused:#?}");
}

#[test]
fn the_page_on_porting_names_functions_that_are_there() {
    let page = fs::read_to_string(in_root("data/porting-from-qemu.md")).expect("readable");
    let functions = functions_of_the_headers();
    let mut count = 0;
    for line in page.lines() {
        // The first column is QEMU's.
        let ours = line.strip_prefix('|').and_then(|row| row.split_once('|'));
        let ours = ours.map_or(line, |(_, ours)| ours);
        let words = ours.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for name in words.filter(|word| word.starts_with("qio_")) {
            let is_there = functions.iter().any(|function| function == name);
            assert!(is_there, "{name}");
            count += 1;
        }
    }
    assert!(count > 8, "{count}");
}

#[test]
fn misuse_is_a_critical_warning_and_never_a_crash() {
    needs!("valgrind");
    let misuse = compile_c("tests/lang/misuse.c", &[]);
    misuse.run("misuse: ok");
    valgrind(&misuse).run("misuse: ok");
}

#[test]
fn every_function_is_misused() {
    let misuse = fs::read_to_string(in_root("tests/lang/misuse.c")).expect("readable");
    let forgotten: Vec<_> = functions_of_the_headers()
        .into_iter()
        .filter(|function| !misuse.contains(&format!("{function} (")))
        // Nothing can be wrong with no argument, and with numbers of which each means something.
        .filter(|function| {
            let harmless = [
                "_get_type",
                "_quark",
                "_null_new",
                "_socket_new",
                "_buffer_new",
                "_listener_new",
                "_counter_new",
            ];
            !harmless.iter().any(|end| function.ends_with(end)) && function != "qio_in_coroutine"
        })
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:#?}");
}

fn functions_of_the_headers() -> Vec<String> {
    let mut functions = Vec::new();
    for header in fs::read_dir(in_root("data/include/qio")).expect("readable") {
        let text = fs::read_to_string(header.expect("readable").path()).expect("readable");
        let lines = text
            .lines()
            .filter(|line| !line.starts_with([' ', '#', '/', 't']));
        functions.extend(lines.filter_map(declared_function));
    }
    assert!(functions.len() > 100, "the functions are found");
    functions
}

/// The function that a line declares: `qio_channel_read` for `gssize qio_channel_read (QIOChannel
/// *ioc,`.
fn declared_function(line: &str) -> Option<String> {
    let before = line.split(" (").next()?;
    let start = before.find("qio_")?;
    let name = &before[start..];
    let is_name = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (is_name && line.contains(" (") && !line.starts_with("G_")).then(|| name.to_owned())
}

#[test]
fn the_example_echo_in_c_echoes() {
    echoes(&compile_c("examples/c/echo.c", &[]));
}

#[test]
fn the_example_echo_in_vala_echoes() {
    needs!("valac", "gobject-introspection");
    echoes(&compile_vala("examples/vala/echo.vala", &[]));
}

/// An example that listens on a port of its choice, prints it, and echoes what two clients
/// send.
fn echoes(example: &Binary) {
    let mut server = example.command().start();
    let port = server.line_after("echo: listening on 127.0.0.1:");
    let address = format!("127.0.0.1:{port}");
    let mut clients = [(); 2].map(|()| TcpStream::connect(&address).expect("the server listens"));
    for client in &mut clients {
        client
            .set_read_timeout(Some(run::TIMEOUT))
            .expect("not zero");
        client.write_all(b"hello\n").expect("connected");
    }
    for client in &mut clients {
        let mut echo = [0; 6];
        client.read_exact(&mut echo).expect("the echo");
        assert_eq!(&echo, b"hello\n");
    }
    drop(clients);
    server.stop();
}

#[test]
fn the_example_watch_in_python_shows_what_it_reads() {
    needs!("python3-gi", "gobject-introspection");
    shows_its_input(python("examples/python/watch.py"));
}

#[test]
fn the_example_watch_in_gjs_shows_what_it_reads() {
    needs!("gjs", "gobject-introspection");
    shows_its_input(gjs("examples/gjs/watch.js"));
}

/// An example that connects to an address and prints how much arrives, until the end.
fn shows_its_input(example: Program) {
    let (listener, address) = listen();
    let mut program = example.arg(&address).start();
    let mut peer = program.accept(&listener);
    peer.write_all(b"one line\n").expect("connected");
    assert_eq!(program.line_after("watch: 9 bytes: "), "one line");
    drop(peer);
    program.line_after("watch: end");
    program.finish();
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

#[test]
fn the_example_gtk_monitor_shows_on_the_screen_what_arrives() {
    needs!(
        "gobject-introspection",
        "python3-gi",
        "python3-gi-cairo",
        "gir1.2-gtk-4.0",
        "xvfb"
    );
    // Of its plot: nothing else has it.
    const BLUE: [u8; 3] = [51, 102, 204];
    python_has(
        "import gi; gi.require_version('Gtk', '4.0')",
        "gir1.2-gtk-4.0",
    );
    python_has("import gi; gi.require_foreign('cairo')", "python3-gi-cairo");
    let screen = Screen::start();
    let (listener, address) = listen();
    let mut program = python("examples/python/gtk_monitor.py")
        .arg(&address)
        .env("DISPLAY", screen.display())
        .env("GDK_BACKEND", "x11")
        .env("GSK_RENDERER", "cairo")
        .env("GSETTINGS_BACKEND", "memory")
        .env("GTK_A11Y", "none")
        .start();
    let mut peer = program.accept(&listener);
    screen.wait_until("the window is there", |shot| {
        shot.count(BLUE) == 0 && shot.colors() > 1
    });
    peer.write_all(&[b'q'; 100_000]).expect("connected");
    screen.wait_until("the plot shows it", |shot| shot.count(BLUE) > 0);
    drop(peer);
    assert_eq!(program.line_after("monitor: "), "100.0 kB received");
    screen.shot().save(&folder().join("gtk_monitor.ppm"));
    program.stop();
}

#[test]
fn the_quick_start_runs_in_each_language() {
    needs!("gobject-introspection", "python3-gi", "gjs", "valac");
    let expected = "hello";
    let block = |language| example("docs/quick-start.md", language);
    let file = |name: &str, text: String| -> PathBuf {
        let path = folder().join(name);
        fs::write(&path, text).expect("writable");
        path
    };
    // The documentation tests run those in Rust.
    assert!(block("rust").contains("fn main()"));
    assert!(example("README.md", "rust").contains("fn main()"));
    compile_c(file("readme.c", example("README.md", "c")), &[]).run(expected);
    compile_c(file("quick_start.c", block("c")), &[]).run(expected);
    compile_vala(file("quick_start.vala", block("vala")), &[]).run(expected);
    python(file("quick_start.py", block("python"))).run(expected);
    gjs(file("quick_start.js", block("js"))).run(expected);
}

#[test]
fn the_examples_of_the_guide_run_in_each_language() {
    needs!("gobject-introspection", "python3-gi", "gjs", "valac");
    let pages = fs::read_dir(in_root("data/docs")).expect("a folder of pages");
    let mut count = 0;
    for page in pages {
        let page = page.expect("readable").path();
        let name = page.file_stem().expect("a page").to_string_lossy();
        let expected = match &*name {
            "subclassing" => "HELLO",
            "threads-and-close" => "closed",
            _ => "hello",
        };
        for language in ["c", "python", "js", "vala"] {
            for (i, text) in examples(&page, language).into_iter().enumerate() {
                let file = folder().join(format!("{name}_{i}.{language}"));
                fs::write(&file, text).expect("writable");
                match language {
                    "c" => compile_c(file, &[]).run(expected),
                    "python" => python(file).run(expected),
                    "js" => gjs(file).run(expected),
                    _ => compile_vala(file, &[]).run(expected),
                }
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn the_reference_of_each_language_has_its_signatures() {
    needs!("gobject-introspection", "valac");
    let output = Command::new(in_root(".ci/reference"))
        .arg(library().join("bindings/Qio-1.0.gir"))
        .arg(library().join("qio-1.0.vapi"))
        .arg(folder())
        .output()
        .expect("it runs");
    // It names what a language lacks.
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    for (language, signature) in [
        ("python", "Channel.read_bytes(count: int) -&gt; GLib.Bytes"),
        ("python", "await Channel.close_async("),
        ("python", "Channel.do_io_read_bytes(count: int, "),
        ("gjs", "Channel.read_bytes(count: number): GLib.Bytes"),
        ("gjs", "Channel.vfunc_io_read_bytes(count: number, "),
        ("gjs", "requireCloseNotify: boolean"),
        (
            "vala",
            "GLib.Bytes read_bytes (size_t count) throws GLib.Error",
        ),
        ("vala", "ChannelFile.from_fd (int fd) throws GLib.Error"),
    ] {
        let page = folder().join(language).join("index.html");
        let page = fs::read_to_string(page).expect("written");
        let code = format!("<code>{signature}");
        assert!(page.contains(&code), "{language}: {signature}");
        let links = page.split("href=\"#").skip(1);
        for anchor in links.map(|link| link.split('"').next().expect("not empty")) {
            assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
        }
    }
}

/// The first block of a language in a document.
fn example(document: &str, language: &str) -> String {
    let found = examples(&in_root(document), language).into_iter().next();
    found.unwrap_or_else(|| panic!("{document} has nothing in {language}"))
}

/// The blocks of a language in a document.
fn examples(document: &Path, language: &str) -> Vec<String> {
    let text = fs::read_to_string(document).expect("readable");
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks
        .map(|block| block.split("```").next().expect("not empty").to_owned())
        .collect()
}
