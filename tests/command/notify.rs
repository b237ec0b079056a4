//! What the service manager is notified of.

use std::{
    io::Write,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    process::{self as std_process, Command},
};

use nix::sys::signal::Signal;

use crate::{
    connect_unix,
    pki::Pki,
    process::{Running, TIMEOUT, relay, tool},
};

/// The socket of a service manager, and the directory that it is in.
fn manager() -> (UnixDatagram, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a directory");
    let manager = UnixDatagram::bind(folder.path().join("notify")).expect("bound");
    manager.set_read_timeout(Some(TIMEOUT)).expect("not zero");
    (manager, folder)
}

/// A server at `socket` in a folder, which notifies `notify` there.
fn service(folder: &Path, options: &[String]) -> Command {
    let mut command = relay();
    command
        .args(["-v", "--fork"])
        .args(options)
        .arg(format!("unix-listen:{}/socket", folder.display()))
        .arg("exec:cat")
        .env("NOTIFY_SOCKET", folder.join("notify"));
    command
}

/// The next notification.
#[track_caller]
fn next(manager: &UnixDatagram) -> String {
    let mut state = [0; 4096];
    let length = manager.recv(&mut state).expect("a notification");
    let state = std::str::from_utf8(&state[..length]).expect("text");
    for line in state.lines() {
        assert!(line.contains('='), "{state:?}");
    }
    state.to_owned()
}

fn assert_starts(state: &str, with: &str) {
    assert!(state.starts_with(with), "{state:?}");
}

#[test]
fn ready_is_notified_while_listening_and_stopping_at_the_end() {
    let (manager, folder) = manager();
    let server = Running::new(&mut service(folder.path(), &[]));
    assert_starts(&next(&manager), "READY=1\n");
    let mut client = connect_unix(&folder.path().join("socket"));
    client.write_all(b"x").expect("connected");
    assert_eq!(next(&manager), "STATUS=Serving 1 client");
    server.signal(Signal::SIGTERM);
    assert_eq!(
        next(&manager),
        "STOPPING=1\nSTATUS=Completing the sessions of 1 client"
    );
    drop(client);
    server.success();
}

#[test]
fn a_socket_in_the_abstract_namespace_is_notified_also_without_fork() {
    let name = format!("qio-test-notify-{}", std_process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let manager = UnixDatagram::bind_addr(&address).expect("bound");
    manager.set_read_timeout(Some(TIMEOUT)).expect("not zero");
    let mut command = relay();
    let command = command.args(["tcp-listen:127.0.0.1:0", "exec:cat"]);
    let server = Running::new(command.env("NOTIFY_SOCKET", format!("@{name}")));
    assert_starts(&next(&manager), "READY=1\n");
    server.signal(Signal::SIGTERM);
    assert_starts(&next(&manager), "STOPPING=1\n");
    server.success();
}

#[test]
fn reloading_is_notified_with_the_time_and_ready_after_it() {
    let pki = Pki::new();
    let (manager, folder) = manager();
    for options in [vec![], vec![pki.directory()]] {
        let mut command = relay();
        command.args(["-v", "--fork"]).args(&options);
        let first = match options.is_empty() {
            true => "tcp-listen:127.0.0.1:0",
            false => "tls-listen:127.0.0.1:0",
        };
        command.env("NOTIFY_SOCKET", folder.path().join("notify"));
        let server = Running::new(command.args([first, "exec:cat"]));
        assert_starts(&next(&manager), "READY=1\n");
        let before = glib::monotonic_time();
        server.signal(Signal::SIGHUP);
        let reloading = next(&manager);
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let time: i64 = time.and_then(|it| it.parse().ok()).expect("a time");
        assert!((before..=glib::monotonic_time()).contains(&time));
        assert_starts(&next(&manager), "READY=1\n");
        server.signal(Signal::SIGTERM);
        assert_starts(&next(&manager), "STOPPING=1\n");
        server.success();
    }
}

#[test]
fn the_watchdog_is_notified_in_time_by_the_process_that_it_is_for() {
    let (manager, folder) = manager();
    for threads in ["--threads=1", "--threads=2"] {
        let mut command = service(folder.path(), &[threads.to_owned()]);
        let server = Running::new(command.env("WATCHDOG_USEC", "200000"));
        assert_starts(&next(&manager), "READY=1\n");
        for _ in 0..3 {
            assert_eq!(next(&manager), "WATCHDOG=1");
        }
        server.signal(Signal::SIGINT);
        server.success();
        while !next(&manager).starts_with("STOPPING=1\n") {}
    }
    let mut command = service(folder.path(), &[]);
    let command = command.env("WATCHDOG_USEC", "2000");
    let server = Running::new(command.env("WATCHDOG_PID", "1"));
    assert_starts(&next(&manager), "READY=1\n");
    let _client = connect_unix(&folder.path().join("socket"));
    // A second later there was none.
    assert_eq!(next(&manager), "STATUS=Serving 1 client");
    server.signal(Signal::SIGINT);
    server.success();
}

#[test]
fn an_end_with_a_deadline_extends_the_timeout_of_the_service_manager() {
    let (manager, folder) = manager();
    let option = "--drain-timeout=100".to_owned();
    let server = Running::new(&mut service(folder.path(), &[option]));
    assert_starts(&next(&manager), "READY=1\n");
    server.signal(Signal::SIGTERM);
    let state = next(&manager);
    assert!(
        state.ends_with("\nEXTEND_TIMEOUT_USEC=105000000"),
        "{state}"
    );
    server.success();
}

#[test]
fn a_service_manager_that_is_not_there_is_an_error_in_the_log_alone() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut server = Running::new(&mut service(folder.path(), &[]));
    let line = server.wait_for_log("Unable to notify the service manager: ");
    assert_eq!(line, "No such file or directory");
    server.wait_for_log("listening on ");
    server.signal(Signal::SIGTERM);
    server.success();
}

/// The units of `data/systemd`, with the path of the command.
fn units(folder: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/systemd");
    for entry in std::fs::read_dir(&source).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_file() {
            let text = std::fs::read_to_string(&path).expect("text");
            let text = text.replace("/usr/bin/qio", &crate::process::qio().display().to_string());
            std::fs::write(folder.join(path.file_name().expect("a file")), text).expect("written");
        }
    }
    let drop_in = folder.join("qio-relay@.service.d");
    std::fs::create_dir(&drop_in).expect("created");
    std::fs::copy(
        source.join("qio-relay@.service.d/hardening.conf"),
        drop_in.join("hardening.conf"),
    )
    .expect("copied");
}

/// Runs `systemd-analyze`, which must succeed.
#[track_caller]
fn analyze(folder: &Path, arguments: &[&str]) -> String {
    let mut command = tool("systemd-analyze", "systemd");
    let command = command.args(arguments).current_dir(folder);
    let output = command
        .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.display()))
        .output();
    let output = output.expect("systemd-analyze");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

#[test]
fn the_units_are_verified_and_the_profile_restricts_the_service() {
    needs!("systemd");
    let folder = tempfile::tempdir().expect("a directory");
    units(folder.path());
    for unit in ["qio-relay@example.service", "qio-relay@example.socket"] {
        let text = analyze(folder.path(), &["verify", "--man=no", &format!("./{unit}")]);
        assert!(!text.contains("qio"), "{text}");
    }
    // As systemd-analyze rates it: from 0.0, safe, to 10.0.
    let options = ["security", "--offline=true", "--threshold=20"];
    let unit = ["./qio-relay@.service"];
    analyze(folder.path(), &[&options[..], &unit].concat());
}
