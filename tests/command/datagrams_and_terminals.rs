//! Addresses that are neither sockets of streams nor files: `udp:` and `pty:`.

use std::{
    fs,
    io::{Read, Write},
    net::UdpSocket,
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    pattern,
    process::{TIMEOUT, start, start_with},
};

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
