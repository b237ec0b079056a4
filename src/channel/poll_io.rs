//! Trying without blocking, and waiting in a future until another try is worth it.
//!
//! Where a class lends its descriptors the hub of the context watches them, once and for all
//! waits, and what it knows saves calls that would fail. Whatever else a channel waits for is
//! waited for by its watch.

mod by_watch;
mod waiting;

pub(super) use waiting::{has_ended, level};

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use glib::{IOCondition, subclass::prelude::*};

use self::by_watch::WatchWait;

use super::{Channel, class::VFuncs};
use crate::{
    error::{not_supported, would_block},
    hub::{self, Direction, Hub, ReadyEvent, Registration, WaiterKey},
    types::{ReadFlags, Readiness, WriteFlags},
    watch::{self, ALWAYS},
};

/// One direction of a channel, for one future at a time.
#[derive(Debug)]
pub(crate) struct PollIo {
    side: Direction,
    /// It waits in the context that runs, whatever context the channel is attached to.
    here: bool,
    /// Its place in the list of the registration.
    key: WaiterKey,
    by: WaitBy,
    /// The wake-ups that the channel had made when this began to wait: see [`epoch`].
    epoch: usize,
}

/// What it waits by, or has waited by.
#[derive(Debug)]
enum WaitBy {
    Nothing,
    /// Of the hub that it was last polled on, which watches the channel.
    Registration(Arc<Registration>),
    /// Where no hub can watch.
    Watch(Box<WatchWait>),
}

/// The flags of the next try, which only slots of this crate get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IoFlags {
    pub(crate) read: ReadFlags,
    pub(crate) write: WriteFlags,
}

impl IoFlags {
    /// For those who may block.
    pub(crate) fn plain() -> Self {
        Self {
            read: ReadFlags::empty(),
            write: WriteFlags::empty(),
        }
    }

    fn new(own: bool, blocking: bool, news: bool) -> Self {
        let mut this = Self::plain();
        this.read.set(ReadFlags::NO_WAIT, own && blocking);
        this.read.set(ReadFlags::NO_NEWS, own && !news);
        this.write.set(WriteFlags::NO_WAIT, own && blocking);
        this
    }
}

/// What came of a try.
pub(crate) struct Transferred<T> {
    pub(crate) result: T,
    /// Less was read than there was room for.
    pub(crate) short: bool,
}

impl<T> Transferred<T> {
    pub(crate) fn whole(result: T) -> Self {
        Self {
            result,
            short: false,
        }
    }
}

impl PollIo {
    pub(crate) fn new(side: Direction) -> Self {
        Self {
            side,
            here: false,
            key: WaiterKey::default(),
            by: WaitBy::Nothing,
            epoch: 0,
        }
    }

    /// For those who run a context of their own, and no other one meanwhile.
    pub(crate) fn here(side: Direction) -> Self {
        let mut this = Self::new(side);
        this.here = true;
        this
    }

