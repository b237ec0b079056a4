//! What a thread runs: the hub that it dispatches, the task in that, and the budget of the task.

use std::{
    cell::Cell,
    future::poll_fn,
    mem, ptr,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Hub, dispatcher::DispatchGuard, running_context, tasks::Runnable};

/// Operations that a task may complete without a wait before it yields.
const OPERATIONS: u32 = 128;

/// After so many operations in a row that a task without budget attempted in one poll, as one that
/// blocks in an executor of its own does, it gets a new budget: each only yields until then.
const MOST_REFUSALS: u32 = 128;

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

/// Runs a task, inside of a [`RunGuard`] of its hub.
#[inline]
pub(super) fn run(runnable: Runnable) {
    RUNNING.with(|running| {
        running.task.set(runnable.metadata().id());
        running.left.set(OPERATIONS);
        runnable.run();
        running.task.set(ptr::null());
        running.left.set(NO_LIMIT);
    });
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
