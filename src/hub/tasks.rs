//! The tasks of a hub: a run queue for futures.

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
    thread::{self, ThreadId},
};

use async_task::Builder;
use slab::Slab;

use super::{
    Hub, JoinHandle,
    join::Outcome,
    lane::{Lane, Local},
    remote::Message,
};
use crate::sync::ForkMutex;

/// Tasks that run between two checks of the clock, which cost time.
const BATCH: usize = 8;

/// Operations that a task may complete without a wait before it yields.
const OPERATIONS: u32 = 128;

/// After so many operations that yielded without the task being polled again, as in a task that
/// blocks in an executor of its own, some may proceed without budget.
const MOST_REFUSALS: u32 = 128;

/// How often a context that is torn down yields to threads that hold a runnable of it: those could
/// only leak the task.
const CANCEL_RETRIES: usize = 1_000;

/// Where a task runs.
#[derive(Debug)]
pub(super) struct Place {
    lane: Arc<Lane>,
    /// The only thread that it may run in, for a future that is not `Send`.
    owner: Option<ThreadId>,
    /// The data of the task's wakers, which identifies the task; set before it runs.
    id: AtomicPtr<()>,
}

pub(super) type Runnable = async_task::Runnable<Place>;

#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// To wake those that are in no queue when the context is destroyed.
    alive: ForkMutex<Slab<Waker>>,
}

/// The task that a thread runs.
struct RunningTask {
    /// The data of its wakers, which identifies it. Null where no task runs.
    id: Cell<*const ()>,
    hub: Cell<*const Hub>,
    /// Operations that are left to it. Code outside of a task has no limit.
    left: Cell<u32>,
    /// The depth of main loops at which it runs. Code in a nested loop is not part of the task.
    depth: Cell<i32>,
    /// How many operations have yielded since some were allowed to proceed.
    refusals: Cell<u32>,
}

const NO_LIMIT: u32 = u32::MAX;

thread_local! {
    static RUNNING: RunningTask = const {
        RunningTask {
            id: Cell::new(ptr::null()),
            hub: Cell::new(ptr::null()),
            left: Cell::new(NO_LIMIT),
            depth: Cell::new(0),
            refusals: Cell::new(0),
        }
    };
}

impl RunningTask {
    /// Runs a task of a hub. Restores the outer one after that.
    #[inline]
    fn run(&self, runnable: Runnable, hub: &Hub, depth: i32) {
        let id = runnable.metadata().id.load(Ordering::Relaxed).cast_const();
        let outer = (
            self.id.replace(id),
            self.hub.replace(hub),
            self.left.replace(OPERATIONS),
            self.depth.replace(depth),
        );
        runnable.run();
        self.id.set(outer.0);
        self.hub.set(outer.1);
        self.left.set(outer.2);
        self.depth.set(outer.3);
    }
}

thread_local! {
    /// The next future that is dropped belongs to another thread, and must be leaked.
    static LEAK_NEXT_FUTURE: Cell<bool> = const { Cell::new(false) };
}

thread_local! {
    static ME: ThreadId = thread::current().id();
}

/// The id of the calling thread. Works also while that thread is terminating.
pub(crate) fn this_thread() -> ThreadId {
    ME.try_with(|me| *me)
        .unwrap_or_else(|_| thread::current().id())
}