    /// Tries until it does not say would-block.
    // The usual way: a class of this crate that waits for its descriptors, and the hub that polls this watches
    // them already. Everything else is out of line.
    #[inline]
    pub(crate) fn poll<T>(
        &mut self,
        channel: &Channel,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(IoFlags) -> io::Result<Transferred<T>>,
    ) -> Poll<io::Result<T>> {
        ready!(hub::poll_budget(cx));
        let running = hub::running_for(cx);
        let waiters = &channel.imp().waiters;
        if let Some(home) = waiters.home(self.side, running)
            && VFuncs::of(channel).wait_for_fds_only()
            && (!self.is_waiting() || is_same(self.registration(), Some(home)))
        {
            let changes = waiters.changes();
            let seen = home.ready_event(self.side);
            if seen.is_ready() || self.is_waiting() && self.epoch != changes {
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
            if !watch::anything_unread()
                && self.enter(home, cx, changes)
                && waiters.changes() == changes
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
    fn enter(&mut self, home: &Arc<Registration>, cx: &Context<'_>, changes: usize) -> bool {
        self.epoch = changes;
        if !self.key.is_entered() {
            self.by = WaitBy::Registration(home.clone());
        }
        home.enter(self.side, &mut self.key, cx.waker())
    }

    /// As [`poll`](Self::poll), in general.
    #[cold]
    #[inline(never)]
    fn poll_any<T>(
        &mut self,
        channel: &Channel,
        running: *const Hub,
        cx: &mut Context<'_>,
        attempt: &mut dyn FnMut(IoFlags) -> io::Result<Transferred<T>>,
    ) -> Poll<io::Result<T>> {
        let own = VFuncs::of(channel).honours_no_wait();
        let blocking = channel.imp().is_blocking();
        // What a layer holds is reported by nothing: it is always tried.
        let layer = channel.below().is_some();
        let mut again = false;
        loop {
            let epoch = epoch(channel);
            if blocking && !own {
                // The slot would block.
                let condition = self.side.condition();
                if let Err(e) = ready!(self.poll_level(channel, condition, cx)) {
                    return Poll::Ready(Err(e));
                }
            }
            let seen = self.seen(channel, running, again);
            // Outside of a hub, and in a main loop inside a task, what a hub has seen may be old, and it
            // would not look in time.
            let readiness_may_be_stale = !self.is_waiting() && running.is_null();
            let news = again
                || seen.is_none_or(ReadyEvent::is_ready)
                || self.is_waiting() && self.epoch != epoch
                || self.has_unread(channel)
                || readiness_may_be_stale;
            let result = match layer || news {
                true => attempt(IoFlags::new(own, blocking, news)),
                false => Err(io::ErrorKind::WouldBlock.into()),
            };
            match result {
                Ok(Transferred { result, short }) => {
                    if short && own && !layer {
                        self.read_short(seen);
                    }
                    return self.finish(Ok(result));
                }
                Err(e) if would_block(&e) => {
                    self.epoch = epoch;
                    match self.poll_wait(channel, layer, (running, seen), cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(e)) => return self.finish(Err(e)),
                        Poll::Pending if self::epoch(channel) != epoch => {}
                        Poll::Pending => return Poll::Pending,
                    }
                    again = true;
                }
                Err(e) => return self.finish(Err(e)),
            }
        }
    }

    /// What the hub that runs has seen of the direction, if it watches that. Before the first try
    /// of a write that is not looked up: there is room, as a rule. What it waits by since the last try
    /// (`again`) is of the hub that runs, or that of the context where no hub does.
    #[inline]
    fn seen(&mut self, channel: &Channel, running: *const Hub, again: bool) -> Option<ReadyEvent> {
        let is_known = self.is_of(running) || again && self.registration().is_some();
        if !is_known {
            if self.side == Direction::Write && !self.is_waiting() {
                return None;
            }
            let waiters = &channel.base().imp().waiters;
            let known = waiters.registration_known(self.side, running, self.here);
            self.use_registration(known);
        }
        let registration = self.registration()?;
        Some(registration.ready_event(self.side))
    }

    #[inline]
    fn is_of(&self, hub: *const Hub) -> bool {
        self.registration().is_some_and(|it| it.is_of(hub))
    }

    /// A read has taken less than it had room for.
    #[inline]
    fn read_short(&self, seen: Option<ReadyEvent>) {
        if let (Some(registration), Some(seen)) = (self.registration(), seen) {
            registration.read_short(seen);
        }
    }

    #[inline]
    fn is_waiting(&self) -> bool {
        self.key.is_entered() || matches!(self.by, WaitBy::Watch(_))
    }

    /// Whether a layer needs nothing of what is below it to go on.
    #[cold]
    fn is_worth_trying(&self, channel: &Channel, condition: IOCondition) -> bool {
        !(condition - ALWAYS).is_empty()
            && VFuncs::of(channel).wait_fd(self.side.condition()) == Readiness::Now
    }

    fn has_unread(&self, channel: &Channel) -> bool {
        self.side == Direction::Read && channel.imp().waiters.unread.is_readable()
    }

    fn finish<T>(&mut self, result: io::Result<T>) -> Poll<io::Result<T>> {
        self.leave();
        Poll::Ready(result)
    }

    #[inline]
    fn leave(&mut self) {
        match &self.by {
            WaitBy::Registration(registration) => registration.leave(self.side, &mut self.key),
            WaitBy::Watch(_) => self.by = WaitBy::Nothing,
            WaitBy::Nothing => {}
        }
    }
}

impl Drop for PollIo {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}

#[inline]
fn is_same(one: Option<&Arc<Registration>>, other: Option<&Arc<Registration>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

/// How often the waiters of a channel, and of those below a layer, have been made to look again, to
/// be compared: that may happen before anything is entered anywhere.
#[inline]
fn epoch(channel: &Channel) -> usize {
    let own = channel.imp().waiters.changes();
    match channel.below() {
        Some(below) => own.wrapping_add(epoch(below)),
        None => own,
    }
}

/// Would-block, and no way to tell when that changes.
pub(super) fn cannot_wait_error(channel: &Channel) -> io::Error {
    let label = channel.label();
    not_supported(&format!(
        "{label} would block, and nothing tells when it would not"
    ))
}
