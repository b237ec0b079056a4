//! One descriptor in a hub: what is known of its readiness, and who waits for it.

use std::{
    io, mem,
    os::fd::AsFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Poll, Waker},
};

use glib::IOCondition;

use super::Hub;
use crate::sys::{
    FdLease,
    epoll::{Edge, Edges},
    poll::poll_now,
};

/// One direction of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

impl Side {
    pub(crate) fn condition(self) -> IOCondition {
        match self {
            Self::Read => IOCondition::IN,
            Self::Write => IOCondition::OUT,
        }
    }
}

/// Trying may succeed: nothing has said would-block since the last edge.
const READY: u32 = 1;
/// There is more to tell of than data, such as the end.
const OVER: u32 = 2;
/// It is in the hub's list of those that have to be looked at before the thread sleeps: not being
/// ready was a guess.
const DOUBTED: u32 = 4;
/// Counts the edges, above the bits.
const EDGE: u32 = 8;

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

/// What was known of a direction at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(u32);

impl Seen {
    pub(crate) fn is_ready(self) -> bool {
        self.0 & READY != 0
    }

    fn edges(self) -> u32 {
        self.0 / EDGE
    }
}

/// Identifies one who waits, within one direction of an interest.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    number: Option<u32>,
    /// The edges there had been before it was entered: the next one takes it off the list.
    edges: u32,
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
    sides: [State; 2],
}

#[derive(Debug)]
struct State {
    known: AtomicU32,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next_ticket: u32,
    /// The usual one, without memory of its own.
    first: Option<(u32, Waker)>,
    others: Vec<(u32, Waker)>,
}

impl Waiting {
    /// Returns a waker that was replaced: dropping it may run anything.
    fn enter(&mut self, ticket: &mut Ticket, waker: &Waker) -> Option<Waker> {
        let mine = *ticket.number.get_or_insert_with(|| {
            self.next_ticket = self.next_ticket.wrapping_add(1);
            self.next_ticket
        });
        let mut entered = self.first.iter_mut().chain(&mut self.others);
        if let Some((_, known)) = entered.find(|(ticket, _)| *ticket == mine) {
            return match known.will_wake(waker) {
                true => None,
                false => Some(mem::replace(known, waker.clone())),
            };
        }
        let entry = (mine, waker.clone());
        match &self.first {
            None => self.first = Some(entry),
            Some(_) => self.others.push(entry),
        }
        None
    }

    fn leave(&mut self, mine: u32) -> Option<(u32, Waker)> {
        if self
            .first
            .as_ref()
            .is_some_and(|(ticket, _)| *ticket == mine)
        {
            return self.first.take();
        }
        let position = self.others.iter().position(|(ticket, _)| *ticket == mine);
        position.map(|position| self.others.swap_remove(position))
    }

    fn drain(&mut self, into: &mut Vec<Waker>) {
        into.extend(self.first.take().map(|(_, waker)| waker));
        into.extend(self.others.drain(..).map(|(_, waker)| waker));
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            // Nothing is known: try first.
            known: AtomicU32::new(READY),
            waiting: Mutex::default(),
        }
    }
}