/// As [`Hub::running`], for a future that is polled with this context: a task that is polled with
/// its own waker runs on its own hub, which is found without a call of GLib.
#[inline]
pub(crate) fn running_for(cx: &Context<'_>) -> *const Hub {
    RUNNING.with(|task| {
        let id = task.id.get();
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
fn out_of_budget(task: &RunningTask, context: &Context<'_>) -> Poll<()> {
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

impl Tasks {
    pub(super) fn are_none(&self) -> bool {
        self.alive.lock().is_empty()
    }
}

impl Local<'_> {
    /// Runs the tasks in the queue, and those that are added meanwhile, while `has_time` returns
    /// `true` after each batch.
    #[inline]
    pub(super) fn run(self, lane: &Lane, depth: i32, has_time: impl Fn() -> bool) {
        self.take_deferred();
        lane.hub.receive();
        let mut ran = 0;
        while let Some(runnable) = self.pop() {
            if !is_home(&runnable) {
                lane.defer_to_owner(runnable);
                continue;
            }
            RUNNING.with(|running| running.run(runnable, &lane.hub, depth));
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
            let alive = &self.tasks.alive;
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
                // SAFETY: forwarded: the hub of the lane is not dispatched, now or later.
                unsafe { lane.take_all() }.for_each(drop_at_home);
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

pub(super) fn is_home(runnable: &Runnable) -> bool {
    let owner = runnable.metadata().owner;
    owner.is_none_or(|owner| owner == this_thread())
}

/// Closes a task, so that its join handle completes, and drops its future if this thread may.
pub(super) fn drop_at_home(runnable: Runnable) {
    if !is_home(&runnable) {
        glib::g_warning!(
            "Qio",
            "Leaking a !Send task: its main context was destroyed in another thread"
        );
        // A pinned future that is not dropped must keep its memory: this leaks it.
        mem::forget(runnable.waker());
        LEAK_NEXT_FUTURE.set(true);
    }
    drop(runnable);
}

/// Queues a task to be run. Callable from any thread.
fn schedule(runnable: Runnable) {
    // The task owns a reference to the lane, which outlives the borrow of `runnable`.
    let lane = Arc::as_ptr(&runnable.metadata().lane);
    // SAFETY: the metadata of the runnable holds a reference to the lane, also in the queue.
    let lane = unsafe { &*lane };
    if let Some(local) = lane.local() {
        // Before this the runnable owns a reference to the lane; afterwards its task may have
        // ended.
        let prepared = lane.hub.is_prepared().then(|| lane.hub.clone());
        local.push(runnable);
        if let Some(hub) = prepared {
            hub.notify();
        }
        return;
    }
    let hub = lane.hub.clone();
    if let Err(Message::Run(runnable)) = hub.send(Message::Run(runnable)) {
        drop_at_home(runnable);
    }
}

/// Pushes a task to the queue of its lane. Must be called in the thread that dispatches the hub.
pub(super) fn push(runnable: Runnable) {
    // The task owns a reference to the lane, which outlives the borrow of `runnable`.
    let lane = Arc::as_ptr(&runnable.metadata().lane);
    // SAFETY: the metadata of the runnable holds a reference to the lane, also in the queue.
    let local = unsafe { (*lane).local() };
    local.expect("the hub is dispatched here").push(runnable);
}

impl Lane {
    pub(super) fn spawn_local<F>(self: &Arc<Self>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: the owner is this thread.
        unsafe { self.start(Some(this_thread()), future) }
    }

    pub(super) fn spawn<F>(self: &Arc<Self>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: the bounds of this function require the future and its result to be `Send`.
        unsafe { self.start(None, future) }
    }

    /// # Safety
    ///
    /// `owner` must be this thread, unless the future and its result are `Send`.
    unsafe fn start<F>(
        self: &Arc<Self>,
        owner: Option<ThreadId>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let mut alive = self.hub.tasks.alive.lock();
        let entry = alive.vacant_entry();
        let future = Task {
            future: ManuallyDrop::new(future),
            _guard: AliveGuard {
                hub: self.hub.clone(),
                place: entry.key(),
            },
        };
        let lane = self.clone();
        let id = AtomicPtr::default();
        let builder = Builder::new().metadata(Place { lane, owner, id });
        // SAFETY: the future is polled and dropped by its runnable alone. `Local::run` runs that
        // only in its owner's thread; if the runnable is dropped in another thread, `drop_at_home`
        // has the future leaked. The other fields of `Task` may be dropped in any thread. The
        // future is 'static, and `schedule` is a function.
        let (runnable, task) = unsafe { builder.spawn_unchecked(|_| future, schedule) };
        let waker = runnable.waker();
        let id = waker.data().cast_mut();
        runnable.metadata().id.store(id, Ordering::Relaxed);
        entry.insert(waker);
        drop(alive);
        runnable.schedule();
        JoinHandle::new(task)
    }
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
        let waker = self.hub.tasks.alive.lock().try_remove(self.place);
        drop(waker);
    }
}
