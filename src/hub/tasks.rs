//! The tasks of a hub: a run queue for futures.
//!
//! # Teardown
//!
//! When its context is destroyed, the hub drops the [`Runnable`] of each task
//! ([`Hub::cancel_all`]), by which `async-task` drops the future and completes the join handle.
//!
//! 1. `Hub::alive` has a waker of each task, until the `AliveGuard` in the task is dropped. Waking
//!    a task that is in no queue has it pushed to one ([`schedule`]).
//! 2. A task that another thread has woken and not pushed yet is in no queue either: the hub yields
//!    to that thread and tries again, [`CANCEL_RETRIES`] times. After that the closed remote queue
//!    returns the runnable to that thread, which drops it.
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
    future::{Future, poll_fn},
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicPtr, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

use async_task::Builder;
use glib::Priority;

use super::{
    Hub, JoinHandle,
    dispatcher::DispatchGuard,
    join::Outcome,
    lane::{Lane, Local},
    remote::Message,
    running_context,
};
use crate::sync::thread_number;

/// Tasks that run between two checks of the clock, which cost time.
const BATCH: usize = 8;

/// A future of this size or more is boxed here, and not by `async-task`: see the [module](self).
const BOXED: usize = 1024;

/// Operations that a task may complete without a wait before it yields.
const OPERATIONS: u32 = 128;

/// After so many operations that yielded without the task being polled again, as in a task that
/// blocks in an executor of its own, some may proceed without budget.
const MOST_REFUSALS: u32 = 128;

/// How often teardown yields to threads that have a runnable, and could only leak its future.
const CANCEL_RETRIES: usize = 1_000;

#[derive(Debug)]
pub(super) struct Place {
    lane: Arc<Lane>,
    /// The number of the only thread that it may run in, for a future that is not `Send`; or
    /// [`ANY_THREAD`].
    owner: u64,
    /// The data of the task's wakers, which identifies the task; set before it runs.
    id: AtomicPtr<()>,
}

const ANY_THREAD: u64 = 0;

pub(super) type Runnable = async_task::Runnable<Place>;

/// What a thread runs: its innermost dispatch of a hub, and the task in that.
struct Running {
    /// Null where no hub is dispatched.
    hub: Cell<*const Hub>,
    /// The depth of main loops of the dispatch. Code in a nested loop is not part of it.
    depth: Cell<i32>,
    /// The data of the task's wakers, which identifies it. Null where no task runs.
    task: Cell<*const ()>,
    /// Operations that are left to the task. Code outside of a task has no limit.
    left: Cell<u32>,
    /// How many operations have yielded since some were allowed to proceed.
    refusals: Cell<u32>,
}

const NO_LIMIT: u32 = u32::MAX;

thread_local! {
    static RUNNING: Running = const {
        Running {
            hub: Cell::new(ptr::null()),
            depth: Cell::new(0),
            task: Cell::new(ptr::null()),
            left: Cell::new(NO_LIMIT),
            refusals: Cell::new(0),
        }
    };
    /// The next future that is dropped belongs to another thread, and must be leaked.
    static LEAK_NEXT_FUTURE: Cell<bool> = const { Cell::new(false) };
}

/// A dispatch that runs tasks of a hub, while it exists. Restores the outer one after that.
pub(super) struct RunGuard<'a> {
    outer: (*const Hub, i32, *const (), u32),
    _dispatch: DispatchGuard<'a>,
}

impl<'a> RunGuard<'a> {
    /// `None` while another thread dispatches the hub.
    pub(super) fn enter(hub: &'a Arc<Hub>) -> Option<Self> {
        let dispatch = DispatchGuard::begin(hub)?;
        let outer = RUNNING.with(|running| {
            (
                running.hub.replace(Arc::as_ptr(hub)),
                running.depth.replace(glib::main_depth()),
                running.task.replace(ptr::null()),
                running.left.replace(NO_LIMIT),
            )
        });
        Some(Self {
            outer,
            _dispatch: dispatch,
        })
    }
}

impl Drop for RunGuard<'_> {
    fn drop(&mut self) {
        RUNNING.with(|running| {
            running.hub.set(self.outer.0);
            running.depth.set(self.outer.1);
            running.task.set(self.outer.2);
            running.left.set(self.outer.3);
        });
    }
}

