//! Admission control of a listener: whether a connection may be accepted now. Accepting is limited
//! by the maximum number of connections, and suspended for a while after a resource exhaustion
//! (`EMFILE`).
//!
//! It has the wakers of all that wait to accept, and wakes them for changes that no descriptor
//! reports: a connection was closed, the sockets have changed, the listener was disconnected.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use slab::Slab;

use crate::{
    channel::handshakes::{Abort, HandshakeLimit, HandshakePermit},
    sync::ForkMutex,
};

/// The first suspension after a resource exhaustion; each following one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The maximum length of a suspension.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A handshake is not aborted earlier, however many are pending.
const HANDSHAKE_TIME: Duration = Duration::from_secs(1);
/// The default limit of concurrent handshakes.
pub(super) const HANDSHAKES: usize = 1024;
/// The minimum time between two warnings about resource exhaustion.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Admission(ForkMutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// The maximum number of connections; 0 for no limit.
    limit: usize,
    /// The number of connections, and of permits to accept one.
    entered: usize,
    /// 0: none.
    handshake_limit: usize,
    /// Pending handshakes, in the order of their begin.
    handshakes: BTreeMap<u64, Handshake>,
    /// Counts all handshakes.
    begun: u64,
    pause: Option<Pause>,
    last_warning: Option<Instant>,
    /// Threads that are blocked in `wait_client`: callbacks yield to them.
    blocked: usize,
    waiting: Slab<Waker>,
    /// Whether an attempt was refused, and must be woken when it may be admitted.
    has_refused: bool,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            limit: 0,
            entered: 0,
            handshake_limit: HANDSHAKES,
            handshakes: BTreeMap::new(),
            begun: 0,
            pause: None,
            last_warning: None,
            blocked: 0,
            waiting: Slab::new(),
            has_refused: false,
        }
    }
}

/// A handshake of a layer, over a channel that was accepted.
struct Handshake {
    since: Instant,
    abort: Abort,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handshake").field(&self.since).finish()
    }
}

/// There was not enough of something.
#[derive(Debug, Clone, Copy)]
struct Pause {
    length: Duration,
    /// `None` if it was ended early.
    until: Option<Instant>,
}

/// The result of [`enter`](Admission::enter).
#[derive(Debug)]
pub(super) enum Decision {
    /// Accept, and bind the permit to the connection.
    Admit(Permit),
    /// Wait to be woken.
    Refuse,
    /// Wait to be woken, at most until this time.
    RefuseUntil(Instant),
}

impl Admission {
    /// Requests a permit. Whatever the result is, the waker is woken when another attempt is
    /// worthwhile.
    pub(super) fn enter(
        self: &Arc<Self>,
        slot: &mut WaiterSlot,
        waker: &Waker,
        yields: bool,
    ) -> Decision {
        let mut inner = self.0.lock();
        let before = slot.take(&mut inner, waker);
        let entry = if inner.is_full() || (yields && inner.blocked > 0) {
            inner.has_refused = true;
            Decision::Refuse
        } else if let Some(until) = inner.pause.and_then(|pause| pause.until)
            && until > Instant::now()
        {
            inner.has_refused = true;
            Decision::RefuseUntil(until)
        } else if let Some(until) = inner.handshake_limit_until() {
            inner.has_refused = true;
            Decision::RefuseUntil(until)
        } else {
            inner.entered += 1;
            Decision::Admit(Permit {
                admission: self.clone(),
                is_client: false,
            })
        };
        drop(inner);
        // Dropping a waker may run any code: not under the lock.
        drop(before);
        entry
    }

    /// Suspends accepting after a resource exhaustion. Returns whether to log a warning.
    pub(super) fn pause(&self) -> bool {
        let now = Instant::now();
        let mut inner = self.0.lock();
        let length = match inner.pause {
            Some(pause) => (pause.length * 2).min(LONGEST_PAUSE),
            None => FIRST_PAUSE,
        };
        inner.pause = Some(Pause {
            length,
            until: Some(now + length),
        });
        let last = inner.last_warning;
        let warn = last.is_none_or(|last| now.duration_since(last) >= BETWEEN_WARNINGS);
        if warn {
            inner.last_warning = Some(now);
        }
        warn
    }

    /// Wakes all that wait to accept.
    pub(super) fn wake(&self) {
        self.0.lock().wake_all().into_iter().for_each(Waker::wake);
    }

    /// Callbacks get no permit until the result is dropped.
    pub(super) fn block(&self) -> Blocking<'_> {
        self.0.lock().blocked += 1;
        Blocking(self)
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.0.lock().limit = limit;
        self.wake();
    }

    pub(super) fn limit(&self) -> usize {
        self.0.lock().limit
    }

    pub(super) fn set_handshake_limit(&self, limit: usize) {
        self.0.lock().handshake_limit = limit;
        self.wake();
    }

    pub(super) fn handshake_limit(&self) -> usize {
        self.0.lock().handshake_limit
    }

    /// The number of connections. Includes permits, which are short-lived.
    pub(super) fn clients(&self) -> usize {
        self.0.lock().entered
    }
}

