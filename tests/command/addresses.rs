//! The options of addresses, and those that are neither sockets of streams nor files.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, UdpSocket},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    accept, connect, connect_unix, listening, pattern,
    process::{Running, TIMEOUT, qio, start, start_with, usage_error},
    rest, tcp_server,
};

#[test]
fn options_that_an_address_does_not_have_are_named() {
    for (address, message) in [
        (
            "tcp:h:1,mode=1",
            "tcp: has no option \"mode\": it has bind, retry, timeout, send-proxy; \
             a comma in a path is written %2C",
        ),
        (
            "unix-listen:/x,mode=9",
            "the option \"mode=9\" of unix-listen: expected octal permissions, such as 0660",
        ),
        (
            "unix-listen:/x,owner=no-such-user",
            "the option \"owner=no-such-user\" of unix-listen: there is no user \"no-such-user\"",
        ),
        (
            "tcp-listen:1,range=10.0.0.1/8",
            "the option \"range=10.0.0.1/8\" of tcp-listen: \
             \"10.0.0.1/8\" has bits that are set after the first 8",
        ),
        (
            "tcp-listen:1,range=::ffff:10.0.0.0/104",
            "the option \"range=::ffff:10.0.0.0/104\" of tcp-listen: \"::ffff:10.0.0.0/104\" is \
             mapped to IPv6: IPv4 addresses are matched by a range such as 10.0.0.0/8",
        ),
        (
            "tcp-listen:1,range=10.0.0.0/33",
            "the option \"range=10.0.0.0/33\" of tcp-listen: \
             expected a range such as 10.0.0.0/8 or fd00::/8, not \"10.0.0.0/33\"",
        ),
        (
            "tcp:h:1,retry",
            "the option \"retry\" of tcp: expected retry=COUNT",
        ),
        (
            "tls:h:1,timeout=0",
            "the option \"timeout=0\" of tcp: expected a number of seconds above 0",
        ),
        (
            "fd:3,mode=1",
            "expected the number of a file descriptor at character 4",
        ),
        ("pty:", "pty: needs a path, for a link to it"),
    ] {
        let found = usage_error(["stdio", address]);
        assert!(found.contains(message), "{address}: {found}");
    }
}

#[test]
fn a_unix_path_gets_its_mode_and_owner() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let own = nix::unistd::getuid();
    let first = format!("unix-listen:{},mode=0640,owner={own}", path.display());
    let mut server = start(["-v", &first, "exec:cat"]);
    server.wait_for_log("listening on unix:");
    let metadata = fs::metadata(&path).expect("a socket");
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
    assert_eq!(metadata.uid(), own.as_raw());
    drop(connect_unix(&path));
    server.success();
}

#[test]
fn a_path_that_a_killed_server_has_left_may_be_kept() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).expect("bound"));
    let first = format!("unix-listen:{},replace=no", path.display());
    let error = start([&first, "exec:cat"]).failure(1);
    assert!(error.contains("Address already in use"), "{error}");
    assert!(path.exists());
}

#[test]
fn sources_outside_of_the_ranges_are_reset() {
    for (range, allowed) in [
        ("range=127.0.0.0/8", true),
        ("range=10.0.0.0/8", false),
        ("range=10.0.0.0/8,range=127.0.0.1", true),
        ("range=::/0", false),
    ] {
        let first = format!("tcp-listen:127.0.0.1:0,{range}");
        let mut server = start(["-v", "--fork", &first, "exec:cat"]);
        let mut client = listening(&mut server);
        // It may be reset already.
        let _ = client.write_all(b"x");
        let result = client.read_exact(&mut [0]);
        assert_eq!(result.is_ok(), allowed, "{range}: {result:?}");
        if !allowed {
            server.wait_for_log("The source is in no range that may connect");
        }
        server.signal(Signal::SIGINT);
        server.success();
    }
}

#[test]
fn a_connection_comes_from_its_local_address() {
    let (listener, address) = tcp_server();
    let relay = start(["stdio", &format!("{address},bind=127.0.0.2")]);
    let client = accept(&listener);
    let peer = client.peer_addr().expect("connected");
    assert_eq!(peer.ip().to_string(), "127.0.0.2");
    drop(client);
    relay.success();
}

#[test]
fn a_failed_connection_is_tried_again() {
    let reserved = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = reserved.local_addr().expect("bound");
    drop(reserved);
    let failed = start(["stdio", &format!("tcp:{address},retry=1")]).failure(1);
    assert!(failed.contains("Connection refused"), "{failed}");
    assert!(failed.contains('2'), "the number of attempts: {failed}");

    let relay = start(["stdio", &format!("tcp:{address},retry=1000")]);
    let listener = TcpListener::bind(address).expect("the same port");
    drop(accept(&listener));
    relay.success();
}

