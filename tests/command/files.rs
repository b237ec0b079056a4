//! Files, descriptors and terminals.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    pattern,
    process::{Running, qio, start, start_with, tool},
    rest,
};

#[test]
fn files_are_sent_and_received() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name| directory.path().join(name).display().to_string();
    let data = pattern(3_000_000);
    fs::write(path("in"), &data).expect("written");
    fs::write(
        path("out"),
        b"something old, which is longer".repeat(200_000),
    )
    .expect("written");

    let (socket, input, out) = (path("socket"), path("in"), path("out"));
    let mut receiver = start([
        "-v",
        &format!("unix-listen:{socket}"),
        &format!("file:{out}"),
    ]);
    receiver.wait_for_log("listening on");
    start([format!("file:{input}"), format!("unix:{socket}")]).success();
    receiver.success();
    assert!(fs::read(&out).expect("written") == data);

    start_with(["-a", "stdio", &format!("file:{out}")], b"more").success();
    assert!(fs::read(&out).expect("written") == [&data[..], b"more"].concat());
    start_with(["stdio", &format!("file:{out}")], b"new").success();
    assert_eq!(fs::read(&out).expect("written"), b"new");
    start([format!("file:{input}"), format!("file:{out}")]).success();
    assert!(fs::read(&out).expect("written") == data);
}

#[test]
fn data_sent_back_to_an_input_file_is_discarded() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("in");
    fs::write(&path, b"question").expect("written");
    let first = format!("file:{}", path.display());
    let mut running = start([&first, "exec:sh -c 'cat; echo answer; echo seen >&2'"]);
    running.wait_for_log("seen");
    assert_eq!(running.success(), b"");
    assert_eq!(fs::read(&path).expect("as it was"), b"question");
}

#[test]
fn a_pipe_with_a_name_waits_for_its_writer() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
    let relay = start([&format!("file:{}", path.display()), "stdio"]);
    fs::write(&path, b"through the pipe").expect("read");
    assert_eq!(relay.success(), b"through the pipe");
}

/// The example, run by a shell that opens descriptors for it.
fn in_shell(redirected: &str, stdin: impl Into<Stdio>, folder: &Path) -> Running {
    let mut command = Command::new("sh");
    let script = format!("cd \"$1\" && exec \"$0\" relay {redirected}");
    command.args(["-c", &script]).arg(qio()).arg(folder);
    Running::new(command.stdin(stdin))
}

#[test]
fn descriptors_that_are_inherited_are_used() {
    let directory = tempfile::tempdir().expect("a directory");
    let folder = directory.path();
    let (mut here, there) = UnixStream::pair().expect("a pair");
    let running = in_shell(
        "fd:7 exec:cat 7<&0 </dev/null",
        OwnedFd::from(there),
        folder,
    );
    here.write_all(b"both ways").expect("connected");
    here.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(rest(&here), b"both ways");
    running.success();

    fs::write(folder.join("in"), b"to be read").expect("written");
    let one_way = in_shell("fd:7 fd:8 7<in 8>out", Stdio::null(), folder);
    assert_eq!(one_way.success(), b"");
    assert_eq!(
        fs::read(folder.join("out")).expect("written"),
        b"to be read"
    );
    let to_output = in_shell("fd:7 stdio 7<in", Stdio::null(), folder);
    assert_eq!(to_output.success(), b"to be read");
}

#[test]
fn a_terminal_shows_how_much_goes_through() {
    needs!("bsdutils");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("listens");
    let run = |options: &str| {
        let line = format!(
            "{} relay {options} file:/dev/zero unix:{}",
            qio().display(),
            path.display()
        );
        let mut script = tool("script", "bsdutils");
        script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        Running::new(script.stdin(Stdio::null()).env("TERM", "xterm"))
    };
    let relayed = |options: &str| {
        let running = run(options);
        let (client, _) = listener.accept().expect("connects");
        (running, client)
    };
    let (mut running, client) = relayed("");
    let reader = std::thread::spawn({
        let mut client = client.try_clone().expect("a descriptor");
        move || while client.read(&mut [0; 65536]).is_ok_and(|count| count > 0) {}
    });
    running.until("1 connection  -> ");
    let sent = running.until("iB/s)  <- ");
    assert!(sent.contains("iB ("), "{sent:?}");
    client.shutdown(Shutdown::Both).expect("connected");
    reader.join().expect("read");
    let shown = running.shown();
    assert!(
        shown.contains("bytes there, 0 bytes back, in ") && shown.contains("qio: Unable"),
        "{shown:?}"
    );

    let (running, client) = relayed("--quiet");
    client.shutdown(Shutdown::Both).expect("connected");
    let shown = running.shown();
    assert!(
        shown.starts_with("qio: ") && !shown.contains("connection"),
        "{shown:?}"
    );
}

impl Running {
    /// What a terminal has shown until the end, which is that of an error.
    #[track_caller]
    fn shown(self) -> String {
        let ended = self.end();
        assert_eq!(ended.status.code(), Some(1));
        String::from_utf8_lossy(&ended.output).into_owned()
    }
}

#[test]
fn nothing_is_shown_without_a_terminal() {
    let ended = start_with(["stdio", "exec:cat"], b"x").end();
    assert_eq!((ended.errors.as_str(), &ended.output[..]), ("", &b"x"[..]));
}
