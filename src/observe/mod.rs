//! What is counted of channels while the process is observed: by a [`Monitor`](crate::Monitor), or
//! with `QIO_MONITOR` in the environment.
//!
//! While it is not, this costs nothing: reads and writes test one word, which also has the number
//! of channels with pushed-back data, and everything else is out of line. The counters of a channel
//! are made when the first observer begins, or when the channel is created after that (`stats`),
//! and listed (`registry`). `blocked` measures calls that block threads, `busy` counts those that
//! move nothing, `warning` has the kinds of warnings, and `sample` derives some of them from the
//! counters.

mod blocked;
mod busy;
pub(crate) mod export;
mod json;
mod registry;
mod sample;
mod stats;
mod warning;

pub(crate) use blocked::{is_measured, measured};
pub(crate) use registry::{DEFAULT_THRESHOLD, Observer, set_up};
pub use sample::MonitorState;
pub(crate) use sample::{Snapshot, sample};
pub(crate) use stats::{ChannelStats, Gauges, LayerState, Slot};
pub use warning::MonitorWarning;
pub(crate) use warning::{Warning, warnings_since};

use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of channels with pushed-back data, and [`OBSERVED`].
static SLOW_PATH: AtomicUsize = AtomicUsize::new(0);

/// Set while the process is observed.
const OBSERVED: usize = 1 << (usize::BITS - 1);

/// Whether a read or a write may be an unusual one: some channel has pushed-back data, or the
/// process is observed.
#[inline]
pub(crate) fn takes_slow_path() -> bool {
    SLOW_PATH.load(Ordering::Acquire) != 0
}

/// Whether calls are to be counted.
#[inline]
pub(crate) fn is_observed() -> bool {
    SLOW_PATH.load(Ordering::Relaxed) & OBSERVED != 0
}

fn set_observed(observed: bool) {
    match observed {
        true => SLOW_PATH.fetch_or(OBSERVED, Ordering::AcqRel),
        false => SLOW_PATH.fetch_and(!OBSERVED, Ordering::AcqRel),
    };
}

/// A channel has pushed-back data now.
pub(crate) fn add_pushback() {
    SLOW_PATH.fetch_add(1, Ordering::AcqRel);
}

/// A channel has no pushed-back data any more.
pub(crate) fn remove_pushback() {
    SLOW_PATH.fetch_sub(1, Ordering::AcqRel);
}
