//! Asynchronous functions in the manner of GIO: a future on the hub of the caller's context, and a
//! `GTask` that its result goes to.

use std::{
    ffi::{CStr, c_int},
    future::Future,
    io, mem, ptr,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GTask};
use glib::translate::*;
use glib_sys::{GError, gboolean, gpointer};
use gobject_sys::GObject;

use super::{complain, guarded, holds, is_a, some};
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

/// A reference to a `GTask` that is to be completed.
struct Task(*mut GTask);

// SAFETY: a GTask may be completed, and let go of, in any thread.
unsafe impl Send for Task {}

impl Task {
    fn complete<T>(self, result: Result<T, glib::Error>) {
        let raw = self.0;
        mem::forget(self);
        // SAFETY: the task is alive, and is completed once: it was not dropped. It takes over the
        // box, or the error; the reference is ours.
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
        // SAFETY: the task was not completed; the reference is ours.
        unsafe {
            gio_sys::g_task_return_error(self.0, e.into_glib_ptr());
            gobject_sys::g_object_unref(self.0.cast());
        }
    }
}

unsafe extern "C" fn free<T>(value: gpointer) {
    // SAFETY: the box that `complete` gave away, once.
    drop(unsafe { Box::from_raw(value.cast::<T>()) });
}

/// Starts an operation of a channel. `action` completes "Unable to …" in its errors.
///
/// # Safety
///
/// As for the functions of this module.
pub(super) unsafe fn start<T, F>(
    ioc: *mut crate::ffi::QIOChannel,
    call: Call,
    action: &'static str,
    operation: impl FnOnce(Channel) -> F,
) where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    // SAFETY: the caller's promise.
    unsafe {
        of_channel(ioc, &call, |channel| {
            let future = operation(channel.clone());
            let to_error = move |e: &io::Error| describe(e, &channel, action);
            start_anywhere(ioc.cast(), &call, future, to_error);
        });
    }
}

/// As [`start`], for an operation that stays in one thread: the first that runs the context.
///
/// # Safety
///
/// As for [`start_local_of`].
pub(super) unsafe fn start_local<T, F>(
    ioc: *mut crate::ffi::QIOChannel,
    call: Call,
    action: &'static str,
    operation: impl FnOnce(Channel) -> F,
) where
    T: 'static,
    F: Future<Output = io::Result<T>> + 'static,
{
    // SAFETY: the caller's promise.
    unsafe {
        of_channel(ioc, &call, |channel| {
            let future = operation(channel.clone());
            let to_error = move |e: &io::Error| describe(e, &channel, action);
            start_local_of(ioc.cast(), &call, future, to_error);
        });
    }
}

/// # Safety
///
/// As for the functions of this module.
unsafe fn of_channel(ioc: *mut crate::ffi::QIOChannel, call: &Call, start: impl FnOnce(Channel)) {
    // SAFETY: the caller's promise; there is no place for an error.
    unsafe {
        if !is_a::<Channel>(ioc.cast()) {
            return complain(call.name, c"QIO_IS_CHANNEL (ioc)");
        }
        guarded(call.name, ptr::null_mut(), (), || {
            start(from_glib_none(ioc));
        });
    }
}

/// Starts an operation of any object, for which `to_error` makes a `GError` of an error.
///
/// # Safety
///
/// As for the functions of this module; `object` must be one.
pub(super) unsafe fn start_anywhere<T, F>(
    object: *mut GObject,
    call: &Call,
    future: F,
    to_error: impl Fn(&io::Error) -> glib::Error + Send + 'static,
) where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    // SAFETY: the caller's promise.
    let Some((task, cancellable)) = (unsafe { prepare(object, call) }) else {
        return;
    };
    spawn_for(call, run(task, cancellable, future, to_error));
}

/// What moves from the caller to the thread that runs its context.
struct Moved<T>(T);

// SAFETY: as with the asynchronous functions of GIO, the caller gives its arguments up; nothing
// uses what is in here before it has arrived, and nothing in the first thread afterwards.
unsafe impl<T> Send for Moved<T> {}

impl<T> Moved<T> {
    fn take(self) -> T {
        self.0
    }
}

/// As [`start_anywhere`], for an operation that stays in one thread: the first that runs the
/// context.
///
/// # Safety
///
/// As for [`start_anywhere`]; and the future must have done nothing yet that binds it to this
/// thread.
pub(super) unsafe fn start_local_of<T, F>(
    object: *mut GObject,
    call: &Call,
    future: F,
    to_error: impl Fn(&io::Error) -> glib::Error + 'static,
) where
    T: 'static,
    F: Future<Output = io::Result<T>> + 'static,
{
    // SAFETY: the caller's promise.
    let Some((task, cancellable)) = (unsafe { prepare(object, call) }) else {
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
/// As for the functions of this module; `object` must be one.
unsafe fn prepare(object: *mut GObject, call: &Call) -> Option<(Task, Option<gio::Cancellable>)> {
    // SAFETY: the caller's promise; the task takes references.
    unsafe {
        let cancellable = some(call.name, call.cancellable).ok()?;
        let raw = gio_sys::g_task_new(object, call.cancellable, call.callback, call.user_data);
        gio_sys::g_task_set_source_tag(raw, ptr::without_provenance_mut(call.tag));
        gio_sys::g_task_set_priority(raw, call.io_priority);
        // What has been read is returned, also if it was cancelled after that.
        gio_sys::g_task_set_check_cancellable(raw, 0);
        Some((Task(raw), cancellable))
    }
}

/// Runs a future in the caller's context, at the priority of the call.
fn spawn_for(call: &Call, future: impl Future<Output = ()> + Send + 'static) {
    // SAFETY: every number is a priority.
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
/// As for the functions of this module; the function that has the tag must have a result of type
/// `T`.
pub(super) unsafe fn finish<T, R>(
    name: &CStr,
    ioc: gpointer,
    result: *mut GAsyncResult,
    tag: usize,
    error: *mut *mut GError,
    failed: R,
    convert: impl FnOnce(T) -> R,
) -> R {
    // SAFETY: a valid task with this tag was completed by `start`, with a boxed `T` or an error.
    unsafe {
        let valid = !result.is_null()
            && gio_sys::g_task_is_valid(result.cast(), ioc.cast()) != 0
            && gio_sys::g_task_get_source_tag(result.cast()).addr() == tag;
        if !holds(name, valid, c"g_task_is_valid (result, ioc)") {
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

/// As [`finish`], for an operation without a result.
///
/// # Safety
///
/// As for [`finish`].
pub(super) unsafe fn finish_success(
    name: &CStr,
    ioc: gpointer,
    result: *mut GAsyncResult,
    tag: usize,
    error: *mut *mut GError,
) -> gboolean {
    // SAFETY: the caller's promise.
    unsafe { finish(name, ioc, result, tag, error, false, |()| true) }.into_glib()
}
