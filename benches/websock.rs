//! The cost of a WebSocket, compared with the bare channel, tokio-tungstenite, fastwebsockets,
//! libsoup, Python's zlib, websocat and websockify.
//!
//! The two sides of a case run alternately, with the same messages over the same kind of sockets,
//! both ends on one loop, and an allocator that keeps free memory; a relay is a process of its own.
//! `cargo bench --bench websock -- [FILTER]` runs the cases whose names contain FILTER, and prints
//! both sides and the median of the ratios of neighbors. Instructions are counted by callgrind, and
//! memory is that of the heap, in processes of their own. A peer that is not installed is skipped,
//! which is printed.

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

mod websock {
    pub(crate) mod allocator;
    pub(crate) mod cases;
    pub(crate) mod ends;
    pub(crate) mod memory;
    pub(crate) mod python;
    pub(crate) mod relay;
    pub(crate) mod soup;
    pub(crate) mod work;
}

use std::{env, io, process::ExitCode, time::Duration};

use interleaved::{Interleaved, interleaved};
use processes::figure_of;
use verdict::{Verdict, confirmed};

use websock::{
    allocator,
    cases::{CASES, Case, Figure, Side, Task},
    ends::{Fast, FastBuffered, Tungstenite},
    memory, python, relay, soup,
    work::{self, Work},
};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|a| a != "--bench").collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--relay", listen, target] => return code(relay::serve(listen, target)),
        ["--case", name, "--side", side] => return code(run_side(name, side)),
        _ => {}
    }
    allocator::keep_free_memory();
    let filter = words.first().copied().unwrap_or_default();
    println!(
        "{:<28} {:<22} {:>10} {:>10} {:<12} {:>6} {:>6}",
        "case", "peer", "ours", "peer", "", "ratio", "goal"
    );
    let mut code = ExitCode::SUCCESS;
    for case in CASES.iter().filter(|case| case.name.contains(filter)) {
        match confirmed(|| compare(case)) {
            Ok(Verdict::Failed) => code = ExitCode::FAILURE,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                println!("{:<28} {:<22} skipped: {e}", case.name, case.peer.name());
            }
            Err(e) => {
                eprintln!("websock: {}: {e}", case.name);
                return ExitCode::FAILURE;
            }
        }
    }
    code
}

fn code(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("websock: {e}");
            ExitCode::FAILURE
        }
    }
}

/// One side of a case, in a separate process: under callgrind, or to print the memory that it
/// takes.
fn run_side(name: &str, side: &str) -> io::Result<()> {
    let cases = CASES.iter().filter(|case| case.name == name);
    let (case, side) = cases
        .flat_map(|case| [(case, case.ours), (case, case.peer)])
        .find(|(_, it)| it.name() == side)
        .ok_or_else(|| io::Error::other("no such case or side"))?;
    if matches!(case.task, Task::Memory) {
        println!("{}", side.memory()?);
        return Ok(());
    }
    let units = env::var(counts::UNITS).ok().and_then(|it| it.parse().ok());
    let task = units.map_or(case.task, |units| case.task.repeated(units));
    side.measure(task).map(drop)
}

fn compare(case: &Case) -> io::Result<Verdict> {
    let (amount, unit) = case.unit();
    let measure = |side: Side| match (case.figure, case.task) {
        (Figure::Instructions(units), _) => counts::instructions_of(case.name, side.name(), units),
        (_, Task::Memory) => figure_of(case.name, side.name()),
        (Figure::Speed, task) => Ok(amount / side.measure(task)?.as_secs_f64()),
        (Figure::Time, task) => Ok(side.measure(task)?.as_secs_f64() * 1e6 / amount),
    };
    let Interleaved {
        ours,
        theirs,
        ratio,
    } = interleaved(
        usize::from(case.rounds > 1),
        case.rounds,
        || measure(case.ours),
        || measure(case.peer),
    )?;
    let peer = case.peer.name();
    let verdict = match (case.figure, case.goal) {
        (_, None) => Verdict::Met,
        (Figure::Speed, Some(goal)) => Verdict::at_least(case.name, peer, ratio, goal),
        (_, Some(goal)) => Verdict::at_most(case.name, peer, ratio, goal),
    };
    let (goal, met) = match case.goal {
        Some(goal) if verdict == Verdict::Met => (goal.to_string(), "met"),
        Some(goal) => (goal.to_string(), ""),
        None => ("-".to_owned(), ""),
    };
    println!(
        "{:<28} {:<22} {ours:>10.1} {theirs:>10.1} {unit:<12} {ratio:>6.3} {goal:>6} {met}{verdict}",
        case.name, peer,
    );
    Ok(verdict)
}

impl Side {
    fn measure(self, task: Task) -> io::Result<Duration> {
        let (work, net) = match task {
            Task::Work(work, net) => (work, net),
            Task::Relay { bytes } => return relay::measure(self, bytes),
            Task::Memory => return Err(io::Error::other("memory has no time")),
        };
        match (self, work) {
            (Self::Messages, _) => work::ours(work, net, true),
            (Self::Bytes, _) => work::ours(work, net, false),
            (Self::Bare, _) => work::bare(work, net),
            (Self::Fast, _) => work::on_tokio::<Fast>(work, net),
            (Self::FastBuffered, _) => work::on_tokio::<FastBuffered>(work, net),
            (Self::Soup, _) => soup::measure(work, net, false),
            (Self::SoupBridge, _) => soup::measure(work, net, true),
            (Self::Python, Work::Deflate { count }) => python::measure(count),
            _ => work::on_tokio::<Tungstenite>(work, net),
        }
    }

    fn memory(self) -> io::Result<f64> {
        match self {
            Self::Messages => memory::ours(),
            Self::TungsteniteSmall => memory::tungstenite(Some(4096)),
            _ => memory::tungstenite(None),
        }
    }
}
