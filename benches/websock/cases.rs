//! What is compared, and the goals.

use super::{
    ends::Net,
    relay::RELAYED,
    work::{BULK, Sender, Work},
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// A channel, by `send_future` and `receive_future`.
    Messages,
    /// A channel as a stream of bytes, by `write_all_future` and `read_future`.
    Bytes,
    /// The lower channel alone, as a stream of bytes.
    Bare,
    Tungstenite,
    /// With buffers of 4 KiB, for many connections.
    TungsteniteSmall,
    Fast,
    /// Over a buffered stream.
    FastBuffered,
    /// libsoup on sockets of GIO.
    Soup,
    /// libsoup on channels as streams of GIO.
    SoupBridge,
    /// Calls of zlib, without a connection.
    Python,
    /// A relay of ours.
    Relay,
    Websocat,
    Websockify,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Bytes => "bytes",
            Self::Bare => "bare",
            Self::Tungstenite => "tokio-tungstenite",
            Self::TungsteniteSmall => "tungstenite-4KiB",
            Self::Fast => "fastwebsockets",
            Self::FastBuffered => "fastwebsockets-BufStream",
            Self::Soup => "libsoup",
            Self::SoupBridge => "libsoup-bridge",
            Self::Python => "python-zlib",
            Self::Relay => "relay",
            Self::Websocat => "websocat",
            Self::Websockify => "websockify",
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Task {
    Work(Work, Net),
    Relay {
        bytes: u64,
    },
    /// Of an idle end.
    Memory,
}

impl Task {
    /// The same, so often.
    pub(crate) fn repeated(self, units: usize) -> Self {
        match self {
            Self::Work(Work::PingPong { .. }, net) => {
                Self::Work(Work::PingPong { trips: units }, net)
            }
            task => task,
        }
    }
}

/// What is compared of the two sides.
#[derive(Clone, Copy)]
pub(crate) enum Figure {
    /// What is done in a second: the goal is a lower bound.
    Speed,
    /// The time of a unit, or bytes: the goal is an upper bound.
    Time,
    /// Instructions for a unit, which is repeated so often.
    Instructions([u64; 2]),
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) task: Task,
    pub(crate) ours: Side,
    pub(crate) peer: Side,
    pub(crate) figure: Figure,
    /// A case without one is for information.
    pub(crate) goal: Option<f64>,
    pub(crate) rounds: usize,
}

impl Case {
    /// How many units there are in one run, and what these are.
    pub(crate) fn unit(&self) -> (f64, &'static str) {
        let (amount, unit) = match self.task {
            Task::Memory => (1.0, "bytes"),
            Task::Relay { bytes } => (bytes as f64 / 1048576.0, "MiB/s"),
            Task::Work(work, _) => match work {
                Work::PingPong { trips } => (trips as f64, "µs/trip"),
                Work::Bulk { .. } => (BULK as f64 / 1048576.0, "MiB/s"),
                Work::Small { count, .. } => (count as f64, "messages/s"),
                Work::SlowReader => (1.0, "µs of CPU"),
                Work::Deflate { count } => (count as f64, "messages/s"),
                Work::Handshakes { count, .. } => (count as f64, "1/s"),
            },
        };
        match self.figure {
            Figure::Instructions(_) => (amount, "instructions"),
            _ => (amount, unit),
        }
    }
}

const ROUNDS: usize = 9;

const PING_PONG: Work = Work::PingPong { trips: 20_000 };
const DOWN: Work = Work::Bulk {
    from: Sender::Server,
};
const UP: Work = Work::Bulk {
    from: Sender::Client,
};
const DEFLATE: Work = Work::Deflate { count: 5_000 };
const HANDSHAKES: Work = Work::Handshakes {
    count: 200,
    closes: false,
};
const CONNECTIONS: Work = Work::Handshakes {
    count: 200,
    closes: true,
};

const fn small(from: Sender) -> Work {
    Work::Small {
        from,
        count: 100_000,
    }
}

const fn case(
    name: &'static str,
    work: Work,
    net: Net,
    [ours, peer]: [Side; 2],
    figure: Figure,
    goal: Option<f64>,
) -> Case {
    let rounds = match figure {
        Figure::Instructions(_) => 1,
        _ => ROUNDS,
    };
    Case {
        name,
        task: Task::Work(work, net),
        ours,
        peer,
        figure,
        goal,
        rounds,
    }
}

