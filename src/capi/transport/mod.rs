//! The functions of the channels that own a descriptor or memory, one file for each class.

mod buffer;
mod command;
mod command_communicate;
mod file;
mod null;
mod socket;
mod socket_credentials;
mod socket_datagram;
mod socket_options;

use std::{
    ffi::{CStr, OsStr, c_char, c_int},
    os::{
        fd::{FromRawFd, IntoRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    ptr,
};

use glib_sys::GError;

use super::{fail_without_channel, give, guarded, holds};
use crate::{error::with_context, ffi::QIOChannel, sys};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_new_fd(fd: c_int, error: *mut *mut GError) -> *mut QIOChannel {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let function = c"qio_channel_new_fd";
        let Some(mut fd) = own(function, fd, error) else {
            return ptr::null_mut();
        };
        guarded(function, error, ptr::null_mut(), || {
            give(crate::transport::channel_from(&mut fd.0), error)
        })
    }
}

/// A descriptor of the caller's: until it is taken over, and for good if it is not.
struct CallersFd(Option<OwnedFd>);

impl Drop for CallersFd {
    fn drop(&mut self) {
        if let Some(fd) = self.0.take() {
            let _ = fd.into_raw_fd();
        }
    }
}

/// A descriptor to be taken over. Complains of a number that can be none, and reports one that is
/// not open, which the caller may not know if it was opened elsewhere.
///
/// # Safety
///
/// As for the functions of this module, and the caller gives the descriptor away if it is taken.
unsafe fn own(function: &CStr, fd: c_int, error: *mut *mut GError) -> Option<CallersFd> {
    if !holds(function, fd >= 0, c"fd >= 0") {
        return None;
    }
    // SAFETY: the descriptor is open, and what is returned closes it only if it is taken over; the
    // rest is the caller's promise.
    unsafe {
        if let Err(e) = sys::file::is_close_on_exec(fd) {
            let e = with_context(e, format!("Unable to take over descriptor {fd}"));
            fail_without_channel(error, &e);
            return None;
        }
        Some(CallersFd(Some(OwnedFd::from_raw_fd(fd))))
    }
}

/// A string that need not be UTF-8.
///
/// # Safety
///
/// As for the functions of this module; not NULL.
unsafe fn os_str<'a>(string: *const c_char) -> &'a OsStr {
    // SAFETY: the caller's promise.
    OsStr::from_bytes(unsafe { CStr::from_ptr(string) }.to_bytes())
}
