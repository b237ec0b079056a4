//! `qio top`.

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    accept,
    process::{Running, qio, relay},
    skip::skip,
    tcp_server,
};

fn top() -> Command {
    let mut command = Command::new(qio());
    command.arg("top");
    command
}

/// Runs `qio top` to its end, and returns what it prints.
#[track_caller]
fn shown(command: &mut Command) -> String {
    let output = Running::new(command.stdin(Stdio::null())).success();
    String::from_utf8(output).expect("text")
}

#[test]
fn a_command_is_started_and_its_channels_are_shown() {
    let (listener, address) = tcp_server();
    let (shown, is_shown) = mpsc::channel();
    let serve = thread::spawn(move || {
        let mut stream = accept(&listener);
        stream.write_all(&[b'x'; 3000]).expect("sent");
        is_shown.recv().expect("shown");
    });
    let mut running = Running::new(
        top()
            .args(["--json", "--"])
            .arg(qio())
            .args(["relay", &address, "-"])
            .stdin(Stdio::null()),
    );
    running.until("\"bytes-read\":3000,");
    running.signal(Signal::SIGINT);
    running.success();
    shown.send(()).expect("it waits");
    serve.join().expect("no panic");
}

#[test]
fn a_running_process_is_listed_and_shown_by_its_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let (listener, address) = tcp_server();
    let (mut running, mut input) = Running::with_input(
        relay()
            .args([&address, "-"])
            .env("QIO_MONITOR", "listen")
            .env("XDG_RUNTIME_DIR", folder.path()),
    );
    let mut stream = BufReader::new(accept(&listener));
    input.write_all(b"hello\n").expect("sent");
    stream.read_line(&mut String::new()).expect("received");
    let socket = fs::read_dir(folder.path().join("qio-monitor"))
        .expect("listening")
        .next();
    let pid = socket.expect("a socket").expect("readable").file_name();
    let full = fs::File::options().write(true).open("/dev/full");
    let mut list = top();
    let list = list
        .stdout(full.expect("a device"))
        .env("XDG_RUNTIME_DIR", folder.path());
    let output = list.stderr(Stdio::piped()).output().expect("qio");
    let error = String::from_utf8_lossy(&output.stderr);
    let expected = "qio: Unable to write to standard output: No space left on device\n";
    assert_eq!((output.status.code(), &*error), (Some(1), expected));
    let list = shown(top().env("XDG_RUNTIME_DIR", folder.path()));
    assert_eq!(list.trim(), format!("{} qio", pid.display()));
    let table = shown(
        top()
            .arg("--once")
            .arg(&pid)
            .env("XDG_RUNTIME_DIR", folder.path()),
    );
    let mut lines = table.lines();
    let head = format!("process {} qio: ", pid.display());
    assert!(lines.next().expect("a head").starts_with(&head), "{table}");
    assert!(
        lines.next().expect("a head").contains(" CHANNEL "),
        "{table}"
    );
    let sockets = lines.filter(|line| line.contains("Socket") && line.contains(" connected "));
    assert_eq!(sockets.count(), 1, "{table}");
    drop((input, stream));
    running.until("");
    running.success();
}

#[test]
fn a_program_with_privileges_ignores_the_variable() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can change the owner of a file");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let flags = nix::sys::statvfs::statvfs(folder.path()).expect("mounted");
    let ignored = nix::sys::statvfs::FsFlags::ST_NOSUID;
    assert!(
        !flags.flags().contains(ignored),
        "TMPDIR is mounted with nosuid"
    );
    // Any user may listen in it.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("shared");
    let program = folder.path().join("qio");
    fs::copy(qio(), &program).expect("copied");
    chown(&program, Some(65534), None).expect("changed");
    for (mode, listens) in [(0o755, true), (0o4755, false)] {
        fs::set_permissions(&program, Permissions::from_mode(mode)).expect("changed");
        let path = folder.path().join(format!("{mode:o}"));
        let (listener, address) = tcp_server();
        let variable = format!("listen={}", path.display());
        let (_running, _input) = Running::with_input(
            Command::new(&program)
                .args(["relay", &address, "-"])
                .env("QIO_MONITOR", variable),
        );
        let _stream = accept(&listener);
        assert_eq!(path.exists(), listens, "{mode:o}");
    }
}

