//! Calls of methods of Rust classes: errors become those of C, and so do panics.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use glib::{subclass::prelude::*, translate::*};
use glib_sys::GError;
use libc::ssize_t;

use crate::{
    channel::{
        Channel,
        class::{ChannelImpl, defaults::give, gerror},
        ffi::{QIO_CHANNEL_ERR_BLOCK, QIOChannel},
    },
    coroutine,
    error::{io_error, panic_text},
};

/// Calls a method, and converts a panic to an error: no panic enters C.
///
/// # Safety
///
/// `ioc` must be an instance of `T`.
#[inline]
unsafe fn guarded<T: ChannelImpl, R>(
    ioc: *mut QIOChannel,
    call: impl FnOnce(&T) -> io::Result<R>,
) -> io::Result<R> {
    // SAFETY: forwarded: `ioc` is an instance of `T`.
    let imp = unsafe { (*ioc.cast::<T::Instance>()).imp() };
    catch_unwind(AssertUnwindSafe(|| call(imp)))
        .unwrap_or_else(|panic| Err(panicked(&*panic, T::NAME)))
}

#[cold]
#[inline(never)]
fn panicked(panic: &(dyn Any + Send), class: &str) -> io::Error {
    // A coroutine that is dropped unwinds its stack; C functions on it have to return.
    if coroutine::is_unwinding() {
        return coroutine::dropped();
    }
    let text = panic_text(panic);
    let message = format!("A method of {class} panicked: {text}");
    glib::g_critical!("Qio", "{}", message);
    io_error(gio::IOErrorEnum::Failed, &message)
}

/// As [`guarded`], for a function that returns `R` and reports an error.
///
/// # Safety
///
/// `ioc` must be an instance of `T`, and `error` NULL or a place for an error.
#[inline]
pub(super) unsafe fn fallible<T: ChannelImpl, R>(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
    action: &str,
    failed: R,
    call: impl FnOnce(&T) -> io::Result<R>,
) -> R {
    // SAFETY: forwarded: `ioc` is an instance of `T`, `error` NULL or writable.
    unsafe {
        guarded(ioc, call).unwrap_or_else(|e| {
            gerror::report(error, e, &Channel::from_glib_borrow(ioc), action);
            failed
        })
    }
}

/// As [`fallible`], for a function that returns a count, or would-block.
///
/// # Safety
///
/// As for [`fallible`].
#[inline]
pub(super) unsafe fn byte_count<T: ChannelImpl>(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
    action: &str,
    call: impl FnOnce(&T) -> io::Result<usize>,
) -> ssize_t {
    // SAFETY: forwarded: `ioc` is an instance of `T`, `error` NULL or writable.
    unsafe {
        match guarded(ioc, call) {
            // A count fits: it is at most the size of a buffer in memory.
            Ok(count) => count as ssize_t,
            // The usual kind of would-block, detected without a call.
            Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => QIO_CHANNEL_ERR_BLOCK,
            Err(e) => give(ioc, error, action, Err(e)),
        }
    }
}

/// As [`guarded`], for a function that cannot fail.
///
/// # Safety
///
/// `ioc` must be an instance of `T`.
pub(super) unsafe fn infallible<T: ChannelImpl, R>(
    ioc: *mut QIOChannel,
    failed: R,
    call: impl FnOnce(&T) -> R,
) -> R {
    // SAFETY: forwarded: `ioc` is an instance of `T`.
    unsafe { guarded(ioc, |imp: &T| Ok(call(imp))) }.unwrap_or(failed)
}
