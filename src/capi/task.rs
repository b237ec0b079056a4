//! Asynchronous functions as those of GIO: a future on the hub of the caller's context, and a
//! `GTask` for its result.

use std::{
    ffi::{CStr, c_int},
    future::Future,
    io, mem, ptr,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GTask};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, gpointer};

use super::{Argument, complain, guarded, holds};
use crate::{
    Channel,
    channel::{cancellable_future, class::describe},
    hub::{Hub, default_context, running_place},
};

/// How an asynchronous function was called.
pub(super) struct Call {
    /// Identifies the function.
    pub(super) tag: usize,
    pub(super) name: &'static CStr,
    pub(super) io_priority: c_int,
    pub(super) cancellable: *mut GCancellable,
    pub(super) callback: GAsyncReadyCallback,
    pub(super) user_data: gpointer,
}

/// A reference to a `GTask` that is to be completed: owned, so that the task is alive.
struct Task(*mut GTask);

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
        // The operation has panicked, which was logged.
        let e = glib::Error::new(gio::IOErrorEnum::Failed, "The operation panicked");
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

/// Describes errors of a channel; `action` completes "Unable to …".
pub(super) fn describing(
    channel: &impl IsA<Channel>,
    action: &'static str,
) -> impl Fn(&io::Error) -> glib::Error + Send + 'static {
    let channel = channel.clone().upcast();
    move |e| describe(e, &channel, action)
}

/// Starts an operation of an object, for which `to_error` makes a `GError` of an error.
///
/// # Safety
///
/// The pointers of `call` must be arguments of an asynchronous C function, as its declaration
/// demands.
pub(super) unsafe fn start<T, F>(
    object: &impl IsA<glib::Object>,
    call: &Call,
    to_error: impl Fn(&io::Error) -> glib::Error + Send + 'static,
    future: F,
) where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    // SAFETY: forwarded: the pointers of `call` are arguments.
    let Some((task, cancellable)) = (unsafe { prepare(object.upcast_ref(), call) }) else {
        return;
    };
    spawn_for(call, run(task, cancellable, future, to_error));
}

/// What moves from the caller to the thread that runs its context.
struct Moved<T>(T);

// SAFETY: as with the asynchronous functions of GIO, the caller gives its arguments up; nothing
// uses the value before it has arrived, and nothing in the first thread afterwards.
unsafe impl<T> Send for Moved<T> {}

impl<T> Moved<T> {
    fn take(self) -> T {
        self.0
    }
}

/// As [`start`], for an operation that stays in one thread: the first that runs the context.
///
/// # Safety
///
/// As for [`start`]; and the future must have done nothing yet that binds it to this thread.
pub(super) unsafe fn start_local<T, F>(
    object: &impl IsA<glib::Object>,
    call: &Call,
    to_error: impl Fn(&io::Error) -> glib::Error + 'static,
    future: F,
) where
    T: 'static,
    F: Future<Output = io::Result<T>> + 'static,
{
    // SAFETY: forwarded: the pointers of `call` are arguments.
    let Some((task, cancellable)) = (unsafe { prepare(object.upcast_ref(), call) }) else {
        return;
    };
    let moved = Moved((future, to_error));
    spawn_for(call, async move {
        let (future, to_error) = moved.take();
        let (context, priority) = running_place();
        let future = run(task, cancellable, future, to_error);
        drop(Hub::spawn_local_in(&context, priority, future));
    });
}

/// # Safety
///
/// As for [`start`].
unsafe fn prepare(object: &glib::Object, call: &Call) -> Option<(Task, Option<gio::Cancellable>)> {
    // SAFETY: forwarded: the cancellable is NULL or an instance, which is checked, and the callback
    // takes `user_data`. The task has references of its own.
    unsafe {
        let cancellable = Option::from_c(call.cancellable, "cancellable");
        let cancellable = cancellable
            .inspect_err(|expected| complain(call.name, expected))
            .ok()?;
        let raw = gio_sys::g_task_new(
            object.as_ptr(),
            call.cancellable,
            call.callback,
            call.user_data,
        );
        gio_sys::g_task_set_source_tag(raw, ptr::without_provenance_mut(call.tag));
        gio_sys::g_task_set_priority(raw, call.io_priority);
        // Data that were read are returned, also if the operation was cancelled after that.
        gio_sys::g_task_set_check_cancellable(raw, 0);
        Some((Task(raw), cancellable))
    }
}

/// Runs a future in the caller's context, at the priority of the call.
fn spawn_for(call: &Call, future: impl Future<Output = ()> + Send + 'static) {
    // SAFETY: `Priority` has a value for every number.
    let priority = unsafe { from_glib(call.io_priority) };
    drop(Hub::spawn_in(&default_context(), priority, future));
}

async fn run<T>(
    task: Task,
    cancellable: Option<gio::Cancellable>,
    future: impl Future<Output = io::Result<T>>,
    to_error: impl Fn(&io::Error) -> glib::Error,
) {
    let result = match cancellable {
        Some(cancellable) => cancellable_future(future, cancellable).await,
        None => future.await,
    };
    task.complete(result.map_err(|e| to_error(&e)));
}

/// Takes the result of an operation, of type `T`, that the function with this tag started.
///
/// # Safety
///
/// The pointers must be arguments of a C function, as its declaration demands, and the function
/// that has the tag must have made its task with a future of a `T`.
pub(super) unsafe fn finish<T, R>(
    name: &CStr,
    ioc: gpointer,
    result: *mut GAsyncResult,
    tag: usize,
    error: *mut *mut GError,
    failed: R,
    convert: impl FnOnce(T) -> R,
) -> R {
    // SAFETY: forwarded: a task with this tag was made by `prepare` and completed by `run`, with a
    // box of a `T` or an error; a value is propagated once.
    unsafe {
        let valid = !result.is_null()
            && gio_sys::g_task_is_valid(result.cast(), ioc.cast()) != 0
            && gio_sys::g_task_get_source_tag(result.cast()).addr() == tag;
        if !holds(name, valid, "g_task_is_valid (result, ioc)") {
            return failed;
        }
        let value = gio_sys::g_task_propagate_pointer(result.cast(), error).cast::<T>();
        if value.is_null() {
            return failed;
        }
        let value = *Box::from_raw(value);
        guarded(name, error, failed, || convert(value))
    }
}