impl Interest {
    pub(super) fn new(hub: Arc<Hub>, key: u64, fd: FdLease, serves: Serves) -> Self {
        Self {
            hub,
            key,
            watched: AtomicU32::new(0),
            fd: Mutex::new(Some(fd)),
            ended: AtomicBool::new(false),
            serves,
            sides: [State::default(), State::default()],
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

    fn side(&self, side: Side) -> &State {
        &self.sides[side as usize]
    }

    /// To be taken before trying, and given to [`would_block`](Self::would_block).
    #[inline]
    pub(crate) fn seen(&self, side: Side) -> Seen {
        Seen(self.side(side).known.load(Ordering::Acquire))
    }

    /// Trying has failed: not ready, unless there has been an edge since `seen`.
    pub(crate) fn would_block(&self, side: Side, seen: Seen) {
        self.forget(side, seen, READY | OVER);
    }

    /// Less was read than there was room for: likewise, as far as that means anything and there is
    /// no end still to be told. `running` says that this thread is serving the hub.
    #[inline]
    pub(crate) fn read_short(self: &Arc<Self>, seen: Seen, running: bool) {
        if seen.0 & OVER != 0 {
            return;
        }
        match self.serves.short_read {
            ShortRead::SaysNothing => {}
            ShortRead::IsAll => self.forget(Side::Read, seen, READY),
            ShortRead::IsUsuallyAll => {
                // Elsewhere nobody would look again in time.
                if running {
                    self.forget_for_now(seen);
                }
            }
        }
    }

    fn forget_for_now(self: &Arc<Self>, Seen(seen): Seen) {
        let known = &self.side(Side::Read).known;
        let guess = (seen & !READY) | DOUBTED;
        let guessed = known
            .compare_exchange(seen, guess, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        if guessed && seen & DOUBTED == 0 {
            self.hub.doubt(self.clone());
        }
    }

    /// Looks whether the guess was right. Adds those who wait to `woken` if not.
    pub(super) fn resolve_doubt(&self, woken: &mut Vec<Waker>) {
        let state = self.side(Side::Read);
        let before = state.known.fetch_and(!DOUBTED, Ordering::AcqRel);
        if before & READY != 0 {
            return;
        }
        let mut readable = false;
        self.with_fd(|fd| {
            let events = poll_now(fd.number(), libc::POLLIN);
            readable = !matches!(events, Ok(0));
        });
        if readable {
            let news = |known: u32| Some(known.wrapping_add(EDGE) | READY);
            let _ = state
                .known
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, news);
            lock(&state.waiting).drain(woken);
        }
    }

    fn forget(&self, side: Side, Seen(seen): Seen, bits: u32) {
        let known = &self.side(side).known;
        // A failure is an edge, which is news.
        let _ = known.compare_exchange(seen, seen & !bits, Ordering::AcqRel, Ordering::Relaxed);
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
        let replaced = {
            let mut waiting = self.waiting(side);
            if self.has_ended() {
                return Ok(Poll::Ready(()));
            }
            ticket.edges = self.seen(side).edges();
            waiting.enter(ticket, waker)
        };
        drop(replaced);
        let watched = IOCondition::from_bits_retain(self.watched.load(Ordering::Acquire));
        if !watched.contains(side.condition()) {
            self.hub.watch(self, side.condition())?;
        }
        let now = self.seen(side);
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
    pub(crate) fn leave(&self, side: Side, ticket: Ticket) {
        // Whoever counts an edge empties the list: at worst one more wake-up comes of it.
        if let Some(mine) = ticket.number
            && self.seen(side).edges() == ticket.edges
        {
            let left = self.waiting(side).leave(mine);
            // Dropping a waker may run anything: not under the lock.
            drop(left);
        }
    }

    /// Learns of an edge, and adds those who wait for it to `woken`.
    pub(super) fn edges(&self, edges: Edges, woken: &mut Vec<Waker>) {
        for (state, edge) in self.sides.iter().zip([edges.read, edges.write]) {
            let bits = match edge {
                Edge::Nothing => continue,
                Edge::Ready => READY,
                Edge::Over => READY | OVER,
            };
            let news = |known: u32| Some(known.wrapping_add(EDGE) | bits);
            let _ = state
                .known
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, news);
            lock(&state.waiting).drain(woken);
        }
    }

    /// The descriptor with its conditions, for an epoll instance that has to begin anew.
    pub(super) fn with_fd(&self, f: impl FnOnce(&FdLease)) {
        if let Some(fd) = &*self.fd() {
            f(fd);
        }
    }

    /// Watches no more, so that another interest can take its place at once. Those who wait are
    /// woken by [`end`](Self::end), which is to follow. Returns the descriptor, if it had not
    /// been given back yet.
    fn retire(&self) -> Option<FdLease> {
        self.ended.store(true, Ordering::Release);
        let fd = self.fd().take();
        if let Some(fd) = &fd {
            self.hub.forget(self.key, fd.as_fd());
        }
        fd
    }

    /// Gives the descriptor back and wakes all who wait: they look for another interest.
    pub(crate) fn end(&self) {
        let fd = self.retire();
        let mut woken = Vec::new();
        for state in &self.sides {
            lock(&state.waiting).drain(&mut woken);
        }
        drop(fd);
        woken.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        self.sides.iter().any(|state| {
            let waiting = lock(&state.waiting);
            waiting.first.is_some() || !waiting.others.is_empty()
        })
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn waiting(&self, side: Side) -> MutexGuard<'_, Waiting> {
        lock(&self.side(side).waiting)
    }

    fn fd(&self) -> MutexGuard<'_, Option<FdLease>> {
        lock(&self.fd)
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
