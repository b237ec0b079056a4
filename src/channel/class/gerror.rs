//! Errors on their way through a C slot.
//!
//! A slot reports a `GError`, which knows less than the `io::Error` that a Rust class
//! made of it: `ECONNRESET` and `EPIPE` are one code of GIO. The thread therefore keeps
//! the last `io::Error` that a trampoline turned into a `GError`, and the invoker that
//! gets just that `GError` gives the original to its Rust caller.

use std::{cell::RefCell, io};

use glib::translate::*;
use glib_sys::GError;

use crate::{
    channel::Channel,
    error::{from_glib_error, to_glib_error, with_context},
};

struct Original {
    error: io::Error,
    /// What it was turned into, and where that went. Memory is used again: only a
    /// `GError` that also says the same is the same.
    address: usize,
    reported: glib::Error,
}

thread_local! {
    static LAST: RefCell<Option<Original>> = const { RefCell::new(None) };
}

/// Reports an error from a slot of `channel`. `action` completes "Unable to …" where
/// the error does not say itself what failed.
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
    // In a thread that is ending the original is lost, and the GError has to do.
    let _ = LAST.try_with(|last| last.replace(Some(original)));
    // SAFETY: `out` is not NULL and takes the error over.
    unsafe { *out = raw };
}

/// What an error of a channel is as a `GError`. `action` completes "Unable to …" where the error
/// does not say itself what failed.
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

/// Takes an error over that a slot reported.
///
/// # Safety
///
/// `raw` must be a `GError` that the caller owns.
#[cold]
#[inline(never)]
pub(super) unsafe fn take(raw: *mut GError) -> io::Error {
    let address = raw as usize;
    // SAFETY: the caller gives the error away.
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
