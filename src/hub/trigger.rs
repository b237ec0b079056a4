//! How an epoll instance reports a registration whose short reads say something only as a rule. `tests/loom` explores it.

use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// Level-triggered, the instance reports data for as long as it is there: a short read may be taken for the last one, as
/// what it has left is reported again. What nothing reads would be reported for ever, and so is reported by edges, until
/// it is read again.
#[derive(Debug, Default)]
pub(super) struct Trigger {
    /// Changed only while the registry is locked.
    is_level: AtomicBool,
    /// How often it was changed to edges.
    changes: AtomicU32,
    /// Attempts that have met would-block since.
    drained: AtomicU32,
}

/// After n changes to edges, 2ⁿ attempts have to meet would-block before the trigger is level again. This is the
/// greatest n: 256 attempts.
const LONGEST_BACK_OFF: u32 = 8;

impl Trigger {
    /// To be asked after a read: what that has left when this changes is reported as an edge.
    #[inline]
    pub(super) fn is_level(&self) -> bool {
        self.is_level.load(Ordering::Acquire)
    }

    /// Before the instance reports edges, or after it has begun to report data for as long as it is there.
    pub(super) fn set_level(&self, is_level: bool) {
        self.is_level.store(is_level, Ordering::Release);
    }

    /// The trigger is changed to edges because of data that nothing reads.
    pub(super) fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt has met would-block: what had been left has been read. Whether it is time for the other trigger: the
    /// later, the more often it has been changed.
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
