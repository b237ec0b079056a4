//! Starting tasks.

use std::future::Future;

use glib::Priority;

use super::{Hub, JoinHandle, running_context};

/// Runs a future in the main context of this thread (what is running there now, else its
/// default context), at the default priority: as
/// [`MainContext::spawn_local`](glib::MainContext::spawn_local) does, but all such tasks of a
/// context share one source, however many they are.
///
/// Dropping the handle leaves the task alone. When the context is dropped, so is the task; if that
/// happens in another thread, the future is leaked, and the handle says that it was cancelled.
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
/// If another thread owns the context.
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
    Hub::spawn_local_in(context, priority, future)
}

/// As [`spawn_local`], for a future that may run in another thread: that which runs the default
/// context of this one.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_with_priority(Priority::DEFAULT, future)
}

/// As [`spawn`], at a priority. See [`spawn_local_with_priority`].
pub fn spawn_with_priority<F>(priority: Priority, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_in(&running_context(), priority, future)
}

/// As [`spawn`], in a given context, from any thread.
pub fn spawn_in<F>(
    context: &glib::MainContext,
    priority: Priority,
    future: F,
) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Hub::spawn_in(context, priority, future)
}
