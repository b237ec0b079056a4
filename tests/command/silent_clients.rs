//! Clients that are silent, or reset, before they are served, while another one is served.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use nix::sys::signal::Signal;

use crate::{
    connect,
    pki::Pki,
    process::{self, Running, poll_until, start},
    reset,
    tls::{held, server, stop},
};

/// How many there are of each kind.
const MANY: usize = 100;

/// Whether a client was reset, which must have no data. It is closed otherwise.
#[track_caller]
fn is_reset(client: &mut TcpStream) -> bool {
    match client.read(&mut [0; 512]) {
        Ok(0) => false,
        // An alert, or a response.
        Ok(_) => is_reset(client),
        Err(e) if e.kind() == ErrorKind::ConnectionReset => true,
        Err(e) => panic!("{e}"),
    }
}

/// The memory of a process, in bytes.
fn memory(server: &Running) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|it| it.parse::<usize>().ok())
        .expect("a number")
        * 1024
}

/// The beginning of a handshake.
fn beginning(scheme: &str) -> &'static [u8] {
    match scheme {
        "ws" => b"GET /path HTTP/1.1\r\nUpgrade: webso",
        // The header of a record, and a part of a ClientHello.
        _ => &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3],
    }
}

/// Servers by kind: their scheme, and the options of both ends.
fn kinds(pki: &Pki) -> [(&'static str, Vec<String>, Vec<String>); 3] {
    let timeouts = ["--tls-timeout=3", "--ws-timeout=3"].map(str::to_owned);
    let (tls, ca) = (pki.directory(), pki.option("ca", "ca-cert.pem"));
    [
        (
            "tls",
            vec![tls.clone(), timeouts[0].clone()],
            vec![ca.clone()],
        ),
        ("ws", vec![timeouts[1].clone()], vec![]),
        ("wss", [&[tls][..], &timeouts].concat(), vec![ca]),
    ]
}

/// Waits for the echo of a server. The input ends after that: a WebSocket has no half-close.
fn is_served(address: &str, options: &[String]) {
    let mut command = process::relay();
    command.args(options).args(["stdio", address]);
    let (mut client, mut input) = held(&mut command);
    input.write_all(b"served\n").expect("it reads");
    assert_eq!(client.until("\n"), "served");
    drop(input);
    client.success();
}

/// Silent clients, half of which have begun a handshake.
fn silent(address: &str, scheme: &str) -> Vec<TcpStream> {
    let both = (0..2 * MANY).map(|number| {
        let mut client = connect(address);
        if number % 2 == 0 {
            client.write_all(beginning(scheme)).expect("connected");
        }
        client
    });
    both.collect()
}

fn reset_in_the_handshake(address: &str, scheme: &str) {
    for number in 0..2 * MANY {
        let mut client = connect(address);
        if number % 2 == 0 {
            client.write_all(beginning(scheme)).expect("connected");
        }
        reset(client);
    }
}

/// The address of a server without its scheme.
fn bare(address: &str) -> &str {
    let address = address
        .trim_start_matches("tls:")
        .trim_start_matches("tcp:");
    address.trim_start_matches("wss:").trim_start_matches("ws:")
}

#[test]
fn silent_clients_and_such_that_reset_keep_no_other_from_being_served_and_leak_nothing() {
    let pki = Pki::new();
    for (scheme, options, client_options) in kinds(&pki) {
        for threads in ["--threads=1", "--threads=2"] {
            let options = [&options[..], &[threads.to_owned()]].concat();
            let listens = format!("{scheme}-listen:127.0.0.1:0");
            let (server, address) = server(&options, &listens, "exec:cat");
            let served = || is_served(&address, &client_options);
            // The first ones of a thread leave behind what is used again.
            (0..4).for_each(|_| served());
            let (before, memory_before) = (server.descriptors(), memory(&server));
            reset_in_the_handshake(bare(&address), scheme);
            let mut clients = silent(bare(&address), scheme);
            reset_in_the_handshake(bare(&address), scheme);
            served();
            let (most, now) = (before + 2 * MANY + 32, server.descriptors());
            assert!(now <= most, "{scheme}: {now} descriptors");
            // About as much as a buffer of TLS for each.
            let grown = memory(&server).saturating_sub(memory_before);
            assert!(grown < 32 << 20, "{scheme}: {grown} bytes");
            // The deadline of the handshake.
            for client in &mut clients {
                is_reset(client);
            }
            poll_until(
                || server.descriptors() <= before,
                || format!("{scheme}: {} descriptors", server.descriptors()),
            );
            served();
            stop(server);
        }
    }
}

#[test]
fn without_fork_the_first_client_that_performs_its_handshake_is_served() {
    let pki = Pki::new();
    for (scheme, options, client_options) in kinds(&pki) {
        let listens = format!("{scheme}-listen:127.0.0.1:0");
        let mut all = vec!["-v".to_owned()];
        all.extend(options);
        all.extend([listens, "exec:cat".to_owned()]);
        let mut server = start(all);
        let address = server.wait_for_log("listening on ");
        reset_in_the_handshake(bare(&address), scheme);
        let clients = silent(bare(&address), scheme);
        is_served(&address, &client_options);
        // The others are not served any more.
        server.success();
        clients.into_iter().for_each(|mut it| _ = is_reset(&mut it));
    }
}

#[test]
fn without_fork_a_client_that_is_refused_is_logged_and_the_next_one_is_served() {
    let mut server = start([
        "-v",
        "tcp-listen:127.0.0.1:0,expect-proxy=1000,range=127.0.0.1",
        "exec:cat",
    ]);
    let address = server.wait_for_log("listening on tcp:");
    let mut wrong = connect(&address);
    wrong.write_all(b"GET / HTTP/1.1\r\n").expect("connected");
    server.wait_for_log("the connection begins with something else");
    assert!(is_reset(&mut wrong));
    let mut silent = connect(&address);
    let mut right = connect(&address);
    right.write_all(b"PROXY UNKNOWN\r\nx").expect("connected");
    right.read_exact(&mut [0]).expect("the echo");
    assert!(is_reset(&mut silent));
    drop(right);
    server.success();
}

#[test]
fn a_client_of_the_second_address_that_is_refused_is_logged_and_the_next_one_is_served() {
    for fork in [false, true] {
        let listens = "tcp-listen:127.0.0.1:0";
        let second = format!("{listens},expect-proxy=1000,range=127.0.0.1");
        let mut arguments = vec!["-v", listens, &second];
        arguments.extend(fork.then_some("--fork"));
        let mut server = start(arguments);
        let first = server.wait_for_log("listening on tcp:");
        let address = server.wait_for_log("listening on tcp:");
        let mut client = connect(&first);
        let mut wrong = connect(&address);
        wrong.write_all(b"GET / HTTP/1.1\r\n").expect("connected");
        server.wait_for_log("the connection begins with something else");
        assert!(is_reset(&mut wrong));
        // With --fork it is left to another session.
        let silent = (!fork).then(|| connect(&address));
        let mut right = connect(&address);
        right.write_all(b"PROXY UNKNOWN\r\nx").expect("connected");
        client.read_exact(&mut [0]).expect("relayed");
        assert!(silent.is_none_or(|mut silent| is_reset(&mut silent)));
        drop((client, right));
        match fork {
            true => drop(stop(server)),
            false => drop(server.success()),
        }
    }
}

#[test]
fn a_client_that_is_cut_while_its_proxy_header_is_awaited_is_reset() {
    for (signals, options) in [
        (&[Signal::SIGINT][..], &["--fork"][..]),
        (&[Signal::SIGTERM, Signal::SIGTERM], &["--fork"]),
        (&[Signal::SIGTERM], &["--fork", "--drain-timeout=0.1"]),
        (
            &[Signal::SIGTERM],
            &["--fork", "--drain-timeout=0.1", "--threads=2"],
        ),
        (&[Signal::SIGTERM], &[]),
    ] {
        let listens = "tcp-listen:127.0.0.1:0,expect-proxy=1000";
        let mut server = start([&["-v"], options, &[listens, "exec:cat"]].concat());
        let address = server.wait_for_log("listening on tcp:");
        let mut clients: Vec<_> = (0..3).map(|_| connect(&address)).collect();
        // A part of the header, which is read, and no more than that.
        clients[0].write_all(b"PROXY TCP4 1.2.").expect("connected");
        if options.contains(&"--fork") {
            // All are accepted once this one is served.
            let mut served = connect(&address);
            served.write_all(b"PROXY UNKNOWN\r\nx").expect("connected");
            served.read_exact(&mut [0]).expect("the echo");
            drop(served);
            server.wait_for_log("1 bytes there, 1 bytes back");
        }
        for (number, signal) in signals.iter().enumerate() {
            server.signal(*signal);
            if number + 1 < signals.len() {
                server.wait_for_log("3 clients are served to the end");
            }
        }
        for client in &mut clients {
            assert!(is_reset(client), "{signals:?} {options:?}");
        }
        server.end();
    }
}
