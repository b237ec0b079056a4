//! The functions of the C library, and nothing else: each checks its arguments, calls the public
//! Rust API, and converts what comes of it. The modules mirror those of the crate.
//!
//! # Safety
//!
//! The safety of each function is the contract of its C declaration in `data/include/qio`: pointers
//! to instances are NULL or instances of some class, strings end in NUL, arrays have as
//! many items as is said, and a place for a `GError *` is NULL or holds NULL. What NULL and
//! instances of other classes do is defined: a critical warning, and a harmless result.
#![allow(unsafe_code)]
#![allow(clippy::missing_safety_doc)] // it is said above, once for all
#![allow(unreachable_pub)] // exported by name

mod callback;
mod channel;
#[path = "coroutine.rs"]
mod coroutines;
mod hub;
mod layer;
mod macros;
mod net;
#[path = "gio.rs"]
mod streams;
mod task;
mod transport;
mod types;

use std::{
    any::Any,
    ffi::{CStr, c_int},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, gboolean, gpointer};
use gobject_sys::GTypeInstance;
use libc::ssize_t;

use self::macros::{async_call, async_method, c_name, finish_method, function, method, try_method};
use crate::{
    Channel,
    channel::{
        class::{array, array_mut, give_fds, report},
        ffi::QIO_CHANNEL_ERR_BLOCK,
    },
    coroutine,
    error::{io_error, panic_text, would_block},
};

/// Runs what a C function does. A panic does not get out: it is a critical warning, an error where
/// there is a place for one, and the result `failed`.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
unsafe fn guarded<R>(
    function: &CStr,
    error: *mut *mut GError,
    failed: R,
    call: impl FnOnce() -> R,
) -> R {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let e = panicked(function, &*panic);
        // SAFETY: the caller's promise.
        unsafe { fail_without_channel(error, &e) };
        failed
    })
}

#[cold]
fn panicked(function: &CStr, panic: &(dyn Any + Send)) -> io::Error {
    // A coroutine that is dropped unwinds its stack; what is in C has to return.
    if coroutine::is_unwinding() {
        return coroutine::dropped();
    }
    let message = format!(
        "{}: panicked: {}",
        function.to_string_lossy(),
        panic_text(panic)
    );
    glib::g_critical!("Qio", "{}", message);
    io_error(gio::IOErrorEnum::Failed, &message)
}

/// A critical warning, as `g_return_val_if_fail()` has it.
#[cold]
#[inline(never)]
fn complain(function: &CStr, expected: &CStr) {
    // SAFETY: the strings end in NUL.
    unsafe {
        glib_sys::g_return_if_fail_warning(c"Qio".as_ptr(), function.as_ptr(), expected.as_ptr());
    }
}

/// Whether a condition that the caller of a C function must see to holds. Complains if not.
#[inline]
fn holds(function: &CStr, condition: bool, expected: &CStr) -> bool {
    if !condition {
        complain(function, expected);
    }
    condition
}

/// A class whose instances are arguments.
trait Instance: ObjectType {
    /// The check that an argument has failed, such as `QIO_IS_CHANNEL (ioc)`.
    const IS: &'static CStr;

    /// The address of the class that was looked at last, and was one: most calls are for the
    /// same, and classes stay where they are.
    fn last() -> &'static AtomicUsize;
}

/// Declares what an argument of a class is called in complaints.
macro_rules! instance {
    ($class:ty, $is:literal) => {
        impl $crate::capi::Instance for $class {
            const IS: &'static std::ffi::CStr = $is;

            fn last() -> &'static std::sync::atomic::AtomicUsize {
                static LAST: std::sync::atomic::AtomicUsize =
                    std::sync::atomic::AtomicUsize::new(0);
                &LAST
            }
        }
    };
}
use instance;

instance!(Channel, c"QIO_IS_CHANNEL (ioc)");
instance!(
    gio::Cancellable,
    c"cancellable == NULL || G_IS_CANCELLABLE (cancellable)"
);
instance!(gio::UnixFDList, c"fds == NULL || G_IS_UNIX_FD_LIST (fds)");

/// Whether a pointer is to an instance of `T`.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
unsafe fn is_a<T: Instance>(instance: gpointer) -> bool {
    let instance = instance.cast::<GTypeInstance>();
    if instance.is_null() {
        return false;
    }
    // SAFETY: an instance has a class.
    let class = unsafe { (*instance).g_class.addr() };
    class == T::last().load(Ordering::Relaxed) || is_found_to_be_a::<T>(instance, class)
}

