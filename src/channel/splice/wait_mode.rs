//! How a flow waits in a future, and lets others have their turn.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};

use crate::{
    channel::{Channel, class::VFuncs, poll_io::PollIo},
    hub::Direction,
};

/// How a flow waits in a future.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WaitMode<'a> {
    /// In the context that runs, which nobody else serves.
    pub(super) here: bool,
    /// The flow the other way, if there is one, is over: then this one is too once the target has hung
    /// up, although nobody has written to it.
    pub(super) back_is_over: Option<&'a AtomicBool>,
}

impl WaitMode<'_> {
    pub(super) fn attempt(self, side: Direction) -> PollIo {
        match self.here {
            true => PollIo::here(side),
            false => PollIo::new(side),
        }
    }

    /// Whether a target that has hung up is the end, and tells so.
    pub(super) fn ends_with(self, target: &Channel) -> bool {
        self.back_is_over
            .is_some_and(|over| over.load(Ordering::Relaxed))
            && VFuncs::of(target).has_poll_fd()
    }
}

/// Lets others have their turn.
pub(super) async fn yield_now() {
    let mut gave_way = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut gave_way, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
