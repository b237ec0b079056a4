//! The PROXY protocol: what is sent, and what is expected.

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use nix::sys::signal::Signal;

use crate::{accept, connect, listening, process::start, rest, tcp_server};

/// What a service receives first of a client with this header, through two relays: the first one
/// adds a header of this version, the second one expects it, and prints the addresses.
fn through_proxies(version: &str) -> (String, String) {
    let print = "exec:sh -c 'echo $QIO_PEER_ADDR $QIO_PEER_PORT; cat'";
    let mut service = start(["-v", "--fork", "tcp-listen:127.0.0.1:0,expect-proxy", print]);
    let address = service.wait_for_log("listening on tcp:");
    let second = format!("tcp:{address},send-proxy={version}");
    let mut proxy = start(["-v", "--fork", "tcp-listen:127.0.0.1:0", &second]);
    let mut client = listening(&mut proxy);
    client.write_all(b"data").expect("connected");
    client.shutdown(Shutdown::Write).expect("connected");
    let local = client.local_addr().expect("connected");
    let expected = format!("{} {}\ndata", local.ip(), local.port());
    let printed = String::from_utf8(rest(&client)).expect("text");
    for relay in [proxy, service] {
        relay.signal(Signal::SIGINT);
        relay.success();
    }
    (printed, expected)
}

#[test]
fn the_proxy_protocol_carries_the_address_of_the_client() {
    for version in ["1", "2"] {
        let (printed, expected) = through_proxies(version);
        assert_eq!(printed, expected, "version {version}");
    }
}

#[test]
fn proxy_headers_of_both_versions_are_sent_as_specified() {
    for version in ["1", "2"] {
        let (listener, address) = tcp_server();
        let second = format!("{address},send-proxy={version}");
        let mut relay = start(["-v", "tcp-listen:127.0.0.1:0", &second]);
        let client = listening(&mut relay);
        let (local, peer) = (
            client.local_addr().expect("connected"),
            client.peer_addr().expect("connected"),
        );
        client.shutdown(Shutdown::Write).expect("connected");
        let received = rest(accept(&listener));
        let expected = match version {
            "1" => format!(
                "PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n",
                local.port(),
                peer.port()
            )
            .into_bytes(),
            _ => [
                &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01"[..],
                &local.port().to_be_bytes(),
                &peer.port().to_be_bytes(),
            ]
            .concat(),
        };
        assert_eq!(received, expected);
        drop(client);
        relay.success();
    }
    // Without a client that has addresses.
    let (listener, address) = tcp_server();
    let relay = start(["stdio", &format!("{address},send-proxy=1")]);
    assert_eq!(rest(accept(&listener)), b"PROXY UNKNOWN\r\n");
    relay.success();
}

#[test]
fn malformed_proxy_headers_are_rejected() {
    let mut server = start([
        "-v",
        "--fork",
        "tcp-listen:127.0.0.1:0,expect-proxy=0.3",
        "exec:cat",
    ]);
    let address = server.wait_for_log("listening on tcp:");
    let too_long = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
    for (header, reason) in [
        (
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            "the connection begins with something else",
        ),
        (
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1\r\n",
            "the line is malformed",
        ),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", "the line is malformed"),
        (&too_long, "Unable to read the PROXY header"),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            "it has 65535 bytes, more than 4096",
        ),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04abcd",
            "its addresses are cut off",
        ),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x2f\x11\0\0",
            "there is no command 0x2f",
        ),
        // Silent: a timeout.
        (b"PROXY", "Unable to read the PROXY header"),
    ] {
        let mut client = connect(&address);
        client.write_all(header).expect("connected");
        let line = server.wait_for_log("Unable to read the PROXY header: ");
        let line = format!("Unable to read the PROXY header: {line}");
        assert!(line.contains(reason), "{line}");
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    }
    server.signal(Signal::SIGINT);
    server.success();
}

#[test]
fn a_local_proxy_header_leaves_the_own_addresses() {
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let print = "exec:sh -c 'echo $QIO_PEER_ADDR; cat'";
        let mut server = start(["-v", "tcp-listen:127.0.0.1:0,expect-proxy", print]);
        let mut client = listening(&mut server);
        client
            .write_all(&[header, b"data"].concat())
            .expect("connected");
        client.shutdown(Shutdown::Write).expect("connected");
        assert_eq!(rest(&client), b"127.0.0.1\ndata");
        server.success();
    }
}
