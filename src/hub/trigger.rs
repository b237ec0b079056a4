//! The trigger of a registration whose short reads usually, but not always, mean that it is
//! drained. `tests/loom` explores it.

use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// While it is level-triggered, the epoll instance reports data for as long as it is there: a short
/// read may clear readiness, because data that it has left is reported again. Data that no task
/// reads would be reported forever, so the registration becomes edge-triggered.
///
/// | from | event | to |
/// | --- | --- | --- |
/// | new | first wait is for input (`Registry::watch`) | level |
/// | new | first wait is for output (`Registry::watch`) | edge |
/// | level | wait for output (`Registry::watch`) | edge |
/// | level | end, error or urgent data (`Registry::poll_events`) | edge |
/// | level | event while READY is set, if idle or waited for (`poll_events`) | edge, n + 1 |
/// | edge | 2ⁿ + 1 reads met would-block, no writer waits (`Registry::use_level`) | level |
///
/// Idle: no task is runnable that might read. Waited for: by a reader, for the next edge. A change
/// to edges reports again what holds; a change to level ends the watch for output.
#[derive(Debug, Default)]
pub(super) struct Trigger {
    /// Changed only while the registry is locked.
    is_level: AtomicBool,
    /// How often it was changed to edge-triggered because of unread data: n, which never falls.
    changes: AtomicU32,
    /// Reads that met would-block while edge-triggered, since the last attempt to change to level.
    drained: AtomicU32,
}

/// After n changes to edge-triggered, 2ⁿ + 1 reads have to meet would-block before it is
/// level-triggered again. This is the greatest n: 257 reads.
const LONGEST_BACK_OFF: u32 = 8;

impl Trigger {
    /// Must be read after a read: data that the read has left when this changes is reported as an
    /// edge.
    #[inline]
    pub(super) fn is_level(&self) -> bool {
        self.is_level.load(Ordering::Acquire)
    }

    /// Must be called before the instance is changed to edges, or after it was changed to level.
    pub(super) fn set_level(&self, is_level: bool) {
        self.is_level.store(is_level, Ordering::Release);
    }

    /// Counts a change to edge-triggered because of data that no task reads.
    pub(super) fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a read that met would-block: the data that had been left was read. Returns whether to
    /// become level-triggered again: the later, the more changes there were.
    #[cold]
    pub(super) fn count_drained(&self) -> bool {
        let drained = self.drained.fetch_add(1, Ordering::Relaxed);
        let changes = self.changes.load(Ordering::Relaxed);
        let is_time = drained >> changes.min(LONGEST_BACK_OFF) != 0;
        if is_time {
            self.drained.store(0, Ordering::Relaxed);
        }
        is_time
    }
}
