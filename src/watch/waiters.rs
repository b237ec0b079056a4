//! The waiters of a channel, which are woken when it is closed.
//!
//! Any thread may close a channel, but its watches belong to the threads that run their contexts:
//! the list has the hubs of these contexts, and makes them iterate once more.

mod registrations;

use std::{
    fmt, io, mem,
    sync::{
        Arc, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    time::Instant,
};

use glib::IOCondition;

use super::{
    ALWAYS,
    pushback::{PushbackBuffer, ReadAhead},
};
use crate::{
    hub::{Hub, Registration, RegistrationGuard},
    sync::ForkMutex,
    sys::poll::{Wakeup, poll},
};

/// The waiters of one channel, and whether it is closed.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Set before any waiter is woken, and never unset.
    closed: AtomicBool,
    /// How often the waiters were made to poll again. Changes while `waiting` is locked.
    wake_epoch: AtomicUsize,
    waiting: ForkMutex<WaitList>,
    /// The registration in the first hub that futures have waited in, which is found without a
    /// lock. Stays set after the registration has ended: it keeps the memory, not the descriptor.
    home: OnceLock<Arc<Registration>>,
    /// Data that a dropped future had read and that has not been delivered.
    pub(crate) pushback: PushbackBuffer,
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
    /// The hubs of the contexts that watches are attached to, once for each watch.
    hubs: Vec<Arc<Hub>>,
    threads: Vec<Arc<Wakeup>>,
    /// Consumes zero-copy completions, which poll(2) reports as `POLLERR`.
    completions: Option<Arc<dyn CompletionQueue>>,
    /// Futures whose sources are in the context that the channel was attached to when they began.
    context_wakers: Vec<Waker>,
    /// Futures that wait for another object, at most until the channel is closed.
    close_wakers: Vec<Waker>,
    /// Coroutines that wait for the channel to become readable, and their flags.
    yields: Vec<(Arc<AtomicBool>, Waker)>,
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
        let Some(rare) = &self.rare else { return };
        for hub in &rare.hubs {
            hub.notify();
        }
        for thread in &rare.threads {
            thread.wake();
        }
    }
}

