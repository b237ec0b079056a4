//! The maximum of clients under a limit of descriptors: all of them are served at the same time.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use nix::sys::signal::Signal;

use crate::{
    connect,
    process::{Running, poll_until, qio},
};

/// The hard limit of descriptors.
const LIMIT: usize = 200;

/// More than a pipe of the kernel's default capacity has.
const MUCH: usize = 300_000;

fn limited(arguments: &[&str]) -> Running {
    let script = format!("ulimit -n {LIMIT}; exec \"$0\" relay -v --fork \"$@\"");
    Running::new(
        Command::new("sh")
            .args(["-c", &script])
            .arg(qio())
            .args(arguments),
    )
}

/// For how many clients the limit is enough.
fn most(first: &str, second: &str, options: &[&str]) -> usize {
    let all = [options, &["--max-clients=100000", first, second]].concat();
    let errors = limited(&all).end().errors;
    let number = errors.trim_end().rsplit(' ').next().unwrap_or_default();
    number.parse().unwrap_or_else(|_| panic!("{errors}"))
}

/// Returns what it receives, and counts its clients.
fn echo<S: Read + Write + Send + 'static>(client: Option<S>, count: &Arc<AtomicUsize>) {
    let Some(mut client) = client else { return };
    count.fetch_add(1, Ordering::Relaxed);
    thread::spawn(move || {
        let mut buf = vec![0; 65_536];
        while let Ok(n @ 1..) = client.read(&mut buf) {
            if client.write_all(&buf[..n]).is_err() {
                return;
            }
        }
    });
}

fn tcp_echo(count: &Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let (port, count) = (listener.local_addr().expect("bound").port(), count.clone());
    thread::spawn(move || {
        listener
            .incoming()
            .for_each(|client| echo(client.ok(), &count));
    });
    port
}

fn unix_echo(path: &Path, count: &Arc<AtomicUsize>) {
    let (listener, count) = (UnixListener::bind(path).expect("bound"), count.clone());
    thread::spawn(move || {
        listener
            .incoming()
            .for_each(|client| echo(client.ok(), &count));
    });
}

/// Any client.
trait Client: Read + Write {}
impl Client for TcpStream {}
impl Client for UnixStream {}

/// Sends much, a part at a time, and receives it back.
fn exchange(client: &mut dyn Client) {
    let mut part = [7; 50_000];
    for _ in 0..MUCH / part.len() {
        client.write_all(&part).expect("connected");
        client.read_exact(&mut part).expect("the echo");
    }
}

fn upgrade(client: &mut dyn Client) {
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    client.write_all(request.as_bytes()).expect("connected");
    client
        .read_exact(&mut b"HTTP/1.1 101".to_owned())
        .expect("an answer");
}

/// Fills a server with as many clients as its descriptors are enough for.
#[track_caller]
fn fill(first: &str, second: &str, options: &[&str], at_least: usize, served: &dyn Fn() -> usize) {
    let about = format!("{first} {second}");
    let most = most(first, second, options);
    assert!(most >= at_least, "{about}: {most}");
    let maximum = format!("--max-clients={most}");
    let mut server = limited(&[options, &[&maximum, first, second]].concat());
    let address = server.wait_for_log("listening on ");
    let (_, address) = address.rsplit_once("unix:").unwrap_or(("", &address));
    let connect = || -> Box<dyn Client> {
        match first.starts_with("unix") {
            true => Box::new(crate::connect_unix(Path::new(address))),
            false => Box::new(connect(
                address.trim_start_matches("ws:").trim_start_matches("tcp:"),
            )),
        }
    };
    let mut clients: Vec<_> = (0..most).map(|_| connect()).collect();
    for client in &mut clients {
        match first.starts_with("ws") {
            true => upgrade(&mut **client),
            false if second.starts_with("file") => client.write_all(&[1]).expect("connected"),
            false if second.starts_with("udp") => client.write_all(&[1]).expect("connected"),
            false => exchange(&mut **client),
        }
    }
    poll_until(
        || served() >= most,
        || format!("{about}: {} of {most}", served()),
    );
    assert!(server.descriptors() <= LIMIT);
    // Another one waits, and is served then.
    let mut next = connect();
    drop(clients.pop());
    if first.starts_with("ws") {
        upgrade(&mut *next);
    } else if !second.starts_with("file") && !second.starts_with("udp") {
        exchange(&mut *next);
    }
    server.signal(Signal::SIGINT);
    let errors = server.end().errors;
    for failure in ["Too many", "Unable to connect", "Unable to open"] {
        assert!(!errors.contains(failure), "{about}: {errors}");
    }
}

#[test]
fn a_limit_of_descriptors_is_filled_with_clients_of_each_kind_and_all_are_served() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let port = tcp_echo(&count);
    unix_echo(&folder.path().join("echo"), &count);
    let counted = || count.load(Ordering::Relaxed);
    let (tcp, unix) = (
        format!("tcp:127.0.0.1:{port}"),
        format!("unix:{}", path("echo")),
    );
    let named = format!("tcp:localhost:{port}");
    let listens = format!("unix-listen:{}", path("socket"));
    let on_tcp = "tcp-listen:127.0.0.1:0";
    for (first, second, at_least) in [
        (on_tcp, &*tcp, 40),
        (on_tcp, &named, 30),
        (on_tcp, &unix, 40),
        (&listens, &tcp, 40),
        (&listens, &unix, 45),
        ("ws-listen:127.0.0.1:0", &tcp, 45),
    ] {
        count.store(0, Ordering::Relaxed);
        fill(first, second, &[], at_least, &counted);
    }
    count.store(0, Ordering::Relaxed);
    fill(on_tcp, &tcp, &["--threads=2"], 30, &counted);
    // Each has its answer.
    fill(on_tcp, "exec:cat", &[], 25, &|| usize::MAX);

    let file = path("file");
    let length = || fs::metadata(&file).map_or(0, |it| it.len() as usize);
    fill(on_tcp, &format!("file:{file}"), &[], 35, &length);
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    datagrams.set_nonblocking(true).expect("a socket");
    let second = format!("udp:{}", datagrams.local_addr().expect("bound"));
    let received = AtomicUsize::new(0);
    fill(on_tcp, &second, &[], 60, &|| {
        while datagrams.recv(&mut [0; 16]).is_ok() {
            received.fetch_add(1, Ordering::Relaxed);
        }
        received.load(Ordering::Relaxed)
    });
}
