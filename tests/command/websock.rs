//! WebSockets at either address.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
};

use nix::sys::signal::Signal;

use crate::{
    accept, connect, listening, pattern,
    pki::Pki,
    process::{self, Running, start},
    rest, tcp_server,
    tls::{held, server, stop},
};

const NO_OPTIONS: [&str; 0] = [];

fn client(options: &[&str], address: &str) -> (Running, UnixStream) {
    held(process::relay().args([options, &["stdio", address]].concat()))
}

/// Sends data from each end to the other, at once.
fn exchange(one: &TcpStream, other: &TcpStream, data: &[u8]) {
    std::thread::scope(|scope| {
        for (from, to, data) in [(one, other, data), (other, one, &data[4..])] {
            scope.spawn(move || {
                let mut from = from;
                from.write_all(data).expect("connected");
            });
            scope.spawn(move || {
                let (mut to, mut received) = (to, vec![0; data.len()]);
                to.read_exact(&mut received).expect("all data");
                assert!(received == data);
            });
        }
    });
}

#[test]
fn much_goes_both_ways_at_once_through_a_websocket_with_and_without_tls() {
    let pki = Pki::new();
    let (directory, ca) = (pki.directory(), pki.option("ca", "ca-cert.pem"));
    for (scheme, options, trust) in [("ws", None, None), ("wss", Some(directory), Some(ca))] {
        let (listener, service) = tcp_server();
        let first = format!("{scheme}-listen:127.0.0.1:0/data");
        let options: Vec<String> = options.into_iter().collect();
        let (mut server, address) = server(&options, &first, &service);
        assert!(address.starts_with(&format!("{scheme}:127.0.0.1:")));
        assert!(address.ends_with("/data"), "{address}");

        let arguments = ["-v", "tcp-listen:127.0.0.1:0", &address].map(str::to_owned);
        let mut client = start(trust.into_iter().chain(arguments));
        let one = listening(&mut client);
        let other = accept(&listener);
        server.wait_for_log(": WebSocket /data");
        exchange(&one, &other, &pattern(8_000_000));
        one.shutdown(Shutdown::Write).expect("connected");
        // The closing handshake ends both directions.
        assert_eq!(rest(&other), b"");
        assert_eq!(rest(&one), b"");
        drop(other);
        client.wait_for_log("8000000 bytes there, 7999996 bytes back");
        assert_eq!(client.success(), b"");
        let line = server.wait_for_log("8000000 bytes there, 7999996 bytes back");
        assert!(line.starts_with(", in "), "{line}");
        stop(server);
    }
}

#[test]
fn the_end_of_a_service_is_a_close_frame_and_the_end_of_the_data() {
    let (listener, service) = tcp_server();
    let (server, address) = server(&NO_OPTIONS, "ws-listen:127.0.0.1:0", &service);
    // Without a path it is any.
    let (mut client, input) = client(&[], &format!("{address}/any?query"));
    let data = "some of the answer\n".repeat(50_000);
    let all = format!("{data}the last line\n");
    let mut service = accept(&listener);
    service.write_all(all.as_bytes()).expect("connected");
    drop(service);
    assert!(client.until("the last line\n") == data);
    drop(input);
    assert_eq!(client.success(), b"");
    stop(server);
}

#[test]
fn a_websocket_that_breaks_off_is_truncated() {
    let (listener, service) = tcp_server();
    let (server, address) = server(&NO_OPTIONS, "ws-listen:127.0.0.1:0", &service);
    let (mut client, _input) = client(&[], &address);
    let mut service = accept(&listener);
    service.write_all(b"half\n").expect("connected");
    assert_eq!(client.until("\n"), "half");
    server.signal(Signal::SIGKILL);
    server.end();
    let cut = client.failure(1);
    assert!(cut.contains("without a closing handshake"), "{cut}");
}

#[test]
fn origins_paths_and_subprotocols_that_are_not_allowed_are_refused() {
    let options = [
        "--ws-protocol=chat",
        "--ws-origin=https://a.example,https://b.example",
    ];
    let (mut server, address) = server(&options, "ws-listen:127.0.0.1:0/chat", "exec:cat");
    let other = address.replace("/chat", "/other");
    for (option, address, status, reason) in [
        (
            "--ws-origin=https://evil.example",
            &address,
            "403 Forbidden",
            "pages of \"https://evil.example\" may not connect to ",
        ),
        (
            "--ws-protocol=chat",
            &other,
            "404 Not Found",
            "there is nothing at \"/other\"",
        ),
        (
            "--ws-protocol=other",
            &address,
            "400 Bad Request",
            "no subprotocol of the request is supported",
        ),
    ] {
        let message = start([option, "stdio", address]).failure(1);
        assert_eq!(message, format!("The server answered {status}"));
        server.wait_for_log(reason);
    }
    let options = ["--ws-origin=https://b.example", "--ws-protocol=binary,chat"];
    let (mut client, mut input) = client(&options, &address);
    server.wait_for_log(": WebSocket /chat, subprotocol chat, origin https://b.example");
    input.write_all(b"line\n").expect("connected");
    assert_eq!(client.until("\n"), "line");
    drop(input);
    client.success();
    assert!(!stop(server).contains("Unable"));
}

#[test]
fn pages_of_the_same_host_may_connect_by_default_and_of_any_on_request() {
    for (options, foreign) in [(&[][..], false), (&["--ws-origin=*"], true)] {
        let (server, address) = server(options, "ws-listen:127.0.0.1:0", "exec:echo hello");
        for (origin, is_allowed) in [
            ("--ws-origin=http://127.0.0.1", true),
            ("--ws-origin=http://evil.example", foreign),
        ] {
            let (mut client, input) = client(&[origin], &address);
            match is_allowed {
                true => {
                    assert_eq!(client.until("\n"), "hello");
                    drop(input);
                    client.success();
                }
                false => assert_eq!(client.failure(1), "The server answered 403 Forbidden"),
            }
        }
        stop(server);
    }
}

#[test]
fn a_silent_websocket_client_times_out_while_others_are_served() {
    let options = ["--ws-timeout=0.3"];
    let (mut server, address) = server(&options, "ws-listen:127.0.0.1:0", "exec:cat");
    let mute = connect(address.trim_start_matches("ws:"));
    let (mut client, mut input) = client(&[], &address);
    input.write_all(b"line\n").expect("connected");
    assert_eq!(client.until("\n"), "line");
    let name = mute.local_addr().expect("an address");
    let line = server.wait_for_log(&format!("qio: ws:{name}: "));
    assert_eq!(
        line,
        "Unable to perform the WebSocket handshake with the client in 300ms"
    );
    assert_eq!(rest(mute), b"");
    drop(input);
    client.success();
    stop(server);
}
