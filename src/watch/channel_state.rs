//! What a channel shares with its waiters: they may outlive it, and are woken when it is closed.
//!
//! Any thread may close a channel, but its watches belong to the threads that run their contexts:
//! the list has the hubs of these contexts, and makes them iterate once more.

mod home;
mod live;
mod registrations;
#[cfg(test)]
mod tests;
mod texts;

use std::{
    fmt, io, ptr,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    time::Instant,
};

use glib::IOCondition;

pub(crate) use self::live::list_live;
use self::{home::HomeSlot, live::LiveEntry, texts::Texts};
use super::{
    ALWAYS,
    pushback::{Pushback, PushbackBuffer},
};
use crate::{
    hub::{Direction, Registration, RegistrationGuard},
    observe::{self, Gauges},
    sync::{AsyncLock, ForkMutex},
    sys::poll::{Wakeup, poll},
};

/// The state of one channel: its waiters, whether it is closed, data that was pushed back, its
/// names and its counters.
#[derive(Debug, Default)]
pub(crate) struct ChannelState {
    /// Set before any waiter is woken, and never unset.
    closed: AtomicBool,
    live: LiveEntry,
    /// How often the waiters were made to poll again. Changes while `waiting` is locked.
    wake_epoch: AtomicUsize,
    waiting: ForkMutex<WaitList>,
    home: HomeSlot,
    /// Data that a dropped future had read and that has not been delivered.
    pub(crate) pushback: PushbackBuffer,
    pub(crate) texts: Texts,
    /// The counters, while the process is observed, or was.
    pub(crate) stats: observe::Slot,
}

#[derive(Debug, Default)]
struct WaitList {
    /// The first registration of the channel's descriptors, which needs no allocation.
    registration: Option<RegistrationGuard>,
    /// The context whose hub is to watch the descriptors. Default: the one of the caller.
    context: Option<glib::MainContext>,
    /// State that most channels do not have.
    rare: Option<Box<RareWaiters>>,
}

#[derive(Debug, Default)]
struct RareWaiters {
    /// Further registrations.
    registrations: Vec<RegistrationGuard>,
    wakers: Vec<(WakeOn, Waker)>,
    /// Consumes zero-copy completions, which poll(2) reports as `POLLERR`.
    completions: Option<Arc<dyn CompletionQueue>>,
    /// Held by the future that uses the position of a file on disk.
    position_lock: Arc<AsyncLock>,
}

/// What wakes a waker of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WakeOn {
    /// Every change that makes waiters poll again, any number of times. Only for hubs of watches,
    /// and for threads: these are woken under the lock, and run no other code.
    Change,
    /// The close of the channel, once.
    Close,
    /// Attaching the channel to another context, once.
    NewContext,
    /// The end of the waits of coroutines for the channel to become readable, once.
    ReadYield,
}

/// Consumes the completions of zero-copy writes (`MSG_ERRQUEUE`), which poll(2) reports as errors.
pub(crate) trait CompletionQueue: fmt::Debug + Send + Sync {
    /// Consumes all pending completions. Returns whether there were any.
    fn drain(&self) -> bool;
}

impl WaitList {
    fn rare(&mut self) -> &mut RareWaiters {
        self.rare.get_or_insert_default()
    }

    fn wake(&self) {
        let wakers = self.rare.iter().flat_map(|rare| &rare.wakers);
        let changed = wakers.filter(|(on, _)| *on == WakeOn::Change);
        changed.for_each(|(_, waker)| waker.wake_by_ref());
    }

    /// Takes the wakers of an event that wakes once, to be woken without the lock.
    fn take_wakers(&mut self, event: WakeOn) -> Vec<Waker> {
        let Some(rare) = &mut self.rare else {
            return Vec::new();
        };
        let taken = rare.wakers.extract_if(.., |(on, _)| *on == event);
        taken.map(|(_, waker)| waker).collect()
    }
}

