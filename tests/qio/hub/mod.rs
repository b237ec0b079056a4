//! `src/hub/`: tasks on a context, and what waits for descriptors in them.

mod contexts;
mod fork;
mod handlers;
mod leaks;
mod moves;
mod pitfalls;
mod sharing;
mod tasks;
mod turns;

use std::{
    future::{Future, poll_fn},
    sync::mpsc,
    task::Poll,
    thread,
};

use futures_util::FutureExt as _;
use glib::{ControlFlow, MainContext, MainLoop, Priority};
use qio::{JoinError, JoinHandle};

use crate::common::{PATIENCE, iterate_until};

/// Starts a task in a context that nobody else runs.
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

/// Lets everything that is ready in a context have its turn, a few times.
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

/// A thread that runs a context of its own for as long as this lives.
struct Runner {
    context: MainContext,
    main_loop: MainLoop,
    thread: Option<thread::JoinHandle<()>>,
}

impl Runner {
    fn new() -> Self {
        let context = MainContext::new();
        let main_loop = MainLoop::new(Some(&context), false);
        let (sender, started) = mpsc::channel();
        let idle = glib::idle_source_new(Some("test start"), Priority::HIGH, move || {
            let _ = sender.send(());
            ControlFlow::Break
        });
        idle.attach(Some(&context));
        let running = main_loop.clone();
        let thread = thread::spawn(move || running.run());
        started.recv_timeout(PATIENCE).expect("it runs");
        Self {
            context,
            main_loop,
            thread: Some(thread),
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.main_loop.quit();
        let ended = self.thread.take().expect("joined once").join();
        assert!(ended.is_ok() || thread::panicking(), "the loop panicked");
    }
}
