//! The cost of TLS over a channel, compared with the crate `openssl` on the bare socket and with
//! tokio-openssl.
//!
//! The two sides of a case run alternately, over unix sockets, with the same certificate and
//! ciphers. Blocking sides have a thread for each end, asynchronous ones have both ends on one
//! loop. `cargo bench --bench tls -- [FILTER]` runs the cases whose names contain FILTER, and
//! prints both sides and the median of the ratios of neighbors. Instructions are counted by
//! callgrind, and memory is that of the heap, in processes of their own: neither varies with the
//! load.

#[path = "peers/clock.rs"]
mod clock;
#[path = "peers/counts.rs"]
mod counts;
#[path = "peers/interleaved.rs"]
mod interleaved;
#[path = "peers/processes.rs"]
mod processes;
#[path = "peers/verdict.rs"]
mod verdict;

mod tls {
    pub(crate) mod ends;
    pub(crate) mod memory;
    pub(crate) mod work;
}

use std::{
    env,
    io::{self, Read, Write},
    process::ExitCode,
    thread,
    time::Duration,
};

use interleaved::{Interleaved, interleaved};
use openssl::ssl::SslStream;
use processes::figure_of;
use qio::prelude::*;
use verdict::{Verdict, confirmed};

use tls::{
    ends::{bare_pairs, our_ends},
    memory,
    work::{BULK, Work, bulk, handshake_bare, handshakes, on_main_loop, on_tokio},
};

#[derive(Clone, Copy)]
enum Side {
    /// A channel, in two threads.
    Blocking,
    /// The same on a main loop.
    Future,
    /// `SslStream` on the socket itself.
    Openssl,
    TokioOpenssl,
}

/// What is compared of the two sides.
#[derive(Clone, Copy)]
enum Figure {
    /// What is done in a second: ours at least `goal` times as much as the peer.
    Speed(f64),
    /// Instructions for a unit of work, which is repeated so often: at most `goal` times as many.
    Instructions([u64; 2], f64),
    /// Bytes of an idle end: at most `goal` times what OpenSSL itself takes.
    Memory(f64),
}

struct Case {
    name: &'static str,
    work: Work,
    ours: Side,
    peer: Side,
    figure: Figure,
}

const PING_PONG: Work = Work::PingPong { trips: 20_000 };
const HANDSHAKES: Work = Work::Handshakes { count: 200 };

const CASES: [Case; 7] = [
    Case {
        name: "bulk",
        work: Work::Bulk,
        ours: Side::Blocking,
        peer: Side::Openssl,
        figure: Figure::Speed(0.95),
    },
    Case {
        name: "bulk, future",
        work: Work::Bulk,
        ours: Side::Future,
        peer: Side::TokioOpenssl,
        figure: Figure::Speed(1.0),
    },
    Case {
        name: "ping-pong, future",
        work: PING_PONG,
        ours: Side::Future,
        peer: Side::TokioOpenssl,
        // At most 1.05 times the time.
        figure: Figure::Speed(0.952),
    },
    Case {
        name: "handshakes",
        work: HANDSHAKES,
        ours: Side::Blocking,
        peer: Side::Openssl,
        figure: Figure::Speed(0.95),
    },
    Case {
        name: "instructions/ping-pong",
        work: PING_PONG,
        ours: Side::Future,
        peer: Side::TokioOpenssl,
        // The time is the goal: more instructions, and fewer system calls.
        figure: Figure::Instructions([500, 1500], 1.15),
    },
    Case {
        name: "instructions/handshake",
        work: HANDSHAKES,
        ours: Side::Blocking,
        peer: Side::Openssl,
        figure: Figure::Instructions([10, 40], 1.05),
    },
    Case {
        name: "memory/idle end",
        work: PING_PONG,
        ours: Side::Blocking,
        peer: Side::Openssl,
        figure: Figure::Memory(1.05),
    },
];

const ROUNDS: usize = 9;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|a| a != "--bench").collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    if let ["--case", name, "--side", side] = words[..] {
        return run_side(name, side);
    }
    let filter = words.first().copied().unwrap_or_default();
    println!(
        "{:<24} {:<14} {:>10} {:>10} {:<12} {:>6} {:>6}",
        "case", "peer", "ours", "peer", "", "ratio", "goal"
    );
    let mut code = ExitCode::SUCCESS;
    for case in CASES.iter().filter(|case| case.name.contains(filter)) {
        match confirmed(|| compare(case)) {
            Ok(Verdict::Failed) => code = ExitCode::FAILURE,
            Ok(_) => {}
            Err(e) => {
                eprintln!("tls: {}: {e}", case.name);
                return ExitCode::FAILURE;
            }
        }
    }
    code
}

