//! The readiness of one direction of a descriptor, as observed by one hub, and its wait list.
//! `tests/loom` explores it.

use std::{mem, num::NonZeroU32, task::Waker};

use glib::IOCondition;

use crate::sync::{AtomicU32, ForkMutex, Ordering};

/// A direction of I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];

    pub(crate) fn condition(self) -> IOCondition {
        match self {
            Self::Read => IOCondition::IN,
            Self::Write => IOCondition::OUT,
        }
    }
}

/// An attempt may succeed: none has met would-block since the last edge.
pub(super) const READY: u32 = 1;
/// More than data is to be reported: an end of stream or an error.
pub(super) const HANGUP: u32 = 2;
/// Counts the edges, above the bits.
const EDGE: u32 = 4;

/// A snapshot of the readiness of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadyEvent(u32);

impl ReadyEvent {
    #[inline]
    pub(crate) fn is_ready(self) -> bool {
        self.0 & READY != 0
    }

    pub(super) fn is_hangup(self) -> bool {
        self.0 & HANGUP != 0
    }

    pub(super) fn edges(self) -> u32 {
        self.0 / EDGE
    }
}

/// Identifies one waiter within one direction.
#[derive(Debug, Default)]
pub(crate) struct WaiterKey {
    number: Option<NonZeroU32>,
    /// The edge count when it was entered: the next edge removes it from the list.
    edges: u32,
}

impl WaiterKey {
    #[inline]
    pub(crate) fn is_entered(&self) -> bool {
        self.number.is_some()
    }
}

/// The readiness and the wait list of one direction of a registration.
#[derive(Debug)]
pub(super) struct DirectionState {
    readiness: AtomicU32,
    waiters: ForkMutex<WaitList>,
}

impl Default for DirectionState {
    fn default() -> Self {
        Self {
            // No event has been recorded yet: an attempt is made first.
            readiness: AtomicU32::new(READY),
            waiters: ForkMutex::default(),
        }
    }
}

impl DirectionState {
    /// Must be taken before an attempt, and passed on with its result.
    #[inline]
    pub(super) fn ready_event(&self) -> ReadyEvent {
        ReadyEvent(self.readiness.load(Ordering::Acquire))
    }

    /// Clears bits, unless there has been an edge since `seen`.
    pub(super) fn clear(&self, ReadyEvent(seen): ReadyEvent, bits: u32) {
        // Only a caller that observed READY has made an attempt: others must not clear an end that
        // is still to be reported.
        if seen & READY != 0 {
            // It fails if there was an edge meanwhile.
            let _ = self.readiness.compare_exchange(
                seen,
                seen & !bits,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }

    /// Records an edge, and adds its waiters to `woken`.
    pub(super) fn record_edge(&self, bits: u32, woken: &mut Vec<Waker>) {
        let next = |word: u32| Some(word.wrapping_add(EDGE) | bits);
        let _ = self
            .readiness
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, next);
        self.drain(woken);
    }

    #[inline]
    pub(super) fn drain(&self, woken: &mut Vec<Waker>) {
        self.waiters.lock().drain(|_| true, woken);
    }

    /// Removes those waiters from the list that any thread may wake.
    pub(super) fn drain_remote(&self, woken: &mut Vec<Waker>) {
        self.waiters.lock().drain(|waiter| waiter.remote, woken);
    }

    /// Waits for the next edge. `remote`: any thread may wake the waker, not only the one that runs
    /// the context of the hub.
    #[inline]
    pub(super) fn enter(&self, key: &mut WaiterKey, waker: &Waker, remote: bool) {
        let mut waiters = self.waiters.lock();
        key.edges = self.ready_event().edges();
        if waiters.is_empty() {
            let number = waiters.number(key);
            waiters.first = Some(Waiter {
                number,
                remote,
                waker: waker.clone(),
            });
            return;
        }
        let replaced = waiters.enter(key, waker, remote);
        drop(waiters);
        // Dropping a waker may run any code: not under the lock.
        drop(replaced);
    }

    #[inline]
    pub(super) fn cancel_wait(&self, key: &mut WaiterKey) {
        // The list is emptied after an edge is counted: at worst there is one spurious wake-up.
        if let Some(number) = key.number.take()
            && self.ready_event().edges() == key.edges
        {
            self.remove(number);
        }
    }

    #[cold]
    fn remove(&self, number: NonZeroU32) {
        let left = self.waiters.lock().remove(number);
        drop(left);
    }

    pub(super) fn has_waiters(&self) -> bool {
        !self.waiters.lock().is_empty()
    }
}

#[derive(Debug, Default)]
struct WaitList {
    last_number: u32,
    /// The usual one, without an allocation.
    first: Option<Waiter>,
    others: Option<Box<Others>>,
}

#[derive(Debug)]
struct Waiter {
    number: NonZeroU32,
    remote: bool,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Others(Vec<Waiter>);

impl Others {
    #[cold]
    fn drain(&mut self, is_woken: impl Fn(&Waiter) -> bool, into: &mut Vec<Waker>) {
        let woken = self.0.extract_if(.., |it| is_woken(it));
        into.extend(woken.map(|it| it.waker));
    }
}

impl WaitList {
    fn others(&self) -> impl Iterator<Item = &Waiter> {
        self.others.iter().flat_map(|others| &others.0)
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.first.is_none() && self.others().next().is_none()
    }

    /// The number of a waiter. Assigns one if it has none.
    #[inline]
    fn number(&mut self, key: &mut WaiterKey) -> NonZeroU32 {
        *key.number.get_or_insert_with(|| {
            self.last_number = self.last_number.wrapping_add(1);
            NonZeroU32::new(self.last_number).unwrap_or(NonZeroU32::MIN)
        })
    }

    /// Returns the waker that was replaced.
    fn enter(&mut self, key: &mut WaiterKey, waker: &Waker, remote: bool) -> Option<Waker> {
        let mine = self.number(key);
        let others = self.others.iter_mut().flat_map(|others| &mut others.0);
        let mut entered = self.first.iter_mut().chain(others);
        if let Some(known) = entered.find(|it| it.number == mine) {
            known.remote = remote;
            return match known.waker.will_wake(waker) {
                true => None,
                false => Some(mem::replace(&mut known.waker, waker.clone())),
            };
        }
        let entry = Waiter {
            number: mine,
            remote,
            waker: waker.clone(),
        };
        match &self.first {
            None => self.first = Some(entry),
            Some(_) => self.others.get_or_insert_default().0.push(entry),
        }
        None
    }

    fn remove(&mut self, mine: NonZeroU32) -> Option<Waiter> {
        if self.first.as_ref().is_some_and(|it| it.number == mine) {
            return self.first.take();
        }
        let position = self.others().position(|it| it.number == mine)?;
        let others = self.others.as_mut()?;
        Some(others.0.swap_remove(position))
    }

    #[inline]
    fn drain(&mut self, is_woken: impl Fn(&Waiter) -> bool, into: &mut Vec<Waker>) {
        if let Some(first) = self.first.take_if(|it| is_woken(it)) {
            into.push(first.waker);
        }
        if let Some(others) = &mut self.others {
            others.drain(is_woken, into);
        }
    }
}
