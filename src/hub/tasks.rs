//! The tasks of a hub: a run queue for futures.
//!
//! # Teardown
//!
//! When its context is destroyed, the hub drops the [`Runnable`] of each task
//! ([`Hub::cancel_all`]), by which `async-task` drops the future and completes the join handle.
//!
//! 1. `Hub::alive` has a waker of each task, until the `AliveGuard` in the task is dropped. Waking
//!    a task that is in no queue has it pushed to one ([`schedule`]).
//! 2. A task that another thread has woken and not pushed yet is in no queue either: the hub tries
//!    again, for [`CANCEL_LIMIT`], as that thread may be preempted. After that the closed remote
//!    queue returns the runnable to that thread, which drops it.
//! 3. A future that is not `Send` may only be dropped by its owner thread. In another one
//!    [`drop_by_owner`] leaks it: `Task` does not drop it ([`LEAK_NEXT_FUTURE`]), and a forgotten
//!    waker keeps the memory of the task, as a pinned future that is not dropped must keep its
//!    memory. A large one is boxed here ([`BOXED`]), and leaked in that box.
//!
//! This relies on `async-task`: waking schedules a task once, unless it is scheduled, runs or has
//! ended; dropping a runnable drops the future before it returns, in that thread, also after an
//! abort; no other call drops it, but `run`; a waker keeps the memory; and futures of less than
//! 2,048 bytes are in that memory, larger ones in a box that is freed when they are dropped.

use std::{
    cell::Cell,
    future::Future,
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicPtr, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_task::Builder;
use glib::Priority;

use super::{
    Hub, JoinHandle,
    join::Outcome,
    lane::{Lane, Local},
    remote::Message,
    running::{self, RunGuard},
};
use crate::sync::{poll_until, thread_number};

/// Tasks that run between two checks of the clock, which cost time.
const BATCH: usize = 8;

/// A future of this size or more is boxed here, and not by `async-task`: see the [module](self).
const BOXED: usize = 1024;

/// For how long teardown waits for threads that have a runnable, and could only leak its future.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct TaskMetadata {
    lane: Arc<Lane>,
    /// The number of the only thread that it may run in, for a future that is not `Send`; or
    /// [`ANY_THREAD`].
    owner: u64,
    /// The data of the task's wakers, which identifies the task; set before it runs.
    id: AtomicPtr<()>,
}

impl TaskMetadata {
    /// Identifies the task: the data of its wakers.
    #[inline]
    pub(super) fn id(&self) -> *const () {
        self.id.load(Ordering::Relaxed)
    }
}

const ANY_THREAD: u64 = 0;

pub(super) type Runnable = async_task::Runnable<TaskMetadata>;

thread_local! {
    /// The next future that is dropped belongs to another thread, and must be leaked.
    static LEAK_NEXT_FUTURE: Cell<bool> = const { Cell::new(false) };
}

impl Local<'_> {
    /// Runs the tasks in the queue, and those that are added meanwhile, while `has_time` returns
    /// `true` after each batch.
    #[inline]
    pub(super) fn run(self, lane: &Lane, has_time: impl Fn() -> bool) {
        self.take_deferred();
        lane.hub.receive();
        let mut ran = 0;
        while let Some(runnable) = self.pop() {
            if !is_owned_here(&runnable) {
                lane.defer_to_owner(runnable);
                continue;
            }
            running::run(runnable);
            ran += 1;
            if ran % BATCH == 0 {
                if !has_time() {
                    return;
                }
                lane.hub.receive();
            }
        }
    }
}

impl Hub {
    /// Drops all tasks, except those that only another thread may drop.
    ///
    /// # Safety
    ///
    /// This thread must be the `Hub::dispatcher`.
    pub(super) unsafe fn cancel_all(&self) {
        // What is left are tasks that another thread has woken, and is about to push to the queue;
        // or new ones.
        poll_until(self.creator.limit(CANCEL_LIMIT), || {
            // SAFETY: forwarded: this thread is the dispatcher.
            unsafe { self.cancel_queued() };
            self.alive.lock().is_empty()
        });
    }

    /// Queues all tasks that are in no queue, and drops those that are in one.
    ///
    /// # Safety
    ///
    /// As for [`cancel_all`](Self::cancel_all).
    unsafe fn cancel_queued(&self) {
        let alive = self.alive.lock();
        let wakers: Vec<_> = alive.iter().map(|(_, waker)| waker.clone()).collect();
        drop(alive);
        // Each is pushed to the queue again by `schedule`.
        wakers.into_iter().for_each(Waker::wake);
        self.receive();
        let lanes = self.lanes.lock().clone();
        for lane in lanes {
            // SAFETY: forwarded: this thread is the dispatcher of the hub of the lane.
            unsafe { lane.take_all() }.for_each(drop_by_owner);
        }
    }
}

pub(super) fn is_owned_here(runnable: &Runnable) -> bool {
    let owner = runnable.metadata().owner;
    owner == ANY_THREAD || owner == thread_number()
}

/// Closes a task, so that its join handle completes, and drops its future if this thread may.
pub(super) fn drop_by_owner(runnable: Runnable) {
    if !is_owned_here(&runnable) {
        glib::g_warning!(
            "Qio",
            "Leaking a !Send task: its main context was destroyed in another thread"
        );
        // Keeps the memory of the future: see the module.
        mem::forget(runnable.waker());
        LEAK_NEXT_FUTURE.set(true);
    }
    drop(runnable);
}

