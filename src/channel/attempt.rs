//! Trying without blocking, and waiting in a future until another try is worth it.
//!
//! Where a class lends its descriptors the hub of the context watches them, once and for all
//! waits, and what it knows saves calls that would fail. Whatever else a channel waits for is
//! waited for by its watch.

use std::{
    io, ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use glib::{ControlFlow, IOCondition, subclass::prelude::*};

use super::{Channel, class::Slots, ffi::Lent};
use crate::{
    error::{closed, not_supported, would_block},
    hub::{self, Hub, Interest, Seen, Serves, Side, Ticket},
    sys::{SharedFd, poll::poll_now},
    types::{ReadFlags, WriteFlags},
    watch,
};

/// One direction of a channel, for one future at a time.
#[derive(Debug)]
pub(crate) struct Attempt {
    side: Side,
    wait: Wait,
}

#[derive(Debug)]
enum Wait {
    Not,
    Edge(Arc<Interest>, Ticket),
    Watch(WatchWait),
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

    fn new(own: bool, blocking: bool) -> Self {
        let mut this = Self::plain();
        this.read.set(ReadFlags::NO_WAIT, own && blocking);
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
        }
    }

    /// Tries until it does not say would-block.
    pub(crate) fn poll<T>(
        &mut self,
        channel: &Channel,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(Try) -> io::Result<Tried<T>>,
    ) -> Poll<io::Result<T>> {
        ready!(hub::poll_budget(cx));
        let class = Slots::of(channel);
        let own = class.obey_no_wait();
        let blocking = channel.imp().is_blocking();
        let mut asked = false;
        loop {
            if blocking && !own && !asked {
                // The slot would block.
                let condition = self.side.condition();
                if let Err(e) = ready!(self.poll_level(channel, condition, cx)) {
                    return Poll::Ready(Err(e));
                }
                asked = true;
            }
            let waits = matches!(&self.wait, Wait::Edge(..));
            let running = match waits || channel.imp().waiters.has_interest(self.side) {
                true => Hub::running(),
                false => ptr::null(),
            };
            let interest = self.known_interest(channel, running);
            let seen = interest.as_ref().map(|interest| interest.seen(self.side));
            if let (Some(interest), Some(seen)) = (&interest, seen)
                && !seen.is_ready()
                && !self.has_unread(channel)
            {
                match self.poll_edge(interest, cx, None) {
                    Ok(Poll::Ready(())) => continue,
                    Ok(Poll::Pending) => return Poll::Pending,
                    Err(e) => return self.finish(Err(e)),
                }
            }
            // What comes from there says nothing of the descriptor.
            let had_unread = self.has_unread(channel);
            match attempt(Try::new(own, blocking)) {
                Ok(Tried { result, short }) => {
                    if short
                        && own
                        && !had_unread
                        && let (Some(interest), Some(seen)) = (&interest, seen)
                    {
                        let running = ptr::eq(Arc::as_ptr(interest.hub()), running);
                        interest.read_short(seen, running);
                    }
                    return self.finish(Ok(result));
                }
                Err(e) if would_block(&e) => {
                    asked = false;
                    if let (Some(interest), Some(seen)) = (&interest, seen) {
                        interest.would_block(self.side, seen);
                    } else if let Err(e) = ready!(self.poll_first(channel, cx)) {
                        return self.finish(Err(e));
                    }
                }
                Err(e) => return self.finish(Err(e)),
            }
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
            let Some(fd) = pollable(channel, self.side) else {
                let got = ready!(self.poll_watch(channel, condition, cx));
                return self.finish(Ok(got));
            };
            let interest = match self.interest(channel, &fd) {
                Ok(Some(interest)) => interest,
                Ok(None) => {
                    let got = ready!(self.poll_watch(channel, condition, cx));
                    return self.finish(Ok(got));
                }
                Err(e) => return self.finish(Err(e)),
            };
            let seen = interest.seen(self.side);
            let now = match fd.fd.get() {
                Some(guard) => level(&guard, condition),
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
                Ok(Poll::Pending) => return Poll::Pending,
                Err(e) => return self.finish(Err(e)),
            }
        }
    }

    /// The first try has failed: makes somebody watch. Ready where another try is worth it.
    fn poll_first(&mut self, channel: &Channel, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(fd) = pollable(channel, self.side) {
            match self.interest(channel, &fd) {
                // It counts as ready: the next try finds out, and knows since when.
                Ok(Some(interest)) => {
                    self.leave();
                    self.wait = Wait::Edge(interest, Ticket::default());
                    return Poll::Ready(Ok(()));
                }
                Ok(None) => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
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
        match &mut self.wait {
            Wait::Edge(mine, ticket) if Arc::ptr_eq(mine, interest) => {
                interest.poll_edge(self.side, ticket, cx.waker(), since)
            }
            _ => {
                self.leave();
                let mut ticket = Ticket::default();
                let poll = interest.poll_edge(self.side, &mut ticket, cx.waker(), since);
                self.wait = Wait::Edge(interest.clone(), ticket);
                poll
            }
        }
    }

    fn poll_watch(
        &mut self,
        channel: &Channel,
        condition: IOCondition,
        cx: &mut Context<'_>,
    ) -> Poll<IOCondition> {
        match &self.wait {
            Wait::Watch(watch) => watch.poll(cx),
            _ => {
                self.leave();
                let watch = WatchWait::new(channel, condition, cx.waker());
                self.wait = Wait::Watch(watch);
                Poll::Pending
            }
        }
    }

    /// The interest that this future waits for, or that of this context's hub, if there is one.
    #[inline]
    fn known_interest(&self, channel: &Channel, running: *const Hub) -> Option<Arc<Interest>> {
        match &self.wait {
            Wait::Edge(interest, _) if !interest.has_ended() => Some(interest.clone()),
            _ if running.is_null() => None,
            _ => channel
                .imp()
                .waiters
                .interest_unattached(running, self.side),
        }
    }

    /// The interest of this context's hub, from now on. `None` for what a hub cannot watch.
    fn interest(&self, channel: &Channel, lent: &Pollable) -> io::Result<Option<Arc<Interest>>> {
        let waiters = &channel.imp().waiters;
        let register = |hub: &Arc<Hub>| hub.register(&lent.fd, self.side, lent.serves);
        match waiters.interest_here(self.side, register) {
            // Always ready, says the system.
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => Ok(None),
            result => result,
        }
    }

    fn has_unread(&self, channel: &Channel) -> bool {
        self.side == Side::Read && channel.imp().waiters.unread.is_some()
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
        if let Wait::Edge(interest, ticket) = std::mem::replace(&mut self.wait, Wait::Not) {
            interest.leave(self.side, ticket);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.leave();
    }
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
        Lent::Pollable { fd, serves } => Some(Pollable { fd, serves }),
        Lent::Disk(_) => None,
    }
}

fn level(fd: &crate::sys::FdGuard<'_>, condition: IOCondition) -> io::Result<IOCondition> {
    use std::os::fd::{AsFd, AsRawFd};
    let events = poll_now(fd.as_fd().as_raw_fd(), condition.bits() as i16)?;
    Ok(IOCondition::from_bits_truncate(events as u32))
}

/// A wait by the channel's own watch.
#[derive(Debug)]
struct WatchWait {
    source: glib::Source,
    shared: Arc<Mutex<Fired>>,
}

#[derive(Debug)]
struct Fired {
    got: IOCondition,
    waker: Waker,
}

impl WatchWait {
    fn new(channel: &Channel, condition: IOCondition, waker: &Waker) -> Self {
        let shared = Arc::new(Mutex::new(Fired {
            got: IOCondition::empty(),
            waker: waker.clone(),
        }));
        let source = Slots::of(channel).create_watch(condition);
        let fired = shared.clone();
        watch::set_callback(&source, move |_: &Channel, condition| {
            let mut fired = lock(&fired);
            fired.got = condition;
            let waker = fired.waker.clone();
            drop(fired);
            waker.wake();
            ControlFlow::Break
        });
        let context = channel.imp().waiters.context();
        source.attach(Some(&context.unwrap_or_else(hub::running_context)));
        Self { source, shared }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<IOCondition> {
        let mut fired = lock(&self.shared);
        if !fired.got.is_empty() {
            return Poll::Ready(fired.got);
        }
        let before = std::mem::replace(&mut fired.waker, cx.waker().clone());
        drop(fired);
        drop(before);
        Poll::Pending
    }
}

impl Drop for WatchWait {
    fn drop(&mut self) {
        self.source.destroy();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
