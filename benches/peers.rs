//! The cost of a channel, compared with its peers: a raw loop of system calls, tokio, the streams
//! of GIO, and GIOChannel, each used as documented.
//!
//! Each side of each case runs in a separate process, pinned to one CPU, alternating with the other
//! side. `cargo bench --bench peers -- [FILTER]` runs the cases whose name contains
//! FILTER, prints a table and writes `target/bench/peers.json`.

mod peers {
    pub(crate) mod bare;
    pub(crate) mod cases;
    pub(crate) mod clock;
    pub(crate) mod compare;
    pub(crate) mod counts;
    pub(crate) mod fairness;
    pub(crate) mod futures;
    pub(crate) mod interleaved;
    pub(crate) mod lines;
    pub(crate) mod on_gio;
    pub(crate) mod on_giochannel;
    pub(crate) mod on_qio;
    pub(crate) mod on_tokio;
    pub(crate) mod ping_pong;
    pub(crate) mod sample;
    pub(crate) mod sockets;
    pub(crate) mod verdict;
}

use std::{env, process::ExitCode};

use nix::unistd::alarm;
use peers::{cases, compare, counts, sockets};

/// The seconds after which a side that hangs is killed.
const TOO_LONG: u32 = 20;

const USAGE: &str = "usage: peers [--filter SUBSTRING | SUBSTRING]";

fn main() -> ExitCode {
    let (mut filter, mut case, mut side) = (None, None, None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let slot = match argument.as_str() {
            "--bench" => continue, // from cargo
            "--filter" => &mut filter,
            "--case" => &mut case,
            "--side" => &mut side,
            "--echo" => sockets::echo(), // a peer in another process
            option if option.starts_with('-') => return usage(),
            _ => {
                filter = Some(argument);
                continue;
            }
        };
        *slot = arguments.next();
        if slot.is_none() {
            return usage();
        }
    }

    sockets::allow_many();
    match (case, side) {
        (None, None) => compare::all(filter.as_deref().unwrap_or_default()),
        (Some(case), Some(side)) => match cases::find(&case, &side) {
            Some((work, side)) => {
                // Under callgrind it takes many times as long, and ends by itself.
                if env::var_os(counts::UNITS).is_none() {
                    alarm::set(TOO_LONG);
                }
                cases::run(work, side)
            }
            None => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
