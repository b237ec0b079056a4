//! The channels of each example, as `qio top` shows them.

use std::{
    io::{self, PipeReader, Write as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use nix::fcntl::{FcntlArg, fcntl};

use crate::{
    example,
    monitored::{Monitored, are_all_examples},
    process::Running,
    web::Certificates,
};

/// An example with arguments, and the folder in which it listens.
fn start(example: &str, arguments: &[&str]) -> (Running, Monitored) {
    let monitored = Monitored::new();
    let mut command = Command::new(self::example(example));
    command
        .args(arguments)
        .envs(monitored.variables())
        .stdin(Stdio::null());
    (Running::new(&mut command), monitored)
}

#[test]
fn the_monitor_of_each_example_is_tested_and_documented() {
    let examples = [
        "chat",
        "coroutine",
        "dbus",
        "echo",
        "gzip",
        "http",
        "https_get",
        "vnc",
        "webchat",
    ];
    are_all_examples("examples", "rs", &examples);
}

#[test]
fn qio_top_shows_the_channels_of_each_example_that_serves() {
    let certificates = Certificates::new();
    let [cert, key] = certificates.files();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (socket, page) = (path("socket"), path(""));
    let directory = certificates.directory();
    let any = "127.0.0.1:0";
    for (example, arguments) in [
        ("chat", &["server", "tcp:127.0.0.1:0", &directory][..]),
        ("dbus", &["serve", &socket]),
        ("http", &["serve", &cert, &key, any]),
        ("vnc", &[any, "unix:/nowhere", &page]),
        ("webchat", &[any]),
    ] {
        let (_running, monitored) = start(example, arguments);
        monitored.shows(&["QIOChannelSocket"]);
    }
}

#[test]
fn qio_top_shows_the_channels_of_a_client_whose_server_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    let (_running, monitored) = start("https_get", &[&address]);
    monitored.shows(&["QIOChannelSocket", "QIOChannelTLS"]);
}

/// An example that waits where it prints its result, as its output is a full pipe.
struct Printing {
    child: Child,
    output: PipeReader,
}

impl Printing {
    fn start(example: &str, arguments: &[&str], monitored: &Monitored) -> Self {
        let (output, mut input) = io::pipe().expect("a pipe");
        let capacity = fcntl(&input, FcntlArg::F_SETPIPE_SZ(4096)).expect("a pipe");
        input
            .write_all(&vec![b'\n'; capacity as usize])
            .expect("space");
        let child = Command::new(self::example(example))
            .args(arguments)
            .envs(monitored.variables())
            .stdin(Stdio::null())
            .stdout(input)
            .spawn()
            .expect("it runs");
        Self { child, output }
    }

    /// Reads the output to its end.
    #[track_caller]
    fn ends_with(mut self, start: &str) {
        let text = io::read_to_string(&self.output).expect("text");
        assert!(text.trim_start().starts_with(start), "{text}");
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn qio_top_shows_the_channels_of_each_example_that_ends_by_itself() {
    for (example, arguments, classes) in [
        ("coroutine", &[][..], &["QIOChannelSocket"][..]),
        ("echo", &["20"], &["QIOChannelSocket"]),
        (
            "gzip",
            &[],
            &["QIOChannelSocket", "QIOChannelTLS", "ExampleGzip"],
        ),
    ] {
        let monitored = Monitored::new();
        let printing = Printing::start(example, arguments, &monitored);
        monitored.shows(classes);
        printing.ends_with(&format!("{example}: ok, "));
    }
}
