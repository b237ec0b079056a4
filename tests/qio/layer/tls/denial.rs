//! Attacks on a server: responses to a legitimate client take at most twice their usual time.
#![allow(unsafe_code)] // Attackers have a lower priority, and OpenSSL renegotiates by a function that the crate lacks.

use std::{
    ffi::c_int,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use foreign_types::ForeignTypeRef as _;
use nix::{
    libc,
    sys::resource::{Resource, getrlimit, setrlimit},
};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};
use qio::prelude::*;

use super::{
    fixtures::{NAME, client_creds},
    limits::Server,
};
use crate::common::{alone::alone, memory::resident};

unsafe extern "C" {
    fn SSL_renegotiate(ssl: *mut openssl_sys::SSL) -> c_int;
}

/// The server that is attacked, and when the attackers are to end.
struct Attack<'a> {
    address: SocketAddr,
    server: &'a Server,
    /// Set once it is under way.
    is_ready: AtomicBool,
    is_over: AtomicBool,
}

impl Attack<'_> {
    fn goes_on(&self) -> bool {
        self.is_ready.store(true, Ordering::Relaxed);
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Connects so often each second, sends this, and waits until the server has answered or
    /// closed.
    fn replay(&self, each_second: u32, bytes: &[u8]) {
        while self.goes_on() {
            let begun = Instant::now();
            let mut socket = TcpStream::connect(self.address).expect("connects");
            let wait = Some(Duration::from_secs(5));
            socket.set_read_timeout(wait).expect("a time-out");
            // The server may have closed before all was sent.
            let _ = socket.write_all(bytes);
            let _ = socket.read(&mut [0; 4096]);
            thread::sleep((Duration::from_secs(1) / each_second).saturating_sub(begun.elapsed()));
        }
    }
}

/// The least time that a processor is given: the attacker is on another machine.
fn step_back() {
    // SAFETY: changes this thread alone, of which the number is 0 here.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// The hello of a client that offers nothing but finite fields.
fn finite_field_hello() -> Vec<u8> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listens");
    let address = listener.local_addr().expect("bound");
    let client = thread::spawn(move || {
        let mut client = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        client.set_verify(SslVerifyMode::NONE);
        client.set_cipher_list("ALL:@SECLEVEL=0").expect("known");
        client
            .set_groups_list("ffdhe8192:ffdhe6144:ffdhe2048")
            .expect("known");
        let socket = TcpStream::connect(address).expect("connects");
        drop(client.build().connect(NAME, socket));
    });
    let (mut socket, _) = listener.accept().expect("accepted");
    let mut hello = vec![0; 4096];
    let count = socket.read(&mut hello).expect("read");
    hello.truncate(count);
    drop(socket);
    client.join().expect("no panic");
    hello
}

fn replay_hello(attack: &Attack<'_>) {
    attack.replay(100, &finite_field_hello());
}

fn claim_16_mebibytes(attack: &Attack<'_>) {
    let claim = [&[22, 3, 1, 64, 0, 1, 255, 255, 255][..], &[0; 16_380]].concat();
    attack.replay(100, &claim);
}

fn send_empty_records(attack: &Attack<'_>) {
    attack.replay(100, &[22, 3, 1, 0, 0].repeat(10_000));
}

fn update_keys(attack: &Attack<'_>) {
    let client = attack.server.client(&client_creds());
    client.set_blocking(false).expect("non-blocking");
    let mut some = [0; 4096];
    while attack.goes_on() {
        // It reads the responses: the server continues forever.
        if client.update_keys(true).is_err() {
            thread::yield_now();
        }
        let _ = client.read(&mut some);
    }
}

fn renegotiate(attack: &Attack<'_>) {
    while attack.goes_on() {
        let mut client = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        client.set_verify(SslVerifyMode::NONE);
        let version = Some(SslVersion::TLS1_2);
        client.set_max_proto_version(version).expect("known");
        let socket = TcpStream::connect(attack.address).expect("connects");
        let mut client = client.build().connect(NAME, socket).expect("agreed");
        client.read_exact(&mut [0]).expect("an answer");
        for _ in 0..100 {
            // SAFETY: the connection is this function's.
            unsafe { SSL_renegotiate(client.ssl().as_ptr()) };
            if client.do_handshake().is_err() {
                break;
            }
        }
    }
}