impl Waiters {
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
        let registrations = waiting.deregister_all();
        let rare = waiting.rare.as_mut();
        let close_wakers = rare.map(|rare| mem::take(&mut rare.close_wakers));
        drop(waiting);
        // Wakes the futures, without the lock that they take when they poll again.
        drop(registrations);
        close_wakers.into_iter().flatten().for_each(Waker::wake);
        self.pushback.clear();
    }

    /// The context that the channel is attached to. `context_waker` is woken when that
    /// changes.
    pub(crate) fn context_for(&self, context_waker: Waker) -> Option<glib::MainContext> {
        let mut waiting = self.waiting();
        waiting.rare().context_wakers.push(context_waker);
        waiting.context.clone()
    }

    /// Removes a context waker.
    pub(crate) fn forget_context_waker(&self, context_waker: &Waker) {
        let mut waiting = self.waiting();
        let forgotten = take_waker(&mut waiting.rare().context_wakers, context_waker);
        drop(waiting);
        drop(forgotten);
    }

    /// Wakes `close_waker` when the channel is closed. Returns whether it is closed already.
    pub(crate) fn until_closed(&self, close_waker: Waker) -> bool {
        let mut waiting = self.waiting();
        let closed = self.is_closed();
        if !closed {
            waiting.rare().close_wakers.push(close_waker);
        }
        closed
    }

    /// Removes a close waker.
    pub(crate) fn forget_close_waker(&self, close_waker: &Waker) {
        let mut waiting = self.waiting();
        let forgotten = take_waker(&mut waiting.rare().close_wakers, close_waker);
        drop(waiting);
        drop(forgotten);
    }

    /// Sets `is_woken` and wakes `waker` at the next [`wake_yields`](Self::wake_yields), in place
    /// of the waker before.
    pub(crate) fn enter_yield(&self, is_woken: &Arc<AtomicBool>, waker: &Waker) {
        let mut waiting = self.waiting();
        let yields = &mut waiting.rare().yields;
        let before = take_yield(yields, is_woken);
        yields.push((is_woken.clone(), waker.clone()));
        drop(waiting);
        drop(before);
    }

    pub(crate) fn leave_yield(&self, is_woken: &Arc<AtomicBool>) {
        let mut waiting = self.waiting();
        let left = take_yield(&mut waiting.rare().yields, is_woken);
        drop(waiting);
        drop(left);
    }

    /// Ends the waits of coroutines for the channel to become readable.
    pub(crate) fn wake_yields(&self) {
        let mut waiting = self.waiting();
        let yields = waiting
            .rare
            .as_mut()
            .map(|rare| mem::take(&mut rare.yields));
        drop(waiting);
        for (is_woken, waker) in yields.into_iter().flatten() {
            is_woken.store(true, Ordering::Release);
            waker.wake();
        }
    }

    /// Makes all waiters poll again: something has changed that no descriptor reports.
    pub(crate) fn wake(&self) {
        let mut waiting = self.waiting();
        self.wake_epoch.fetch_add(1, Ordering::Release);
        waiting.wake();
        let (closed, open): (Vec<_>, Vec<_>) = waiting
            .take_registrations()
            .partition(|it| it.get().is_closed());
        let woken: Vec<_> = open.iter().map(|it| it.get().clone()).collect();
        open.into_iter().for_each(|it| waiting.add(it));
        let closed: Vec<_> = closed
            .into_iter()
            .map(RegistrationGuard::deregister)
            .collect();
        drop(waiting);
        // Wakes the futures, without the lock that they take when they poll again.
        drop(closed);
        for registration in &woken {
            registration.wake();
        }
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
    /// after that, if there were any and the caller asked for more than errors; else `got`.
    pub(crate) fn ignore_completions(
        &self,
        got: IOCondition,
        asked: IOCondition,
        again: impl FnOnce() -> io::Result<IOCondition>,
    ) -> io::Result<IOCondition> {
        let is_completion = got.contains(IOCondition::ERR)
            && self
                .completions()
                .is_some_and(|completions| completions.drain())
            && !(asked - ALWAYS).is_empty();
        match is_completion {
            true => again(),
            false => Ok(got),
        }
    }

    /// Pushes back data that a reader has taken and does not consume: the next reader gets it
    /// first.
    pub(crate) fn push_back(&self, data: ReadAhead) {
        self.pushback.push_back(data);
        if self.is_closed() {
            // No reader follows, and `close` may have cleared the buffer before this call.
            return self.pushback.clear();
        }
        // No descriptor reports pushed-back data to the waiters.
        self.wake();
    }

    /// The number of times that waiters were made to poll again. Must be read before the class is
    /// asked what to wait for, and passed to [`block_on`](Self::block_on).
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
        self.waiting().rare().threads.extend(wakeup.clone());
        WaitingThread {
            waiters: self,
            wakeup,
        }
    }

    /// Makes the context of a hub iterate whenever waiters must poll again, until
    /// [`leave`](Self::leave).
    pub(super) fn enter(&self, hub: &Arc<Hub>) {
        self.waiting().rare().hubs.push(hub.clone());
    }

    pub(super) fn leave(&self, hub: &Arc<Hub>) {
        let mut waiting = self.waiting();
        let hubs = &mut waiting.rare().hubs;
        if let Some(mine) = hubs.iter().position(|it| Arc::ptr_eq(it, hub)) {
            hubs.swap_remove(mine);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, WaitList> {
        self.waiting.lock()
    }
}

/// Removes a waker. It must be dropped outside of the lock: that may run any code.
fn take_waker(wakers: &mut Vec<Waker>, waker: &Waker) -> Option<Waker> {
    let mine = wakers.iter().position(|it| it.will_wake(waker))?;
    Some(wakers.swap_remove(mine))
}

/// As [`take_waker`].
fn take_yield(
    yields: &mut Vec<(Arc<AtomicBool>, Waker)>,
    is_woken: &Arc<AtomicBool>,
) -> Option<(Arc<AtomicBool>, Waker)> {
    let mine = yields
        .iter()
        .position(|(it, _)| Arc::ptr_eq(it, is_woken))?;
    Some(yields.swap_remove(mine))
}

/// A thread in the list of those that wait.
#[derive(Debug)]
pub(crate) struct WaitingThread<'a> {
    waiters: &'a Waiters,
    wakeup: Option<Arc<Wakeup>>,
}

impl Drop for WaitingThread<'_> {
    fn drop(&mut self) {
        let Some(wakeup) = &self.wakeup else { return };
        let mut waiting = self.waiters.waiting();
        let threads = &mut waiting.rare().threads;
        let mine = threads.iter().position(|it| Arc::ptr_eq(it, wakeup));
        threads.swap_remove(mine.expect("entered before"));
    }
}
