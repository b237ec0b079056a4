//! How a flow waits in a future.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    channel::{Channel, class::VFuncs, poll_io::PollIo},
    hub::Direction,
};

/// How a flow waits in a future.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WaitMode<'a> {
    /// Waits in the running context, which is private to the flow.
    pub(super) here: bool,
    /// Set once the flow in the other direction is over: then this one ends when its target has
    /// hung up, even if nothing was written to it.
    pub(super) back_is_over: Option<&'a AtomicBool>,
}

impl WaitMode<'_> {
    pub(super) fn poll_io(self, side: Direction) -> PollIo {
        match self.here {
            true => PollIo::here(side),
            false => PollIo::new(side),
        }
    }

    /// Whether a hang-up of the target ends the flow, and is reported.
    pub(super) fn ends_with(self, target: &Channel) -> bool {
        self.back_is_over
            .is_some_and(|over| over.load(Ordering::Relaxed))
            && VFuncs::of(target).has_poll_fd()
    }
}
