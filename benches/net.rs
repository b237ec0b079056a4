//! The cost of accepting a connection, and servers with two threads, compared with tokio. As in
//! `peers`, each side of each case runs in a separate process, alternating with the other side;
//! what has one thread is pinned to one CPU.
//!
//! `cargo bench --bench net -- [FILTER]` runs the cases whose name contains FILTER, prints a table
//! and writes `target/bench/net.json`.

mod net {
    pub(crate) mod accept;
    pub(crate) mod cases;
    #[path = "../peers/compare.rs"]
    pub(crate) mod compare;
    #[path = "../peers/counts.rs"]
    pub(crate) mod counts;
    #[path = "../peers/interleaved.rs"]
    pub(crate) mod interleaved;
    #[path = "../peers/sample.rs"]
    #[allow(dead_code)] // `peers` uses all of it
    pub(crate) mod sample;
    pub(crate) mod threads;
    #[path = "../peers/verdict.rs"]
    pub(crate) mod verdict;
}

use std::{env, process::ExitCode};

use net::{cases, compare};
use nix::unistd::alarm;

/// The seconds after which a side that hangs is killed.
const TOO_LONG: u32 = 20;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).filter(|it| it != "--bench").collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => compare::all(""),
        ["--case", case, "--side", side] => match cases::find(case, side) {
            Some((work, side)) => {
                alarm::set(TOO_LONG);
                cases::run(work, side)
            }
            None => usage(),
        },
        [filter] if !filter.starts_with('-') => compare::all(filter),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: net [SUBSTRING]");
    ExitCode::from(2)
}
