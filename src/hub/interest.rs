//! One descriptor that a hub watches.

use std::{
    io,
    os::fd::AsFd,
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Poll, Waker},
};

use glib::IOCondition;

use super::{
    Hub,
    line::{Lines, OVER, READY, Seen, Side, Ticket},
};
use crate::sys::{
    FdLease,
    epoll::{Edge, Edges},
    lock,
    poll::poll_now,
};

/// What a descriptor is good for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serves {
    /// One descriptor tells of both directions.
    pub(crate) both: bool,
    /// The only one that it tells of, or that which it was registered for.
    pub(crate) side: Side,
    pub(crate) short_read: ShortRead,
}

/// What it says about a descriptor that a read took less than there was room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShortRead {
    SaysNothing,
    /// It has taken all there was.
    IsAll,
    /// The same, but for reads that the system has ended for another reason.
    IsUsuallyAll,
}

/// A descriptor that a hub watches, until [`end`](Interest::end).
#[derive(Debug)]
pub(crate) struct Interest {
    hub: Arc<Hub>,
    pub(super) key: u64,
    /// What the epoll instance watches for. Changed only while the hub's registry is locked.
    pub(super) watched: AtomicU32,
    /// Keeps the number from being reused. Empty once ended.
    fd: Mutex<Option<FdLease>>,
    ended: AtomicBool,
    serves: Serves,
    lines: Arc<Lines>,
    /// It is in the hub's list of those that have to be looked at before the thread sleeps: not
    /// being ready was a guess. Only the thread that serves the hub uses it.
    doubted: AtomicBool,
}

