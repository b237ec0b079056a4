//! The sockets that all sides use: non-blocking, and without delay.

use std::{
    env, fs, io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    process::{self, Command, Stdio},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sched::{CpuSet, sched_setaffinity},
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{Pid, read, write},
};

use super::ping_pong::READ_SIZE;

#[derive(Clone, Copy)]
pub(crate) enum Transport {
    Unix,
    Tcp,
}

/// Two ends of a connection.
pub(crate) fn pair(transport: Transport) -> [OwnedFd; 2] {
    match transport {
        Transport::Unix => {
            let (a, b) = UnixStream::pair().expect("a socketpair");
            [a, b].map(|end| {
                end.set_nonblocking(true).expect("a socket can be");
                end.into()
            })
        }
        Transport::Tcp => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = listener.local_addr().expect("bound");
            let a = TcpStream::connect(address).expect("listening");
            let (b, _) = listener.accept().expect("connected");
            [a, b].map(|end| {
                end.set_nonblocking(true).expect("a socket can be");
                end.set_nodelay(true).expect("TCP");
                end.into()
            })
        }
    }
}

/// The end of a connection whose other end another process has, on another CPU where there is one:
/// it echoes, and ends with this process.
#[expect(
    clippy::zombie_processes,
    reason = "it ends with this process, and not before"
)]
pub(crate) fn remote(transport: Transport) -> OwnedFd {
    let [here, there] = pair(transport);
    let this = env::current_exe().expect("this program has a path");
    let child = Command::new(this)
        .arg("--echo")
        .stdin(Stdio::from(there))
        .spawn();
    child.expect("the peer starts");
    here
}

/// Is that peer: a blocking loop on standard input.
pub(crate) fn echo() -> ! {
    let this = Pid::from_raw(0);
    let mut first = CpuSet::new();
    first.set(0).expect("there is a first CPU");
    // Best effort: where that CPU is not allowed, both ends share one.
    let _ = sched_setaffinity(this, &first);
    let socket = io::stdin();
    fcntl(&socket, FcntlArg::F_SETFL(OFlag::empty())).expect("a blocking socket");
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match read(&socket, &mut buffer) {
            Ok(0) | Err(_) => process::exit(0),
            Ok(count) => {
                let mut left = &buffer[..count];
                while !left.is_empty() {
                    let Ok(sent) = write(&socket, left) else {
                        process::exit(0)
                    };
                    left = &left[sent..];
                }
            }
        }
    }
}

/// Connected sockets with nothing to read, for one descriptor each: their other ends wait
/// in the backlog of a listener, which is full when the next listener takes over.
pub(crate) fn idle(count: usize) -> Vec<OwnedFd> {
    let backlog = backlog();
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let name = format!("qio-peers-{}-{}", process::id(), sockets.len());
        let address = SocketAddr::from_abstract_name(name).expect("short");
        let listener = UnixListener::bind_addr(&address).expect("a new name");
        for _ in 0..backlog.min(count - sockets.len()) {
            let socket = UnixStream::connect_addr(&address).expect("space in the backlog");
            socket.set_nonblocking(true).expect("a socket can be");
            sockets.push(socket.into());
        }
        std::mem::forget(listener); // closed, it would disconnect them
    }
    sockets
}

/// How many connections a listener of the standard library keeps waiting.
fn backlog() -> usize {
    let limit = fs::read_to_string("/proc/sys/net/core/somaxconn");
    let limit = limit.ok().and_then(|limit| limit.trim().parse().ok());
    limit.unwrap_or(128).min(1000)
}

/// Raises the limit of open descriptors to what is allowed.
pub(crate) fn allow_many() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a known limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("not above the hard limit");
}

/// The memory of this process that is in RAM, in bytes.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/smaps_rollup").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("Rss:"));
    let line = line.expect("a process has memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("kB");
    kib * 1024
}
