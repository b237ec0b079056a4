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
        fd::{FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    ptr,
};

use glib_sys::GError;

use super::{fail_without_channel, give, guarded, holds};
use crate::{error::with_context, ffi::QIOChannel, sys};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_new_fd(fd: c_int, error: *mut *mut GError) -> *mut QIOChannel {
    // SAFETY: see the room.
    unsafe {
        let function = c"qio_channel_new_fd";
        let Some(fd) = own(function, fd, error) else {
            return ptr::null_mut();
        };
        guarded(function, error, ptr::null_mut(), || {
            give(crate::channel_for_fd(fd), error)
        })
    }
}

/// Takes a descriptor over. Complains of a number that can be none, and reports one that is not open, which who
/// opened it elsewhere may not know.
///
/// # Safety
///
/// As for the functions of this room, and the caller gives the descriptor away.
unsafe fn own(function: &CStr, fd: c_int, error: *mut *mut GError) -> Option<OwnedFd> {
    if !holds(function, fd >= 0, c"fd >= 0") {
        return None;
    }
    // SAFETY: the descriptor is open, and the caller gives it away; the rest is the caller's promise.
    unsafe {
        if let Err(e) = sys::file::check_is_open(fd) {
            let e = with_context(e, format!("Unable to take over descriptor {fd}"));
            fail_without_channel(error, &e);
            return None;
        }
        Some(OwnedFd::from_raw_fd(fd))
    }
}

/// A string that need not be UTF-8.
///
/// # Safety
///
/// As for the functions of this room; not NULL.
unsafe fn os_str<'a>(string: *const c_char) -> &'a OsStr {
    // SAFETY: the caller's promise.
    OsStr::from_bytes(unsafe { CStr::from_ptr(string) }.to_bytes())
}
