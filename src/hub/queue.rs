//! The run queue of a hub: one end for the thread that dispatches it, one for all others.

use std::{
    cell::UnsafeCell,
    collections::VecDeque,
    marker::PhantomData,
    mem,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_task::Runnable;

use super::{Hub, tasks::Home};
use crate::sys::lock;

type Runnables = VecDeque<Runnable<Home>>;

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Only the thread that dispatches the hub touches it, so that it needs no lock.
    here: UnsafeCell<Runnables>,
    here_len: AtomicUsize,
    elsewhere: Mutex<Elsewhere>,
    some_elsewhere: AtomicBool,
}

/// What other threads have sent.
#[derive(Debug, Default)]
struct Elsewhere {
    runnables: Runnables,
    /// The hub has gone.
    closed: bool,
}

// SAFETY: `here` is used with a [`Served`] of the hub, by one thread at a time, and by `take_all` when
// there will be none any more. A `Runnable` may be sent, and is dropped by the rules of its home.
unsafe impl Sync for Queue {}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.here_len.load(Ordering::Relaxed) == 0 && !self.some_elsewhere.load(Ordering::Acquire)
    }

    /// From any thread. Gives the runnable back if the queue is closed.
    pub(super) fn push(&self, runnable: Runnable<Home>) -> Result<(), Runnable<Home>> {
        let mut elsewhere = lock(&self.elsewhere);
        if elsewhere.closed {
            return Err(runnable);
        }
        elsewhere.runnables.push_back(runnable);
        self.some_elsewhere.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes nothing any more from other threads.
    pub(super) fn close(&self) {
        lock(&self.elsewhere).closed = true;
    }

    /// What is in both ends.
    ///
    /// # Safety
    ///
    /// Nobody may be dispatching the hub, now or later.
    pub(super) unsafe fn take_all(&self) -> Runnables {
        let mut elsewhere = lock(&self.elsewhere);
        self.some_elsewhere.store(false, Ordering::Release);
        // SAFETY: the caller's promise: there is no `Served`.
        let mut all = mem::take(unsafe { &mut *self.here.get() });
        self.here_len.store(0, Ordering::Relaxed);
        all.append(&mut elsewhere.runnables);
        all
    }
}

/// This thread is dispatching the hub. Not to be kept for longer.
#[derive(Clone, Copy)]
pub(super) struct Served<'a> {
    hub: &'a Hub,
    /// In another thread it would be wrong.
    _here: PhantomData<*const ()>,
}

impl Hub {
    #[inline]
    pub(super) fn served(&self) -> Option<Served<'_>> {
        self.is_served_here().then_some(Served {
            hub: self,
            _here: PhantomData,
        })
    }
}

impl Served<'_> {
    pub(super) fn push(self, runnable: Runnable<Home>) {
        self.change(|here| here.push_back(runnable));
    }

    pub(super) fn pop(self) -> Option<Runnable<Home>> {
        self.change(VecDeque::pop_front)
    }

    /// Takes in what other threads have sent, behind what is there.
    pub(super) fn take_in(self) {
        let queue = &self.hub.tasks.queue;
        if queue.some_elsewhere.load(Ordering::Acquire) {
            let mut elsewhere = lock(&queue.elsewhere);
            queue.some_elsewhere.store(false, Ordering::Release);
            self.change(|here| here.append(&mut elsewhere.runnables));
        }
    }

    /// `f` must do nothing else.
    #[inline]
    fn change<R>(self, f: impl FnOnce(&mut Runnables) -> R) -> R {
        let queue = &self.hub.tasks.queue;
        // SAFETY: GLib lets one thread at a time dispatch a source, and this is it. `f` only
        // moves runnables, so that there is no other reference.
        let here = unsafe { &mut *queue.here.get() };
        let result = f(here);
        queue.here_len.store(here.len(), Ordering::Relaxed);
        result
    }
}
