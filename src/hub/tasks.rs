//! The tasks of a hub: a run queue for futures.

use std::{
    cell::Cell,
    future::Future,
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
use glib::Priority;
use slab::Slab;

use super::{
    Hub, JoinHandle, default_context,
    join::Outcome,
    lane::{Lane, Local},
    remote::Message,
};
use crate::sync::ForkMutex;

/// Tasks that run before the hub looks at the time again, which is not free.
const BATCH: usize = 8;

/// Operations that a task may complete without a wait before others have their turn.
const OPERATIONS: u32 = 128;

/// After so many operations that had to wait for the next turn, which a task that blocks in an executor of its own
/// never gets, some may go on in this one.
const MOST_REFUSALS: u32 = 128;

/// How often a context that is torn down yields to threads that hold a task of it: they could only leak it.
const CANCEL_RETRIES: usize = 1_000;

/// Where a task runs.
#[derive(Debug)]
pub(super) struct Place {
    lane: Arc<Lane>,
    /// The only thread that it may run in, if there is one.
    owner: Option<ThreadId>,
    /// The data of the task's wakers, to be compared; set before it runs.
    id: AtomicPtr<()>,
}

pub(super) type Runnable = async_task::Runnable<Place>;

#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// To wake those that are in no queue when the context goes.
    alive: ForkMutex<Slab<Waker>>,
}

/// The task that a thread runs.
struct RunningTask {
    /// The data of its wakers, to be compared. Null where no task runs.
    id: Cell<*const ()>,
    hub: Cell<*const Hub>,
    /// Operations that are left to it. Whatever runs elsewhere has no limit.
    left: Cell<u32>,
    /// At what depth of main loops it runs: what a loop inside it runs is elsewhere.
    depth: Cell<i32>,
    /// How often operations have had to wait for the next turn, since some were allowed to go on.
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
    /// Runs a task of a hub in the place of this one.
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
    /// The next future that is dropped is not of this thread.
    static LEAK_NEXT_FUTURE: Cell<bool> = const { Cell::new(false) };
}

thread_local! {
    static ME: ThreadId = thread::current().id();
}

/// The thread that calls. Also when that is ending.
pub(crate) fn this_thread() -> ThreadId {
    ME.try_with(|me| *me)
        .unwrap_or_else(|_| thread::current().id())
}

/// As [`Hub::running`], for what is polled with this context: a task that is woken by its own waker runs on
/// its own hub, which needs no question to GLib.
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

/// Takes one operation off the budget of the task that runs. When that is used up the task is
/// woken again, after the others.
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

impl Tasks {
    pub(super) fn are_none(&self) -> bool {
        self.alive.lock().is_empty()
    }
}

impl Local<'_> {
    /// Runs what is in the queue, and what comes meanwhile, for as long as there is time after
    /// each batch.
    #[inline]
    pub(super) fn run(self, lane: &Lane, depth: i32, has_time: impl Fn() -> bool) {
        self.take_deferred();
        lane.hub.take_in();
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
                lane.hub.take_in();
            }
        }
    }
}

impl Hub {
    /// Drops all tasks, but for those that only another thread may drop.
    ///
    /// # Safety
    ///
    /// This thread must have the token of `Hub::dispatcher`.
    pub(super) unsafe fn cancel_all(&self) {
        for _ in 0..CANCEL_RETRIES {
            let alive = &self.tasks.alive;
            let wakers: Vec<_> = alive
                .lock()
                .iter()
                .map(|(_, waker)| waker.clone())
                .collect();
            // Each comes back by `schedule`.
            wakers.into_iter().for_each(Waker::wake);
            self.take_in();
            let lanes = self.lanes.lock().clone();
            for lane in lanes {
                // SAFETY: the caller's promise.
                unsafe { lane.take_all() }.for_each(drop_at_home);
            }
            if alive.lock().is_empty() {
                break;
            }
            // One that another thread has woken, and is about to put into the queue; or a new one.
            thread::yield_now();
        }
    }
}

pub(super) fn is_home(runnable: &Runnable) -> bool {
    let owner = runnable.metadata().owner;
    owner.is_none_or(|owner| owner == this_thread())
}

/// Closes a task, so that whatever awaits it goes on, and drops its future if this thread may.
pub(super) fn drop_at_home(runnable: Runnable) {
    if !is_home(&runnable) {
        glib::g_warning!(
            "Qio",
            "Leaking a task that must stay in its thread: its main context was destroyed in another one"
        );
        // A future that is not dropped has to stay where it is pinned: this keeps its memory.
        mem::forget(runnable.waker());
        LEAK_NEXT_FUTURE.set(true);
    }
    drop(runnable);
}

/// Has a task run, from any thread.
fn schedule(runnable: Runnable) {
    // The task keeps the lane, which outlives the reference.
    let lane = Arc::as_ptr(&runnable.metadata().lane);
    // SAFETY: the runnable keeps the lane, in the queue as well.
    let lane = unsafe { &*lane };
    if let Some(local) = lane.local() {
        // Before that the runnable keeps the lane, and afterwards its task may be over.
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

/// Puts a task into the queue of its lane. In the thread that dispatches the hub.
pub(super) fn push(runnable: Runnable) {
    // The task keeps the lane, which outlives the reference.
    let lane = Arc::as_ptr(&runnable.metadata().lane);
    // SAFETY: the runnable keeps the lane, in the queue as well.
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
        // SAFETY: the future may be sent.
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
        // SAFETY: the future is polled and dropped by its runnable alone. That is run by its owner
        // alone (see `run`); if it is dropped in another thread, the future is not: see
        // `drop_at_home`. What is around the future may be dropped anywhere. The future is 'static, and
        // `schedule` is a function.
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

/// The future of a task: catches its panic, and takes the task off the list at its end.
struct Task<F> {
    /// Pinned with the task. Dropped with it, but not in another thread than its own.
    future: ManuallyDrop<F>,
    _guard: AliveGuard,
}

impl<F: Future> Future for Task<F> {
    type Output = Outcome<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the future is pinned as the task is: nothing moves it out, `Drop` drops it in its
        // place or leaves it there for ever, and `Task` is `Unpin` only if the future is.
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
        // SAFETY: nobody uses it any more.
        unsafe { ManuallyDrop::drop(&mut self.future) };
    }
}

/// The place of a task in the list of those that are alive.
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

/// The context that runs, and the priority of what runs there.
pub(crate) fn running_place() -> (glib::MainContext, Priority) {
    let current = glib::main_current_source();
    let priority = current.map_or(Priority::DEFAULT, |source| source.priority().into());
    (running_context(), priority)
}

/// The context of the source that is being dispatched, or the default one.
pub(crate) fn running_context() -> glib::MainContext {
    glib::main_current_source()
        .and_then(|source| source.context())
        .unwrap_or_else(default_context)
}
