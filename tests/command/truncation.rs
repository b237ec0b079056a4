//! Sessions that a signal ends: peers over TCP see that their data is truncated.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
};

use nix::sys::signal::Signal;

use crate::{
    accept, connect,
    process::{Running, start},
    rest, tcp_server,
};

/// A relay of a session that has moved a byte in each direction, and both peers.
fn session(options: &[&str]) -> (Running, TcpListener, [TcpStream; 2]) {
    let (listener, address) = tcp_server();
    let ends = ["tcp-listen:127.0.0.1:0", &address];
    let mut relay = start([&["-v"], options, &ends].concat());
    let mut client = connect(&relay.wait_for_log("listening on tcp:"));
    let mut server = accept(&listener);
    client.write_all(b"x").expect("connected");
    server.read_exact(&mut [0]).expect("relayed");
    server.write_all(b"y").expect("connected");
    client.read_exact(&mut [0]).expect("relayed");
    (relay, listener, [client, server])
}

#[track_caller]
fn assert_reset(mut stream: &TcpStream) {
    let e = stream.read(&mut [0]).expect_err("truncated");
    assert_eq!(e.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn sigint_resets_both_connections_of_a_session() {
    for options in [&[][..], &["--fork"], &["--fork", "--threads=2"]] {
        let (relay, _listener, peers) = session(options);
        relay.signal(Signal::SIGINT);
        peers.iter().for_each(assert_reset);
        relay.success();
    }
}

#[test]
fn the_drain_timeout_resets_both_connections_of_a_session() {
    for threads in ["--threads=1", "--threads=2"] {
        let options = ["--fork", "--drain-timeout=0.2", threads];
        let (relay, _listener, peers) = session(&options);
        relay.signal(Signal::SIGTERM);
        peers.iter().for_each(assert_reset);
        relay.success();
    }
}

#[test]
fn sigint_resets_no_connection_whose_data_has_ended() {
    let (relay, _listener, [client, server]) = session(&["--fork"]);
    // The server has got all of it, while its answer is cut.
    client.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(rest(&server), b"");
    relay.signal(Signal::SIGINT);
    assert_reset(&client);
    relay.success();
    assert_eq!((&server).read(&mut [0]).expect("no reset"), 0);
    assert!(server.take_error().expect("a socket").is_none());
}

#[test]
fn sigint_resets_no_connection_of_a_session_that_has_ended() {
    let (relay, _listener, [client, server]) = session(&["--fork"]);
    for peer in [&client, &server] {
        peer.shutdown(Shutdown::Write).expect("connected");
    }
    assert_eq!(rest(&server), b"");
    relay.signal(Signal::SIGINT);
    relay.success();
    assert_eq!(rest(&client), b"");
}
