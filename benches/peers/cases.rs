//! The cases, their goals, and what runs each side of them.

use std::process::ExitCode;

use tokio::net::{TcpStream, UnixStream};

use super::{
    bare, fairness,
    futures::{self, Runtime},
    lines,
    on_gio::{Async, Channels, Gio, Pollable},
    on_giochannel,
    on_qio::{self, Qio},
    on_tokio::Tokio,
    sockets::Transport::{self, Tcp, Unix},
};

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

#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// `pairs` ping-pongs among `idle` waiting channels: nanoseconds for a round trip.
    PingPong {
        transport: Transport,
        size: usize,
        pairs: usize,
        idle: usize,
    },
    /// A ping-pong with another process: nanoseconds for a round trip.
    Remote { transport: Transport, size: usize },
    /// A ping-pong of one pair in this process: instructions for a round trip.
    Instructions { transport: Transport, size: usize },
    /// From one task to another in blocks: nanoseconds for a MiB.
    Bulk { block: usize },
    /// A task reads lines of 80 bytes: nanoseconds for a line.
    Lines,
    /// As `Lines`, into one buffer.
    LinesInto,
    /// As `Lines`, of a thread that blocks.
    BlockingLines,
    /// Bytes for a channel that waits in a task, among `idle` of them.
    IdleMemory { idle: usize },
    /// A percentile of the period of a timer of 1 ms under load.
    Timer { percent: usize },
    /// Nanoseconds from frame to frame of a clock, concurrent with tasks of a lower priority.
    Redraw,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Futures,
    Watch,
    Handler,
    Coroutine,
    /// As streams of GIO.
    Streams,
    Blocking,
    Epoll,
    Poll,
    Tokio,
    /// Its `BufReader`, which has no limit of a line.
    TokioBuffered,
    GioAsync,
    GioBlocking,
    GioPollable,
    GioChannel,
    /// What would be perfect: not measured.
    Ideal,
}

use Side::{Epoll, GioAsync, GioBlocking, GioChannel, GioPollable, Ideal, Poll, TokioBuffered};

const fn case(name: &'static str, work: Work, style: Side, peers: &'static [Peer]) -> Case {
    Case {
        name,
        work,
        style,
        peers,
    }
}

const fn goal(side: Side, goal: f64) -> Peer {
    let goal = Some(goal);
    Peer { side, goal }
}

/// A peer without a goal.
const fn also(side: Side) -> Peer {
    Peer { side, goal: None }
}

const fn ping_pong(transport: Transport, size: usize) -> Work {
    Work::PingPong {
        transport,
        size,
        pairs: 1,
        idle: 0,
    }
}

const fn among_idle(idle: usize, pairs: usize) -> Work {
    Work::PingPong {
        transport: Unix,
        size: 1,
        pairs,
        idle,
    }
}

const KIB: usize = 1024;

/// What a round trip of futures over a unix socket may take.
const INSTRUCTIONS: f64 = 2600.0;

