//! The tasks of a hub: a run queue for futures.

use std::{
    cell::Cell,
    future::Future,
    io,
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
};

use async_task::{Builder, Runnable};
use glib::Priority;
use slab::Slab;

use super::{
    Hub, JoinHandle, default_context,
    join::Outcome,
    queue::{Queue, Served},
};
use crate::sys::lock;

/// Tasks that run before the hub looks at the time again, which is not free.
const BATCH: usize = 8;

/// Operations that a task may complete without a wait before others have their turn.
const OPERATIONS: u32 = 128;

/// How often a context that goes gives way to threads that have a task of it in their hands: they
/// could only leak it.
const STRAGGLERS: usize = 1_000;

/// The only thread that a task may run in, if there is one.
pub(super) type Home = Option<ThreadId>;

#[derive(Debug, Default)]
pub(super) struct Tasks {
    pub(super) queue: Queue,
    /// To wake those that are not in the queue when the context goes.
    alive: Mutex<Slab<Waker>>,
    /// The context has moved to another thread than theirs.
    stranded: Mutex<Vec<Runnable<Home>>>,
    some_are_stranded: AtomicBool,
}

thread_local! {
    /// Operations left to the task that runs. Whatever runs elsewhere has no limit.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    /// At what depth of main loops that task runs: what a loop inside it runs is elsewhere.
    static DEPTH: Cell<i32> = const { Cell::new(0) };
}

thread_local! {
    /// Says to the next future that is to be dropped that this is not its thread.
    static AWAY: Cell<bool> = const { Cell::new(false) };
}

thread_local! {
    static ME: ThreadId = thread::current().id();
}

/// The thread that calls. Also when that is ending.
pub(super) fn this_thread() -> ThreadId {
    ME.try_with(|me| *me)
        .unwrap_or_else(|_| thread::current().id())
}

/// Takes one operation off the budget of the task that runs. When that is used up the task is
/// woken again, after the others.
pub(crate) fn poll_budget(context: &Context<'_>) -> Poll<()> {
    match LEFT.get() {
        Some(0) if DEPTH.get() == glib::main_depth() => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        left => {
            LEFT.set(left.map(|left| left.saturating_sub(1)));
            Poll::Ready(())
        }
    }
}

impl Tasks {
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.some_can_go_on()
    }

    /// Whether this is the thread of tasks that were left to it by another one.
    fn some_can_go_on(&self) -> bool {
        self.some_are_stranded.load(Ordering::Relaxed) && lock(&self.stranded).iter().any(is_home)
    }

    /// Runs what is in the queue, and what comes meanwhile, for as long as there is time after
    /// each batch.
    pub(super) fn run(&self, served: Served<'_>, has_time: impl Fn() -> bool) {
        if self.some_are_stranded.load(Ordering::Relaxed) {
            let stranded = mem::take(&mut *lock(&self.stranded));
            let (home, away): (Vec<_>, Vec<_>) = stranded.into_iter().partition(is_home);
            self.some_are_stranded
                .store(!away.is_empty(), Ordering::Relaxed);
            *lock(&self.stranded) = away;
            home.into_iter().for_each(|runnable| served.push(runnable));
        }
        served.take_in();
        let depth = glib::main_depth();
        let mut ran = 0;
        while let Some(runnable) = served.pop() {
            if !is_home(&runnable) {
                self.strand(runnable);
                continue;
            }
            let outer = (LEFT.replace(Some(OPERATIONS)), DEPTH.replace(depth));
            runnable.run();
            LEFT.set(outer.0);
            DEPTH.set(outer.1);
            ran += 1;
            if ran % BATCH == 0 {
                if !has_time() {
                    return;
                }
                served.take_in();
            }
        }
    }

    fn strand(&self, runnable: Runnable<Home>) {
        glib::g_warning!(
            "Qio",
            "A task that must stay in its thread waits until that thread runs the context again"
        );
        lock(&self.stranded).push(runnable);
        self.some_are_stranded.store(true, Ordering::Relaxed);
    }

    /// Drops all tasks, but for those that only another thread may drop.
    ///
    /// # Safety
    ///
    /// Nobody may be dispatching the hub, now or later.
    pub(super) unsafe fn cancel_all(&self) {
        for _ in 0..STRAGGLERS {
            let alive: Vec<_> = lock(&self.alive)
                .iter()
                .map(|(_, waker)| waker.clone())
                .collect();
            // Each comes back by `schedule`.
            alive.into_iter().for_each(Waker::wake);
            // SAFETY: the caller's promise.
            let queued = unsafe { self.queue.take_all() };
            let stranded = mem::take(&mut *lock(&self.stranded));
            queued.into_iter().chain(stranded).for_each(drop_at_home);
            if lock(&self.alive).is_empty() {
                break;
            }
            // One that another thread has woken, and is about to put into the queue; or a new one.
            thread::yield_now();
        }
        self.queue.close();
        // SAFETY: as above.
        let late = unsafe { self.queue.take_all() };
        late.into_iter().for_each(drop_at_home);
    }
}

fn is_home(runnable: &Runnable<Home>) -> bool {
    runnable.metadata().is_none_or(|home| home == this_thread())
}

