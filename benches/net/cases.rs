//! The cases, their goals, and what runs each side of them.

use super::{
    accept::{self, Transport},
    threads,
};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    /// How ours does it.
    pub(crate) style: Side,
    pub(crate) peers: &'static [Peer],
}

#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) side: Side,
    /// Ours takes at most this many times as long as the peer, if anything is promised.
    pub(crate) goal: Option<f64>,
}

#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// Accepting and closing clients that wait in the queue: nanoseconds for each.
    Accept(Transport),
    /// Clients of a server with two threads connect, have a byte echoed, and disconnect:
    /// nanoseconds for each.
    Connections,
    /// Connections to a server with two threads have a byte echoed: nanoseconds for a round trip of
    /// any of them.
    PingPong,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Future,
    Stream,
    Callback,
    /// By `serve_on`.
    ServeOn,
    /// A socket for each thread of a pool, which share the port.
    ReusePort,
    /// One thread of a pool accepts for all.
    OneAcceptor,
    Tokio,
}

const fn accept(name: &'static str, transport: Transport, style: Side) -> Case {
    Case {
        name,
        work: Work::Accept(transport),
        style,
        peers: TOKIO,
    }
}

const fn threads(name: &'static str, work: Work) -> Case {
    Case {
        name,
        work,
        style: Side::ServeOn,
        peers: THREADS,
    }
}

const TOKIO: &[Peer] = &[Peer {
    side: Side::Tokio,
    goal: Some(1.0),
}];

/// The other ways to distribute connections, which have no goal.
const THREADS: &[Peer] = &[
    TOKIO[0],
    Peer {
        side: Side::ReusePort,
        goal: None,
    },
    Peer {
        side: Side::OneAcceptor,
        goal: None,
    },
];

#[rustfmt::skip] // one line is one row
pub(crate) const CASES: &[Case] = &[
    accept("accept/tcp/future", Transport::Tcp, Side::Future),
    accept("accept/tcp/stream", Transport::Tcp, Side::Stream),
    accept("accept/tcp/callback", Transport::Tcp, Side::Callback),
    accept("accept/unix/future", Transport::Unix, Side::Future),
    accept("accept/unix/callback", Transport::Unix, Side::Callback),
    threads("threads/connections", Work::Connections),
    threads("threads/pingpong", Work::PingPong),
];

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Future => "our futures",
            Self::Stream => "our streams",
            Self::Callback => "our callbacks",
            Self::ServeOn => "serve_on",
            Self::ReusePort => "reuse-port",
            Self::OneAcceptor => "one acceptor",
            Self::Tokio => "tokio",
        }
    }
}

impl Work {
    pub(crate) fn ideal(self, _side: Side) -> Option<f64> {
        None
    }

    pub(crate) fn counts_instructions(self) -> bool {
        false
    }

    /// How often each side has its turn.
    pub(crate) fn rounds(self) -> usize {
        11
    }
}

/// The case and the side of the names that a child process is given.
pub(crate) fn find(case: &str, side: &str) -> Option<(Work, Side)> {
    let case = CASES.iter().find(|known| known.name == case)?;
    let mut sides = case.peers.iter().map(|peer| peer.side).chain([case.style]);
    let side = sides.find(|known| known.name() == side)?;
    Some((case.work, side))
}

/// Runs a side, which ends the process with its result.
pub(crate) fn run(work: Work, side: Side) -> ! {
    match (work, side) {
        (Work::Connections, _) => threads::connections(side),
        (Work::PingPong, _) => threads::ping_pong(side),
        (Work::Accept(transport), Side::Future) => accept::by_futures(transport),
        (Work::Accept(transport), Side::Stream) => accept::by_stream(transport),
        (Work::Accept(transport), Side::Callback) => accept::by_callback(transport),
        (Work::Accept(transport), _) => accept::by_tokio(transport),
    }
}
