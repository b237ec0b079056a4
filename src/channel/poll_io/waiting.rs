//! Waiting: by the registration of a hub, or by a watch.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    task::{Context, Poll, ready},
};

use glib::{IOCondition, subclass::prelude::*};

use super::{
    PollIo, WaitBy,
    by_watch::{WatchWait, Watched},
    cannot_wait_error, epoch, is_same,
};
use crate::{
    channel::{Channel, class::VFuncs, ffi::PollFd},
    error::closed,
    hub::{self, Direction, FdRole, Hub, ReadyEvent, Registration},
    sys::{
        SharedFd,
        poll::{has_hung_up, poll_now},
    },
    watch::ALWAYS,
};

impl PollIo {
    /// As [`poll_level`](Self::poll_level), for one call after the other: a handler is called, and this decides when it
    /// is called next. Where the epoll instance is level-triggered it reports again what a call has left, so that this
    /// makes no system call; another reader may have taken the data since the report.
    pub(crate) fn poll_reported(
        &mut self,
        channel: &Channel,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<IOCondition>> {
        let condition = self.side.condition();
        let changes = epoch(channel);
        let is_usual = channel.below().is_none()
            && !channel.imp().is_closed()
            && !self.has_unread(channel)
            && self.is_of(hub::running_for(cx));
        if let Some(registration) = self.registration()
            && is_usual
            && registration.is_level_triggered(self.side)
        {
            let registration = registration.clone();
            let seen = registration.ready_event(self.side);
            if !self.key.is_entered() {
                registration.assume_drained(self.side, seen);
                if self.enter(&registration, cx, changes) && epoch(channel) == changes {
                    return Poll::Pending;
                }
            } else if seen.is_ready() {
                return self.finish(Ok(condition));
            }
        }
        self.poll_level(channel, condition, cx)
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
    pub(super) fn poll_wait(
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
    pub(super) fn use_registration(&mut self, registration: Option<Arc<Registration>>) {
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
                WaitBy::Watch(watch) => match ready!(watch.poll(cx))? {
                    Watched::Fired(got) => return Poll::Ready(Ok(got)),
                    Watched::Moved => self.leave(),
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
pub(in crate::channel) fn has_ended(channel: &Channel) -> io::Result<bool> {
    let lent = pollable(channel, Direction::Read);
    match lent.as_ref().and_then(|lent| lent.fd.get()) {
        Some(guard) => has_hung_up(guard.as_fd()),
        None => Ok(true),
    }
}

pub(in crate::channel) fn level(
    fd: &crate::sys::FdGuard<'_>,
    condition: IOCondition,
) -> io::Result<IOCondition> {
    let events = poll_now(fd.as_fd().as_raw_fd(), condition.bits() as i16)?;
    Ok(IOCondition::from_bits_truncate(events as u32))
}
