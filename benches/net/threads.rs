//! Echo servers with two threads, and their clients, on all CPUs.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::socket::{setsockopt, sockopt::Linger},
    unistd::Pid,
};
use qio::{ChannelSocket, ContextPool, NetListener, prelude::*};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    runtime::Runtime,
};

use super::{cases::Side, sample::report};

const THREADS: u32 = 2;
const BACKLOG: u32 = 1024;

/// Threads whose clients connect and disconnect.
const CONNECTING: usize = 4;
/// Connections that stay.
const STAYING: usize = 64;

const WARM_UP: Duration = Duration::from_millis(150);
const MEASURE: Duration = Duration::from_millis(400);

/// A server, which runs until the process ends, and its port.
enum Server {
    Qio(ContextPool, u16),
    Tokio(Runtime, u16),
}

impl Server {
    fn start(side: Side) -> Self {
        if side == Side::Tokio {
            return tokio();
        }
        let pool = ContextPool::new(THREADS).expect("threads");
        let port = match side {
            Side::ServeOn => {
                let (listener, port) = listener(0, false);
                listener.serve_on(&pool, echo).expect("it is open");
                port
            }
            Side::ReusePort => {
                let mut port = 0;
                for thread in 0..THREADS {
                    let (listener, bound) = listener(port, true);
                    port = bound;
                    drop(pool.spawn_on(thread, move || async move {
                        while let Ok(client) = listener.accept_future().await {
                            qio::spawn_local(echo(client));
                        }
                    }));
                }
                port
            }
            _ => {
                let (listener, port) = listener(0, false);
                let theirs = pool.clone();
                drop(pool.spawn(move || async move {
                    while let Ok(client) = listener.accept_future().await {
                        drop(theirs.spawn(move || echo(client)));
                    }
                }));
                port
            }
        };
        Self::Qio(pool, port)
    }

    fn port(&self) -> u16 {
        match self {
            Self::Qio(_, port) | Self::Tokio(_, port) => *port,
        }
    }

    /// Starts a client that counts round trips.
    fn ping(&self, count: Arc<AtomicU64>) {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).expect("it listens");
        stream.set_nodelay(true).expect("TCP");
        match self {
            Self::Qio(pool, _) => drop(pool.spawn(move || async move {
                let client = ChannelSocket::new_fd(stream.into()).expect("a socket");
                client.set_blocking(false).expect("a socket can be");
                loop {
                    client.write_all_future(b"x").await.expect("open");
                    client.read_all_future(&mut [0]).await.expect("open");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })),
            Self::Tokio(runtime, _) => drop(runtime.spawn(async move {
                stream.set_nonblocking(true).expect("a socket can be");
                let mut client = tokio::net::TcpStream::from_std(stream).expect("a socket");
                loop {
                    client.write_all(b"x").await.expect("open");
                    client.read_exact(&mut [0]).await.expect("open");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })),
        }
    }
}

fn listener(port: u16, shared: bool) -> (NetListener, u16) {
    let listener = NetListener::new();
    listener.set_reuse_port(shared);
    let any = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let address = gio::InetSocketAddress::new(&any, port);
    listener.open_sync(&address, BACKLOG).expect("a free port");
    let bound = listener.local_addresses()[0].clone();
    let bound = bound.downcast::<gio::InetSocketAddress>().expect("TCP");
    (listener, bound.port())
}

async fn echo(client: ChannelSocket) {
    let mut buf = [0; 64];
    while let Ok(count @ 1..) = client.read_future(&mut buf).await {
        if client.write_all_future(&buf[..count]).await.is_err() {
            return;
        }
    }
}

fn tokio() -> Server {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS as usize)
        .enable_io()
        .build()
        .expect("a runtime");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    listener.set_nonblocking(true).expect("a socket can be");
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buf = [0; 64];
                while let Ok(count @ 1..) = client.read(&mut buf).await {
                    if client.write_all(&buf[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Server::Tokio(runtime, port)
}

pub(crate) fn connections(side: Side) -> ! {
    use_all_cpus();
    let server = Server::start(side);
    let port = server.port();
    measure(CONNECTING, |count| {
        thread::spawn(move || {
            loop {
                connect_once(port);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    })
}

/// Ends by a reset, so that no port waits behind it.
fn connect_once(port: u16) {
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&client, Linger, &linger).expect("set");
    client.write_all(b"x").expect("open");
    client.read_exact(&mut [0]).expect("the echo");
}

pub(crate) fn ping_pong(side: Side) -> ! {
    use_all_cpus();
    let server = Server::start(side);
    measure(STAYING, |count| server.ping(count))
}

/// The parent of this process has one CPU.
fn use_all_cpus() {
    let mut all = CpuSet::new();
    for cpu in 0..CpuSet::count() {
        all.set(cpu).expect("within the count");
    }
    sched_setaffinity(Pid::from_raw(0), &all).expect("the kernel ignores those that are not there");
}

/// Starts `clients`, which count units, and reports the nanoseconds for a unit.
fn measure(clients: usize, start: impl Fn(Arc<AtomicU64>)) -> ! {
    let counts: Vec<Arc<AtomicU64>> = (0..clients).map(|_| Arc::default()).collect();
    counts.iter().for_each(|count| start(count.clone()));
    let total = || -> u64 { counts.iter().map(|it| it.load(Ordering::Relaxed)).sum() };
    thread::sleep(WARM_UP);
    let (before, since) = (total(), Instant::now());
    thread::sleep(MEASURE);
    let units = total() - before;
    report(since.elapsed().as_nanos() as f64 / units as f64)
}
