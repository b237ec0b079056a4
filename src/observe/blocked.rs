//! Calls that block the thread.
//!
//! A call counts if the thread runs a main context: the sources of that wait meanwhile. It has
//! blocked if it took longer than the threshold, and the thread has waited in it, or used the
//! processor for that long; a thread that was preempted has done neither. Of calls inside of calls
//! the outermost one counts, as the one that the application has made.

use std::{
    cell::Cell,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{ChannelStats, registry, warning::WarningKind, warning::warn};
use crate::sys::usage::ThreadUsage;

thread_local! {
    /// The number of measured calls inside of each other.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// A call in progress.
struct Measured<'a> {
    stats: &'a Arc<ChannelStats>,
    /// For messages.
    call: &'static str,
    /// For the outermost call of a thread that runs a main context.
    begun: Option<(i64, ThreadUsage)>,
}

/// Makes a call, and warns if it has blocked a thread that runs a main context.
pub(crate) fn measured<R>(
    stats: &Arc<ChannelStats>,
    call: &'static str,
    f: impl FnOnce() -> R,
) -> R {
    let is_outermost = DEPTH.replace(DEPTH.get() + 1) == 0;
    let begun = match is_outermost && glib::main_depth() > 0 {
        true => ThreadUsage::now().ok(),
        false => None,
    };
    let measured = Measured {
        stats,
        call,
        begun: begun.map(|usage| (glib::monotonic_time(), usage)),
    };
    if let Some((now, _)) = measured.begun {
        stats.blocked_since.store(now, Relaxed);
    }
    let result = f();
    drop(measured);
    result
}

/// Whether this code runs in a measured call of its thread.
pub(crate) fn is_measured() -> bool {
    DEPTH.get() > 0
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        if let Some((begun, before)) = self.begun {
            self.stats.blocked_since.store(0, Relaxed);
            self.end(begun, before);
        }
        // Only now: what a warning calls is not measured.
        DEPTH.set(DEPTH.get() - 1);
    }
}

impl Measured<'_> {
    fn end(&self, begun: i64, before: ThreadUsage) {
        let took = glib::monotonic_time() - begun;
        let threshold = registry::threshold();
        if took <= threshold {
            return;
        }
        let has_blocked = ThreadUsage::now().is_ok_and(|now| {
            let longest = Duration::from_micros(threshold.unsigned_abs());
            now.waits > before.waits || now.cpu - before.cpu > longest
        });
        if has_blocked {
            self.stats.slow_calls.fetch_add(1, Relaxed);
            let (call, ms) = (self.call, took as f64 / 1000.0);
            let text =
                format!("{call} has blocked a thread that runs a main context for {ms:.1} ms");
            if self.stats.episodes.may_repeat(WarningKind::BlockedLoop) {
                warn(self.stats, WarningKind::BlockedLoop, &text, took);
            }
        }
    }
}
