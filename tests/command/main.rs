//! The command `qio`, run as a user runs it, with peers that users have.

#[macro_use]
#[path = "../qio/common/skip.rs"]
mod skip;

mod addresses;
#[path = "../qio/common/certs.rs"]
#[allow(dead_code)] // the tests of the library use the rest
mod certs;
mod datagrams_and_terminals;
mod descriptor_limit;
mod files;
mod log;
mod nbd;
mod notify;
mod peers;
mod pki;
mod probe;
mod probe_attacks;
mod process;
mod proxy_protocol;
mod servers;
mod serving;
mod silent_clients;
mod starttls;
mod terminal_links;
mod threads;
mod tls;
mod tls_peers;
mod top;
mod truncation;
mod usage;
mod websock;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    thread,
};

use nix::sys::socket::{setsockopt, sockopt};

use process::{Running, TIMEOUT, start, start_with};

/// Bytes of which no two parts are alike.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32 / 4).flat_map(u32::to_le_bytes).collect()
}

/// A server, and its address for the example.
fn tcp_server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = format!("tcp:{}", listener.local_addr().expect("bound"));
    (listener, address)
}

/// The next client of a server, which must come in time.
fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a client");
    stream.set_read_timeout(Some(TIMEOUT)).expect("not zero");
    stream
}

/// The example as a server whose address the system has chosen.
#[track_caller]
fn listening(server: &mut Running) -> TcpStream {
    connect(&server.wait_for_log("listening on tcp:"))
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("not zero");
    stream
}

fn connect_unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("it listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("not zero");
    stream
}

/// Resets a connection.
fn reset(stream: TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, sockopt::Linger, &linger).expect("a socket");
}

fn rest(mut stream: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("the end");
    all
}

#[test]
fn standard_input_is_sent_and_the_whole_answer_comes_back() {
    let (listener, address) = tcp_server();
    let answer = pattern(3_000_000);
    let server = thread::spawn({
        let answer = answer.clone();
        move || {
            let mut client = accept(&listener);
            // Only after the end of the question.
            let question = rest(&client);
            client.write_all(&answer).expect("connected");
            question
        }
    });
    let relay = start_with(["stdio", &address], b"question");
    assert!(relay.success() == answer);
    assert_eq!(server.join().expect("served"), b"question");
}

#[test]
fn the_peer_may_end_first() {
    let (listener, address) = tcp_server();
    let mut relay = start(["-", "exec:sh -c 'echo first; cat; echo last'"]);
    assert_eq!(relay.until("\n"), "first");
    assert_eq!(relay.success(), b"last\n");
    // The first direction continues after the other one has ended.
    let relay = start_with(["stdio", &address], &pattern(1_000_000));
    let client = accept(&listener);
    client.shutdown(Shutdown::Write).expect("connected");
    assert!(rest(client) == pattern(1_000_000));
    assert_eq!(relay.success(), b"");
}

#[test]
fn much_goes_both_ways_at_once() {
    let (listener, address) = tcp_server();
    let mut relay = start(["-v", "tcp-listen:127.0.0.1:0", &address]);
    let one = listening(&mut relay);
    let other = accept(&listener);
    let data = pattern(20_000_000);
    thread::scope(|scope| {
        for (end, shift) in [(&one, 0), (&other, 4)] {
            let data = &data[shift..];
            scope.spawn(move || {
                let mut writer = end;
                writer.write_all(data).expect("connected");
                end.shutdown(Shutdown::Write).expect("connected");
            });
        }
        let reader = scope.spawn(|| rest(&one) == data[4..]);
        assert!(rest(&other) == data);
        assert!(reader.join().expect("read"));
    });
    let line = relay.wait_for_log("and tcp:127.0.0.1:");
    assert!(line.ends_with(": connected"), "{line}");
    let line = relay.wait_for_log(&format!("and {address}: "));
    assert!(
        line.starts_with("20000000 bytes there, 19999996 bytes back, in "),
        "{line}"
    );
    assert_eq!(relay.success(), b"");
}

#[test]
fn a_command_gets_its_input_to_the_end_and_its_failure_is_reported() {
    let sorted = start_with(["stdio", "exec:sort -n"], b"10\n9\n").success();
    assert_eq!(sorted, b"9\n10\n");
    let quoted = start(["stdio", "exec:printf '%s|' \"a b\" c\\ d"]).success();
    assert_eq!(quoted, b"a b|c d|");
    let failed = start(["stdio", "exec:sh -c 'exit 3'"]).failure(3);
    assert_eq!(
        failed,
        "Command \"sh\" failed: Child process exited with code 3"
    );
    // As a shell reports it.
    start(["stdio", "exec:sh -c 'kill -KILL $$'"]).failure(128 + 9);
    // Its output is refused, and it is the relay that has failed.
    start(["exec:true", "file:/dev/full/none"]).failure(1);
}

#[test]
fn an_idle_connection_times_out() {
    let (listener, address) = tcp_server();
    let (mut here, there) = UnixStream::pair().expect("a pair");
    let mut command = process::relay();
    command.args(["--timeout=0.2", "stdio", &address]);
    let relay = Running::new(command.stdin(std::os::fd::OwnedFd::from(there)));
    let client = accept(&listener);
    here.write_all(b"x").expect("connected");
    assert_eq!(relay.failure(1), "Nothing has moved for 200ms");
    assert_eq!(rest(client), b"x");
}