impl ChannelState {
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Marks the channel as closed and wakes all waiters: sources fire once with `G_IO_NVAL`,
    /// blocked threads return.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting();
        self.closed.store(true, Ordering::Release);
        self.wake_epoch.fetch_add(1, Ordering::Release);
        waiting.wake();
        let registrations = waiting.deregister_if(|_| true);
        let close_wakers = waiting.take_wakers(WakeOn::Close);
        drop(waiting);
        // Wakes the futures, without the lock that they take when they poll again.
        drop(registrations);
        close_wakers.into_iter().for_each(Waker::wake);
        self.pushback.clear();
    }

    /// Adds a waker to the list, until it is woken or [removed](Self::remove_waker). Must be called
    /// before the state is read that it waits for. Its data must be the address of an `Arc`.
    pub(crate) fn add_waker(&self, on: WakeOn, waker: Waker) {
        self.waiting().rare().wakers.push((on, waker));
    }

    /// Removes one entry of a waker, if it is still there. The data identifies the waker, as the
    /// entry owns the `Arc`: `will_wake` also compares tables of functions, of which optimized code
    /// may have several for one type.
    pub(crate) fn remove_waker(&self, on: WakeOn, waker: &Waker) {
        let mut waiting = self.waiting();
        let wakers = &mut waiting.rare().wakers;
        let mine = wakers
            .iter()
            .position(|(it, known)| *it == on && ptr::eq(known.data(), waker.data()));
        let left = mine.map(|mine| wakers.swap_remove(mine));
        drop(waiting);
        // Dropping a waker may run any code: not under the lock.
        drop(left);
    }

    /// Ends the waits of coroutines for the channel to become readable.
    pub(crate) fn wake_yields(&self) {
        let yields = self.waiting().take_wakers(WakeOn::ReadYield);
        yields.into_iter().for_each(Waker::wake);
    }

    /// Makes all waiters poll again: something has changed that no descriptor reports.
    pub(crate) fn wake(&self) {
        let mut waiting = self.waiting();
        self.wake_epoch.fetch_add(1, Ordering::Release);
        waiting.wake();
        let closed = waiting.deregister_if(Registration::is_closed);
        let woken: Vec<_> = waiting.registrations().cloned().collect();
        drop(waiting);
        // Wakes the futures, without the lock that they take when they poll again.
        drop(closed);
        for registration in &woken {
            registration.wake();
        }
    }

    /// The lock of the position of a file on disk.
    pub(crate) fn position_lock(&self) -> Arc<AsyncLock> {
        self.waiting().rare().position_lock.clone()
    }

    /// Sets what consumes completions: from now on an error condition may be one.
    pub(crate) fn set_completions(&self, completions: Arc<dyn CompletionQueue>) {
        self.waiting().rare().completions = Some(completions);
    }

    pub(crate) fn has_completions(&self) -> bool {
        self.completions().is_some()
    }

    fn completions(&self) -> Option<Arc<dyn CompletionQueue>> {
        let waiting = self.waiting();
        waiting
            .rare
            .as_ref()
            .and_then(|rare| rare.completions.clone())
    }

    /// Consumes completions where `got` has an error condition. Returns `again`, the conditions
    /// after that, if there were any and the caller requested more than errors; else `got`.
    pub(crate) fn ignore_completions(
        &self,
        got: IOCondition,
        requested: IOCondition,
        again: impl FnOnce() -> io::Result<IOCondition>,
    ) -> io::Result<IOCondition> {
        let is_completion = got.contains(IOCondition::ERR)
            && self
                .completions()
                .is_some_and(|completions| completions.drain())
            && !(requested - ALWAYS).is_empty();
        match is_completion {
            true => again(),
            false => Ok(got),
        }
    }

    /// Pushes back data that a reader has taken and does not consume: the next reader gets it
    /// first.
    pub(crate) fn push_back(&self, data: Pushback) {
        self.pushback.push_back(data);
        if self.is_closed() {
            // No reader follows, and `close` may have cleared the buffer before this call.
            return self.pushback.clear();
        }
        // No descriptor reports pushed-back data to the waiters.
        self.wake();
    }

    /// The number of times that waiters were made to poll again. Must be read before the class is
    /// queried, and passed to [`block_on`](Self::block_on).
    pub(crate) fn wake_epoch(&self) -> usize {
        self.wake_epoch.load(Ordering::Acquire)
    }

    /// Blocks this thread until the descriptor has one of the conditions, or the channel is closed
    /// (`G_IO_NVAL`). An empty result means that the deadline has passed, or that the caller must
    /// poll again.
    pub(crate) fn block_on(
        &self,
        fd: i32,
        condition: IOCondition,
        deadline: Option<Instant>,
        seen: usize,
    ) -> io::Result<IOCondition> {
        let wakeup = Wakeup::of_this_thread();
        let waiting = self.enter_thread(wakeup.clone());
        let result = match self.wake_epoch() == seen {
            true => poll(fd, condition.bits() as i16, wakeup.as_deref(), deadline),
            false => Ok(0),
        };
        drop(waiting);
        if let Some(wakeup) = wakeup
            && !matches!(result, Ok(1..))
        {
            wakeup.forget();
        }
        if self.is_closed() {
            return Ok(IOCondition::NVAL);
        }
        Ok(IOCondition::from_bits_truncate(result? as u32) & (condition | ALWAYS))
    }

    /// Wakes a thread by `wakeup`, if it has one, whenever waiters must poll again, until the
    /// result is dropped.
    pub(crate) fn enter_thread(&self, wakeup: Option<Arc<Wakeup>>) -> WaitingThread<'_> {
        let waker = wakeup.map(Waker::from);
        if let Some(waker) = &waker {
            self.add_waker(WakeOn::Change, waker.clone());
        }
        WaitingThread { state: self, waker }
    }

    fn waiting(&self) -> MutexGuard<'_, WaitList> {
        self.waiting.lock()
    }
}

impl Gauges for ChannelState {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn waiters(&self) -> usize {
        let waiting = self.waiting();
        let sides = [Direction::Read, Direction::Write];
        let has_waiters =
            |it: &Registration| sides.iter().filter(|&&it_| it.has_waiters(it_)).count();
        let futures: usize = waiting.registrations().map(|it| has_waiters(it)).sum();
        let others = waiting.rare.as_ref().map_or(0, |rare| rare.wakers.len());
        futures + others
    }

    fn pushed_back(&self) -> usize {
        self.pushback.len()
    }
}

#[derive(Debug)]
pub(crate) struct WaitingThread<'a> {
    state: &'a ChannelState,
    waker: Option<Waker>,
}

impl Drop for WaitingThread<'_> {
    fn drop(&mut self) {
        if let Some(waker) = &self.waker {
            self.state.remove_waker(WakeOn::Change, waker);
        }
    }
}
