//! Asynchronous functions as those of GIO: a future on the hub of the caller's context, and a
//! `GTask` for its result.

use std::{ffi::CStr, future::Future, io, ptr};

use gio_sys::GAsyncResult;
use glib::prelude::*;
use glib_sys::{GError, gpointer};

use super::{Argument, complain, guarded, holds};
use crate::{
    Channel,
    channel::class::describe,
    gio::task::{self, Call, Task, run, spawn_for},
    hub::{Hub, running_context_and_priority},
};

/// How an asynchronous function was called.
pub(super) struct NamedCall {
    pub(super) name: &'static CStr,
    pub(super) call: Call,
}

/// Describes errors of a channel; `action` completes "Unable to …".
pub(super) fn describing(
    channel: &impl IsA<Channel>,
    action: &'static str,
) -> impl Fn(&io::Error) -> glib::Error + Send + 'static {
    let channel = channel.clone().upcast();
    move |e| describe(e, &channel, action)
}

/// Starts an operation, of an object or of none, for which `to_error` makes a `GError` of an error.
///
/// # Safety
///
/// The pointers of `call` must be arguments of an asynchronous C function, as its declaration
/// demands.
pub(super) unsafe fn start<T, F>(
    object: Option<&glib::Object>,
    call: &NamedCall,
    to_error: impl Fn(&io::Error) -> glib::Error + Send + 'static,
    future: F,
) where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    // SAFETY: forwarded: the pointers of `call` are arguments.
    let Some((task, cancellable)) = (unsafe { prepare(object, call) }) else {
        return;
    };
    spawn_for(&call.call, run(task, cancellable, future, to_error));
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
    object: Option<&glib::Object>,
    call: &NamedCall,
    to_error: impl Fn(&io::Error) -> glib::Error + 'static,
    future: F,
) where
    T: 'static,
    F: Future<Output = io::Result<T>> + 'static,
{
    // SAFETY: forwarded: the pointers of `call` are arguments.
    let Some((task, cancellable)) = (unsafe { prepare(object, call) }) else {
        return;
    };
    let moved = Moved((future, to_error));
    spawn_for(&call.call, async move {
        let (future, to_error) = moved.take();
        let (context, priority) = running_context_and_priority();
        let future = run(task, cancellable, future, to_error);
        drop(Hub::spawn_local_in(&context, priority, future));
    });
}

/// Checks the cancellable, and creates the task.
///
/// # Safety
///
/// As for [`start`].
unsafe fn prepare(
    object: Option<&glib::Object>,
    NamedCall { name, call }: &NamedCall,
) -> Option<(Task, Option<gio::Cancellable>)> {
    // SAFETY: forwarded: the cancellable is NULL or an instance, which is checked, and the callback
    // takes `user_data`.
    unsafe {
        let cancellable: Result<Option<gio::Cancellable>, _> =
            Option::from_c(call.cancellable, "cancellable");
        match cancellable {
            Ok(_) => {
                let object = object.map_or(ptr::null_mut(), ObjectType::as_ptr);
                Some(task::prepare(object, call))
            }
            Err(expected) => {
                complain(name, &expected);
                None
            }
        }
    }
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
        let valid = task::is_valid(ioc, result, tag);
        if !holds(name, valid, "g_task_is_valid (result, ioc)") {
            return failed;
        }
        let Some(value) = task::finish(result, error) else {
            return failed;
        };
        guarded(name, error, failed, || convert(value))
    }
}