#[rustfmt::skip] // one line is one row
pub(crate) const CASES: &[Case] = &[
    case("pingpong/unix/1B/futures", ping_pong(Unix, 1), Side::Futures,
        &[goal(Side::Tokio, 0.98), goal(Epoll, 1.1), also(Poll), goal(GioAsync, 0.3), also(GioPollable)]),
    case("pingpong/unix/4KiB/futures", ping_pong(Unix, 4 * KIB), Side::Futures,
        &[goal(Side::Tokio, 1.0), goal(Epoll, 1.12), goal(GioAsync, 0.3)]),
    case("pingpong/tcp/1B/futures", ping_pong(Tcp, 1), Side::Futures,
        &[goal(Side::Tokio, 1.0), goal(Epoll, 1.1), also(Poll), goal(GioAsync, 0.42), also(GioPollable)]),
    case("pingpong/tcp/4KiB/futures", ping_pong(Tcp, 4 * KIB), Side::Futures,
        &[goal(Side::Tokio, 1.0), goal(Epoll, 1.1), goal(GioAsync, 0.42)]),
    case("pingpong/unix/1B/watch", ping_pong(Unix, 1), Side::Watch,
        &[goal(GioChannel, 0.79)]),
    case("pingpong/unix/1B/streams", ping_pong(Unix, 1), Side::Streams,
        &[goal(GioAsync, 0.3)]),
    case("lines/futures", Work::Lines, Side::Futures,
        &[goal(Side::Tokio, 1.11), goal(GioAsync, 0.67)]),
    case("lines/futures/into", Work::LinesInto, Side::Futures,
        &[goal(Side::Tokio, 1.11), also(TokioBuffered)]),
    case("lines/blocking", Work::BlockingLines, Side::Blocking,
        &[goal(GioBlocking, 0.67)]),
    case("instructions/unix/1B", Work::Instructions { transport: Unix, size: 1 }, Side::Futures,
        &[goal(Ideal, 1.0), also(Side::Tokio), also(Epoll)]),
    case("remote/unix/1B/futures", Work::Remote { transport: Unix, size: 1 }, Side::Futures,
        &[goal(Side::Tokio, 1.05), also(GioAsync)]),
    case("remote/tcp/1B/futures", Work::Remote { transport: Tcp, size: 1 }, Side::Futures,
        &[goal(Side::Tokio, 1.05), also(GioAsync)]),
    case("remote/unix/1B/watch", Work::Remote { transport: Unix, size: 1 }, Side::Watch,
        &[also(GioChannel)]),
    case("idle/100/futures", among_idle(100, 1), Side::Futures,
        &[goal(Side::Tokio, 1.0), goal(GioAsync, 0.1)]),
    case("idle/1000/futures", among_idle(1000, 1), Side::Futures,
        &[goal(Side::Tokio, 1.0), goal(GioAsync, 0.01)]),
    case("idle/5000/futures", among_idle(5000, 1), Side::Futures,
        &[goal(Side::Tokio, 1.0), goal(GioAsync, 0.001)]),
    case("idle/1000/watch", among_idle(1000, 1), Side::Watch,
        &[goal(GioChannel, 0.2)]),
    case("idle/5000/watch", among_idle(5000, 1), Side::Watch,
        &[goal(GioChannel, 0.2)]),
    case("idle/1000/handler", among_idle(1000, 1), Side::Handler,
        &[goal(Side::Tokio, 1.04)]),
    case("active/100of5000/futures", among_idle(5000, 100), Side::Futures,
        &[goal(Side::Tokio, 1.07)]),
    case("bulk/unix/64KiB", Work::Bulk { block: 64 * KIB }, Side::Futures,
        &[goal(Side::Tokio, 1.02), goal(GioAsync, 0.85)]),
    case("bulk/unix/1MiB", Work::Bulk { block: 1024 * KIB }, Side::Futures,
        &[goal(Side::Tokio, 1.02), goal(GioAsync, 0.85)]),
    case("coroutine/pingpong", ping_pong(Unix, 1), Side::Coroutine,
        &[goal(Side::Futures, 1.2)]),
    case("memory/idle", Work::IdleMemory { idle: 5000 }, Side::Futures,
        &[goal(Side::Tokio, 0.77)]),
    case("fairness/timer/median", Work::Timer { percent: 50 }, Side::Futures,
        &[goal(Ideal, 1.1)]),
    case("fairness/timer/p99", Work::Timer { percent: 99 }, Side::Futures,
        &[goal(Ideal, 1.5)]),
    case("fairness/redraw", Work::Redraw, Side::Futures,
        &[goal(Ideal, 1.05)]),
];

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Futures => "our futures",
            Self::Watch => "our watches",
            Self::Handler => "our handlers",
            Self::Coroutine => "our coroutines",
            Self::Streams => "our streams",
            Self::Blocking => "our blocking",
            Self::Epoll => "epoll loop",
            Self::Poll => "poll loop",
            Self::Tokio => "tokio",
            Self::TokioBuffered => "tokio BufReader",
            Self::GioAsync => "GIO async",
            Self::GioBlocking => "GIO blocking",
            Self::GioPollable => "GIO pollable",
            Self::GioChannel => "GIOChannel",
            Self::Ideal => "ideal",
        }
    }
}