/// An argument for which NULL is none; `Err`, with a complaint, if it is no instance of `T`.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn some<T>(
    function: &CStr,
    instance: *mut <T as ObjectType>::GlibType,
) -> Result<Option<T>, ()>
where
    T: Instance + FromGlibPtrNone<*mut <T as ObjectType>::GlibType>,
{
    // SAFETY: the caller's promise; NULL, or checked to be an instance.
    unsafe {
        let fits = instance.is_null() || is_a::<T>(instance.cast());
        match holds(function, fits, T::IS) {
            true => Ok(from_glib_none(instance)),
            false => Err(()),
        }
    }
}

#[cold]
#[inline(never)]
fn is_found_to_be_a<T: Instance>(instance: *mut GTypeInstance, class: usize) -> bool {
    let type_ = T::static_type().into_glib();
    // SAFETY: the caller has an instance.
    let is = unsafe { gobject_sys::g_type_check_instance_is_a(instance, type_) != 0 };
    if is {
        T::last().store(class, Ordering::Relaxed);
    }
    is
}

/// Borrows an argument as an instance of `T` for the length of a call; complains, and returns
/// `failed`, if it is none. `error` is the place for an error, if there is one.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
unsafe fn with<T, R>(
    function: &CStr,
    instance: *mut <T as ObjectType>::GlibType,
    error: *mut *mut GError,
    failed: R,
    call: impl FnOnce(&T) -> R,
) -> R
where
    T: Instance,
    R: Copy,
{
    // SAFETY: checked to be an instance, which the caller keeps alive for the length of the call.
    unsafe {
        if !is_a::<T>(instance.cast()) {
            complain(function, T::IS);
            return failed;
        }
        let object = glib::Object::from_glib_borrow(instance.cast::<gobject_sys::GObject>());
        guarded(function, error, failed, || {
            call(object.unsafe_cast_ref::<T>())
        })
    }
}

/// Reports an error. `action` completes "Unable to …" where the error does not say itself what
/// failed.
///
/// # Safety
///
/// As for the functions of this module.
#[cold]
unsafe fn fail(out: *mut *mut GError, error: io::Error, channel: &Channel, action: &str) {
    // SAFETY: the caller's promise.
    unsafe { report(out, error, channel, action) };
}

/// A count, -1 with an error, or [`QIO_CHANNEL_ERR_BLOCK`] without one.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
unsafe fn count(
    result: io::Result<usize>,
    out: *mut *mut GError,
    channel: &Channel,
    action: &str,
) -> ssize_t {
    match result {
        // A count fits: it is at most the size of what is in memory.
        Ok(count) => count as ssize_t,
        Err(e) if would_block(&e) => QIO_CHANNEL_ERR_BLOCK,
        Err(e) => {
            // SAFETY: the caller's promise.
            unsafe { fail(out, e, channel, action) };
            -1
        }
    }
}

/// The value, or `failed` with an error.
///
/// # Safety
///
/// As for the functions of this module.
#[inline]
unsafe fn value<R>(
    result: io::Result<R>,
    failed: R,
    out: *mut *mut GError,
    channel: &Channel,
    action: &str,
) -> R {
    result.unwrap_or_else(|e| {
        // SAFETY: the caller's promise.
        unsafe { fail(out, e, channel, action) };
        failed
    })
}

/// 0, or -1 with an error.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn status(
    result: io::Result<()>,
    out: *mut *mut GError,
    channel: &Channel,
    action: &str,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { value(result.map(|()| 0), -1, out, channel, action) }
}

/// `TRUE`, or `FALSE` with an error.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn success(
    result: io::Result<()>,
    out: *mut *mut GError,
    channel: &Channel,
    action: &str,
) -> gboolean {
    // SAFETY: the caller's promise.
    unsafe { value(result.map(|()| true), false, out, channel, action) }.into_glib()
}

/// Reports an error where there is no channel yet.
///
/// # Safety
///
/// As for the functions of this module.
#[cold]
unsafe fn fail_without_channel(out: *mut *mut GError, error: &io::Error) {
    if !out.is_null() {
        // SAFETY: `out` is not NULL and takes the error over.
        unsafe { *out = crate::to_glib_error(error).into_glib_ptr() };
    }
}

/// Gives an object away, or returns NULL with an error.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn give<T: IsA<glib::Object>>(
    result: io::Result<T>,
    out: *mut *mut GError,
) -> *mut <T as ObjectType>::GlibType {
    match result {
        Ok(object) => {
            let object: glib::Object = object.upcast();
            IntoGlibPtr::<*mut gobject_sys::GObject>::into_glib_ptr(object).cast()
        }
        Err(e) => {
            // SAFETY: the caller's promise.
            unsafe { fail_without_channel(out, &e) };
            ptr::null_mut()
        }
    }
}