/// Connections that begin with this, and then wait; every second each sends a byte, if `trickles`.
fn hold(attack: &Attack<'_>, count: usize, begin: &[u8], trickles: bool) {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = TcpStream::connect(attack.address).expect("connects");
        let _ = socket.set_nonblocking(true);
        let _ = socket.write(begin);
        sockets.push(socket);
    }
    let mut turn = Instant::now();
    while attack.goes_on() {
        thread::sleep(Duration::from_millis(20));
        if trickles && turn.elapsed() > Duration::from_secs(1) {
            turn = Instant::now();
            for socket in &mut sockets {
                let _ = socket.write(&[1]);
            }
        }
    }
}

/// The beginning of a hello in one message of so many bytes, of which all but one are sent.
fn begun_hello(len: usize) -> Vec<u8> {
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let mut message = vec![7; 4 + len - 1];
    message[..6].copy_from_slice(&[1, a, b, c, 3, 3]);
    let record = |body: &[u8]| {
        let len = (body.len() as u16).to_be_bytes();
        [&[22, 3, 1][..], &len, body].concat()
    };
    message.chunks(16_000).flat_map(record).collect()
}

fn half_open(attack: &Attack<'_>) {
    hold(attack, 500, &begun_hello(130_000), false);
}

fn half_open_below_the_limit(attack: &Attack<'_>) {
    hold(attack, 500, &begun_hello(32_000), false);
}

fn slow_handshakes(attack: &Attack<'_>) {
    hold(attack, 1_000, &[22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3], true);
}

fn median(server: &Server) -> Duration {
    let mut times: Vec<_> = (0..60).map(|_| server.answer()).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// The response times of a legitimate client without and during an attack, and the memory by which
/// this process grows, with that of the attackers.
fn measure(act: fn(&Attack<'_>)) -> (Duration, Duration, usize) {
    let server = Server::new(1024);
    server.answer();
    let usual = median(&server);
    let before = resident();
    let attack = Attack {
        address: server.address,
        server: &server,
        is_ready: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            step_back();
            act(&attack);
        });
        while !attack.is_ready.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        // What is still in the queue of the listener is accepted before this.
        server.answer();
        let during = median(&server);
        let growth = resident().saturating_sub(before);
        attack.is_over.store(true, Ordering::Relaxed);
        (usual, during, growth)
    })
}

/// Runs alone: `make soak`, or with QIO_TEST_ALONE=1 and --nocapture for the figures.
fn assert_harmless(name: &str, act: fn(&Attack<'_>)) {
    alone(&format!("layer::tls::denial::{name}"), || {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(16_384), hard).expect("raised");
        // The machine may be busy with something else for a while.
        let mut most = 0;
        let is_harmless = (0..6).any(|_| {
            let (usual, during, growth) = measure(act);
            most = most.max(growth);
            let [usual_ms, during_ms] = [usual, during].map(|time| time.as_secs_f64() * 1000.0);
            println!(
                "{name}: {during_ms:.2} ms, usually {usual_ms:.2} ms, {} KiB",
                growth / 1024
            );
            during <= 2 * usual
        });
        assert!(
            is_harmless,
            "a legitimate client waits more than twice as long"
        );
        // 500 or 1,000 connections have less than 64 KiB each.
        assert!(most < 64 << 20, "{most} bytes");
    });
}

macro_rules! harmless {
    ($($name:ident: $act:expr;)*) => {
        $(
            #[test]
            #[ignore = "takes seconds, and compares times: `make soak`"]
            fn $name() {
                assert_harmless(stringify!($name), $act);
            }
        )*
    };
}

// A legitimate client waits at most twice as long during each of these.
harmless! {
    hellos_with_finite_fields_100_a_second: replay_hello;
    messages_of_16_mebibytes_100_a_second: claim_16_mebibytes;
    empty_records_a_million_a_second: send_empty_records;
    a_flood_of_key_updates: update_keys;
    a_flood_of_renegotiation: renegotiate;
    half_open_handshakes_of_130_kilobytes_500: half_open;
    half_open_handshakes_of_32_kilobytes_500: half_open_below_the_limit;
    slow_handshakes_1000: slow_handshakes;
}
