//! The wait of a coroutine, which another thread can end before the channel is ready.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use glib::{IOCondition, subclass::prelude::*};

use super::{Channel, wait};
use crate::{coroutine, watch::Waiters};

/// Suspends the coroutine that runs until one of the conditions is there. Returns none if it waited
/// for `IN`, and was woken by `wake_read()`.
pub(super) fn yield_until(channel: &Channel, condition: IOCondition) -> io::Result<IOCondition> {
    let mut ready = pin!(wait::future(channel, condition));
    let wait = ReadWait {
        waiters: &channel.imp().waiters,
        is_woken: Arc::default(),
    };
    coroutine::wait_for(poll_fn(|cx| {
        if condition.contains(IOCondition::IN) {
            if wait.is_woken.load(Ordering::Acquire) {
                return Poll::Ready(Ok(IOCondition::empty()));
            }
            // Before the channel is polled, so that no call in between is missed.
            wait.waiters.enter_yield(&wait.is_woken, cx.waker());
        }
        ready.as_mut().poll(cx)
    }))?
}

/// Leaves the list of the waiters when the wait is over.
struct ReadWait<'a> {
    waiters: &'a Waiters,
    is_woken: Arc<AtomicBool>,
}

impl Drop for ReadWait<'_> {
    fn drop(&mut self) {
        self.waiters.leave_yield(&self.is_woken);
    }
}
