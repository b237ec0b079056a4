//! Trying without blocking, and waiting in a future until another try is worth it.
//!
//! Where a class lends its descriptors the hub of the context watches them, once and for all
//! waits, and what it knows saves calls that would fail. Whatever else a channel waits for is
//! waited for by its watch.

mod by_watch;

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    task::{Context, Poll, ready},
};

use glib::{IOCondition, subclass::prelude::*};

use self::by_watch::{WatchWait, Watched};

use super::{Channel, class::VFuncs, ffi::PollFd};
use crate::{
    error::{closed, not_supported, would_block},
    hub::{self, Direction, FdRole, Hub, ReadyEvent, Registration, WaiterKey},
    sys::{
        SharedFd,
        poll::{has_hung_up, poll_now},
    },
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

    /// Waits until one of the conditions of this direction is there, now.
    pub(crate) fn poll_level(
        &mut self,
        channel: &Channel,
        condition: IOCondition,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<IOCondition>> {
        loop {
            let epoch = epoch(channel);
            if channel.imp().is_closed() {
                return self.finish(Ok(IOCondition::NVAL));
            }
            if self.has_unread(channel) {
                return self.finish(Ok(condition & IOCondition::IN));
            }
            let layer = channel.below().is_some();
            if layer && self.is_worth_trying(channel, condition) {
                return self.finish(Ok(condition - ALWAYS));
            }
            let lent = pollable(channel, self.side);
            let registration = match self.find_registration(channel) {
                Ok(registration) => registration,
                Err(e) => return self.finish(Err(e)),
            };
            let (Some(fd), Some(registration)) = (lent, registration) else {
                let got = ready!(self.poll_watch(channel, condition, cx));
                return self.finish(got);
            };
            let seen = registration.ready_event(self.side);
            let now = match fd.fd.get() {
                Some(guard) => level(&guard, condition).and_then(|got| {
                    let waiters = &channel.base().imp().waiters;
                    waiters.ignore_completions(got, condition, || level(&guard, condition))
                }),
                None => continue,
            };
            match now {
                Ok(now) if now.is_empty() => {}
                now => return self.finish(now),
            }
            // Who only waits for an end has not found out whether there is data.
            let since = match condition.contains(self.side.condition()) {
                true => {
                    registration.would_block(self.side, seen);
                    None
                }
                false => Some(seen),
            };
            self.use_registration(Some(registration));
            match self.poll_edge(cx, since) {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) if self::epoch(channel) != epoch => {}
                Ok(Poll::Pending) => return Poll::Pending,
                Err(e) => return self.finish(Err(e)),
            }
        }
    }

    /// Not ready as of `seen`, if the hub that runs had seen anything: waits. Ready where another try
    /// is worth it.
    fn poll_wait(
        &mut self,
        channel: &Channel,
        layer: bool,
        (running, mut seen): (*const Hub, Option<ReadyEvent>),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        // What a layer waits for changes, although the descriptor below is watched all the time.
        if layer && pollable(channel, self.side).is_none() {
            return self.poll_without_fd(channel, cx);
        }
        if !self.is_of(running) {
            match self.find_registration(channel) {
                Ok(None) => return self.poll_without_fd(channel, cx),
                Ok(found) => {
                    // What was seen is of another registration.
                    seen = seen.filter(|_| is_same(found.as_ref(), self.registration()));
                    self.use_registration(found);
                }
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        let Some(registration) = self.registration() else {
            return Poll::Ready(Ok(()));
        };
        let since = match layer {
            // A layer may have other reasons, and reports itself what came of the calls below it.
            true => seen.or_else(|| Some(registration.ready_event(self.side))),
            false => {
                if let Some(seen) = seen {
                    registration.would_block(self.side, seen);
                }
                None
            }
        };
        match self.poll_edge(cx, since) {
            Ok(poll) => poll.map(Ok),
            Err(e) => Poll::Ready(Err(e)),
        }
    }

    /// Uses a registration, or none, in place of whatever it was before.
    fn use_registration(&mut self, registration: Option<Arc<Registration>>) {
        if !is_same(self.registration(), registration.as_ref()) {
            self.leave();
            self.by = registration.map_or(WaitBy::Nothing, WaitBy::Registration);
        }
    }

    /// As [`poll_wait`](Self::poll_wait), where no hub can watch.
    #[cold]
    fn poll_without_fd(&mut self, channel: &Channel, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if channel.imp().is_closed() {
            return Poll::Ready(Err(closed()));
        }
        let got = ready!(self.poll_watch(channel, self.side.condition(), cx))?;
        self.leave();
        let waits = !got.contains(IOCondition::NVAL) || channel.imp().is_closed();
        Poll::Ready(match waits {
            true => Ok(()),
            false => Err(cannot_wait_error(channel)),
        })
    }

    /// Enters the list of the registration.
    fn poll_edge(
        &mut self,
        cx: &mut Context<'_>,
        since: Option<ReadyEvent>,
    ) -> io::Result<Poll<()>> {
        match &self.by {
            WaitBy::Registration(registration) => {
                registration.poll_edge(self.side, &mut self.key, cx.waker(), since)
            }
            _ => Ok(Poll::Ready(())),
        }
    }

    fn poll_watch(
        &mut self,
        channel: &Channel,
        condition: IOCondition,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<IOCondition>> {
        loop {
            match &self.by {
                WaitBy::Watch(watch) => match watch.poll(cx) {
                    Poll::Ready(Watched::Fired(got)) => return Poll::Ready(Ok(got)),
                    Poll::Ready(Watched::Moved) => self.leave(),
                    Poll::Pending => return Poll::Pending,
                },
                _ => {
                    self.leave();
                    let watch = WatchWait::new(channel, condition, self.here, cx.waker())?;
                    self.by = WaitBy::Watch(Box::new(watch));
                }
            }
        }
    }

    /// That of this context's hub, from now on. `None` for what a hub cannot watch.
    fn find_registration(&self, channel: &Channel) -> io::Result<Option<Arc<Registration>>> {
        if !VFuncs::of(channel).has_poll_fd() {
            return Ok(None);
        }
        let register = |hub: &Arc<Hub>| match pollable(channel, self.side) {
            Some(lent) => hub.register(&lent.fd, self.side, lent.serves),
            None => Ok(None),
        };
        let waiters = &channel.base().imp().waiters;
        let found = match self.here {
            true => waiters.registration_at(&Hub::running_here()?, self.side, register),
            false => waiters.registration_here(self.side, register),
        };
        match found {
            // Always ready, says the system.
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => Ok(None),
            Ok(Some(registration)) => {
                if !self.here {
                    waiters.set_home(&registration);
                }
                Ok(Some(registration))
            }
            result => result,
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

/// A descriptor that the hub can watch.
struct Pollable {
    fd: Arc<SharedFd>,
    serves: FdRole,
}

fn pollable(channel: &Channel, side: Direction) -> Option<Pollable> {
    match VFuncs::of(channel).lent(side)? {
        PollFd::Pollable { fd, serves, .. } => Some(Pollable { fd, serves }),
        PollFd::Disk(_) => None,
    }
}

/// Whether nothing will come any more, as far as a descriptor of the channel tells.
pub(super) fn has_ended(channel: &Channel) -> io::Result<bool> {
    let lent = pollable(channel, Direction::Read);
    match lent.as_ref().and_then(|lent| lent.fd.get()) {
        Some(guard) => has_hung_up(guard.as_fd()),
        None => Ok(true),
    }
}

pub(super) fn level(
    fd: &crate::sys::FdGuard<'_>,
    condition: IOCondition,
) -> io::Result<IOCondition> {
    let events = poll_now(fd.as_fd().as_raw_fd(), condition.bits() as i16)?;
    Ok(IOCondition::from_bits_truncate(events as u32))
}
