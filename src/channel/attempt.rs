//! Trying without blocking, and waiting in a future until another try is worth it.
//!
//! Where a class lends its descriptors the hub of the context watches them, once and for all
//! waits, and what it knows saves calls that would fail. Whatever else a channel waits for is
//! waited for by its watch.

mod by_watch;

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd},
    ptr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use glib::{IOCondition, subclass::prelude::*};

use self::by_watch::{WatchWait, Watched};

use super::{Channel, class::Slots, ffi::Lent};
use crate::{
    error::{closed, not_supported, would_block},
    hub::{self, Hub, Interest, Lines, Seen, Serves, Side, Ticket},
    sys::{
        SharedFd,
        poll::{has_hung_up, poll_now},
    },
    types::{ReadFlags, Readiness, WriteFlags},
    watch::ALWAYS,
};

/// One direction of a channel, for one future at a time.
#[derive(Debug)]
pub(crate) struct Attempt {
    side: Side,
    wait: Wait,
    /// It waits in the context that runs, whatever context the channel is attached to.
    here: bool,
    /// What is known of the direction was a guess in the last place: see [`used`](Self::used).
    is_guess: bool,
}

#[derive(Debug)]
enum Wait {
    Not,
    Edge(Arc<Interest>, Ticket),
    Watch(Box<WatchWait>),
}

/// The flags of the next try, which only slots of this crate get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try {
    pub(crate) read: ReadFlags,
    pub(crate) write: WriteFlags,
}

impl Try {
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
pub(crate) struct Tried<T> {
    pub(crate) result: T,
    /// Less was read than there was room for.
    pub(crate) short: bool,
}

impl<T> Tried<T> {
    pub(crate) fn whole(result: T) -> Self {
        Self {
            result,
            short: false,
        }
    }
}

impl Attempt {
    pub(crate) fn new(side: Side) -> Self {
        Self {
            side,
            wait: Wait::Not,
            here: false,
            is_guess: false,
        }
    }

    /// For those who run a context of their own, and no other one meanwhile.
    pub(crate) fn here(side: Side) -> Self {
        let mut this = Self::new(side);
        this.here = true;
        this
    }

    /// Tries until it does not say would-block.
    pub(crate) fn poll<T>(
        &mut self,
        channel: &Channel,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(Try) -> io::Result<Tried<T>>,
    ) -> Poll<io::Result<T>> {
        ready!(hub::poll_budget(cx));
        let own = Slots::of(channel).obey_no_wait();
        let blocking = channel.imp().is_blocking();
        // What a layer holds tells nobody of itself: it is always tried.
        let layer = channel.below().is_some();
        let mut woken = false;
        loop {
            let changes = changes(channel, layer);
            if blocking && !own {
                // The slot would block.
                let condition = self.side.condition();
                if let Err(e) = ready!(self.poll_level(channel, condition, cx)) {
                    return Poll::Ready(Err(e));
                }
            }
            let seen = self.seen(channel);
            let news = woken || seen.is_ready() || self.has_unread(channel) || self.may_be_old();
            let result = match layer || news {
                true => attempt(Try::new(own, blocking, news)),
                false => Err(io::ErrorKind::WouldBlock.into()),
            };
            match result {
                Ok(Tried { result, short }) => {
                    if short && own && !layer {
                        self.read_short(channel, seen);
                    }
                    return self.finish(Ok(result));
                }
                Err(e) if would_block(&e) => {
                    match self.poll_wait(channel, layer, seen, cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(e)) => return self.finish(Err(e)),
                        Poll::Pending if has_changed(channel, changes) => {}
                        Poll::Pending => return Poll::Pending,
                    }
                    woken = true;
                }
                Err(e) => return self.finish(Err(e)),
            }
        }
    }

    /// A read has taken less than it had room for.
    #[inline]
    fn read_short(&self, channel: &Channel, seen: Seen) {
        match &self.wait {
            Wait::Edge(interest, _) => interest.read_short(seen),
            // Nobody watches.
            _ if seen.is_news() => {}
            _ => {
                if let Some(interest) = channel.imp().waiters.interest_running(self.side) {
                    interest.read_short(seen);
                }
            }
        }
    }

