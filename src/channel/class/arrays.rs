//! Arrays of C: buffers, and descriptors that are passed.

use std::{
    ffi::c_int,
    io,
    os::fd::{BorrowedFd, IntoRawFd, OwnedFd},
    ptr, slice,
};

use libc::size_t;

use crate::error::invalid;

/// A C array as a slice; the pointer of an empty one may be anything.
///
/// # Safety
///
/// `first` must point to `len` valid elements that live and do not change for `'a`.
pub(crate) unsafe fn array<'a, T>(first: *const T, len: usize) -> &'a [T] {
    match len {
        0 => &[],
        // SAFETY: forwarded: `len` valid elements that do not change for `'a`.
        len => unsafe { slice::from_raw_parts(first, len) },
    }
}

/// As [`array`], mutable.
///
/// # Safety
///
/// As for [`array`], and no other reference to the elements may exist.
pub(crate) unsafe fn array_mut<'a, T>(first: *mut T, len: usize) -> &'a mut [T] {
    match len {
        0 => &mut [],
        // SAFETY: forwarded: `len` valid elements without another reference.
        len => unsafe { slice::from_raw_parts_mut(first, len) },
    }
}

/// A C array of descriptors; an error if a number cannot be one: -1 is no value of a `BorrowedFd`.
///
/// # Safety
///
/// `first` must point to `len` numbers, and those that are descriptors stay open for `'a`.
#[inline]
pub(crate) unsafe fn borrowed_fds<'a>(
    first: *const c_int,
    len: usize,
) -> Result<&'a [BorrowedFd<'a>], NegativeFd> {
    // SAFETY: forwarded: `len` numbers. A `BorrowedFd` is `repr(transparent)` over its number.
    unsafe {
        match array(first, len).iter().all(|&fd| fd >= 0) {
            true => Ok(array(first.cast(), len)),
            false => Err(NegativeFd),
        }
    }
}

/// A number that cannot be a descriptor.
#[derive(Debug)]
pub(crate) struct NegativeFd;

impl From<NegativeFd> for io::Error {
    #[cold]
    fn from(_: NegativeFd) -> Self {
        invalid("A file descriptor to be passed is negative")
    }
}

/// Returns received descriptors to the caller of a virtual function, in memory of `g_malloc`.
///
/// # Safety
///
/// `fds` and `nfds` must be the arguments of the virtual function: NULL, or writable.
pub(crate) unsafe fn give_fds(received: Vec<OwnedFd>, fds: *mut *mut c_int, nfds: *mut size_t) {
    if fds.is_null() {
        return;
    }
    // SAFETY: forwarded: `fds` and `nfds` are writable; the new array has space for all.
    unsafe {
        *fds = ptr::null_mut();
        if !nfds.is_null() {
            *nfds = received.len();
        }
        if received.is_empty() || nfds.is_null() {
            return;
        }
        let array = glib_sys::g_malloc_n(received.len(), size_of::<c_int>()).cast::<c_int>();
        for (i, fd) in received.into_iter().enumerate() {
            array.add(i).write(fd.into_raw_fd());
        }
        *fds = array;
    }
}