impl HandshakeLimit for Admission {
    fn begin(self: Arc<Self>, abort: Abort) -> Box<dyn HandshakePermit> {
        let mut inner = self.0.lock();
        inner.begun += 1;
        let (number, since) = (inner.begun, Instant::now());
        inner.handshakes.insert(number, Handshake { since, abort });
        drop(inner);
        Box::new(CountedHandshake {
            admission: self,
            number,
        })
    }
}

#[derive(Debug)]
struct CountedHandshake {
    admission: Arc<Admission>,
    number: u64,
}

impl HandshakePermit for CountedHandshake {}

impl Drop for CountedHandshake {
    fn drop(&mut self) {
        let mut inner = self.admission.0.lock();
        let ended = inner.handshakes.remove(&self.number);
        let woken = inner.wake_refused();
        drop(inner);
        drop(ended);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Inner {
    fn has_most_handshakes(&self) -> bool {
        self.handshake_limit != 0 && self.handshakes.len() >= self.handshake_limit
    }

    /// Until when no client is accepted because too many handshakes are under way: then the oldest
    /// one has had its time.
    fn handshake_limit_until(&self) -> Option<Instant> {
        let oldest = self.handshakes.values().next();
        let until = oldest.filter(|_| self.has_most_handshakes())?.since + HANDSHAKE_TIME;
        (until > Instant::now()).then_some(until)
    }

    /// The handshake that is aborted for that of a client that was accepted: to be aborted without
    /// the lock.
    fn take_oldest_handshake(&mut self) -> Option<Handshake> {
        match self.has_most_handshakes() {
            true => self.handshakes.pop_first().map(|(_, oldest)| oldest),
            false => None,
        }
    }

    /// The wakers of refused waiters, to be woken without the lock.
    fn wake_refused(&mut self) -> Vec<Waker> {
        match self.has_refused {
            true => self.wake_all(),
            false => Vec::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.limit != 0 && self.entered >= self.limit
    }

    /// The wakers, to be woken without the lock.
    fn wake_all(&mut self) -> Vec<Waker> {
        self.has_refused = false;
        self.waiting
            .iter()
            .map(|(_, waker)| waker.clone())
            .collect()
    }
}

/// The permit to accept, and then the connection: counted until dropped.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    is_client: bool,
}

impl Permit {
    /// A connection was accepted.
    pub(super) fn admit(mut self) -> Self {
        self.is_client = true;
        let mut inner = self.admission.0.lock();
        inner.pause = None;
        let oldest = inner.take_oldest_handshake();
        drop(inner);
        if let Some(oldest) = oldest {
            (oldest.abort)();
        }
        self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inner = self.admission.0.lock();
        // Less than one, where a forked child has reset the state.
        inner.entered = inner.entered.saturating_sub(1);
        if self.is_client
            && let Some(pause) = &mut inner.pause
        {
            // The closed connection may have released the resource that was exhausted.
            pause.until = None;
        }
        let woken = inner.wake_refused();
        drop(inner);
        woken.into_iter().for_each(Waker::wake);
    }
}

/// A thread that waits for a connection itself.
#[derive(Debug)]
pub(super) struct Blocking<'a>(&'a Admission);

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.0.lock();
        inner.blocked = inner.blocked.saturating_sub(1);
        drop(inner);
        self.0.wake();
    }
}

/// The place of an acceptor in the wait list.
#[derive(Debug)]
pub(super) struct WaiterSlot {
    admission: Arc<Admission>,
    place: Option<usize>,
}

impl WaiterSlot {
    pub(super) fn new(admission: Arc<Admission>) -> Self {
        Self {
            admission,
            place: None,
        }
    }

    pub(super) fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Enters a waker. Returns the one that was replaced.
    fn take(&mut self, inner: &mut Inner, waker: &Waker) -> Option<Waker> {
        // There is none either where a forked child has reset the state.
        match self.place.and_then(|place| inner.waiting.get_mut(place)) {
            None => {
                self.place = Some(inner.waiting.insert(waker.clone()));
                None
            }
            Some(mine) => (!mine.will_wake(waker)).then(|| std::mem::replace(mine, waker.clone())),
        }
    }
}

impl Drop for WaiterSlot {
    fn drop(&mut self) {
        let place = self.place.take();
        let left = place.map(|place| self.admission.0.lock().waiting.try_remove(place));
        drop(left);
    }
}

#[cfg(test)]
mod tests;