impl Interest {
    pub(super) fn new(
        hub: Arc<Hub>,
        key: u64,
        fd: FdLease,
        serves: Serves,
        lines: Arc<Lines>,
    ) -> Self {
        Self {
            hub,
            key,
            watched: AtomicU32::new(0),
            fd: Mutex::new(Some(fd)),
            ended: AtomicBool::new(false),
            serves,
            lines,
            doubted: AtomicBool::new(false),
        }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Whether this tells of a direction of the channel.
    #[inline]
    pub(crate) fn serves(&self, side: Side) -> bool {
        self.serves.both || self.serves.side == side
    }

    /// Trying has failed: not ready, unless there has been an edge since `seen`.
    pub(crate) fn would_block(&self, side: Side, seen: Seen) {
        self.lines.of(side).forget(seen, READY | OVER);
    }

    /// Less was read than there was room for: likewise, as far as that means anything and there is
    /// no end still to be told.
    #[inline]
    pub(crate) fn read_short(self: &Arc<Self>, seen: Seen) {
        if seen.is_over() {
            return;
        }
        match self.serves.short_read {
            ShortRead::SaysNothing => {}
            ShortRead::IsAll => {
                self.lines.of(Side::Read).forget(seen, READY);
            }
            ShortRead::IsUsuallyAll => self.guess_drained(Side::Read, seen),
        }
    }

    /// It is likely that there is nothing left: not ready, until an edge, or until the hub
    /// has looked before its thread sleeps. Elsewhere, and in main loops inside a task, nobody would
    /// look in time.
    pub(crate) fn guess_drained(self: &Arc<Self>, side: Side, seen: Seen) {
        if ptr::eq(Hub::running(), Arc::as_ptr(&self.hub))
            && self.lines.of(side).forget(seen, READY)
            && !self.doubted.load(Ordering::Relaxed)
        {
            self.doubted.store(true, Ordering::Relaxed);
            self.hub.doubt(self.clone());
        }
    }

    /// Looks whether the guess was right. Adds those who wait to `woken` if not.
    pub(super) fn resolve_doubt(&self, woken: &mut Vec<Waker>) {
        self.doubted.store(false, Ordering::Relaxed);
        for side in self.sides() {
            let line = self.lines.of(side);
            // Who has left the watch leaves those of other hubs without an answer.
            if !line.seen().is_ready() && self.is_ready_now(side).unwrap_or(true) {
                line.edge(READY, woken);
            }
        }
    }

    /// `None` once the watch has ended.
    fn is_ready_now(&self, side: Side) -> Option<bool> {
        let fd = lock(&self.fd);
        let number = fd.as_ref()?.number();
        let events = poll_now(number, side.condition().bits() as i16);
        Some(!matches!(events, Ok(0)))
    }

    fn sides(&self) -> impl Iterator<Item = Side> {
        Side::BOTH.into_iter().filter(|&side| self.serves(side))
    }

    /// Waits for an edge: ready if there has been one meanwhile (after `since`, for those who wait for
    /// something else than being able to go on), or if the interest has ended.
    pub(crate) fn poll_edge(
        &self,
        side: Side,
        ticket: &mut Ticket,
        waker: &Waker,
        since: Option<Seen>,
    ) -> io::Result<Poll<()>> {
        let line = self.lines.of(side);
        line.enter(ticket, waker);
        // After that: whoever ends it empties the list when it is marked.
        if self.has_ended() {
            return Ok(Poll::Ready(()));
        }
        let watched = IOCondition::from_bits_retain(self.watched.load(Ordering::Acquire));
        if !watched.contains(side.condition()) {
            self.hub.watch(self, side.condition())?;
        }
        let now = line.seen();
        let news = match since {
            Some(seen) => now.edges() != seen.edges(),
            None => now.is_ready(),
        };
        match news {
            true => Ok(Poll::Ready(())),
            false => Ok(Poll::Pending),
        }
    }

    /// Waits no more.
    #[inline]
    pub(crate) fn leave(&self, side: Side, ticket: &Ticket) {
        self.lines.of(side).leave(ticket);
    }

    /// Learns of an edge, and adds those who wait for it to `woken`.
    pub(super) fn edges(&self, edges: Edges, woken: &mut Vec<Waker>) {
        for side in self.sides() {
            let edge = match side {
                Side::Read => edges.read,
                Side::Write => edges.write,
            };
            let bits = match edge {
                Edge::Nothing => continue,
                Edge::Ready => READY,
                Edge::Over => READY | OVER,
            };
            self.lines.of(side).edge(bits, woken);
        }
    }

    /// The descriptor with its conditions, for an epoll instance that has to begin anew.
    pub(super) fn with_fd(&self, f: impl FnOnce(&FdLease)) {
        if let Some(fd) = &*lock(&self.fd) {
            f(fd);
        }
    }

    /// Watches no more, so that another interest can take its place at once. Those who wait are
    /// woken by [`end`](Self::end), which is to follow. Returns the descriptor, if it had not
    /// been given back yet.
    fn retire(&self) -> Option<FdLease> {
        self.ended.store(true, Ordering::Release);
        let fd = lock(&self.fd).take();
        if let Some(fd) = &fd {
            self.hub.forget(self.key, fd.as_fd());
        }
        fd
    }

    /// Gives the descriptor back and wakes all who wait: they look for another interest.
    pub(crate) fn end(&self) {
        let fd = self.retire();
        let mut woken = Vec::new();
        for side in self.sides() {
            self.lines.of(side).drain(&mut woken);
        }
        drop(fd);
        woken.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.sides().any(|side| self.lines.of(side).is_waited_for())
    }

    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// An interest that ends when this is dropped: what a channel keeps.
#[derive(Debug)]
pub(crate) struct Registration(Arc<Interest>);

impl Registration {
    pub(crate) fn new(interest: Arc<Interest>) -> Self {
        Self(interest)
    }

    pub(crate) fn interest(&self) -> &Arc<Interest> {
        &self.0
    }

    /// Watches no more. Dropping the registration, outside of locks, wakes those who wait.
    pub(crate) fn retire(self) -> Retired {
        let fd = self.0.retire();
        Retired {
            _registration: self,
            _fd: fd,
        }
    }
}

/// A registration that has ended, but for waking those who wait.
#[derive(Debug)]
pub(crate) struct Retired {
    _registration: Registration,
    _fd: Option<FdLease>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.0.end();
    }
}
