//! Asynchronous functions in the manner of GIO: a future on the hub of the caller's context, and a
//! `GTask` that its result goes to.

use std::{
    ffi::{CStr, c_int},
    future::Future,
    io, mem, ptr,
    sync::Arc,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GTask};
use glib::translate::*;
use glib_sys::{GError, gboolean, gpointer};
use gobject_sys::GObject;

use super::{complain, guarded, holds, is_a};
use crate::{
    Channel,
    channel::{cancellable_future, class::describe},
    hub::{Hub, default_context},
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
        // SAFETY: the task is alive, and is completed once: it was not dropped. It takes over the box, or
        // the error; the reference is ours.
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
        // The operation has panicked, which was told.
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

/// An operation that is to run on a hub.
struct Started {
    hub: Arc<Hub>,
    task: Task,
    cancellable: Option<gio::Cancellable>,
    channel: Channel,
    action: &'static str,
}

impl Started {
    /// # Safety
    ///
    /// As for the functions of this room.
    unsafe fn new(
        ioc: *mut crate::ffi::QIOChannel,
        call: &Call,
        action: &'static str,
    ) -> Option<Self> {
        // SAFETY: the caller's promise; the task takes a reference to what it needs.
        unsafe {
            if !is_a::<Channel>(ioc.cast()) {
                complain(call.name, c"QIO_IS_CHANNEL (ioc)");
                return None;
            }
            let channel: Channel = from_glib_none(ioc);
            let raw = gio_sys::g_task_new(
                ioc.cast::<GObject>(),
                call.cancellable,
                call.callback,
                call.user_data,
            );
            let task = Task(raw);
            gio_sys::g_task_set_source_tag(raw, ptr::without_provenance_mut(call.tag));
            gio_sys::g_task_set_priority(raw, call.io_priority);
            // What has been read is told, also if it was cancelled after that.
            gio_sys::g_task_set_check_cancellable(raw, 0);
            let cancellable = from_glib_none(call.cancellable);
            match Hub::of(&default_context(), from_glib(call.io_priority)) {
                Ok(hub) => Some(Self {
                    hub,
                    task,
                    cancellable,
                    channel,
                    action,
                }),
                Err(e) => {
                    task.complete::<()>(Err(describe(&e, &channel, action)));
                    None
                }
            }
        }
    }

    /// Runs it to its end.
    async fn run<T>(self, future: impl Future<Output = io::Result<T>>) {
        let result = match self.cancellable {
            Some(cancellable) => cancellable_future(future, cancellable).await,
            None => future.await,
        };
        let described = result.map_err(|e| describe(&e, &self.channel, self.action));
        self.task.complete(described);
    }
}

/// Starts an operation of a channel. `action` completes "Unable to …" in its errors.
///
/// # Safety
///
/// As for the functions of this room.
pub(super) unsafe fn start<T, F>(
    ioc: *mut crate::ffi::QIOChannel,
    call: Call,
    action: &'static str,
    operation: impl FnOnce(Channel) -> F,
) where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    guarded_start(call.name, || {
        // SAFETY: the caller's promise.
        let started = unsafe { Started::new(ioc, &call, action) };
        if let Some(started) = started {
            let hub = started.hub.clone();
            let future = operation(started.channel.clone());
            drop(hub.spawn(started.run(future)));
        }
    });
}

/// As [`start`], for an operation that stays in one thread: the first that runs the context.
///
/// # Safety
///
/// As for the functions of this room.
pub(super) unsafe fn start_local<T, F>(
    ioc: *mut crate::ffi::QIOChannel,
    call: Call,
    action: &'static str,
    operation: impl FnOnce(Channel) -> F + Send + 'static,
) where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + 'static,
{
    guarded_start(call.name, || {
        // SAFETY: the caller's promise.
        let started = unsafe { Started::new(ioc, &call, action) };
        if let Some(started) = started {
            let hub = started.hub.clone();
            let here = hub.clone();
            let begin = async move {
                let future = operation(started.channel.clone());
                drop(here.spawn_local(started.run(future)));
            };
            drop(hub.spawn(begin));
        }
    });
}

fn guarded_start(name: &CStr, start: impl FnOnce()) {
    // SAFETY: there is no place for an error.
    unsafe { guarded(name, ptr::null_mut(), (), start) };
}

/// Takes the result of an operation, of type `T`, that the function with this tag started.
///
/// # Safety
///
/// As for the functions of this room; the function that has the tag must have a result of type
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
