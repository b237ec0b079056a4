//! Bursts of clients, which are connected before the clock starts, and gone after it has stopped.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    process,
    time::Instant,
};

use futures_util::StreamExt as _;
use nix::sys::socket::{setsockopt, sockopt::Linger};
use qio::{ChannelSocket, NetListener};

use super::{
    interleaved::median,
    sample::{MEASURE, WARM_UP, report},
};

#[derive(Clone, Copy)]
pub(crate) enum Transport {
    Tcp,
    Unix,
}

/// Clients that wait in the backlog, which is large enough for them.
const BURST: usize = 64;

/// A non-blocking listening socket, and its clients.
struct Endpoint {
    transport: Transport,
    listening: OwnedFd,
    name: String,
}

impl Endpoint {
    fn new(transport: Transport) -> Self {
        let name = format!("qio-net-{}", process::id());
        let listening = match transport {
            Transport::Tcp => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
                listener.set_nonblocking(true).expect("a socket can be");
                listener.into()
            }
            Transport::Unix => {
                let address = SocketAddr::from_abstract_name(&name).expect("short");
                let listener = UnixListener::bind_addr(&address).expect("a new name");
                listener.set_nonblocking(true).expect("a socket can be");
                listener.into()
            }
        };
        Self {
            transport,
            listening,
            name,
        }
    }

    /// Clients in the queue. Those of TCP end by a reset, so that no port waits behind them.
    fn burst(&self) -> Vec<OwnedFd> {
        (0..BURST).map(|_| self.client()).collect()
    }

    fn client(&self) -> OwnedFd {
        match self.transport {
            Transport::Unix => {
                let address = SocketAddr::from_abstract_name(&self.name).expect("short");
                let client = UnixStream::connect_addr(&address).expect("space in the backlog");
                client.into()
            }
            Transport::Tcp => {
                let listening = self.listening.try_clone().expect("a duplicate");
                let address = TcpListener::from(listening).local_addr().expect("bound");
                let client = TcpStream::connect(address).expect("space in the backlog");
                let linger = nix::libc::linger {
                    l_onoff: 1,
                    l_linger: 0,
                };
                setsockopt(&client, Linger, &linger).expect("set");
                client.into()
            }
        }
    }

    fn listening(&self) -> OwnedFd {
        self.listening.try_clone().expect("a duplicate")
    }

    fn listener(&self) -> NetListener {
        let listener = NetListener::new();
        let channel = ChannelSocket::new_fd(self.listening()).expect("a socket");
        listener.add(&channel).expect("it listens");
        listener
    }
}

/// Counts what bursts take, and ends the process with the median for one client.
struct Stopwatch {
    begin: Instant,
    samples: Vec<f64>,
}

impl Stopwatch {
    fn new() -> Self {
        Self {
            begin: Instant::now(),
            samples: Vec::new(),
        }
    }

    fn sample(&mut self, since: Instant) {
        let took = since.elapsed();
        if self.begin.elapsed() > WARM_UP {
            self.samples.push(took.as_nanos() as f64 / BURST as f64);
        }
        if self.begin.elapsed() > WARM_UP + MEASURE {
            report(median(&mut self.samples));
        }
    }
}

pub(crate) fn by_futures(transport: Transport) -> ! {
    on_main_loop(async move {
        let endpoint = Endpoint::new(transport);
        let listener = endpoint.listener();
        let mut watch = Stopwatch::new();
        loop {
            let clients = endpoint.burst();
            let since = Instant::now();
            for _ in 0..BURST {
                drop(listener.accept_future().await.expect("a client"));
            }
            watch.sample(since);
            drop(clients);
        }
    })
}

pub(crate) fn by_stream(transport: Transport) -> ! {
    on_main_loop(async move {
        let endpoint = Endpoint::new(transport);
        let listener = endpoint.listener();
        let mut incoming = listener.incoming();
        let mut watch = Stopwatch::new();
        loop {
            let clients = endpoint.burst();
            let since = Instant::now();
            for _ in 0..BURST {
                let client = incoming.next().await.expect("open");
                drop(client.expect("a client"));
            }
            watch.sample(since);
            drop(clients);
        }
    })
}

pub(crate) fn by_callback(transport: Transport) -> ! {
    on_main_loop(async move {
        let endpoint = Endpoint::new(transport);
        let listener = endpoint.listener();
        let mut watch = Stopwatch::new();
        let (mut clients, mut served, mut since) = (endpoint.burst(), 0, Instant::now());
        listener.set_client_func_local(move |_, client| {
            drop(client);
            served += 1;
            if served == BURST {
                watch.sample(since);
                clients.clear();
                (clients, served, since) = (endpoint.burst(), 0, Instant::now());
            }
        });
        std::future::pending::<()>().await;
    })
}

/// In a task of the hub, as all of ours.
fn on_main_loop(work: impl Future<Output = ()> + 'static) -> ! {
    let context = glib::MainContext::default();
    let task = qio::spawn_local_in(&context, glib::Priority::DEFAULT, work);
    while !task.is_finished() {
        context.iteration(true);
    }
    unreachable!("the process has ended")
}

pub(crate) fn by_tokio(transport: Transport) -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build_local(tokio::runtime::LocalOptions::default())
        .expect("a runtime");
    // In a task, as that of ours.
    let work = async move {
        let endpoint = Endpoint::new(transport);
        let mut watch = Stopwatch::new();
        match transport {
            Transport::Tcp => {
                let listening = TcpListener::from(endpoint.listening());
                let listener = tokio::net::TcpListener::from_std(listening).expect("a socket");
                loop {
                    let clients = endpoint.burst();
                    let since = Instant::now();
                    for _ in 0..BURST {
                        drop(listener.accept().await.expect("a client"));
                    }
                    watch.sample(since);
                    drop(clients);
                }
            }
            Transport::Unix => {
                let listening = UnixListener::from(endpoint.listening());
                let listener = tokio::net::UnixListener::from_std(listening).expect("a socket");
                loop {
                    let clients = endpoint.burst();
                    let since = Instant::now();
                    for _ in 0..BURST {
                        drop(listener.accept().await.expect("a client"));
                    }
                    watch.sample(since);
                    drop(clients);
                }
            }
        }
    };
    runtime.block_on(async {
        let task: tokio::task::JoinHandle<()> = tokio::task::spawn_local(work);
        task.await.expect("no panic");
    });
    unreachable!("the process has ended")
}
