//! What C functions return, and errors.

use std::io;

use glib::translate::*;
use glib_sys::GError;
use libc::ssize_t;

use crate::{channel::ffi::QIO_CHANNEL_ERR_BLOCK, error::would_block};

/// Runs what may fail: the macros give it the body of a function, where `?` returns here.
#[inline]
pub(super) fn attempt<R>(call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    call()
}

/// A count, for which would-block is no error but [`QIO_CHANNEL_ERR_BLOCK`].
#[inline]
pub(super) fn no_data_yet(result: io::Result<usize>) -> io::Result<ssize_t> {
    match result {
        // A count fits: it is at most the size of what is in memory.
        Ok(count) => Ok(count as ssize_t),
        Err(e) if would_block(&e) => Ok(QIO_CHANNEL_ERR_BLOCK),
        Err(e) => Err(e),
    }
}

/// Reports an error of a function without a channel.
///
/// # Safety
///
/// `out` must be NULL or the address of a `GError *` that is not set.
#[cold]
pub(super) unsafe fn report_plain(out: *mut *mut GError, error: &io::Error) {
    if !out.is_null() {
        // SAFETY: forwarded, and it is not NULL. The caller of the C function owns the error.
        unsafe { *out = crate::to_glib_error(error).into_glib_ptr() };
    }
}