/// One side of a case, in a separate process: under callgrind, or to print the memory that it
/// takes.
fn run_side(name: &str, side: &str) -> ExitCode {
    let case = CASES.iter().find(|case| case.name == name);
    let side = |case: &Case| {
        [case.ours, case.peer]
            .into_iter()
            .find(|it| it.name() == side)
    };
    let Some((case, side)) = case.and_then(|case| Some((case, side(case)?))) else {
        eprintln!("tls: no such case or side");
        return ExitCode::from(2);
    };
    let units = env::var(counts::UNITS).ok().and_then(|it| it.parse().ok());
    let done = match (case.figure, units) {
        (Figure::Memory(_), _) => memory::of_idle_end(side).map(|bytes| println!("{bytes}")),
        (_, Some(units)) => side.measure(case.work.repeated(units)).map(drop),
        (_, None) => side.measure(case.work).map(drop),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("tls: {name}: {e}");
            ExitCode::FAILURE
        }
    }
}

fn compare(case: &Case) -> io::Result<Verdict> {
    let speed = |side: Side| {
        let (amount, _) = case.work.amount();
        Ok(amount / side.measure(case.work)?.as_secs_f64())
    };
    let count = |side: Side, units| counts::instructions_of(case.name, side.name(), units);
    let (rounds, unit) = match case.figure {
        Figure::Speed(_) => (ROUNDS, case.work.amount().1),
        Figure::Instructions(..) => (1, "instructions"),
        Figure::Memory(_) => (1, "bytes"),
    };
    let measure = |side: Side| match case.figure {
        Figure::Speed(_) => speed(side),
        Figure::Instructions(units, _) => count(side, units),
        Figure::Memory(_) => figure_of(case.name, side.name()),
    };
    let warm_up = usize::from(rounds > 1);
    let Interleaved {
        ours,
        theirs,
        ratio,
    } = interleaved(
        warm_up,
        rounds,
        || measure(case.ours),
        || measure(case.peer),
    )?;
    let peer = case.peer.name();
    let (verdict, goal) = match case.figure {
        Figure::Speed(goal) => (Verdict::at_least(case.name, peer, ratio, goal), goal),
        Figure::Instructions(_, goal) | Figure::Memory(goal) => {
            (Verdict::at_most(case.name, peer, ratio, goal), goal)
        }
    };
    println!(
        "{:<24} {:<14} {ours:>10.0} {theirs:>10.0} {unit:<12} {ratio:>6.3} {goal:>6} {verdict}",
        case.name, peer,
    );
    Ok(verdict)
}

impl Work {
    /// What is counted in a second.
    fn amount(self) -> (f64, &'static str) {
        match self {
            Self::Bulk => (BULK as f64 / 1048576.0, "MiB/s"),
            Self::PingPong { trips } => (trips as f64, "trips/s"),
            Self::Handshakes { count } => (count as f64, "1/s"),
        }
    }

    /// The same, so often.
    fn repeated(self, units: usize) -> Self {
        match self {
            Self::Bulk => self,
            Self::PingPong { .. } => Self::PingPong { trips: units },
            Self::Handshakes { .. } => Self::Handshakes { count: units },
        }
    }
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Future => "future",
            Self::Openssl => "openssl",
            Self::TokioOpenssl => "tokio-openssl",
        }
    }

    fn measure(self, work: Work) -> io::Result<Duration> {
        match (self, work) {
            (Self::Blocking, Work::Handshakes { count }) => {
                handshakes(count, our_ends, |end| end.handshake())
            }
            (Self::Openssl, Work::Handshakes { count }) => {
                handshakes(count, bare_pairs, handshake_bare)
            }
            (Self::Blocking, _) => {
                let (client, server) = our_ends()?;
                bulk(|buf| client.write_all(buf), |buf| server.read_all(buf))
            }
            (Self::Openssl, _) => {
                let ((a, x), (b, y)) = bare_pairs()?;
                let (mut client, mut server) = (SslStream::new(a, x)?, SslStream::new(b, y)?);
                thread::scope(|scope| {
                    let there = scope.spawn(|| server.accept());
                    let here = client.connect();
                    here.and(there.join().expect("no panic"))
                })
                .map_err(io::Error::other)?;
                bulk(|buf| client.write_all(buf), |buf| server.read_exact(buf))
            }
            (Self::Future, work) => on_main_loop(work),
            (Self::TokioOpenssl, work) => on_tokio(work),
        }
    }
}
