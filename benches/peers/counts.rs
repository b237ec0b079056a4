//! Instructions for a unit of work, as callgrind counts them: they do not vary with the load of the
//! machine.
//!
//! A side runs twice with a fixed number of units; the difference is what one unit takes, without
//! the start and the end of the process.

use std::{env, fs, io, path::Path, process::Command};

/// The number of units after which a [`Meter`](super::sample::Meter) ends its process, if set.
pub(crate) const UNITS: &str = "QIO_BENCH_UNITS";

/// valgrind makes a process about this many times slower.
const SLOWER: u32 = 60;

/// By how much the clock of a process is to be slowed down, if it is set: see `clock`.
pub(crate) const SLOW: &str = "QIO_BENCH_SLOW";

const FEW: u64 = 2000;
const MANY: u64 = 6000;

/// The instructions for one unit of a side.
#[allow(dead_code)] // one of the benchmarks has units of several sizes
pub(crate) fn instructions(case: &str, side: &str) -> io::Result<f64> {
    instructions_of(case, side, [FEW, MANY])
}

/// The same, by runs with so few and so many units.
pub(crate) fn instructions_of(case: &str, side: &str, [few, many]: [u64; 2]) -> io::Result<f64> {
    let less = total(case, side, few)?;
    let more = total(case, side, many)?;
    Ok((more - less) / (many - few) as f64)
}

/// The instructions of a whole process.
fn total(case: &str, side: &str, units: u64) -> io::Result<f64> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("callgrind.{}", std::process::id()));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env::current_exe()?)
        .args(["--case", case, "--side", side])
        .env(UNITS, units.to_string())
        .env(SLOW, SLOWER.to_string())
        .output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("valgrind: {errors}")));
    }
    let profile = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    let totals = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    let totals = totals.ok_or_else(|| io::Error::other("callgrind wrote no totals"))?;
    totals.trim().parse().map_err(io::Error::other)
}
