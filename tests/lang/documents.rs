//! The examples, and the code and the references in documents.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    certs::{Directory, Request},
    run::{
        Binary, Program, TIMEOUT, compile_c, compile_c_with, compile_vala, folder, gjs, in_root,
        library, python, python_has, tool,
    },
    screen::Screen,
};

#[test]
fn the_example_echo_in_c_echoes() {
    echoes(&compile_c("examples/c/echo.c", &[]));
}

#[test]
fn the_example_echo_in_vala_echoes() {
    needs!("valac", "gobject-introspection");
    echoes(&compile_vala("examples/vala/echo.vala", &[]));
}

#[test]
fn the_example_soup_in_c_serves_http_with_and_without_tls() {
    needs!("libsoup-3.0-dev", "curl");
    let example = compile_c_with("examples/c/soup.c", &[], &["libsoup-3.0"]);
    let authority = Request::authority("an authority").signed_by_itself();
    let server = Request::server("a server").dns("localhost");
    let directory = Directory::of_server(&authority.pem, &server.signed_by(&authority));
    let file = |name| directory.file(name);
    for scheme in ["http", "https"] {
        let mut command = example.command();
        if scheme == "https" {
            let files = ["server-cert.pem", "server-key.pem"].map(file);
            command = files.iter().fold(command, |command, it| command.arg(it));
        }
        let mut server = command.start();
        let port = server.line_after("soup: listening on port ");
        let output = Command::new(tool("curl", "curl"))
            .args([
                "--silent",
                "--show-error",
                "--noproxy",
                "*",
                "--max-time",
                "60",
            ])
            .arg("--cacert")
            .arg(file("ca-cert.pem"))
            .arg(format!("{scheme}://localhost:{port}/"))
            .output()
            .expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.stdout == b"hello\n", "{scheme}: {errors}");
        server.stop();
    }
}

#[test]
fn the_guide_has_the_example_soup() {
    let text = fs::read_to_string(in_root("examples/c/soup.c")).expect("readable");
    let page = examples(&in_root("data/docs/gio-streams.md"), "c");
    assert!(page.contains(&text));
}

/// An example that listens on a port of its choice, prints it, and echoes what two clients
/// send.
fn echoes(example: &Binary) {
    let mut server = example.command().start();
    let port = server.line_after("echo: listening on 127.0.0.1:");
    let address = format!("127.0.0.1:{port}");
    let mut clients = [(); 2].map(|()| TcpStream::connect(&address).expect("the server listens"));
    for client in &mut clients {
        client.set_read_timeout(Some(TIMEOUT)).expect("not zero");
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

pub(crate) fn listen() -> (TcpListener, String) {
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
    python_has("import gi; gi.require_foreign('cairo')", "python3-gi-cairo");
    let screen = Screen::start();
    let (listener, address) = listen();
    let mut program = gtk_monitor(&screen).arg(&address).start();
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

/// The example on a screen.
pub(crate) fn gtk_monitor(screen: &Screen) -> Program {
    python_has(
        "import gi; gi.require_version('Gtk', '4.0')",
        "gir1.2-gtk-4.0",
    );
    python("examples/python/gtk_monitor.py")
        .env("DISPLAY", screen.display())
        .env("GDK_BACKEND", "x11")
        .env("GSK_RENDERER", "cairo")
        .env("GSETTINGS_BACKEND", "memory")
        .env("GTK_A11Y", "none")
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
            let examples = examples(&page, language).into_iter();
            // The example `soup` serves until it is stopped: it has its own test.
            let examples = examples.filter(|text| !text.contains("libsoup"));
            for (i, text) in examples.enumerate() {
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
