//! Whether a row meets its goal, and whether a miss fails the run.

use std::fmt;

/// A goal may be missed by this factor before the run fails: no machine is quiet.
const TOLERANCE: f64 = 1.05;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    /// Within the tolerance.
    Missed,
    Failed,
}

impl Verdict {
    /// Of a ratio with an upper bound: time relative to the peer.
    pub(crate) fn at_most(ratio: f64, goal: f64) -> Self {
        if ratio <= goal {
            Self::Met
        } else if ratio <= goal * TOLERANCE {
            Self::Missed
        } else {
            Self::Failed
        }
    }

    /// Of a ratio with a lower bound: throughput relative to the peer.
    #[allow(dead_code)] // some benchmarks only measure time
    pub(crate) fn at_least(ratio: f64, goal: f64) -> Self {
        Self::at_most(goal, ratio)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "",
            Self::Missed => "missed",
            Self::Failed => "FAILED",
        })
    }
}