#[test]
fn a_connection_that_is_not_established_times_out() {
    // A backlog that is full: its packets are dropped.
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Stream,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .expect("a socket");
    use std::os::fd::AsRawFd;
    let local: nix::sys::socket::SockaddrIn = "127.0.0.1:0".parse().expect("an address");
    nix::sys::socket::bind(socket.as_raw_fd(), &local).expect("bound");
    let backlog = nix::sys::socket::Backlog::new(0).expect("small");
    nix::sys::socket::listen(&socket, backlog).expect("listens");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("bound");
    let _first = connect(&address.to_string());
    let error = start(["stdio", &format!("tcp:{address},timeout=0.2")]).failure(1);
    assert_eq!(
        error,
        format!("Unable to connect to tcp:{address} in 200ms")
    );
}

#[test]
fn a_command_gets_the_addresses_of_its_peer() {
    let print = "exec:sh -c 'echo $QIO_PEER_ADDR $QIO_PEER_PORT $QIO_SOCK_ADDR $QIO_SOCK_PORT'";
    let mut command = crate::process::relay();
    command.args(["-v", "--fork", "tcp-listen:127.0.0.1:0", print]);
    command.env("QIO_PEER_PID", "1");
    let mut server = Running::new(command.stdin(Stdio::null()));
    let client = listening(&mut server);
    let (local, peer) = (
        client.local_addr().expect("connected"),
        client.peer_addr().expect("connected"),
    );
    client.shutdown(Shutdown::Write).expect("connected");
    let printed = String::from_utf8(rest(&client)).expect("text");
    let expected = format!(
        "{} {} {} {}\n",
        local.ip(),
        local.port(),
        peer.ip(),
        peer.port()
    );
    assert_eq!(printed, expected);
    server.signal(Signal::SIGINT);
    server.success();

    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let first = format!("unix-listen:{}", path.display());
    let print = "exec:sh -c 'echo $QIO_PEER_PID $QIO_PEER_UID $QIO_PEER_ADDR'";
    let mut server = start(["-v", &first, print]);
    server.wait_for_log("listening on unix:");
    let printed = rest(connect_unix(&path));
    let expected = format!("{} {}\n", std::process::id(), nix::unistd::getuid());
    assert_eq!(String::from_utf8_lossy(&printed), expected);
    server.success();
}

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
        client.shutdown(Shutdown::Write).expect("connected");
        let received = rest(accept(&listener));
        let (local, peer) = (
            client.local_addr().expect("connected"),
            client.peer_addr().expect("connected"),
        );
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

#[test]
fn datagrams_are_sent_and_answers_are_awaited_for_a_while() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    server.set_read_timeout(Some(TIMEOUT)).expect("set");
    let address = server.local_addr().expect("bound");
    let answers = thread::spawn(move || {
        let mut buf = [0; 100];
        let (count, from) = server.recv_from(&mut buf).expect("a datagram");
        server.send_to(b"", from).expect("sent");
        server.send_to(b"answer", from).expect("sent");
        buf[..count].to_vec()
    });
    let relay = start_with(["stdio", &format!("udp:{address}")], b"question");
    assert_eq!(relay.success(), b"answer");
    assert_eq!(answers.join().expect("served"), b"question");
}

#[test]
fn a_datagram_listener_serves_its_first_sender_alone() {
    let mut relay = start(["-v", "udp-listen:127.0.0.1:0", "exec:cat"]);
    let address = relay.wait_for_log("listening on udp:");
    let [one, other] = [(); 2].map(|()| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let limit = Some(Duration::from_millis(50));
        socket.set_read_timeout(limit).expect("set");
        socket.connect(&*address).expect("a local socket");
        socket
    });
    // Until it listens, datagrams are refused.
    let mut buf = [0; 100];
    let deadline = std::time::Instant::now() + TIMEOUT;
    loop {
        assert!(std::time::Instant::now() < deadline, "no answer");
        let _ = one.send(b"first");
        if let Ok(count) = one.recv(&mut buf) {
            assert_eq!(&buf[..count], b"first");
            break;
        }
    }
    let _ = other.send(b"second");
    other.recv(&mut buf).expect_err("it is not served");
    relay.signal(Signal::SIGINT);
    relay.success();
}

