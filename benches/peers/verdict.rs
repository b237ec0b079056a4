//! Whether a row meets its goal, and whether a miss fails the run.

use std::fmt;

/// A goal may be missed by this factor before the run fails: no machine is quiet.
const TOLERANCE: f64 = 1.05;

/// The rows that miss their goals, with the ratio of each: see the head of the file.
const KNOWN_MISSES: &str = include_str!("../known-misses");

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    /// Within the tolerance.
    Missed,
    /// Beyond it, but within the tolerance of the ratio in `known-misses`.
    Known,
    Failed,
}

impl Verdict {
    /// Of a ratio with an upper bound: time relative to the peer.
    #[allow(dead_code)] // some benchmarks only measure throughput
    pub(crate) fn at_most(case: &str, peer: &str, ratio: f64, goal: f64) -> Self {
        Self::of(case, peer, |bound| ratio / bound, goal)
    }

    /// Of a ratio with a lower bound: throughput relative to the peer.
    #[allow(dead_code)] // some benchmarks only measure time
    pub(crate) fn at_least(case: &str, peer: &str, ratio: f64, goal: f64) -> Self {
        Self::of(case, peer, |bound| bound / ratio, goal)
    }

    /// `excess` is how many times as bad as a bound the row is.
    fn of(case: &str, peer: &str, excess: impl Fn(f64) -> f64, goal: f64) -> Self {
        match excess(goal) {
            ..=1.0 => Self::Met,
            ..=TOLERANCE => Self::Missed,
            _ => match known_miss(case, peer) {
                Some(ratio) if excess(ratio) <= TOLERANCE => Self::Known,
                _ => Self::Failed,
            },
        }
    }
}

/// The verdict on a row that `measure` measures and prints. A row that fails is measured again, and
/// fails the run if it fails twice of at most three times: among a hundred rows some are beyond the
/// tolerance by chance.
#[allow(dead_code)] // Criterion takes samples enough
pub(crate) fn confirmed<E>(mut measure: impl FnMut() -> Result<Verdict, E>) -> Result<Verdict, E> {
    let first = measure()?;
    if first != Verdict::Failed {
        return Ok(first);
    }
    match measure()? {
        Verdict::Failed => Ok(Verdict::Failed),
        _ => measure(),
    }
}

/// The ratio of a row in `known-misses`, which has the fields benchmark, case, peer, ratio, reason.
fn known_miss(case: &str, peer: &str) -> Option<f64> {
    let rows = KNOWN_MISSES.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .find(|row| row.starts_with(&[env!("CARGO_CRATE_NAME"), case, peer]))
        .map(|row| row[3].parse().expect("a ratio in known-misses"))
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "",
            Self::Missed => "missed",
            Self::Known => "missed, known",
            Self::Failed => "FAILED",
        })
    }
}
