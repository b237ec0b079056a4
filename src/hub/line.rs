//! The two directions of something that is watched: what is known of them, and who waits.

use std::{
    mem,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::Waker,
};

use glib::IOCondition;

use crate::sys::lock;

/// One direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Read, Self::Write];

    pub(crate) fn condition(self) -> IOCondition {
        match self {
            Self::Read => IOCondition::IN,
            Self::Write => IOCondition::OUT,
        }
    }
}

/// Trying may succeed: nothing has said would-block since the last edge.
pub(super) const READY: u32 = 1;
/// There is more to tell of than data, such as the end.
pub(super) const OVER: u32 = 2;
/// Counts the edges, above the bits.
const EDGE: u32 = 4;

/// What was known of a direction at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(u32);

impl Seen {
    #[inline]
    pub(crate) fn is_ready(self) -> bool {
        self.0 & READY != 0
    }

    /// Nobody has ever said anything of this direction.
    #[inline]
    pub(crate) fn is_news(self) -> bool {
        self.0 == READY
    }

    pub(super) fn is_over(self) -> bool {
        self.0 & OVER != 0
    }

    pub(super) fn edges(self) -> u32 {
        self.0 / EDGE
    }
}

/// Identifies one who waits, within one direction.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    number: Option<u32>,
    /// The edges there had been before it was entered: the next one takes it off the list.
    edges: u32,
}

/// Both directions, shared by all interests in the same thing, whatever their hubs: an edge that
/// one is told of is news for all who wait.
#[derive(Debug, Default)]
pub(crate) struct Lines([Line; 2]);

impl Lines {
    #[inline]
    pub(crate) fn of(&self, side: Side) -> &Line {
        &self.0[side as usize]
    }
}

/// One direction of something.
#[derive(Debug)]
pub(crate) struct Line {
    known: AtomicU32,
    waiting: Mutex<Waiting>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            // Nothing is known: try first.
            known: AtomicU32::new(READY),
            waiting: Mutex::default(),
        }
    }
}

impl Line {
    /// To be taken before trying, and given to those who tell what came of it.
    #[inline]
    pub(crate) fn seen(&self) -> Seen {
        Seen(self.known.load(Ordering::Acquire))
    }

    /// What the bits say is over, unless there has been an edge since `seen`. Returns whether it
    /// is so.
    pub(super) fn forget(&self, Seen(seen): Seen, bits: u32) -> bool {
        // Only who saw it ready has tried: others know nothing of an end that is still to be told.
        if seen & READY == 0 {
            return false;
        }
        // A failure is an edge, which is news.
        self.known
            .compare_exchange(seen, seen & !bits, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// There is news: adds those who wait for it to `woken`.
    pub(super) fn edge(&self, bits: u32, woken: &mut Vec<Waker>) {
        let news = |known: u32| Some(known.wrapping_add(EDGE) | bits);
        let _ = self
            .known
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, news);
        self.drain(woken);
    }

    /// Takes all who wait off the list.
    pub(super) fn drain(&self, woken: &mut Vec<Waker>) {
        lock(&self.waiting).drain(woken);
    }

    /// Waits from now on for the next edge.
    pub(super) fn enter(&self, ticket: &mut Ticket, waker: &Waker) {
        let mut waiting = lock(&self.waiting);
        ticket.edges = self.seen().edges();
        let replaced = waiting.enter(ticket, waker);
        drop(waiting);
        // Dropping a waker may run anything: not under the lock.
        drop(replaced);
    }

    /// Waits no more.
    #[inline]
    pub(super) fn leave(&self, ticket: &Ticket) {
        // Whoever counts an edge empties the list: at worst one more wake-up comes of it.
        if let Some(mine) = ticket.number
            && self.seen().edges() == ticket.edges
        {
            let left = lock(&self.waiting).leave(mine);
            drop(left);
        }
    }

    pub(crate) fn is_waited_for(&self) -> bool {
        let waiting = lock(&self.waiting);
        waiting.first.is_some() || waiting.others().next().is_some()
    }
}

#[derive(Debug, Default)]
struct Waiting {
    next_ticket: u32,
    /// The usual one, without memory of its own.
    first: Option<(u32, Waker)>,
    others: Option<Box<Others>>,
}

#[derive(Debug, Default)]
struct Others(Vec<(u32, Waker)>);

impl Waiting {
    fn others(&self) -> impl Iterator<Item = &(u32, Waker)> {
        self.others.iter().flat_map(|others| &others.0)
    }

    /// Returns a waker that was replaced.
    fn enter(&mut self, ticket: &mut Ticket, waker: &Waker) -> Option<Waker> {
        let mine = *ticket.number.get_or_insert_with(|| {
            self.next_ticket = self.next_ticket.wrapping_add(1);
            self.next_ticket
        });
        let others = self.others.iter_mut().flat_map(|others| &mut others.0);
        let mut entered = self.first.iter_mut().chain(others);
        if let Some((_, known)) = entered.find(|(ticket, _)| *ticket == mine) {
            return match known.will_wake(waker) {
                true => None,
                false => Some(mem::replace(known, waker.clone())),
            };
        }
        let entry = (mine, waker.clone());
        match &self.first {
            None => self.first = Some(entry),
            Some(_) => self.others.get_or_insert_default().0.push(entry),
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
        let position = self.others().position(|(ticket, _)| *ticket == mine)?;
        let others = self.others.as_mut()?;
        Some(others.0.swap_remove(position))
    }

    fn drain(&mut self, into: &mut Vec<Waker>) {
        into.extend(self.first.take().map(|(_, waker)| waker));
        if let Some(others) = &mut self.others {
            into.extend(others.0.drain(..).map(|(_, waker)| waker));
        }
    }
}
