//! The throughput between channels: `relay` compared with socat, and `splice_to` compared with bare
//! sendfile(2).
//!
//! The two sides of a case run alternately. A relay is a process of its own between two TCP
//! connections, ours as well as socat, which runs as a user would start it, with the buffer that is
//! its default; sender and receiver are the same for both. `cargo bench --bench splice -- [FILTER]`
//! runs the cases whose names contain FILTER and prints the throughput of both sides, and the
//! median of the ratios of neighbors.

#![allow(unsafe_code)] // the bare system call

#[path = "peers/interleaved.rs"]
mod interleaved;
#[path = "peers/processes.rs"]
mod processes;
#[path = "peers/verdict.rs"]
mod verdict;

use std::{
    env, fs,
    io::{self, Read, SeekFrom, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    process::{Child, Command, ExitCode, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use interleaved::{Interleaved, interleaved};
use processes::connect;
use qio::{ChannelFile, ChannelSocket, prelude::*};
use verdict::{Verdict, confirmed};

/// What a relay moves, in bytes.
const RELAYED: u64 = 1 << 30;

/// The file that is sent, in bytes. It stays in the page cache.
const FILE: u64 = 256 << 20;

/// The buffer size of sender and receiver.
const BUFFER: usize = 256 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Socat,
    /// `relay`, in the thread that calls it.
    Blocking,
    /// `relay_future` on a main loop.
    Future,
    /// The same, with channels in blocking mode.
    FutureBlockingMode,
    Sendfile,
    /// `splice_to`, in the thread that calls it.
    Splice,
    /// `splice_to_future` on a main loop.
    SpliceFuture,
}

/// Ours must have at least `goal` times the throughput of the peer, if there is a goal.
struct Case {
    name: &'static str,
    ours: Side,
    peer: Side,
    goal: Option<f64>,
    bytes: u64,
    rounds: usize,
}

const fn relays(name: &'static str, ours: Side) -> Case {
    Case {
        name,
        ours,
        peer: Side::Socat,
        goal: Some(1.2),
        bytes: RELAYED,
        rounds: 7,
    }
}

const CASES: [Case; 5] = [
    relays("relay", Side::Blocking),
    relays("relay, future", Side::Future),
    relays("relay, blocking mode", Side::FutureBlockingMode),
    Case {
        name: "file to socket",
        ours: Side::Splice,
        peer: Side::Sendfile,
        goal: Some(0.95),
        bytes: FILE,
        rounds: 61,
    },
    Case {
        name: "file to socket, future",
        ours: Side::SpliceFuture,
        peer: Side::Sendfile,
        goal: None,
        bytes: FILE,
        rounds: 61,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [role, style, listen, target] = &arguments[..]
        && role == "--relay"
    {
        let style = [Side::Blocking, Side::Future, Side::FutureBlockingMode]
            .into_iter()
            .find(|side| side.name() == style);
        return match style.map(|style| be_relay(style, port(listen), port(target))) {
            Some(Ok(())) => ExitCode::SUCCESS,
            Some(Err(e)) => fail(&e),
            None => ExitCode::from(2),
        };
    }
    let filter = arguments.first().map_or("", String::as_str);
    println!(
        "{:<24} {:<10} {:>12} {:>12} {:>8} {:>6}",
        "case", "peer", "ours MiB/s", "peer MiB/s", "ratio", "goal"
    );
    let mut code = ExitCode::SUCCESS;
    for case in CASES.iter().filter(|case| case.name.contains(filter)) {
        match confirmed(|| compare(case)) {
            Ok(Verdict::Failed) => code = ExitCode::FAILURE,
            Ok(_) => {}
            Err(e) => return fail(&io::Error::other(format!("{}: {e}", case.name))),
        }
    }
    code
}

fn fail(e: &io::Error) -> ExitCode {
    eprintln!("splice: {e}");
    ExitCode::FAILURE
}

fn compare(case: &Case) -> io::Result<Verdict> {
    let throughput = |side: Side| {
        let time = side.measure()?;
        Ok(case.bytes as f64 / time.as_secs_f64() / 1048576.0)
    };
    let Interleaved {
        ours,
        theirs,
        ratio,
    } = interleaved(
        1,
        case.rounds,
        || throughput(case.ours),
        || throughput(case.peer),
    )?;
    let peer = case.peer.name();
    let verdict = case.goal.map_or(Verdict::Met, |goal| {
        Verdict::at_least(case.name, peer, ratio, goal)
    });
    println!(
        "{:<24} {:<10} {ours:>12.0} {theirs:>12.0} {ratio:>8.3} {:>6} {verdict}",
        case.name,
        peer,
        case.goal.map_or("-".into(), |goal| goal.to_string()),
    );
    Ok(verdict)
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Socat => "socat",
            Self::Blocking => "blocking",
            Self::Future => "future",
            Self::FutureBlockingMode => "future-blocking-mode",
            Self::Sendfile => "sendfile",
            Self::Splice => "splice",
            Self::SpliceFuture => "splice-future",
        }
    }

    fn measure(self) -> io::Result<Duration> {
        match self {
            Self::Socat | Self::Blocking | Self::Future | Self::FutureBlockingMode => {
                through_relay(self)
            }
            Self::Sendfile | Self::Splice | Self::SpliceFuture => from_file(self),
        }
    }

    fn start(self, listen: u16, target: u16) -> io::Result<Child> {
        let mut command = match self {
            Self::Socat => {
                let mut socat = Command::new("socat");
                socat
                    .arg(format!("TCP-LISTEN:{listen},bind=127.0.0.1,reuseaddr"))
                    .arg(format!("TCP:127.0.0.1:{target}"));
                socat
            }
            ours => {
                let mut relay = Command::new(env::current_exe()?);
                relay.args(["--relay", ours.name()]);
                relay.args([listen.to_string(), target.to_string()]);
                relay
            }
        };
        command.stdin(Stdio::null()).spawn()
    }
}

/// The time that it takes to send all through a relay, until the end has arrived.
fn through_relay(side: Side) -> io::Result<Duration> {
    let (target, sink) = sink(RELAYED)?;
    // A port that was free a moment ago; no other process binds ports here.
    let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut relay = side.start(listen.port(), target.port())?;
    let mut client = connect(listen)?;
    let data = vec![7; BUFFER];
    let start = Instant::now();
    for _ in 0..RELAYED / BUFFER as u64 {
        client.write_all(&data)?;
    }
    client.shutdown(std::net::Shutdown::Write)?;
    sink.join().expect("no panic")?;
    let took = start.elapsed();
    drop(client);
    relay.wait()?;
    Ok(took)
}

/// The time that it takes to send a file, until the end has arrived.
fn from_file(side: Side) -> io::Result<Duration> {
    let (target, sink) = sink(FILE)?;
    let file = file()?;
    let socket = TcpStream::connect(target)?;
    let start;
    match side {
        Side::Sendfile => {
            start = Instant::now();
            while sendfile(&file, &socket)? > 0 {}
            drop(socket);
        }
        side => {
            let (file, socket) = (
                ChannelFile::from(file),
                ChannelSocket::new_fd(socket.into())?,
            );
            socket.set_blocking(side == Side::Splice)?;
            start = Instant::now();
            let sent = match side {
                Side::Splice => file.splice_to(&socket, None)?,
                _ => glib::MainContext::new().block_on(file.splice_to_future(&socket, None))?,
            };
            assert_eq!(sent, FILE);
            socket.close()?;
        }
    }
    sink.join().expect("no panic")?;
    Ok(start.elapsed())
}

/// One file for all, which has long been written when it is read; at its beginning.
fn file() -> io::Result<fs::File> {
    static SHARED: OnceLock<fs::File> = OnceLock::new();
    let mut file = match SHARED.get() {
        Some(file) => file.try_clone()?,
        None => {
            let mut file = tempfile::tempfile()?;
            let data = vec![7; BUFFER];
            for _ in 0..FILE / BUFFER as u64 {
                file.write_all(&data)?;
            }
            file.sync_all()?;
            SHARED.get_or_init(|| file).try_clone()?
        }
    };
    io::Seek::seek(&mut file, SeekFrom::Start(0))?;
    Ok(file)
}

/// What a careful Rust program makes of a bare system call.
fn sendfile(file: &fs::File, socket: &TcpStream) -> io::Result<usize> {
    // SAFETY: no memory is passed.
    let sent = unsafe {
        let (file, socket) = (file.as_raw_fd(), socket.as_raw_fd());
        libc::sendfile(socket, file, std::ptr::null_mut(), FILE as usize)
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives so many bytes and the end, in a thread.
fn sink(expected: u64) -> io::Result<(SocketAddr, thread::JoinHandle<io::Result<()>>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let thread = thread::spawn(move || {
        let (mut connection, _) = listener.accept()?;
        let (mut buf, mut received) = (vec![0; BUFFER], 0);
        loop {
            match connection.read(&mut buf)? {
                0 => break,
                count => received += count as u64,
            }
        }
        match received == expected {
            true => Ok(()),
            false => Err(io::Error::other(format!("{received} bytes have arrived"))),
        }
    });
    Ok((address, thread))
}

fn port(text: &str) -> u16 {
    text.parse().expect("a port")
}

/// Relays one connection, in a separate process.
fn be_relay(side: Side, listen: u16, target: u16) -> io::Result<()> {
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let address = |port| gio::InetSocketAddress::new(&loopback, port);
    let client = ChannelSocket::listen(&address(listen), 1)?.accept()?;
    let server = ChannelSocket::connect(&address(target))?;
    let relayed = match side {
        Side::Blocking => qio::relay(&client, &server)?,
        side => {
            client.set_blocking(side == Side::FutureBlockingMode)?;
            server.set_blocking(side == Side::FutureBlockingMode)?;
            let relay = async move { qio::relay_future(&client, &server).await };
            let relay = qio::spawn_local(relay);
            glib::MainContext::default()
                .block_on(relay)
                .expect("no panic")?
        }
    };
    assert_eq!(relayed.sent, RELAYED);
    Ok(())
}
