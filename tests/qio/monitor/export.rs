//! The socket for other processes.

use std::{
    env, fs,
    io::{BufReader, Read as _},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    thread,
    time::Duration,
};

use qio::{ChannelSocket, Monitor, prelude::*};

use super::{named, observed};
use crate::{
    common::{
        alone::{is_alone, rerun},
        fork::in_child,
        nonblocking_pair,
    },
    skip::skip,
};

/// The next line of a client.
fn line(client: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    client.read_line(&mut line).expect("a snapshot");
    line
}

fn connect(path: &Path) -> BufReader<UnixStream> {
    BufReader::new(UnixStream::connect(path).expect("it listens"))
}

/// Waits for a snapshot with a text.
#[track_caller]
fn wait_for(client: &mut impl std::io::BufRead, text: &str) -> String {
    for _ in 0..30 {
        let line = line(client);
        if line.contains(text) {
            return line;
        }
    }
    panic!("no snapshot has {text}");
}

#[test]
fn a_private_socket_sends_snapshots_as_lines() {
    observed("export::a_private_socket_sends_snapshots_as_lines", |_| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("monitor");
        assert_eq!(Monitor::listen(&*path).expect("listens"), path);
        assert_eq!(Monitor::listen(None).expect("listens"), path);
        Monitor::listen(Path::new("/another")).expect_err("one path");
        let found = fs::metadata(&path).expect("a socket");
        assert_eq!(found.mode() & 0o7777, 0o600);
        let (here, there) = nonblocking_pair();
        named(&here, "\x1b]0;title\x07\u{202e}\"");
        here.write_all(b"hello").expect("written");
        let mut client = connect(&path);
        let first = line(&mut client);
        assert!(
            first.starts_with(&format!("{{\"pid\":{},", std::process::id())),
            "{first}"
        );
        assert!(first.ends_with("}\n") && !first.trim_end().contains(char::is_control));
        assert!(
            first.contains("\\u001b]0;title\\u0007\\u202e\\\""),
            "{first}"
        );
        assert!(first.contains("\"bytes-written\":5,"), "{first}");
        there.close().expect("closed");
        let text = "closed with 5 bytes of input";
        wait_for(&mut client, text);
        // Once for each client, and for one that connects later.
        assert!(!line(&mut client).contains(text));
        assert!(line(&mut connect(&path)).contains(text));
    });
}

#[test]
fn snapshots_are_sent_while_a_call_blocks_the_main_loop() {
    observed(
        "export::snapshots_are_sent_while_a_call_blocks_the_main_loop",
        |context| {
            let folder = tempfile::tempdir().expect("a folder");
            let path = Monitor::listen(&*folder.path().join("monitor")).expect("listens");
            let (here, there) = ChannelSocket::pair().expect("a pair");
            let writer = thread::spawn(move || {
                let mut client = connect(&path);
                // Some channel has been blocking for some time.
                let is_blocked = |line: &str| {
                    let mut values = line.split("\"blocked\":").skip(1);
                    values.any(|value| !value.starts_with('0'))
                };
                while !is_blocked(&line(&mut client)) {}
                there.write_all(b"x").expect("written");
            });
            let reader = here.clone();
            context.block_on(async move { reader.read(&mut [0]).expect("read") });
            writer.join().expect("no panic");
        },
    );
}

#[test]
fn the_environment_chooses_a_path_that_other_programs_find() {
    const NAME: &str = "monitor::export::the_environment_chooses_a_path_that_other_programs_find";
    if !is_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let private = folder.path().join("qio-monitor");
        fs::create_dir(&private).expect("created");
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).expect("private");
        // Of a process that has exited.
        drop(UnixListener::bind(private.join("1")).expect("bound"));
        let output = rerun(NAME, |command| {
            command
                .env("QIO_MONITOR", "listen")
                .env("XDG_RUNTIME_DIR", folder.path())
        });
        let errors = String::from_utf8_lossy(&output.stderr);
        return assert!(output.status.success(), "{errors}");
    }
    let (here, _there) = nonblocking_pair();
    named(&here, "here");
    let folder = Path::new(&env::var("XDG_RUNTIME_DIR").expect("set")).join("qio-monitor");
    let path = folder.join(std::process::id().to_string());
    assert!(line(&mut connect(&path)).contains("\"name\":\"here\""));
    assert!(!folder.join("1").exists());
    // The child of a fork does not listen, and keeps no connection open.
    in_child(|| {
        assert!(here.write(b"x").is_ok());
        thread::sleep(Duration::from_millis(10));
    });
}

#[test]
fn a_folder_that_is_not_private_is_an_error() {
    const NAME: &str = "monitor::export::a_folder_that_is_not_private_is_an_error";
    if !is_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let shared = folder.path().join("qio-monitor");
        fs::create_dir(&shared).expect("created");
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).expect("shared");
        let output = rerun(NAME, |command| {
            command.env("XDG_RUNTIME_DIR", folder.path())
        });
        let errors = String::from_utf8_lossy(&output.stderr);
        return assert!(output.status.success(), "{errors}");
    }
    let error = Monitor::listen(None).expect_err("a shared folder");
    assert!(error.to_string().contains("not private"), "{error}");
    let empty = Monitor::listen(Path::new("")).expect_err("no abstract address");
    assert_eq!(empty.to_string(), "Unable to listen on an empty path");
    let nowhere = Monitor::listen(Path::new("/nowhere/monitor")).expect_err("no folder");
    let text = "Unable to listen on /nowhere/monitor: No such file or directory";
    assert!(nowhere.to_string().starts_with(text), "{nowhere}");
}

#[test]
fn processes_of_other_users_get_nothing() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root gives files away");
    }
    observed("export::processes_of_other_users_get_nothing", |_| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Monitor::listen(&*folder.path().join("monitor")).expect("listens");
        // Even if the user has shared the socket.
        for (path, mode) in [(folder.path(), 0o755), (&path, 0o666)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("shared");
        }
        in_child(|| {
            nix::unistd::setuid(nix::unistd::Uid::from_raw(65534)).expect("another user");
            let mut got = Vec::new();
            let mut stream = UnixStream::connect(&path).expect("connected");
            stream.read_to_end(&mut got).expect("the end");
            assert_eq!(got, b"");
        });
        assert!(line(&mut connect(&path)).contains("\"channels\""));
    });
}
