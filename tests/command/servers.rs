//! Listeners, for one client and for many, and how they end.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    accept, connect, connect_unix, listening,
    process::{Running, poll_until, start},
    rest, tcp_server,
};

/// A server on a unix path that serves with this, once it listens.
fn unix_server(options: &[&str], second: &str) -> (Running, PathBuf, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let first = format!("unix-listen:{}", path.display());
    let mut server = start([&["-v"], options, &[&first, second]].concat());
    assert_eq!(
        server.wait_for_log("listening on unix:"),
        path.display().to_string()
    );
    (server, path, directory)
}

#[test]
fn many_clients_are_served_at_once() {
    let (server, path, _directory) = unix_server(&["--fork"], "exec:cat");
    let mut clients: Vec<UnixStream> = (0..20).map(|_| connect_unix(&path)).collect();
    // All are there before any of them served to the end.
    for round in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            let line = format!("client {number} round {round}\n");
            client.write_all(line.as_bytes()).expect("connected");
        }
        for (number, client) in clients.iter_mut().enumerate().rev() {
            let line = format!("client {number} round {round}\n");
            let mut echo = vec![0; line.len()];
            client.read_exact(&mut echo).expect("the echo");
            assert_eq!(String::from_utf8(echo).expect("text"), line);
        }
    }
    for client in clients {
        client.shutdown(Shutdown::Write).expect("connected");
        assert_eq!(rest(client), b"");
    }
    server.signal(Signal::SIGTERM);
    let ended = server.end();
    assert!(ended.status.success(), "{}", ended.errors);
    assert!(ended.errors.contains("bytes there"), "{}", ended.errors);
    assert!(!path.exists());
}

#[test]
fn signals_end_it_cleanly_with_and_without_clients() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        for options in [&["--fork"][..], &[]] {
            let (server, path, _directory) = unix_server(options, "exec:cat");
            server.signal(signal);
            server.success();
            assert!(!path.exists());

            let (mut server, path, _directory) = unix_server(options, "exec:cat");
            let mut client = connect_unix(&path);
            client.write_all(b"x").expect("connected");
            client.read_exact(&mut [0]).expect("the echo");
            server.wait_for_log(": connected");
            server.signal(signal);
            if signal == Signal::SIGTERM && options == ["--fork"] {
                // The first one completes the sessions: see `serving`.
                server.wait_for_log("served to the end");
                server.signal(signal);
            }
            server.success();
            assert!(!path.exists());
            assert_eq!(rest(client), b"");
        }
    }
}

#[test]
fn a_command_ends_with_the_relay() {
    let mut relay = start(["stdio", "exec:sh -c 'echo $$; exec sleep 1000'"]);
    let pid = relay.until("\n");
    relay.signal(Signal::SIGTERM);
    relay.success();
    let stat = Path::new("/proc").join(pid).join("stat");
    // It has been reaped, or is still a zombie.
    let runs = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    poll_until(|| !runs(), || "it still runs".to_owned());
}

#[test]
fn one_client_is_served_and_the_next_one_is_refused() {
    let (server, path, _directory) = unix_server(&[], "exec:cat");
    let mut client = connect_unix(&path);
    client.write_all(b"x").expect("connected");
    client.read_exact(&mut [0]).expect("the echo");
    assert!(UnixStream::connect(&path).is_err());
    assert!(!path.exists());
    drop(client);
    server.success();
}

#[test]
fn what_fails_for_one_client_is_reported_and_the_next_one_is_served() {
    let (listener, address) = tcp_server();
    let mut relay = start(["-v", "--fork", "tcp-listen:127.0.0.1:0", &address]);
    let port = relay.wait_for_log("listening on tcp:");
    let mut first = connect(&port);
    let service = accept(&listener);
    drop(listener);
    let refused = connect(&port);
    let name = refused.local_addr().expect("an address");
    let line = relay.wait_for_log(&format!("qio: tcp:{name}: "));
    let target = address.trim_start_matches("tcp:");
    assert_eq!(
        line,
        format!("Unable to connect to {target}: Connection refused")
    );
    let e = { refused }.read(&mut [0]).expect_err("a reset, and no end");
    assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset);
    // The others are not touched.
    first.write_all(b"still here").expect("connected");
    first.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(rest(&service), b"still here");
    relay.signal(Signal::SIGINT);
    assert!(relay.end().status.success());
}

#[test]
fn a_client_that_resets_does_not_stop_the_server() {
    let (mut server, path, _directory) = unix_server(&["--fork"], "exec:cat");
    for _ in 0..5 {
        let mut client = connect_unix(&path);
        client.write_all(&[b'x'; 100_000]).expect("connected");
        // With an answer in flight that is not read.
        drop(client);
        server.wait_for_log("bytes there");
    }
    let mut client = connect_unix(&path);
    client.write_all(b"y").expect("connected");
    client.read_exact(&mut [0]).expect("the echo");
    server.signal(Signal::SIGINT);
    assert!(server.end().status.success());
}

#[test]
fn the_second_address_may_listen_too() {
    let mut relay = start(["-v", "tcp-listen:127.0.0.1:0", "tcp-listen:127.0.0.1:0"]);
    let mut one = listening(&mut relay);
    let mut other = listening(&mut relay);
    one.write_all(b"there").expect("connected");
    other.write_all(b"back").expect("connected");
    one.shutdown(Shutdown::Write).expect("connected");
    other.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(
        (rest(one), rest(other)),
        (b"back".to_vec(), b"there".to_vec())
    );
    assert!(relay.end().status.success());
}

#[test]
fn a_path_that_a_killed_server_has_left_is_taken_over() {
    let (server, path, _directory) = unix_server(&["--fork"], "exec:cat");
    let first = format!("unix-listen:{}", path.display());
    let taken = start([&first, "exec:cat"]).failure(1);
    assert!(taken.contains(&path.display().to_string()), "{taken}");
    server.signal(Signal::SIGKILL);
    assert!(!server.end().status.success());
    assert!(path.exists());
    let mut server = start(["-v", &first, "exec:cat"]);
    server.wait_for_log("listening on unix:");
    drop(connect_unix(&path));
    assert!(server.end().status.success());
}

#[test]
fn a_port_alone_is_on_all_addresses() {
    let mut relay = start(["-v", "tcp-listen:0", "exec:cat"]);
    let address = relay.wait_for_log("listening on tcp:");
    let (_, port) = address.rsplit_once(':').expect("a port");
    let mut client = connect(&format!("127.0.0.1:{port}"));
    client.write_all(b"x").expect("connected");
    client.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(rest(client), b"x");
    assert!(relay.end().status.success());
}
