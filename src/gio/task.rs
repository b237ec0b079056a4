//! The `GTask` of an asynchronous function: a future on the hub of the caller's context completes
//! it.
#![allow(unsafe_code)]

use std::{ffi::c_int, future::Future, io, mem, ptr, thread};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GTask};
use glib::translate::*;
use glib_sys::{GError, gpointer};
use gobject_sys::GObject;

use crate::{
    channel::cancellable_future,
    coroutine,
    hub::{Hub, default_context},
};

/// How an asynchronous function was called.
pub(crate) struct Call {
    /// Identifies the function.
    pub(crate) tag: usize,
    pub(crate) io_priority: c_int,
    /// NULL, or a live cancellable.
    pub(crate) cancellable: *mut GCancellable,
    pub(crate) callback: GAsyncReadyCallback,
    pub(crate) user_data: gpointer,
}

impl Call {
    /// # Safety
    ///
    /// The cancellable must be NULL or live.
    pub(crate) unsafe fn cancellable(&self) -> Option<gio::Cancellable> {
        // SAFETY: the caller's promise.
        unsafe { from_glib_none(self.cancellable) }
    }

    /// The same call without its cancellable.
    pub(crate) fn uncancellable(self) -> Self {
        let cancellable = ptr::null_mut();
        Self {
            cancellable,
            ..self
        }
    }
}

/// A reference to a `GTask` that is to be completed: owned, so that the task is alive.
pub(crate) struct Task(*mut GTask);

// SAFETY: a GTask may be completed, and its last reference released, in any thread.
unsafe impl Send for Task {}

impl Task {
    fn complete<T>(self, result: Result<T, glib::Error>) {
        let raw = self.0;
        mem::forget(self);
        // SAFETY: `self` owns a reference, and this consumes it without a drop: the task is
        // completed once. It owns the box, or the error.
        unsafe {
            match result {
                Ok(value) => {
                    let value = Box::into_raw(Box::new(value)).cast();
                    gio_sys::g_task_return_pointer(raw, value, Some(free::<T>));
                }
                Err(e) => gio_sys::g_task_return_error(raw, e.into_glib_ptr()),
            }
            gobject_sys::g_object_unref(raw.cast());
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let e = match thread::panicking() {
            // This was logged.
            true => glib::Error::new(gio::IOErrorEnum::Failed, "The operation panicked"),
            false => glib::Error::new(
                gio::IOErrorEnum::Cancelled,
                "The operation was dropped: its main context is being destroyed",
            ),
        };
        // SAFETY: `self` owns a reference, and was not consumed by `complete`: this completes the
        // task once.
        unsafe {
            gio_sys::g_task_return_error(self.0, e.into_glib_ptr());
            gobject_sys::g_object_unref(self.0.cast());
        }
    }
}

unsafe extern "C" fn free<T>(value: gpointer) {
    // SAFETY: `complete` has given this function to the task with a box of a `T`; GTask calls it at
    // most once, and not if the value was propagated.
    drop(unsafe { Box::from_raw(value.cast::<T>()) });
}

/// Starts an operation of an object, for which `to_error` makes a `GError` of an error. The first
/// attempt is made at once, in this thread, if this thread runs the caller's context; the rest runs
/// in whatever thread does, at the priority of the call.
///
/// In a coroutine all of it is left to the main loop: a class that waits in an attempt would
/// suspend the coroutine, and with it the dispatch and the task on its stack.
///
/// # Safety
///
/// `object` must be a live object, and the pointers of `call` as its fields demand.
pub(crate) unsafe fn start<T, F>(
    object: *mut GObject,
    call: &Call,
    future: F,
    to_error: impl Fn(&io::Error) -> glib::Error + Send + 'static,
) where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    // SAFETY: the caller's promise.
    let (task, cancellable) = unsafe { prepare(object, call) };
    let future = run(task, cancellable, future, to_error);
    let (context, priority) = (default_context(), priority(call));
    drop(match coroutine::in_coroutine() {
        true => Hub::spawn_in(&context, priority, future),
        false => Hub::spawn_polled_in(&context, priority, future),
    });
}

/// Creates the task of a call.
///
/// # Safety
///
/// As for [`start`].
pub(crate) unsafe fn prepare(
    object: *mut GObject,
    call: &Call,
) -> (Task, Option<gio::Cancellable>) {
    // SAFETY: the caller's promise; the task takes references.
    unsafe {
        let raw = gio_sys::g_task_new(object, call.cancellable, call.callback, call.user_data);
        gio_sys::g_task_set_source_tag(raw, ptr::without_provenance_mut(call.tag));
        gio_sys::g_task_set_priority(raw, call.io_priority);
        // Data that were read are returned, also if the operation was cancelled after that.
        gio_sys::g_task_set_check_cancellable(raw, 0);
        (Task(raw), from_glib_none(call.cancellable))
    }
}

/// Runs a future in the caller's context, at the priority of the call.
#[cfg(feature = "capi")]
pub(crate) fn spawn_for(call: &Call, future: impl Future<Output = ()> + Send + 'static) {
    drop(Hub::spawn_in(&default_context(), priority(call), future));
}

fn priority(call: &Call) -> glib::Priority {
    // SAFETY: `Priority` has a value for every number.
    unsafe { from_glib(call.io_priority) }
}

/// Runs an operation, and completes its task.
pub(crate) async fn run<T>(
    task: Task,
    cancellable: Option<gio::Cancellable>,
    future: impl Future<Output = io::Result<T>>,
    to_error: impl Fn(&io::Error) -> glib::Error,
) {
    let result = until_cancelled(future, cancellable).await;
    task.complete(result.map_err(|e| to_error(&e)));
}

/// The result of a future, or that it was cancelled.
pub(super) async fn until_cancelled<T>(
    future: impl Future<Output = io::Result<T>>,
    cancellable: Option<gio::Cancellable>,
) -> io::Result<T> {
    match cancellable {
        Some(cancellable) => cancellable_future(future, cancellable).await,
        None => future.await,
    }
}

/// Whether `result` is that of an operation of `object`, which the function with this tag started.
///
/// # Safety
///
/// `result` must be NULL or a live object.
pub(crate) unsafe fn is_valid(object: gpointer, result: *mut GAsyncResult, tag: usize) -> bool {
    // SAFETY: the caller's promise; `g_task_is_valid` checks the type.
    unsafe {
        !result.is_null()
            && gio_sys::g_task_is_valid(result.cast(), object.cast()) != 0
            && gio_sys::g_task_get_source_tag(result.cast()).addr() == tag
    }
}

/// Takes the result of an operation; `None` after an error, which is stored in `error`.
///
/// # Safety
///
/// [`is_valid`] must have returned `true` for `result`, and `T` must be the result of the
/// operation; `error` must be NULL or the address of a `GError *` that is not set.
pub(crate) unsafe fn finish<T>(result: *mut GAsyncResult, error: *mut *mut GError) -> Option<T> {
    // SAFETY: a valid task was completed by `Task::complete`, with a boxed `T` or an error.
    unsafe {
        let value = gio_sys::g_task_propagate_pointer(result.cast(), error).cast::<T>();
        (!value.is_null()).then(|| *Box::from_raw(value))
    }
}
