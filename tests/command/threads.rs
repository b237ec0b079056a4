//! Clients that are served in several threads.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    connect_unix, pattern,
    pki::Pki,
    process::{self, Running, start, start_with, usage_error},
    rest,
    tls::{held, server, stop},
};

/// A server with threads, which serves with `second`.
fn unix_server(options: &[&str], folder: &Path, second: &str) -> (Running, PathBuf) {
    let path = folder.join("socket");
    let first = format!("unix-listen:{}", path.display());
    let mut server = start([&["-v", "--fork"], options, &[&first, second]].concat());
    server.wait_for_log("listening on unix:");
    (server, path)
}

fn echo_of(client: &mut UnixStream) {
    client.write_all(b"x").expect("connected");
    let mut echo = [0];
    client.read_exact(&mut echo).expect("the echo");
    assert_eq!(&echo, b"x");
}

/// The names of the threads of a process that serve clients.
fn workers(server: &Running) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
    tasks
        .filter(|task| {
            let path = task.as_ref().expect("readable").path().join("comm");
            fs::read_to_string(path).is_ok_and(|name| name.starts_with("qio-pool-"))
        })
        .count()
}

#[test]
fn clients_are_served_in_as_many_threads_as_requested() {
    let folder = tempfile::tempdir().expect("a directory");
    for (option, expected) in [("--threads=3", 3), ("--threads=1", 0)] {
        let (mut server, path) = unix_server(&[option], folder.path(), "exec:cat");
        echo_of(&mut connect_unix(&path));
        // A thread that they start has their name at first.
        process::poll_until(
            || workers(&server) == expected,
            || format!("{} threads", workers(&server)),
        );
        let data = pattern(1_000_000);
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    let client = connect_unix(&path);
                    let mut writer = &client;
                    thread::scope(|scope| {
                        scope.spawn(|| {
                            writer.write_all(&data).expect("connected");
                            client.shutdown(Shutdown::Write).expect("connected");
                        });
                        assert!(rest(&client) == data);
                    });
                });
            }
        });
        server.signal(Signal::SIGTERM);
        // That of all threads.
        server.wait_for_log("qio: 12000001 bytes there, 12000001 bytes back, in ");
        server.success();
    }
}

#[test]
fn tls_clients_of_threads_survive_a_reload_and_a_drain() {
    let (pki, new) = (Pki::new(), Pki::new());
    let options = [pki.directory(), "--threads=2".to_owned()];
    let (mut server, address) = server(&options, "tls-listen:127.0.0.1:0", "exec:cat");
    let ca = pki.option("ca", "ca-cert.pem");
    let kept = pki.file("kept.pem");
    fs::copy(pki.file("ca-cert.pem"), &kept).expect("copied");
    let kept = format!("--tls-ca={kept}");
    let mut clients: Vec<_> = (0..4)
        .map(|_| held(process::relay().args([&kept, "stdio", &address])))
        .collect();
    let mut echo = |text: &str| {
        for (client, input) in &mut clients {
            input.write_all(text.as_bytes()).expect("connected");
            client.until(text);
        }
    };
    echo("before");
    for name in ["ca-cert.pem", "server-cert.pem", "server-key.pem"] {
        fs::copy(new.file(name), pki.file(name)).expect("copied");
    }
    server.signal(Signal::SIGHUP);
    server.wait_for_log("were read again");
    echo("after");
    assert_eq!(
        start_with([&ca, "stdio", &address], b"new").success(),
        b"new"
    );
    server.wait_for_log("3 bytes there, 3 bytes back, in ");
    start([&kept, "stdio", &address]).failure(1);
    server.wait_for_log("Unable to perform the TLS handshake");

    server.signal(Signal::SIGTERM);
    server.wait_for_log("4 clients are served to the end");
    let tcp = address.trim_start_matches("tls:tcp:");
    TcpStream::connect(tcp).expect_err("no more");
    echo("while draining");
    for (client, input) in clients {
        drop(input);
        client.success();
    }
    server.success();
}

#[test]
fn sessions_in_threads_are_cancelled_by_sigint_and_a_second_sigterm() {
    let folder = tempfile::tempdir().expect("a directory");
    for signals in [&[Signal::SIGINT][..], &[Signal::SIGTERM, Signal::SIGTERM]] {
        let (mut server, path) = unix_server(&["--threads=2"], folder.path(), "exec:cat");
        let mut clients: Vec<_> = (0..5).map(|_| connect_unix(&path)).collect();
        clients.iter_mut().for_each(echo_of);
        for (number, signal) in signals.iter().enumerate() {
            server.signal(*signal);
            if number + 1 < signals.len() {
                server.wait_for_log("5 clients are served to the end");
            }
        }
        server.success();
        for client in clients {
            assert_eq!(rest(client), b"");
        }
    }
}

#[test]
fn the_maximum_of_clients_is_that_of_all_threads() {
    let folder = tempfile::tempdir().expect("a directory");
    let options = ["--threads=2", "--max-clients=2"];
    let (server, path) = unix_server(&options, folder.path(), "exec:cat");
    let mut clients: Vec<_> = (0..2).map(|_| connect_unix(&path)).collect();
    clients.iter_mut().for_each(echo_of);
    let mut third = connect_unix(&path);
    third.write_all(b"y").expect("it waits");
    let limit = Some(Duration::from_millis(200));
    third.set_read_timeout(limit).expect("set");
    third.read(&mut [0]).expect_err("it is not served");
    clients.pop();
    third.set_read_timeout(Some(process::TIMEOUT)).expect("set");
    third.read_exact(&mut [0]).expect("now it is");
    drop((clients, third));
    stop(server);
}

#[test]
fn options_for_many_clients_are_errors_without_fork() {
    for option in ["--threads=2", "--drain-timeout=1"] {
        let name = option.split('=').next().expect("a name");
        let message = usage_error([option, "tcp-listen:0", "exec:cat"]);
        assert_eq!(message, format!("{name} is for --fork"));
    }
}
