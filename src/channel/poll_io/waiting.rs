//! Waiting: by the registration of a hub, or by a watch.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    task::{Context, Poll, ready},
};

use glib::{IOCondition, subclass::prelude::*};

use super::{PollIo, WaitBy, cannot_wait_error, epoch, is_same, watch_wait::WatchWait};
use crate::{
    channel::{
        Channel,
        class::{VFuncs, native::PollFd},
    },
    error::closed,
    hub::{self, Direction, FdRole, Hub, ReadyEvent, Registration},
    sys::{SharedFd, datagram, poll::poll_now},
    types::Readiness,
    watch::ALWAYS,
};

impl PollIo {
    /// As [`poll_level`](Self::poll_level), for a sequence of calls: a handler is called, and this
    /// decides when to call it next. A level-triggered epoll instance reports again what a call has
    /// left, so that this makes no system call; readiness may be spurious, as another reader may
    /// have taken the data.
    pub(crate) fn poll_reported(
        &mut self,
        channel: &Channel,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<IOCondition>> {
        let condition = self.side.condition();
        let wake_epoch = epoch(channel);
        let is_usual = channel.lower().is_none()
            && !channel.imp().is_closed()
            && !self.has_pushback(channel)
            && self.is_of(hub::running_for(cx));
        if let Some(registration) = self.registration()
            && is_usual
            && registration.is_level_triggered(self.side)
        {
            let registration = registration.clone();
            let seen = registration.ready_event(self.side);
            if !self.key.is_entered() {
                registration.assume_drained(self.side, seen);
                if self.enter(&registration, cx, wake_epoch) && epoch(channel) == wake_epoch {
                    return Poll::Pending;
                }
            } else if seen.is_ready() {
                return self.finish(Ok(condition));
            }
        }
        self.poll_level(channel, condition, cx)
    }

    /// Waits until one of the conditions of this direction holds now.
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
            if self.has_pushback(channel) {
                return self.finish(Ok(condition & IOCondition::IN));
            }
            let layer = channel.lower().is_some();
            if layer && self.is_worth_trying(channel, condition) {
                return self.finish(Ok(condition - ALWAYS));
            }
            let poll_fd = pollable(channel, self.side);
            let registration = match self.find_registration(channel) {
                Ok(registration) => registration,
                Err(e) => return self.finish(Err(e)),
            };
            let (Some((fd, _)), Some(registration)) = (poll_fd, registration) else {
                let got = ready!(self.poll_watch(channel, condition, cx));
                return self.finish(got);
            };
            let seen = registration.ready_event(self.side);
            let now = match fd.get() {
                Some(guard) => level(&guard, condition).and_then(|got| {
                    let channel_state = &channel.bottom().imp().channel_state;
                    channel_state.ignore_completions(got, condition, || level(&guard, condition))
                }),
                None => continue,
            };
            match now {
                Ok(now) if now.is_empty() => {}
                now => return self.finish(now),
            }
            let since = registration.not_ready(self.side, condition, seen);
            self.use_registration(Some(registration));
            match self.poll_edge(cx, since) {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) if self::epoch(channel) != epoch => {}
                Ok(Poll::Pending) => return Poll::Pending,
                Err(e) => return self.finish(Err(e)),
            }
        }
    }

    /// Not ready as of `seen`, if the running hub has recorded readiness: waits. Ready if another
    /// attempt is worthwhile.
    pub(super) fn poll_wait(
        &mut self,
        channel: &Channel,
        layer: bool,
        (running, mut seen): (*const Hub, Option<ReadyEvent>),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        // What a layered channel waits for changes, although the descriptor of the bottom channel
        // stays registered.
        if layer && pollable(channel, self.side).is_none() {
            return self.poll_without_fd(channel, cx);
        }
        if !self.is_of(running) {
            match self.find_registration(channel) {
                Ok(None) => return self.poll_without_fd(channel, cx),
                Ok(found) => {
                    // `seen` was taken from another registration.
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
            // A layered channel may have other reasons to block, and records the results of the
            // lower channel itself.
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

    /// Replaces the registration that this waits by.
    pub(super) fn use_registration(&mut self, registration: Option<Arc<Registration>>) {
        if !is_same(self.registration(), registration.as_ref()) {
            self.cancel_wait();
            self.by = registration.map_or(WaitBy::Nothing, WaitBy::Registration);
        }
    }

    /// As [`poll_wait`](Self::poll_wait), where no hub can poll.
    #[cold]
    fn poll_without_fd(&mut self, channel: &Channel, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if channel.imp().is_closed() {
            return Poll::Ready(Err(closed()));
        }
        let got = ready!(self.poll_watch(channel, self.side.condition(), cx))?;
        self.cancel_wait();
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
                    moved if moved.is_empty() => self.cancel_wait(),
                    got => return Poll::Ready(Ok(got)),
                },
                _ => {
                    self.cancel_wait();
                    let watch = WatchWait::new(channel, condition, self.here, cx.waker())?;
                    self.by = WaitBy::Watch(Box::new(watch));
                }
            }
        }
    }

    /// The registration in the hub of this context, created if needed. `None` for what a hub cannot
    /// poll.
    fn find_registration(&self, channel: &Channel) -> io::Result<Option<Arc<Registration>>> {
        if !VFuncs::of(channel).has_poll_fd() {
            return Ok(None);
        }
        let register = |hub: &Arc<Hub>| match pollable(channel, self.side) {
            Some((fd, role)) => hub.register(&fd, self.side, role),
            None => Ok(None),
        };
        let channel_state = &channel.bottom().imp().channel_state;
        let found = channel_state.registration_here(self.side, self.here, register);
        match found {
            // EPERM: epoll does not support it, and it is always ready.
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => Ok(None),
            Ok(Some(registration)) => {
                if !self.here {
                    channel_state.set_home(&registration);
                }
                Ok(Some(registration))
            }
            result => result,
        }
    }
}

/// A descriptor that the hub can register.
fn pollable(channel: &Channel, side: Direction) -> Option<(Arc<SharedFd>, FdRole)> {
    match VFuncs::of(channel).poll_fd(side)? {
        PollFd::Pollable { fd, role, .. } => Some((fd, role)),
        PollFd::Disk(_) => None,
    }
}

/// Whether a message-oriented channel of which a read has returned 0 is at end-of-file, as far as
/// its descriptor reports.
pub(in crate::channel) fn has_ended(channel: &Channel) -> io::Result<bool> {
    let poll_fd = pollable(channel, Direction::Read);
    if let Some(guard) = poll_fd.as_ref().and_then(|(fd, _)| fd.get()) {
        return datagram::has_ended(guard.as_fd().as_raw_fd());
    }
    match VFuncs::of(channel).wait_fd(IOCondition::IN) {
        // A derived class, whose channel is open.
        Readiness::Fd(fd, _) if !channel.imp().is_closed() => datagram::has_ended(fd),
        _ => Ok(true),
    }
}

pub(in crate::channel) fn level(
    fd: &crate::sys::FdGuard<'_>,
    condition: IOCondition,
) -> io::Result<IOCondition> {
    let events = poll_now(fd.as_fd().as_raw_fd(), condition.bits() as i16)?;
    Ok(IOCondition::from_bits_truncate(events as u32))
}