impl Running {
    #[inline]
    fn run(&self, runnable: Runnable) {
        let id = runnable.metadata().id.load(Ordering::Relaxed);
        self.task.set(id);
        self.left.set(OPERATIONS);
        runnable.run();
        self.task.set(ptr::null());
        self.left.set(NO_LIMIT);
    }
}

impl Hub {
    /// The address of the hub that this thread is dispatching, outside of nested main loops, or
    /// null.
    #[cold]
    pub(crate) fn running() -> *const Self {
        RUNNING.with(|running| match running.depth.get() == glib::main_depth() {
            true => running.hub.get(),
            // A main loop inside a task may be that of another context.
            false => ptr::null(),
        })
    }

    /// The hub of the task that runs, or of the context of the source being dispatched, or of the
    /// thread's default context.
    pub(crate) fn current() -> Arc<Self> {
        let running = Self::running();
        if running.is_null() {
            return Self::of(&running_context());
        }
        // SAFETY: a `RunGuard` of this thread borrows the `Arc` whose pointer this is.
        unsafe {
            Arc::increment_strong_count(running);
            Arc::from_raw(running)
        }
    }
}

/// As [`Hub::running`], for a future that is polled with this context: a task that is polled with
/// its own waker runs on its own hub, which is found without a call of GLib.
#[inline]
pub(crate) fn running_for(cx: &Context<'_>) -> *const Hub {
    RUNNING.with(|task| {
        let id = task.task.get();
        match ptr::eq(id, cx.waker().data()) && !id.is_null() {
            true => task.hub.get(),
            false => Hub::running(),
        }
    })
}

/// Takes one operation off the budget of the running task. When the budget is used up, the task is
/// woken again, after the others in the queue.
#[inline]
pub(crate) fn poll_budget(context: &Context<'_>) -> Poll<()> {
    RUNNING.with(|task| match task.left.get() {
        NO_LIMIT => Poll::Ready(()),
        0 => out_of_budget(task, context),
        left => {
            task.left.set(left - 1);
            Poll::Ready(())
        }
    })
}

#[cold]
fn out_of_budget(task: &Running, context: &Context<'_>) -> Poll<()> {
    if task.depth.get() != glib::main_depth() {
        return Poll::Ready(());
    }
    let refusals = task.refusals.get() + 1;
    if refusals == MOST_REFUSALS {
        task.refusals.set(0);
        task.left.set(OPERATIONS);
        return Poll::Ready(());
    }
    task.refusals.set(refusals);
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Yields to the other tasks of the context once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| match mem::replace(&mut yielded, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
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
            RUNNING.with(|running| running.run(runnable));
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
        for _ in 0..CANCEL_RETRIES {
            let alive = &self.alive;
            let wakers: Vec<_> = alive
                .lock()
                .iter()
                .map(|(_, waker)| waker.clone())
                .collect();
            // Each is pushed to the queue again by `schedule`.
            wakers.into_iter().for_each(Waker::wake);
            self.receive();
            let lanes = self.lanes.lock().clone();
            for lane in lanes {
                // SAFETY: forwarded: this thread is the dispatcher of the hub of the lane.
                unsafe { lane.take_all() }.for_each(drop_by_owner);
            }
            if alive.lock().is_empty() {
                break;
            }
            // A task that another thread has woken, and is about to push to the queue; or a new
            // one.
            thread::yield_now();
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
}

/// # Safety
///
/// `owner` must be this thread, unless the future and its result are `Send`.
unsafe fn start<F>(lane: Arc<Lane>, owner: u64, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // SAFETY: forwarded: the same future.
    unsafe {
        match size_of::<F>() < BOXED {
            true => start_sized(lane, owner, future),
            false => start_sized(lane, owner, Box::pin(future)),
        }
    }
}

/// As [`start`], for a future that `async-task` does not box.
///
/// # Safety
///
/// As for [`start`].
unsafe fn start_sized<F>(lane: Arc<Lane>, owner: u64, future: F) -> JoinHandle<F::Output>
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
            place: entry.key(),
        },
    };
    let id = AtomicPtr::default();
    let builder = Builder::new().metadata(Place { lane, owner, id });
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
    runnable.schedule();
    JoinHandle::new(task)
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
    place: usize,
}

impl Drop for AliveGuard {
    fn drop(&mut self) {
        let waker = self.hub.alive.lock().try_remove(self.place);
        drop(waker);
    }
}