impl Work {
    /// What `Side::Ideal` would take.
    pub(crate) fn ideal(self, side: Side) -> Option<f64> {
        match self {
            _ if side != Side::Ideal => None,
            Self::Timer { .. } => Some(fairness::PERIOD.as_nanos() as f64),
            Self::Redraw => Some(fairness::FRAME.as_nanos() as f64),
            Self::Instructions { .. } => Some(INSTRUCTIONS),
            _ => unreachable!("neither a clock nor a count"),
        }
    }

    /// Whether callgrind counts, instead of a clock.
    pub(crate) fn counts_instructions(self) -> bool {
        matches!(self, Self::Instructions { .. })
    }

    /// How often each side has its turn.
    pub(crate) fn rounds(self) -> usize {
        match self {
            Self::PingPong { .. }
            | Self::Remote { .. }
            | Self::Bulk { .. }
            | Self::Lines
            | Self::LinesInto
            | Self::BlockingLines => 11,
            Self::Instructions { .. } => 1,
            Self::IdleMemory { .. } | Self::Timer { .. } | Self::Redraw => 5,
        }
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
pub(crate) fn run(work: Work, side: Side) -> ExitCode {
    match (side, work) {
        (Side::Futures, Work::Timer { percent }) => fairness::timer(percent),
        (Side::Futures, Work::Redraw) => fairness::redraw(),
        (Side::Futures, Work::Lines) => lines::futures::<Qio>(),
        (Side::GioAsync, Work::Lines) => lines::futures::<Gio<Async>>(),
        (Side::Futures, Work::LinesInto) => lines::into_buffer(),
        (Side::TokioBuffered, _) => lines::into_buffer_of_tokio(),
        (Side::Tokio, Work::Lines | Work::LinesInto) => lines::futures::<Tokio<UnixStream>>(),
        (Side::Blocking, _) => lines::blocking_qio(),
        (Side::GioBlocking, _) => lines::blocking_gio(),
        (Side::Futures, _) => futures::<Qio>(work),
        (Side::Streams, _) => futures::<Gio<Async<Channels>>>(work),
        (Side::GioAsync, _) => futures::<Gio<Async>>(work),
        (Side::GioPollable, _) => futures::<Gio<Pollable>>(work),
        (
            Side::Tokio,
            Work::PingPong { transport: Tcp, .. } | Work::Remote { transport: Tcp, .. },
        ) => futures::<Tokio<TcpStream>>(work),
        (Side::Tokio, _) => futures::<Tokio<UnixStream>>(work),
        (
            _,
            Work::PingPong {
                transport,
                size,
                pairs: 1,
                idle,
            },
        ) => callbacks(side, transport, size, idle),
        (_, Work::Instructions { transport, size }) => callbacks(side, transport, size, 0),
        (Side::Watch, Work::Remote { transport, size }) => on_qio::remote_watch(transport, size),
        (Side::GioChannel, Work::Remote { transport, size }) => {
            on_giochannel::remote(transport, size);
        }
        _ => unreachable!("no such case"),
    }
    unreachable!("the process has ended")
}

fn futures<R: Runtime>(work: Work) {
    match work {
        Work::PingPong {
            transport,
            size,
            pairs,
            idle,
        } => futures::ping_pong::<R>(transport, size, pairs, idle),
        Work::Instructions { transport, size } => futures::ping_pong::<R>(transport, size, 1, 0),
        Work::Remote { transport, size } => futures::remote::<R>(transport, size),
        Work::Bulk { block } => futures::bulk::<R>(block),
        Work::IdleMemory { idle } => futures::idle_memory::<R>(idle),
        Work::Lines | Work::LinesInto | Work::BlockingLines => unreachable!("not by this"),
        Work::Timer { .. } | Work::Redraw => unreachable!("about our side only"),
    }
}

/// A single ping-pong of what is not a task.
fn callbacks(side: Side, transport: Transport, size: usize, idle: usize) {
    match side {
        Side::Watch => on_qio::watches(transport, size, idle),
        Side::Handler => on_qio::handlers(transport, size, idle),
        Side::Coroutine => on_qio::coroutines(transport, size),
        Side::GioChannel => on_giochannel::ping_pong(transport, size, idle),
        Side::Epoll => bare::epoll(transport, size),
        Side::Poll => bare::poll(transport, size),
        _ => unreachable!("no such case"),
    }
}