    /// As [`poll_level`](Self::poll_level), for somebody who does no harm if there is nothing,
    /// and after whom there may be nothing left: see [`used`](Self::used).
    pub(crate) fn poll_likely(
        &mut self,
        channel: &Channel,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<IOCondition>> {
        let imp = channel.imp();
        if self.is_guess && !imp.is_closed() && !imp.is_blocking() && !self.has_unread(channel) {
            let seen = self.seen(channel);
            if seen.is_ready() {
                return self.finish(Ok(self.side.condition()));
            }
            // Of a layer there is no guess.
            if let Err(e) = ready!(self.poll_wait(channel, false, seen, cx)) {
                return self.finish(Err(e));
            }
        }
        self.poll_level(channel, self.side.condition(), cx)
    }

    /// To be taken before somebody uses the channel.
    pub(crate) fn seen(&self, channel: &Channel) -> Seen {
        channel.base().imp().waiters.line(self.side).seen()
    }

    /// Somebody has used the channel, in whatever way.
    pub(crate) fn used(&mut self, channel: &Channel, seen: Seen) {
        if channel.below().is_some() {
            return;
        }
        let interest = channel.imp().waiters.interest_running(self.side);
        self.is_guess = interest.is_some();
        if let Some(interest) = interest {
            interest.guess_drained(self.side, seen);
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
            if channel.imp().is_closed() {
                return self.finish(Ok(IOCondition::NVAL));
            }
            if self.has_unread(channel) {
                return self.finish(Ok(condition & IOCondition::IN));
            }
            let layer = channel.below().is_some();
            let changes = changes(channel, layer);
            if layer && self.is_worth_trying(channel, condition) {
                return self.finish(Ok(condition - ALWAYS));
            }
            let lent = pollable(channel, self.side);
            let interest = match self.interest(channel) {
                Ok(interest) => interest,
                Err(e) => return self.finish(Err(e)),
            };
            let (Some(fd), Some(interest)) = (lent, interest) else {
                let got = ready!(self.poll_watch(channel, condition, cx));
                return self.finish(Ok(got));
            };
            let seen = self.seen(channel);
            let now = match fd.fd.get() {
                Some(guard) => level(&guard, condition).and_then(|got| {
                    let waiters = &channel.base().imp().waiters;
                    waiters.without_notes(got, condition, || level(&guard, condition))
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
                    interest.would_block(self.side, seen);
                    None
                }
                false => Some(seen),
            };
            match self.poll_edge(&interest, cx, since) {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) if has_changed(channel, changes) => {}
                Ok(Poll::Pending) => return Poll::Pending,
                Err(e) => return self.finish(Err(e)),
            }
        }
    }

    /// Not ready as of `seen`: waits. Ready where another try is worth it.
    fn poll_wait(
        &mut self,
        channel: &Channel,
        layer: bool,
        seen: Seen,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        // What a layer waits for changes, although the descriptor below is watched all the time.
        if layer && pollable(channel, self.side).is_none() {
            return self.poll_unlent(channel, cx);
        }
        let running = Hub::running();
        let waits = matches!(&self.wait, Wait::Edge(interest, _)
            if ptr::eq(Arc::as_ptr(interest.hub()), running) && !interest.has_ended());
        if !waits {
            match self.interest(channel) {
                Ok(Some(interest)) => self.wait_by(interest),
                Ok(None) => return self.poll_unlent(channel, cx),
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        match &mut self.wait {
            Wait::Edge(interest, ticket) => {
                // A layer may have other reasons, and tells itself what came of the calls below it.
                let since = layer.then_some(seen);
                if !layer {
                    interest.would_block(self.side, seen);
                }
                match interest.poll_edge(self.side, ticket, cx.waker(), since) {
                    Ok(poll) => poll.map(Ok),
                    Err(e) => Poll::Ready(Err(e)),
                }
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Waits by an interest, in place of whatever it was before.
    fn wait_by(&mut self, interest: Arc<Interest>) {
        if !matches!(&self.wait, Wait::Edge(mine, _) if Arc::ptr_eq(mine, &interest)) {
            self.leave();
            self.wait = Wait::Edge(interest, Ticket::default());
        }
    }

    /// As [`poll_wait`](Self::poll_wait), where no hub can watch.
    #[cold]
    fn poll_unlent(&mut self, channel: &Channel, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if channel.imp().is_closed() {
            return Poll::Ready(Err(closed()));
        }
        let got = ready!(self.poll_watch(channel, self.side.condition(), cx));
        self.wait = Wait::Not;
        let waits = !got.contains(IOCondition::NVAL) || channel.imp().is_closed();
        Poll::Ready(match waits {
            true => Ok(()),
            false => Err(nothing_tells(channel)),
        })
    }

    fn poll_edge(
        &mut self,
        interest: &Arc<Interest>,
        cx: &mut Context<'_>,
        since: Option<Seen>,
    ) -> io::Result<Poll<()>> {
        self.wait_by(interest.clone());
        match &mut self.wait {
            Wait::Edge(interest, ticket) => {
                interest.poll_edge(self.side, ticket, cx.waker(), since)
            }
            _ => Ok(Poll::Ready(())),
        }
    }

    fn poll_watch(
        &mut self,
        channel: &Channel,
        condition: IOCondition,
        cx: &mut Context<'_>,
    ) -> Poll<IOCondition> {
        loop {
            match &self.wait {
                Wait::Watch(watch) => match watch.poll(cx) {
                    Poll::Ready(Watched::Fired(got)) => return Poll::Ready(got),
                    Poll::Ready(Watched::Moved) => self.leave(),
                    Poll::Pending => return Poll::Pending,
                },
                _ => {
                    self.leave();
                    let watch = WatchWait::new(channel, condition, self.here, cx.waker());
                    self.wait = Wait::Watch(Box::new(watch));
                }
            }
        }
    }

    /// The interest of this context's hub, from now on. `None` for what a hub cannot watch.
    fn interest(&self, channel: &Channel) -> io::Result<Option<Arc<Interest>>> {
        if !Slots::of(channel).lends() {
            return Ok(None);
        }
        let register = |hub: &Arc<Hub>, lines: &Arc<Lines>| match pollable(channel, self.side) {
            Some(lent) => hub.register(&lent.fd, lines, self.side, lent.serves),
            None => Ok(None),
        };
        let waiters = &channel.base().imp().waiters;
        let found = match self.here {
            true => waiters.interest_at(&Hub::current()?, self.side, register),
            false => waiters.interest_here(self.side, register),
        };
        match found {
            // Always ready, says the system.
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => Ok(None),
            result => result,
        }
    }

    /// Outside of a hub, and in a main loop inside a task, what is known may be old or a guess, and
    /// nobody else would look.
    fn may_be_old(&self) -> bool {
        matches!(self.wait, Wait::Not) && Hub::running().is_null()
    }

    /// Whether a layer needs nothing of what is below it to go on.
    #[cold]
    fn is_worth_trying(&self, channel: &Channel, condition: IOCondition) -> bool {
        !(condition - ALWAYS).is_empty()
            && Slots::of(channel).wait_fd(self.side.condition()) == Readiness::Now
    }

    fn has_unread(&self, channel: &Channel) -> bool {
        self.side == Side::Read && channel.imp().waiters.unread.is_readable()
    }

    fn finish<T>(&mut self, result: io::Result<T>) -> Poll<io::Result<T>> {
        self.leave();
        Poll::Ready(result)
    }

    #[inline]
    fn leave(&mut self) {
        if matches!(self.wait, Wait::Not) {
            return;
        }
        if let Wait::Edge(interest, ticket) = mem::replace(&mut self.wait, Wait::Not) {
            interest.leave(self.side, &ticket);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What a layer, and those below it, have told those who wait for them, to be compared: they may do so before
/// anybody is entered anywhere.
#[inline]
fn changes(channel: &Channel, layer: bool) -> Option<usize> {
    layer.then(|| count_changes(channel))
}

fn count_changes(channel: &Channel) -> usize {
    let own = channel.imp().waiters.changes();
    match channel.below() {
        Some(below) => own.wrapping_add(count_changes(below)),
        None => own,
    }
}

#[inline]
fn has_changed(channel: &Channel, since: Option<usize>) -> bool {
    since.is_some_and(|since| count_changes(channel) != since)
}

/// Would-block, and no way to tell when that changes.
pub(super) fn nothing_tells(channel: &Channel) -> io::Error {
    let label = channel.label();
    not_supported(&format!(
        "{label} would block, and nothing tells when it would not"
    ))
}

/// A descriptor that the hub can watch.
struct Pollable {
    fd: Arc<SharedFd>,
    serves: Serves,
}

fn pollable(channel: &Channel, side: Side) -> Option<Pollable> {
    match Slots::of(channel).lent(side)? {
        Lent::Pollable { fd, serves, .. } => Some(Pollable { fd, serves }),
        Lent::Disk(_) => None,
    }
}

/// Whether nothing will come any more, as far as a descriptor of the channel tells.
pub(super) fn has_ended(channel: &Channel) -> io::Result<bool> {
    let lent = pollable(channel, Side::Read);
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
