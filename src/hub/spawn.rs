//! Spawning tasks.

use std::future::Future;

use glib::Priority;

use super::{Hub, JoinHandle, running_context};

/// Spawns a future in the main context of this thread, at the default priority.
///
/// That is the context whose source is being dispatched, else the thread's default context. As
/// [`MainContext::spawn_local`](glib::MainContext::spawn_local), but all such tasks of a context
/// share one source.
///
/// Dropping the handle detaches the task. A task is dropped with its context; if that is destroyed
/// in another thread, the future is leaked, and the handle reports that it was cancelled.
///
/// # Examples
///
/// ```
/// let context = glib::MainContext::default();
/// let answer = context.block_on(async { qio::spawn_local(async { 42 }).await });
/// assert_eq!(answer.expect("no panic"), 42);
/// ```
///
/// # Panics
///
/// If this thread runs no main context, and has no default one of its own, while another thread
/// runs the global default context.
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_local_with_priority(Priority::DEFAULT, future)
}

/// Spawns a future in the main context of this thread, at a priority.
///
/// As [`spawn_local`]. I/O at a lower priority than GTK's redraw (`GDK_PRIORITY_REDRAW`, 120) does
/// not delay its frames.
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

/// Spawns a future in a given context at a priority.
///
/// This thread must own the context, or no thread.
///
/// As [`spawn_local`].
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

/// Spawns a `Send` future in the main context of this thread.
///
/// Any thread may run the context.
///
/// As [`spawn_local`].
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_with_priority(Priority::DEFAULT, future)
}

/// Spawns a `Send` future in the main context of this thread, at a priority.
///
/// As [`spawn`]. See [`spawn_local_with_priority`].
pub fn spawn_with_priority<F>(priority: Priority, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_in(&running_context(), priority, future)
}

/// Spawns a `Send` future in a given context, at a priority. Callable from any thread.
///
/// As [`spawn`].
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