#[test]
fn what_a_process_sends_does_not_control_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("bound");
    let lines = [
        // JSON permits these as they are, but the last one.
        "{\"program\":\"\u{9b}2J\u{202e}\",\"channels\":[{\"label\":\"\\u001b[2J\"}]}",
        "{\"program\":\"\u{7}\"}",
    ];
    let serve = thread::spawn(move || {
        for line in [lines[0], lines[0], lines[1]] {
            let (mut stream, _) = listener.accept().expect("a client");
            writeln!(stream, "{line}").expect("sent");
        }
    });
    for arguments in [&["--once"][..], &["--once", "--json"]] {
        let text = shown(top().args(arguments).arg(&path));
        let special = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(text.contains("2J") && !text.contains(special), "{text:?}");
    }
    let failed = Running::new(top().arg(&path)).failure(1);
    assert_eq!(failed, "Unable to read a snapshot: unexpected '\\u{7}'");
    serve.join().expect("no panic");
}

#[test]
fn a_process_that_has_not_opted_in_is_an_error_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = || {
        let mut command = top();
        command.env("XDG_RUNTIME_DIR", folder.path());
        command
    };
    let error = Running::new(top().arg("1")).failure(1);
    assert!(error.contains("QIO_MONITOR=listen"), "{error}");
    let error = Running::new(&mut top()).failure(1);
    assert!(error.starts_with("No process listens in "), "{error}");
    let error = Running::new(top().args(["--", "true"])).failure(1);
    assert!(error.contains("ended before it used a channel"), "{error}");
    let error = Running::new(top().args(["--", "/nowhere"])).failure(1);
    assert!(error.starts_with("Unable to start /nowhere: "), "{error}");
    // Nothing is left.
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
}

/// Serves one client.
fn server(serve: impl FnOnce(UnixStream) + Send + 'static) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("bound");
    thread::spawn(move || serve(listener.accept().expect("a client").0));
    (folder, path)
}

#[test]
fn a_process_that_sends_no_snapshot_is_an_error_in_time() {
    let (_silent, path) = server(|mut client| drop(client.read(&mut [0])));
    let silent = Running::new(top().arg(&path));
    let (_endless, path) = server(|mut client| while client.write_all(&[b'['; 65536]).is_ok() {});
    let error = Running::new(top().arg(&path)).failure(1);
    assert!(error.starts_with("Unable to read a snapshot: "), "{error}");
    let (_many, path) = server(|mut client| {
        let values = format!("[{}0]\n", "[],".repeat(5_000_000));
        let _ = client.write_all(values.as_bytes());
    });
    let error = Running::new(top().arg(&path)).failure(1);
    assert_eq!(error, "Unable to read a snapshot: it has too many values");
    let (_binary, path) = server(|mut client| drop(client.write_all(b"\xff\n")));
    let error = Running::new(top().arg(&path)).failure(1);
    assert!(
        error.starts_with("Unable to read a snapshot: invalid utf-8"),
        "{error}"
    );
    let error = silent.failure(1);
    assert_eq!(error, "Unable to read a snapshot: Timed out");
}

#[test]
fn snapshots_that_are_sent_too_often_are_shown_five_times_a_second() {
    let (_folder, path) = server(|mut client| {
        let text = "{\"pid\":7,\"channels\":[],\"warnings\":[]}\n".repeat(1000);
        while client.write_all(text.as_bytes()).is_ok() {}
    });
    let mut running = Running::new(top().arg(&path).stdin(Stdio::null()));
    running.until("process 7 ");
    let begun = Instant::now();
    (0..4).for_each(|_| drop(running.until("process 7 ")));
    assert!(begun.elapsed() > Duration::from_millis(700));
    running.signal(Signal::SIGINT);
    running.success();
}

#[test]
fn the_end_of_what_reads_the_snapshots_is_no_error() {
    let (_folder, path) = server(|mut client| {
        let text = "{\"pid\":7,\"channels\":[],\"warnings\":[]}\n";
        while client.write_all(text.as_bytes()).is_ok() {}
    });
    let mut command = top();
    command.arg("--json").arg(&path).stdin(Stdio::null());
    let mut command = command.stdout(Stdio::piped()).spawn().expect("qio");
    let output = command.stdout.take().expect("a pipe");
    BufReader::new(output)
        .read_line(&mut String::new())
        .expect("a snapshot");
    assert!(command.wait().expect("a child").success());
}
