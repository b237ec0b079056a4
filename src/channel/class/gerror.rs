//! Errors of virtual functions.
//!
//! A virtual function reports a `GError`, which has less information than the `io::Error` that a
//! Rust class returned: `ECONNRESET` and `EPIPE` are one code of GIO. The thread therefore keeps
//! the last `io::Error` that a trampoline converted to a `GError`, and the invoker that gets
//! exactly that `GError` returns the original to its Rust caller.

use std::{cell::RefCell, io, ptr};

use glib::translate::*;
use glib_sys::GError;

use crate::{
    channel::Channel,
    error::{from_glib_error, to_glib_error, with_context},
    sys::thread::stop_on_unwind,
};

struct Original {
    error: io::Error,
    /// The address of the `GError`. Memory is reused: only a `GError` with the same content is the
    /// same.
    address: usize,
    reported: glib::Error,
}

thread_local! {
    static LAST: RefCell<Option<Original>> = const { RefCell::new(None) };
}

/// Reports an error of a virtual function of `channel`. `action` completes "Unable to …" if the
/// error does not name what failed.
///
/// # Safety
///
/// `out` must be NULL or the address of a `GError *` that is not set.
#[cold]
#[inline(never)]
pub(crate) unsafe fn report(
    out: *mut *mut GError,
    error: io::Error,
    channel: &Channel,
    action: &str,
) {
    if out.is_null() {
        return;
    }
    let reported = describe(&error, channel, action);
    let raw: *mut GError = reported.clone().into_glib_ptr();
    let original = Original {
        error,
        address: raw as usize,
        reported,
    };
    // In a thread that is terminating the original is lost, and the `GError` is used.
    let _ = LAST.try_with(|last| last.replace(Some(original)));
    // SAFETY: the caller promises a writable `out`, which is not NULL here. It takes ownership.
    unsafe { *out = raw };
}

/// Converts an error of a channel to a `GError`. `action` completes "Unable to …" if the error does
/// not name what failed.
pub(crate) fn describe(error: &io::Error, channel: &Channel, action: &str) -> glib::Error {
    if error.get_ref().is_some() {
        return to_glib_error(error);
    }
    let plain = match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => error.kind().into(),
    };
    let action = format!("Unable to {action} {}", channel.label());
    to_glib_error(&with_context(plain, action))
}

/// Takes ownership of an error that a virtual function reported.
///
/// # Safety
///
/// `raw` must be a `GError` that the caller owns.
#[cold]
#[inline(never)]
unsafe fn take(raw: *mut GError) -> io::Error {
    let address = raw as usize;
    // SAFETY: forwarded: the caller owns the error.
    let error: glib::Error = unsafe { from_glib_full(raw) };
    match LAST.try_with(RefCell::take).ok().flatten() {
        Some(last)
            if last.address == address
                && last.reported.domain() == error.domain()
                && last.reported.code() == error.code()
                && last.reported.message() == error.message() =>
        {
            last.error
        }
        _ => from_glib_error(error),
    }
}

/// Calls a virtual function with a `GError *`, and takes ownership of the error.
#[inline]
pub(super) fn with_error<R>(call: impl FnOnce(*mut *mut GError) -> R) -> (R, io::Result<()>) {
    let mut error = ptr::null_mut();
    let result = stop_on_unwind(|| call(&mut error));
    if error.is_null() {
        return (result, Ok(()));
    }
    // SAFETY: the function has set the error, which the caller owns.
    (result, Err(unsafe { take(error) }))
}
