//! What a hub runs at one priority: a source of the context, and its queue of runnable tasks.

use std::{
    cell::UnsafeCell,
    collections::VecDeque,
    marker::PhantomData,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::{
    Hub,
    dispatch::DispatchBudget,
    tasks::{Runnable, is_owned_here},
};
use crate::sync::ForkMutex;

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) hub: Arc<Hub>,
    pub(super) priority: i32,
    pub(super) budget: DispatchBudget,
    queue: LocalQueue,
    /// Tasks of another thread: the context has moved to this one since they were spawned.
    deferred: ForkMutex<Vec<Runnable>>,
    some_are_deferred: AtomicBool,
}

/// Runnable tasks. Only the thread that dispatches the hub touches it, so that it needs no lock.
#[derive(Debug, Default)]
struct LocalQueue {
    runnables: UnsafeCell<VecDeque<Runnable>>,
    len: AtomicUsize,
}

// SAFETY: the queue is accessed only by the thread that is the `Hub::dispatcher`:
// through a [`Local`], which only that thread gets, and by `take_all` and `forget_queue`. A
// `Runnable` is `Send`, and `drop_by_owner` drops those that belong to another thread.
unsafe impl Sync for LocalQueue {}

/// Proof that this thread dispatches the hub of the lane. Must not outlive the dispatch.
#[derive(Clone, Copy)]
pub(super) struct Local<'a> {
    lane: &'a Lane,
    /// Not `Send`: it proves nothing in another thread.
    _here: PhantomData<*const ()>,
}

impl Lane {
    pub(super) fn new(hub: Arc<Hub>, priority: i32) -> Self {
        Self {
            hub,
            priority,
            budget: DispatchBudget::default(),
            queue: LocalQueue::default(),
            deferred: ForkMutex::default(),
            some_are_deferred: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(super) fn local(&self) -> Option<Local<'_>> {
        self.hub.is_dispatched_by_this_thread().then_some(Local {
            lane: self,
            _here: PhantomData,
        })
    }

    #[inline]
    pub(super) fn has_tasks(&self) -> bool {
        self.queue.len.load(Ordering::Relaxed) != 0
            || self.some_are_deferred.load(Ordering::Relaxed) && self.has_deferred_here()
    }

    /// Whether tasks were deferred to this thread by another one.
    #[cold]
    fn has_deferred_here(&self) -> bool {
        self.deferred.lock().iter().any(is_owned_here)
    }

    /// Leaves a task to its owner thread.
    pub(super) fn defer_to_owner(&self, runnable: Runnable) {
        glib::g_warning!(
            "Qio",
            "A task that must stay in its thread waits until that thread runs the context again"
        );
        self.deferred.lock().push(runnable);
        self.some_are_deferred.store(true, Ordering::Relaxed);
    }

    /// Leaks the queue in a forked child, if another thread of the parent may have been changing
    /// it: its tasks never run here. This thread must be the `Hub::dispatcher`.
    pub(super) fn forget_queue(&self) {
        // SAFETY: the caller has just replaced a dispatcher that this process does not
        // have. The old value may be inconsistent, and is neither read nor dropped.
        unsafe { self.queue.runnables.get().write(VecDeque::new()) };
        self.queue.len.store(0, Ordering::Relaxed);
    }

    /// Takes all runnable tasks.
    ///
    /// # Safety
    ///
    /// This thread must be the `Hub::dispatcher`.
    pub(super) unsafe fn take_all(&self) -> impl Iterator<Item = Runnable> + use<> {
        // SAFETY: the caller promises that this thread is the dispatcher, and no reference of
        // `Local::change` is in use: that calls no other code.
        let queued = mem::take(unsafe { &mut *self.queue.runnables.get() });
        self.queue.len.store(0, Ordering::Relaxed);
        let deferred = mem::take(&mut *self.deferred.lock());
        queued.into_iter().chain(deferred)
    }
}

impl Local<'_> {
    pub(super) fn push(self, runnable: Runnable) {
        self.change(|queue| queue.push_back(runnable));
    }

    pub(super) fn pop(self) -> Option<Runnable> {
        self.change(VecDeque::pop_front)
    }

    /// Queues the tasks that were deferred to this thread by another one.
    #[inline]
    pub(super) fn take_deferred(self) {
        if self.lane.some_are_deferred.load(Ordering::Relaxed) {
            self.queue_deferred();
        }
    }

    #[cold]
    fn queue_deferred(self) {
        let lane = self.lane;
        let mut deferred = lane.deferred.lock();
        let (own, others): (Vec<_>, Vec<_>) = mem::take(&mut *deferred)
            .into_iter()
            .partition(is_owned_here);
        lane.some_are_deferred
            .store(!others.is_empty(), Ordering::Relaxed);
        *deferred = others;
        drop(deferred);
        own.into_iter().for_each(|runnable| self.push(runnable));
    }

    /// `f` must not call into the lane.
    #[inline]
    fn change<R>(self, f: impl FnOnce(&mut VecDeque<Runnable>) -> R) -> R {
        let queue = &self.lane.queue;
        // SAFETY: `Lane::local` has found that this thread is the `Hub::dispatcher`. `f`
        // only moves runnables, so that there is no other reference.
        let runnables = unsafe { &mut *queue.runnables.get() };
        let result = f(runnables);
        queue.len.store(runnables.len(), Ordering::Relaxed);
        result
    }
}
