//! `src/hub/`: tasks on a context, and what waits for descriptors in them.

mod concurrent_waiters;
mod contexts;
mod descriptors;
mod foreign_handlers;
mod fork;
pub(crate) mod fork_with_threads;
mod handlers;
mod leaks;
mod moves;
mod nested;
mod pitfalls;
mod sharing;
mod shortage;
mod tasks;
mod teardown;
mod triggers;
mod turns;

use std::{
    future::{Future, poll_fn},
    sync::mpsc,
    task::Poll,
    thread,
};

use futures_util::FutureExt as _;
use glib::{ControlFlow, MainContext, Priority};
use qio::{JoinError, JoinHandle};

use crate::common::{TIMEOUT, iterate_until, runner::Runner};

/// Starts a task in a context that no other thread runs.
fn start<T: 'static>(
    context: &MainContext,
    future: impl Future<Output = T> + 'static,
) -> JoinHandle<T> {
    qio::spawn_local_in(context, Priority::DEFAULT, future)
}

/// Runs a context until a task has ended, or panics if that takes too long.
#[track_caller]
fn join<T>(context: &MainContext, handle: JoinHandle<T>) -> Result<T, JoinError> {
    iterate_until(context, || handle.is_finished());
    handle.now_or_never().expect("it has ended")
}

/// Runs a future as a task of a context; panics with it, and if it takes too long.
#[track_caller]
fn run<T: 'static>(context: &MainContext, future: impl Future<Output = T> + 'static) -> T {
    join(context, start(context, future)).unwrap_or_else(|e| e.resume_panic())
}

/// Dispatches everything that is ready in a context, a few times.
fn settle(context: &MainContext) {
    for _ in 0..20 {
        context.iteration(false);
    }
}

/// Gives the other tasks a turn.
async fn pass() {
    let mut passed = false;
    poll_fn(|cx| match std::mem::replace(&mut passed, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}
