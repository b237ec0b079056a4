//! An epoll instance with an eventfd to wake its waiter; a forked child does not share it.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
};

use glib::IOCondition;
use nix::sys::{
    epoll::{self, EpollCreateFlags, EpollEvent, EpollFlags},
    eventfd::{EfdFlags, EventFd},
};

use super::{call, retry};
use crate::sync::Creator;

/// The key of the eventfd, which no registration has.
const EVENTFD: u64 = u64::MAX;

/// The maximum number of events per call.
pub(crate) const MOST_EVENTS: usize = 128;

/// When the instance reports a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// Once, when the condition begins to hold (edge-triggered).
    Edge,
    /// As long as the condition holds (level-triggered).
    Level,
}

/// An epoll instance.
#[derive(Debug)]
pub(crate) struct Epoll {
    epoll: epoll::Epoll,
    /// Written to wake the waiter. It need not be read: each write is an edge.
    eventfd: EventFd,
    /// A forked child shares the instance with its parent, and must not change it.
    creator: Creator,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = retry(|| epoll::Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC))?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let eventfd = retry(|| EventFd::from_flags(flags))?;
        let readable = event(IOCondition::IN, Trigger::Edge, EVENTFD);
        retry(|| epoll.add(&eventfd, readable))?;
        Ok(Self {
            epoll,
            eventfd,
            creator: Creator::default(),
        })
    }

    /// Makes the instance readable, in whichever thread polls it.
    pub(crate) fn wake(&self) {
        // The counter is full only after 2^64 wake-ups.
        let _ = retry(|| self.eventfd.write(1));
    }

    /// Whether this process was forked from the one that created the instance.
    pub(crate) fn is_inherited(&self) -> bool {
        self.creator.is_parent()
    }

    pub(crate) fn number(&self) -> RawFd {
        self.epoll.0.as_raw_fd()
    }

    /// The eventfd that [`wake`](Self::wake) writes, which is cheaper to poll than the instance.
    pub(crate) fn eventfd_number(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// Makes the eventfd unreadable, until the next [`wake`](Self::wake). Returns whether it was
    /// readable.
    pub(crate) fn clear_eventfd(&self) -> bool {
        retry(|| self.eventfd.read()).is_ok()
    }

    /// Adds a descriptor; its events are reported with `key`. `EPERM` for files that are always
    /// ready.
    pub(crate) fn add(
        &self,
        fd: BorrowedFd<'_>,
        conditions: IOCondition,
        trigger: Trigger,
        key: u64,
    ) -> io::Result<()> {
        let event = event(conditions, trigger, key);
        Ok(retry(|| self.epoll.add(fd, event))?)
    }

    /// Changes the conditions. Those that already hold are reported again.
    pub(crate) fn modify(
        &self,
        fd: BorrowedFd<'_>,
        conditions: IOCondition,
        trigger: Trigger,
        key: u64,
    ) -> io::Result<()> {
        let mut event = event(conditions, trigger, key);
        Ok(retry(|| self.epoll.modify(fd, &mut event))?)
    }

    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) {
        if !self.is_inherited() {
            let _ = retry(|| self.epoll.delete(fd.as_fd()));
        }
    }

    /// Calls `f` with the keys and edges of the pending events, and returns for how many `f`
    /// returned `true`. Does not block.
    #[inline]
    pub(crate) fn take(&self, mut f: impl FnMut(u64, Edges) -> bool) -> usize {
        let mut events = [const { MaybeUninit::<libc::epoll_event>::uninit() }; MOST_EVENTS];
        let most = MOST_EVENTS as i32;
        let (number, array) = (self.number(), events.as_mut_ptr().cast());
        // SAFETY: the array has space for `most` events and outlives the call.
        let count = call(|| unsafe { libc::epoll_wait(number, array, most, 0) as isize });
        // It does not block, and its arguments are valid.
        let count = count.unwrap_or(0);
        let mut new = 0;
        for event in &events[..count] {
            // SAFETY: the call has initialized the first `count` events.
            let event = unsafe { event.assume_init() };
            let edges = Edges::of(EpollFlags::from_bits_retain(event.events as i32));
            new += usize::from(f(event.u64, edges));
        }
        new
    }
}

fn event(conditions: IOCondition, trigger: Trigger, key: u64) -> EpollEvent {
    let mut flags = EpollFlags::empty();
    flags.set(EpollFlags::EPOLLET, trigger == Trigger::Edge);
    flags.set(
        EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLPRI,
        conditions.contains(IOCondition::IN),
    );
    flags.set(EpollFlags::EPOLLOUT, conditions.contains(IOCondition::OUT));
    EpollEvent::new(flags, key)
}

/// The edges of an event, by direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edges {
    pub(crate) read: ReadyEdge,
    pub(crate) write: ReadyEdge,
    is_error: bool,
}

/// What an event reports for one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadyEdge {
    Nothing,
    /// An attempt is worthwhile.
    Ready,
    /// Likewise, and a short read does not mean that nothing is left.
    Hangup,
}

impl Edges {
    fn of(flags: EpollFlags) -> Self {
        let edge = |ready: EpollFlags, over: EpollFlags| {
            if flags.intersects(over) {
                ReadyEdge::Hangup
            } else if flags.intersects(ready | EpollFlags::EPOLLERR) {
                ReadyEdge::Ready
            } else {
                ReadyEdge::Nothing
            }
        };
        let hup = EpollFlags::EPOLLHUP;
        Self {
            // Reads end at urgent data: data may follow it without another edge.
            read: edge(
                EpollFlags::EPOLLIN,
                hup | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLPRI,
            ),
            write: edge(EpollFlags::EPOLLOUT, hup),
            is_error: flags.contains(EpollFlags::EPOLLERR),
        }
    }

    /// Whether anything but data to be read is reported.
    pub(crate) fn is_more_than_data(self) -> bool {
        self.read != ReadyEdge::Ready || self.write != ReadyEdge::Nothing || self.is_error
    }
}