/// Closes a task, so that whoever awaits it is told, and drops its future if this thread may.
fn drop_at_home(runnable: Runnable<Home>) {
    if !is_home(&runnable) {
        glib::g_warning!(
            "Qio",
            "A task is leaked: its context went in another thread than its own"
        );
        // A future that is not dropped has to stay where it is pinned: this keeps its memory.
        mem::forget(runnable.waker());
        AWAY.set(true);
    }
    drop(runnable);
}

impl Hub {
    fn schedule(&self, runnable: Runnable<Home>) {
        if let Some(served) = self.served() {
            return served.push(runnable);
        }
        match self.tasks.queue.push(runnable) {
            Ok(()) => self.nudge(),
            Err(runnable) => drop_at_home(runnable),
        }
    }

    fn task<F: Future>(self: &Arc<Self>, place: usize, future: F) -> Task<F> {
        let entry = Entry {
            hub: self.clone(),
            place,
        };
        Task {
            future: ManuallyDrop::new(future),
            _entry: entry,
        }
    }

    pub(crate) fn spawn_local<F>(self: &Arc<Self>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: the home is this thread.
        unsafe { self.start(Some(this_thread()), future) }
    }

    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: the future may be sent.
        unsafe { self.start(None, future) }
    }

    /// # Safety
    ///
    /// `home` must be this thread, unless the future and its result are `Send`.
    unsafe fn start<F>(self: &Arc<Self>, home: Home, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let hub = self.clone();
        let mut alive = lock(&self.tasks.alive);
        let entry = alive.vacant_entry();
        let future = self.task(entry.key(), future);
        let builder = Builder::new().metadata(home);
        let schedule = move |runnable| hub.schedule(runnable);
        // SAFETY: the future is polled and dropped by its runnable alone. That is run at home
        // alone (see `run`); if it is dropped in another thread, the future is not: see
        // `drop_at_home`. What is around the future may be dropped anywhere. The future and
        // `schedule` are 'static, and `schedule` may be called and dropped anywhere.
        let (runnable, task) = unsafe { builder.spawn_unchecked(|_| future, schedule) };
        entry.insert(runnable.waker());
        drop(alive);
        runnable.schedule();
        JoinHandle::new(task)
    }
}

/// The future of a task: catches its panic, and takes the task off the list at its end.
struct Task<F> {
    /// Pinned with the task. Dropped with it, but not in another thread than its own.
    future: ManuallyDrop<F>,
    _entry: Entry,
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
        if AWAY.replace(false) {
            return;
        }
        // SAFETY: nobody uses it any more.
        unsafe { ManuallyDrop::drop(&mut self.future) };
    }
}

/// The place of a task in the list of those that are alive.
struct Entry {
    hub: Arc<Hub>,
    place: usize,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let waker = lock(&self.hub.tasks.alive).try_remove(self.place);
        drop(waker);
    }
}

fn hub(context: &glib::MainContext, priority: Priority) -> Arc<Hub> {
    let hub: io::Result<_> = Hub::of(context, priority);
    hub.unwrap_or_else(|e| panic!("Unable to watch descriptors in a main context: {e}"))
}

/// Runs a future in the main context of this thread (what is running there now, else its
/// default context), at the default priority: as
/// [`MainContext::spawn_local`](glib::MainContext::spawn_local) does, but all such tasks of a
/// context share one source, however many they are.
///
/// Dropping the handle leaves the task alone. When the context is dropped, so is the task; if that
/// happens in another thread, the future is leaked, and the handle says that it was cancelled.
///
/// # Panics
///
/// When the system has no descriptor left for the context's epoll instance, which is made once.
///
/// # Examples
///
/// ```
/// let context = glib::MainContext::default();
/// let answer = context.block_on(async { qio::spawn_local(async { 42 }).await });
/// assert_eq!(answer.expect("no panic"), 42);
/// ```
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_local_with_priority(Priority::DEFAULT, future)
}

/// As [`spawn_local`], at a priority. I/O at a lower priority than GTK's redraw
/// (`GDK_PRIORITY_REDRAW`, 120) leaves it its frames.
///
/// # Panics
///
/// As [`spawn_local`].
pub fn spawn_local_with_priority<F>(priority: Priority, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_local_in(&running_context(), priority, future)
}

/// As [`spawn_local`], in a given context, which must be this thread's, or nobody's yet.
///
/// # Panics
///
/// As [`spawn_local`], and if another thread owns the context.
pub fn spawn_local_in<F>(
    context: &glib::MainContext,
    priority: Priority,
    future: F,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let _owned = context
        .acquire()
        .expect("the main context must belong to this thread, or to none yet");
    hub(context, priority).spawn_local(future)
}

/// As [`spawn_local`], for a future that may run in another thread: that which runs the default
/// context of this one.
///
/// # Panics
///
/// As [`spawn_local`].
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_with_priority(Priority::DEFAULT, future)
}

/// As [`spawn`], at a priority. See [`spawn_local_with_priority`].
///
/// # Panics
///
/// As [`spawn_local`].
pub fn spawn_with_priority<F>(priority: Priority, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_in(&running_context(), priority, future)
}

/// As [`spawn`], in a given context, from any thread.
///
/// # Panics
///
/// As [`spawn_local`].
pub fn spawn_in<F>(
    context: &glib::MainContext,
    priority: Priority,
    future: F,
) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    hub(context, priority).spawn(future)
}

/// The context of the source that is being dispatched, or the default one.
pub(crate) fn running_context() -> glib::MainContext {
    glib::main_current_source()
        .and_then(|source| source.context())
        .unwrap_or_else(default_context)
}