/// Queues a task to be run. Callable from any thread.
pub(super) fn schedule(runnable: Runnable) {
    // The task owns a reference to the lane, which outlives the borrow of `runnable`.
    let lane = Arc::as_ptr(&runnable.metadata().lane);
    // SAFETY: the metadata of the runnable holds a reference to the lane, also in the queue.
    let lane = unsafe { &*lane };
    if let Some(local) = lane.local() {
        // Only this thread takes it from the queue.
        local.push(runnable);
        if lane.hub.is_prepared() {
            lane.hub.notify();
        }
        return;
    }
    let hub = lane.hub.clone();
    if let Err(Message::Run(runnable)) = hub.send(Message::Run(runnable)) {
        drop_by_owner(runnable);
    }
}

impl Hub {
    /// Runs a future in a context, at a priority, in this thread.
    pub(crate) fn spawn_local_in<F>(
        context: &glib::MainContext,
        priority: Priority,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: the owner is this thread.
        unsafe { start(Self::lane_of(context, priority), thread_number(), future) }
    }

    /// As [`spawn_local_in`](Self::spawn_local_in), in the thread that runs the context.
    pub(crate) fn spawn_in<F>(
        context: &glib::MainContext,
        priority: Priority,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: the bounds of this function require the future and its result to be `Send`.
        unsafe { start(Self::lane_of(context, priority), ANY_THREAD, future) }
    }

    /// As [`spawn_in`](Self::spawn_in), and polls the future for the first time before it returns,
    /// if this thread runs the context: an operation that can proceed needs no iteration. Must not
    /// be called in a coroutine, which could be suspended with the dispatch on its stack.
    pub(crate) fn spawn_polled_in<F>(
        context: &glib::MainContext,
        priority: Priority,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let lane = Self::lane_of(context, priority);
        let hub = lane.hub.clone();
        // SAFETY: the bounds of this function require the future and its result to be `Send`.
        let (runnable, handle) = unsafe { create(lane, ANY_THREAD, future) };
        match context.is_owner().then(|| RunGuard::enter(&hub)).flatten() {
            Some(_guard) => running::run(runnable),
            None => runnable.schedule(),
        }
        handle
    }

    /// Runs the future that `make` returns in the thread with this number (`thread_number`), which
    /// must be the only one that runs the context.
    pub(crate) fn spawn_for_thread<F, T>(
        context: &glib::MainContext,
        priority: Priority,
        number: u64,
        make: F,
    ) -> JoinHandle<T::Output>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future + 'static,
        T::Output: Send + 'static,
    {
        let future = async move { make().await };
        // SAFETY: the future consists of `make`, which is `Send`, until the owner polls it. Its
        // result is `Send`.
        unsafe { start(Self::lane_of(context, priority), number, future) }
    }
}

/// # Safety
///
/// `owner` must be this thread, unless the future, as it is before its first poll, and its result
/// may be sent to another one. With [`ANY_THREAD`] the future must be `Send`.
unsafe fn start<F>(lane: Arc<Lane>, owner: u64, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // SAFETY: forwarded: the same future.
    let (runnable, handle) = unsafe { create(lane, owner, future) };
    runnable.schedule();
    handle
}

/// Creates a task that has yet to be scheduled or run.
///
/// # Safety
///
/// As for [`start`].
unsafe fn create<F>(lane: Arc<Lane>, owner: u64, future: F) -> (Runnable, JoinHandle<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    // SAFETY: forwarded: the same future.
    unsafe {
        match size_of::<F>() < BOXED {
            true => create_sized(lane, owner, future),
            false => create_sized(lane, owner, Box::pin(future)),
        }
    }
}

/// As [`create`], for a future that `async-task` does not box.
///
/// # Safety
///
/// As for [`start`].
unsafe fn create_sized<F>(
    lane: Arc<Lane>,
    owner: u64,
    future: F,
) -> (Runnable, JoinHandle<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let hub = lane.hub.clone();
    let mut alive = hub.alive.lock();
    let entry = alive.vacant_entry();
    let future = Task {
        future: ManuallyDrop::new(future),
        _guard: AliveGuard {
            hub: hub.clone(),
            slab_key: entry.key(),
        },
    };
    let id = AtomicPtr::default();
    let builder = Builder::new().metadata(TaskMetadata { lane, owner, id });
    // SAFETY: the future is polled and dropped by its runnable alone. `Local::run` runs that only
    // in its owner's thread; if the runnable is dropped in another thread, `drop_by_owner` has the
    // future leaked. The other fields of `Task` may be dropped in any thread. The future is
    // 'static, and `schedule` is a function.
    let (runnable, task) = unsafe { builder.spawn_unchecked(|_| future, schedule) };
    let waker = runnable.waker();
    let id = waker.data().cast_mut();
    runnable.metadata().id.store(id, Ordering::Relaxed);
    entry.insert(waker);
    drop(alive);
    (runnable, JoinHandle::new(task))
}

/// The future of a task: catches its panic, and removes the task from the list at its end.
struct Task<F> {
    /// Pinned with the task. Dropped with it, except in another thread than its own.
    future: ManuallyDrop<F>,
    _guard: AliveGuard,
}

impl<F: Future> Future for Task<F> {
    type Output = Outcome<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: structural pinning: no code moves the future out, `Drop` drops it in place or
        // leaks it, and `Task` is `Unpin` only if the future is.
        let future = unsafe { self.map_unchecked_mut(|this| &mut *this.future) };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

impl<F> Drop for Task<F> {
    fn drop(&mut self) {
        if LEAK_NEXT_FUTURE.replace(false) {
            return;
        }
        // SAFETY: this is the only drop of the field, and `self` is not used after it.
        unsafe { ManuallyDrop::drop(&mut self.future) };
    }
}

/// Removes a task from the list of those that are alive when dropped.
struct AliveGuard {
    hub: Arc<Hub>,
    slab_key: usize,
}

impl Drop for AliveGuard {
    fn drop(&mut self) {
        let waker = self.hub.alive.lock().try_remove(self.slab_key);
        drop(waker);
    }
}