const fn relay(peer: Side, bytes: u64) -> Case {
    Case {
        name: "relay, ws to tcp",
        task: Task::Relay { bytes },
        ours: Side::Relay,
        peer,
        figure: Figure::Speed,
        goal: Some(3.0),
        rounds: 3,
    }
}

const fn memory(peer: Side, goal: f64) -> Case {
    Case {
        name: "memory/idle end",
        task: Task::Memory,
        ours: Side::Messages,
        peer,
        figure: Figure::Time,
        goal: Some(goal),
        rounds: 1,
    }
}

use Figure::{Instructions, Speed, Time};
use Net::{Tcp, Unix};
use Side::{Bare, Bytes, Fast, FastBuffered, Messages, Python, Soup, SoupBridge, Tungstenite};

const COUNTS: Figure = Instructions([500, 1500]);

#[rustfmt::skip] // a table
pub(crate) const CASES: [Case; 35] = [
    case("ping-pong, unix", PING_PONG, Unix, [Messages, Tungstenite], Time, Some(1.0)),
    case("ping-pong, unix", PING_PONG, Unix, [Messages, Fast], Time, Some(1.15)),
    case("ping-pong, unix", PING_PONG, Unix, [Messages, SoupBridge], Time, Some(0.3)),
    case("ping-pong, unix", PING_PONG, Unix, [Messages, Soup], Time, None),
    case("ping-pong, unix", PING_PONG, Unix, [Messages, Bare], Time, Some(1.25)),
    case("ping-pong, tcp", PING_PONG, Tcp, [Messages, Tungstenite], Time, Some(1.0)),
    case("ping-pong, tcp", PING_PONG, Tcp, [Messages, Fast], Time, Some(1.15)),
    case("ping-pong, tcp", PING_PONG, Tcp, [Messages, SoupBridge], Time, Some(0.3)),
    case("ping-pong, tcp", PING_PONG, Tcp, [Messages, Soup], Time, None),
    case("ping-pong, tcp", PING_PONG, Tcp, [Messages, Bare], Time, Some(1.25)),
    case("instructions/ping-pong", PING_PONG, Unix, [Messages, Tungstenite], COUNTS, None),
    case("instructions/ping-pong", PING_PONG, Unix, [Messages, Fast], COUNTS, None),
    case("instructions/ping-pong", PING_PONG, Unix, [Messages, Bare], COUNTS, None),
    case("bulk from server, bytes", DOWN, Tcp, [Bytes, Bare], Speed, Some(0.9)),
    case("bulk from server", DOWN, Tcp, [Messages, Tungstenite], Speed, Some(1.3)),
    case("bulk from server", DOWN, Tcp, [Messages, Fast], Speed, Some(1.0)),
    case("bulk from client, bytes", UP, Tcp, [Bytes, Bare], Speed, Some(0.7)),
    case("bulk from client", UP, Tcp, [Messages, Tungstenite], Speed, Some(1.2)),
    case("bulk from client", UP, Tcp, [Messages, Fast], Speed, None),
    case("small from server, corked", small(Sender::Server), Tcp, [Messages, Fast], Speed, Some(1.0)),
    case("small from server, corked", small(Sender::Server), Tcp, [Messages, FastBuffered], Speed, None),
    case("small from client, corked", small(Sender::Client), Tcp, [Messages, Fast], Speed, Some(1.0)),
    case("slow reader, unix", Work::SlowReader, Unix, [Messages, Tungstenite], Time, Some(0.5)),
    case("slow reader, tcp", Work::SlowReader, Tcp, [Messages, Tungstenite], Time, Some(0.5)),
    case("deflate", DEFLATE, Unix, [Messages, Python], Speed, Some(1.0)),
    case("deflate", DEFLATE, Unix, [Messages, Soup], Speed, Some(1.0)),
    case("handshakes, unix", HANDSHAKES, Unix, [Messages, Tungstenite], Speed, Some(0.9)),
    case("handshakes, tcp", HANDSHAKES, Tcp, [Messages, Tungstenite], Speed, Some(0.9)),
    case("connections, unix", CONNECTIONS, Unix, [Messages, Tungstenite], Speed, Some(0.9)),
    case("connections, tcp", CONNECTIONS, Tcp, [Messages, Tungstenite], Speed, Some(0.9)),
    memory(Side::Tungstenite, 0.02),
    memory(Side::TungsteniteSmall, 0.5),
    relay(Side::Websocat, RELAYED),
    relay(Side::Websockify, RELAYED),
    case("bulk from server, unix", DOWN, Unix, [Bytes, Bare], Speed, None),
];
