//! Trying without blocking, and waiting in a future until another attempt is worthwhile.
//!
//! If the class exposes the descriptors to poll, the hub of the context registers them once for all
//! waits, and the recorded readiness saves calls that would fail. Other channels are waited for by
//! their watch.

#[cfg(test)]
mod tests;
mod waiting;
mod watch_wait;

pub(super) use waiting::{has_ended, level};

use std::{
    io, mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use glib::{IOCondition, subclass::prelude::*};

use self::watch_wait::WatchWait;

use super::{
    Channel,
    class::{IoFlags, Transferred, VFuncs},
    observed,
};
use crate::{
    error::{not_supported, would_block},
    hub::{self, Direction, Hub, ReadyEvent, Registration, WaiterKey},
    observe,
    types::Readiness,
    watch::ALWAYS,
};

/// I/O in one direction of a channel, for one future at a time.
#[derive(Debug)]
pub(crate) struct PollIo {
    side: Direction,
    /// Whether it waits in the running context, whatever context the channel is attached to.
    here: bool,
    /// Whether the next poll attempts whatever readiness is recorded.
    assume_ready: bool,
    key: WaiterKey,
    by: WaitBy,
    /// The wake epoch of the channel when this began to wait: see [`epoch`].
    epoch: usize,
}

/// How it waits, or has waited.
#[derive(Debug)]
enum WaitBy {
    Nothing,
    /// By a registration in the hub that it was last polled on.
    Registration(Arc<Registration>),
    /// By a watch, where no hub can poll.
    Watch(Box<WatchWait>),
}

impl PollIo {
    pub(crate) fn new(side: Direction) -> Self {
        Self {
            side,
            here: false,
            assume_ready: false,
            key: WaiterKey::default(),
            by: WaitBy::Nothing,
            epoch: 0,
        }
    }

    /// For callers that run a private context, and no other one meanwhile.
    pub(crate) fn here(side: Direction) -> Self {
        let mut this = Self::new(side);
        this.here = true;
        this
    }

    /// For a transfer of no bytes, which needs no readiness: the next poll attempts it.
    #[inline]
    pub(crate) fn assume_ready(&mut self, is_empty: bool) {
        self.assume_ready = is_empty;
    }

    /// Attempts until the result is not would-block.
    // The usual path: a class of this crate that polls only its descriptors, registered with the
    // hub that polls this. All other cases are out of line.
    #[inline]
    pub(crate) fn poll<T>(
        &mut self,
        channel: &Channel,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(IoFlags) -> io::Result<Transferred<T>>,
    ) -> Poll<io::Result<T>> {
        ready!(hub::poll_budget(cx));
        let running = hub::running_for(cx);
        let channel_state = &channel.imp().channel_state;
        if !self.assume_ready
            && let Some(home) = channel_state.home(self.side, running)
            && VFuncs::of(channel).wait_for_fds_only()
            && (!self.is_waiting() || is_same(self.registration(), Some(home)))
        {
            let wake_epoch = channel_state.wake_epoch();
            let seen = home.ready_event(self.side);
            if seen.is_ready() || self.is_waiting() && self.epoch != wake_epoch {
                match attempt(IoFlags::new(true, true, true)) {
                    Ok(Transferred { result, short }) => {
                        if short {
                            home.read_short(seen);
                        }
                        return self.finish(Ok(result));
                    }
                    Err(e) if would_block(&e) => home.would_block(self.side, seen),
                    Err(e) => return self.finish(Err(e)),
                }
            }
            if !observe::takes_slow_path()
                && self.enter(home, cx, wake_epoch)
                && channel_state.wake_epoch() == wake_epoch
            {
                return Poll::Pending;
            }
        }
        self.poll_any(channel, running, cx, &mut attempt)
    }

    #[inline]
    fn registration(&self) -> Option<&Arc<Registration>> {
        match &self.by {
            WaitBy::Registration(registration) => Some(registration),
            _ => None,
        }
    }

    /// Enters the list of the registration. Returns whether it waits.
    #[inline]
    fn enter(&mut self, home: &Arc<Registration>, cx: &Context<'_>, wake_epoch: usize) -> bool {
        self.epoch = wake_epoch;
        if !self.key.is_entered() {
            self.by = WaitBy::Registration(home.clone());
        }
        home.enter(self.side, &mut self.key, cx.waker())
    }

    /// As [`poll`](Self::poll), for all other cases.
    #[cold]
    #[inline(never)]
    fn poll_any<T>(
        &mut self,
        channel: &Channel,
        running: *const Hub,
        cx: &mut Context<'_>,
        attempt: &mut dyn FnMut(IoFlags) -> io::Result<Transferred<T>>,
    ) -> Poll<io::Result<T>> {
        let own = VFuncs::of(channel).honors_no_wait();
        let blocking = channel.imp().is_blocking();
        // No descriptor reports what a layered channel has buffered: it is always tried.
        let lower = channel.lower();
        let layer = lower.is_some();
        let assumed = mem::take(&mut self.assume_ready);
        let mut again = false;
        loop {
            let epoch = epoch_over(channel, lower);
            if blocking && !own {
                // The virtual function would block.
                let condition = self.side.condition();
                if let Err(e) = ready!(self.poll_level(channel, condition, cx)) {
                    return Poll::Ready(Err(e));
                }
            }
            let bottom = lower.map_or(channel, Channel::bottom);
            let seen = self.seen(bottom, running, again);
            // Outside of a hub, and in a nested main loop inside a task, the recorded readiness may
            // be stale, and no re-check would run in time.
            let readiness_may_be_stale = !self.is_waiting() && running.is_null();
            let has_event = assumed
                || again
                || seen.is_none_or(ReadyEvent::is_ready)
                || self.is_waiting() && self.epoch != epoch
                || self.has_pushback(channel)
                || readiness_may_be_stale;
            let result = match layer || has_event {
                true => attempt(IoFlags::new(own, blocking, has_event)),
                false => Err(io::ErrorKind::WouldBlock.into()),
            };
            match result {
                Ok(Transferred { result, short }) => {
                    if short
                        && own
                        && !layer
                        && let (Some(registration), Some(seen)) = (self.registration(), seen)
                    {
                        registration.read_short(seen);
                    }
                    return self.finish(Ok(result));
                }
                Err(e) if would_block(&e) => {
                    self.epoch = epoch;
                    match self.poll_wait(channel, layer, (running, seen), cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(e)) => return self.finish(Err(e)),
                        Poll::Pending if epoch_over(channel, lower) != epoch => {}
                        Poll::Pending => {
                            if !layer && !has_event {
                                observed::polled(channel);
                            }
                            return Poll::Pending;
                        }
                    }
                    again = true;
                }
                Err(e) => return self.finish(Err(e)),
            }
        }
    }

    /// The readiness that the running hub has recorded for the direction, if it has registered
    /// that. Not searched before the first attempt of a write, which usually succeeds. After an
    /// attempt (`again`) the registration it waits by belongs to the running hub, or to the hub of
    /// the context.
    #[inline]
    fn seen(&mut self, bottom: &Channel, running: *const Hub, again: bool) -> Option<ReadyEvent> {
        let is_known = self.is_of(running) || again && self.registration().is_some();
        if !is_known {
            if self.side == Direction::Write && !self.is_waiting() {
                return None;
            }
            let channel_state = &bottom.imp().channel_state;
            let known = match channel_state.home(self.side, running) {
                Some(home) => Some(home.clone()),
                None => channel_state.registration_known(self.side, running, self.here),
            };
            self.use_registration(known);
        }
        let registration = self.registration()?;
        Some(registration.ready_event(self.side))
    }

    #[inline]
    fn is_of(&self, hub: *const Hub) -> bool {
        self.registration().is_some_and(|it| it.is_of(hub))
    }

    #[inline]
    fn is_waiting(&self) -> bool {
        self.key.is_entered() || matches!(self.by, WaitBy::Watch(_))
    }

    /// Whether a layered channel can make progress without its lower channel.
    #[cold]
    fn is_worth_trying(&self, channel: &Channel, condition: IOCondition) -> bool {
        !(condition - ALWAYS).is_empty()
            && VFuncs::of(channel).wait_fd(self.side.condition()) == Readiness::Now
    }

    fn has_pushback(&self, channel: &Channel) -> bool {
        self.side == Direction::Read && channel.imp().channel_state.pushback.is_readable()
    }

    fn finish<T>(&mut self, result: io::Result<T>) -> Poll<io::Result<T>> {
        self.cancel_wait();
        Poll::Ready(result)
    }

    #[inline]
    fn cancel_wait(&mut self) {
        match &self.by {
            WaitBy::Registration(registration) => {
                registration.cancel_wait(self.side, &mut self.key);
            }
            WaitBy::Watch(_) => self.by = WaitBy::Nothing,
            WaitBy::Nothing => {}
        }
    }
}

impl Drop for PollIo {
    #[inline]
    fn drop(&mut self) {
        self.cancel_wait();
    }
}

#[inline]
fn is_same(one: Option<&Arc<Registration>>, other: Option<&Arc<Registration>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

/// The number of times that the waiters of a channel, and of its lower channels, were made to poll
/// again. Compared to detect a wake-up before this is entered in any list.
#[inline]
fn epoch(channel: &Channel) -> usize {
    epoch_over(channel, channel.lower())
}

/// The same of a channel with this lower channel.
#[inline]
fn epoch_over(channel: &Channel, lower: Option<&Channel>) -> usize {
    let own = channel.imp().channel_state.wake_epoch();
    own.wrapping_add(lower.map_or(0, epoch))
}

/// The error for would-block of a class that provides no way to wait.
pub(super) fn cannot_wait_error(channel: &Channel) -> io::Error {
    let label = channel.label();
    not_supported(&format!(
        "{label} would block, and the class provides no way to wait"
    ))
}