#[test]
fn every_sender_of_datagrams_has_a_session_that_ends_after_a_timeout() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let second = format!("udp:{}", server.local_addr().expect("bound"));
    let echo = thread::spawn(move || {
        let mut buf = [0; 100];
        let mut ports = std::collections::BTreeSet::new();
        while let Ok((count, from)) = server.recv_from(&mut buf) {
            if &buf[..count] == b"end" {
                break;
            }
            ports.insert(from.port());
            server.send_to(&buf[..count], from).expect("sent");
        }
        ports.len()
    });
    let mut relay = start([
        "-v",
        "--fork",
        "--timeout=0.3",
        "--max-clients=25",
        "udp-listen:127.0.0.1:0",
        &second,
    ]);
    let address = relay.wait_for_log("listening on udp:");
    let senders: Vec<_> = (0..20)
        .map(|number| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
            socket.set_read_timeout(Some(TIMEOUT)).expect("set");
            socket.connect(&*address).expect("a local socket");
            // Two at once, as a resolver sends them: both belong to the same session.
            for part in ["a", "b"] {
                let datagram = format!("{number} {part}");
                socket.send(datagram.as_bytes()).expect("sent");
            }
            socket
        })
        .collect();
    for (number, socket) in senders.iter().enumerate() {
        for part in ["a", "b"] {
            let mut buf = [0; 100];
            let count = socket.recv(&mut buf).expect("an answer");
            let expected = format!("{number} {part}");
            assert_eq!(String::from_utf8_lossy(&buf[..count]), expected);
        }
    }
    relay.wait_for_log("Nothing has moved for 300ms");
    let last = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let target = second.trim_start_matches("udp:");
    last.send_to(b"end", target).expect("sent");
    assert_eq!(echo.join().expect("no panic"), 20);
    relay.signal(Signal::SIGINT);
    relay.success();
}

#[test]
fn a_terminal_is_used_by_the_program_that_opens_its_link() {
    let folder = tempfile::tempdir().expect("a directory");
    let link = folder.path().join("terminal");
    let data = pattern(100_000);
    let relay = start_with([&format!("pty:{}", link.display()), "stdio"], &data);
    let deadline = std::time::Instant::now() + TIMEOUT;
    while !link.exists() {
        assert!(std::time::Instant::now() < deadline, "no link");
        thread::yield_now();
    }
    let mut terminal = fs::File::options()
        .read(true)
        .write(true)
        .open(&link)
        .expect("a terminal");
    let mut received = vec![0; data.len()];
    terminal.read_exact(&mut received).expect("the data");
    // Raw: nothing is converted or echoed.
    assert!(received == data);
    terminal.write_all(b"back\r\n\x03\x04").expect("open");
    drop(terminal);
    assert_eq!(relay.success(), b"back\r\n\x03\x04");
    assert!(fs::symlink_metadata(&link).is_err(), "the link is removed");
}

#[test]
fn what_a_program_has_left_in_a_terminal_is_read_although_it_has_closed_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let link = folder.path().join("terminal");
    for _ in 0..5 {
        let relay = start([&format!("pty:{}", link.display()), "stdio"]);
        let deadline = std::time::Instant::now() + TIMEOUT;
        while fs::OpenOptions::new()
            .write(true)
            .open(&link)
            .and_then(|mut terminal| terminal.write_all(b"left"))
            .is_err()
        {
            assert!(std::time::Instant::now() < deadline, "no terminal");
            thread::yield_now();
        }
        assert_eq!(relay.success(), b"left");
    }
}

#[test]
fn a_link_to_a_terminal_that_another_relay_has_replaced_is_not_removed() {
    let folder = tempfile::tempdir().expect("a directory");
    let link = folder.path().join("terminal");
    let address = format!("pty:{}", link.display());
    let start = |before: Option<&Path>| {
        let relay = start([&address, "exec:cat"]);
        let deadline = std::time::Instant::now() + TIMEOUT;
        loop {
            assert!(std::time::Instant::now() < deadline, "no link");
            match fs::read_link(&link) {
                Ok(target) if Some(&*target) != before => return (relay, target),
                _ => thread::yield_now(),
            }
        }
    };
    let (first, before) = start(None);
    let (second, after) = start(Some(&before));
    first.signal(Signal::SIGTERM);
    first.success();
    assert_eq!(fs::read_link(&link).ok(), Some(after));
    second.signal(Signal::SIGTERM);
    second.success();
    assert!(fs::symlink_metadata(&link).is_err(), "the link is removed");
}

#[test]
fn sockets_of_the_service_manager_are_listened_on() {
    needs!("systemd");
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("socket");
    let mut command = Command::new("systemd-socket-activate");
    command
        .arg(format!("--listen={}", path.display()))
        .arg("--fdname=service")
        .arg(qio())
        .args(["relay", "systemd:service", "exec:cat"]);
    let server = Running::new(command.stdin(Stdio::null()));
    let deadline = std::time::Instant::now() + TIMEOUT;
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline, "no socket");
        thread::yield_now();
    }
    let mut client = connect_unix(&path);
    client.write_all(b"activated").expect("connected");
    client.shutdown(Shutdown::Write).expect("connected");
    assert_eq!(rest(client), b"activated");
    assert!(server.end().status.success());

    let error = start(["systemd:other", "exec:cat"]).failure(1);
    assert_eq!(error, "The service manager has passed no socket other");
}
