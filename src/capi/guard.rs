//! Panics and critical warnings.

use std::{
    any::Any,
    ffi::{CStr, CString},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use glib_sys::GError;

use super::report_plain;
use crate::{
    coroutine,
    error::{io_error, panic_text},
};

/// Runs the body of a C function. A panic does not unwind into C: it becomes a critical warning, an
/// error if `error` is not NULL, and the result `failed`.
///
/// # Safety
///
/// `error` must be NULL or the address of a `GError *` that is not set.
#[inline]
pub(super) unsafe fn guarded<R>(
    function: &CStr,
    error: *mut *mut GError,
    failed: R,
    call: impl FnOnce() -> R,
) -> R {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let e = panicked(function, &*panic);
        // SAFETY: forwarded: `error` is NULL or the address of an unset `GError *`.
        unsafe { report_plain(error, &e) };
        failed
    })
}

#[cold]
fn panicked(function: &CStr, panic: &(dyn Any + Send)) -> io::Error {
    // A coroutine that is dropped unwinds its stack; frames of C have to return.
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

/// Logs a critical warning, as `g_return_val_if_fail()` does.
#[cold]
#[inline(never)]
pub(super) fn complain(function: &CStr, expected: &str) {
    let expected = CString::new(expected).unwrap_or_default();
    // SAFETY: both are strings that end in NUL, by their types.
    unsafe {
        glib_sys::g_return_if_fail_warning(c"Qio".as_ptr(), function.as_ptr(), expected.as_ptr());
    }
}

/// Whether a precondition of a C function holds. Complains if not.
#[inline]
pub(super) fn holds(function: &CStr, condition: bool, expected: &str) -> bool {
    if !condition {
        complain(function, expected);
    }
    condition
}
