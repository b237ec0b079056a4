//! The cases, their goals, and what runs each side of them.

use super::accept::{self, Transport};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    /// How ours does it.
    pub(crate) style: Side,
    pub(crate) peers: &'static [Peer],
}

pub(crate) struct Peer {
    pub(crate) side: Side,
    /// Ours takes at most this many times as long as the peer, if anything is promised.
    pub(crate) goal: Option<f64>,
}

/// Accepting and closing clients that wait in the queue: nanoseconds for each.
#[derive(Clone, Copy)]
pub(crate) struct Work(Transport);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Future,
    Stream,
    Callback,
    Tokio,
}

const fn case(
    name: &'static str,
    transport: Transport,
    style: Side,
    peers: &'static [Peer],
) -> Case {
    Case {
        name,
        work: Work(transport),
        style,
        peers,
    }
}

const TOKIO: &[Peer] = &[Peer {
    side: Side::Tokio,
    goal: Some(1.0),
}];

#[rustfmt::skip] // one line is one row
pub(crate) const CASES: &[Case] = &[
    case("accept/tcp/future", Transport::Tcp, Side::Future, TOKIO),
    case("accept/tcp/stream", Transport::Tcp, Side::Stream, TOKIO),
    case("accept/tcp/callback", Transport::Tcp, Side::Callback, TOKIO),
    case("accept/unix/future", Transport::Unix, Side::Future, TOKIO),
    case("accept/unix/callback", Transport::Unix, Side::Callback, TOKIO),
];

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Future => "our futures",
            Self::Stream => "our streams",
            Self::Callback => "our callbacks",
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
pub(crate) fn run(Work(transport): Work, side: Side) -> ! {
    match side {
        Side::Future => accept::by_futures(transport),
        Side::Stream => accept::by_stream(transport),
        Side::Callback => accept::by_callback(transport),
        Side::Tokio => accept::by_tokio(transport),
    }
}
