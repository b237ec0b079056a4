//! The wait of a coroutine, which another thread can end before the channel is ready.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Wake, Waker},
};

use glib::{IOCondition, subclass::prelude::*};

use super::{Channel, wait};
use crate::{
    coroutine,
    sys::lock,
    watch::{ChannelState, WakeOn},
};

/// Suspends the coroutine that runs until one of the conditions is there. Returns none if it waited
/// for `IN`, and was woken by `wake_read()`.
pub(super) fn yield_until(channel: &Channel, condition: IOCondition) -> io::Result<IOCondition> {
    let mut ready = pin!(wait::future(channel, condition));
    let wait = match condition.contains(IOCondition::IN) {
        true => Some(ReadWait::new(&channel.imp().channel_state)),
        false => None,
    };
    coroutine::wait_for(poll_fn(|cx| match &wait {
        Some(wait) if wait.is_over(cx.waker()) => Poll::Ready(Ok(IOCondition::empty())),
        _ => ready.as_mut().poll(cx),
    }))?
}

/// Ends the wait when it is dropped.
struct ReadWait<'a> {
    channel_state: &'a ChannelState,
    state: Arc<WaitState>,
}

struct WaitState {
    is_woken: AtomicBool,
    waker: Mutex<Waker>,
}

impl Wake for WaitState {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        let waker = lock(&self.waker).clone();
        waker.wake();
    }
}

impl<'a> ReadWait<'a> {
    fn new(channel_state: &'a ChannelState) -> Self {
        let state = Arc::new(WaitState {
            is_woken: AtomicBool::new(false),
            waker: Mutex::new(Waker::noop().clone()),
        });
        channel_state.add_waker(WakeOn::ReadYield, Waker::from(state.clone()));
        Self {
            channel_state,
            state,
        }
    }

    /// Whether `wake_read()` was called. Wakes `waker` then.
    fn is_over(&self, waker: &Waker) -> bool {
        let before = std::mem::replace(&mut *lock(&self.state.waker), waker.clone());
        drop(before);
        self.state.is_woken.load(Ordering::Acquire)
    }
}

impl Drop for ReadWait<'_> {
    fn drop(&mut self) {
        let waker = Waker::from(self.state.clone());
        self.channel_state.remove_waker(WakeOn::ReadYield, &waker);
    }
}
