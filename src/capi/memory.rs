//! Memory and lists of buffers as arguments.

use std::{
    borrow::Cow,
    ffi::c_void,
    io::{IoSlice, IoSliceMut},
};

use libc::{iovec, size_t};

use super::Argument;
use crate::channel::class::{array, array_mut};

impl Argument<(*const c_void, size_t)> for &[u8] {
    #[inline]
    unsafe fn from_c((buf, len): (*const c_void, size_t), name: &str) -> Result<Self, String> {
        match buf.is_null() && len > 0 {
            true => Err(format!("{name} != NULL")),
            // SAFETY: the C contract: `len` readable bytes, or none.
            false => Ok(unsafe { array(buf.cast(), len) }),
        }
    }
}

impl Argument<(*mut c_void, size_t)> for &mut [u8] {
    #[inline]
    unsafe fn from_c((buf, len): (*mut c_void, size_t), name: &str) -> Result<Self, String> {
        match buf.is_null() && len > 0 {
            true => Err(format!("{name} != NULL")),
            // SAFETY: the C contract: `len` bytes that nothing else uses during the call, or none.
            false => Ok(unsafe { array_mut(buf.cast(), len) }),
        }
    }
}

/// A list of buffers. A buffer of no bytes may have no address in C, and must have one in Rust: a
/// list with such buffers is copied.
impl<'a> Argument<(*const iovec, size_t)> for Cow<'a, [IoSlice<'a>]> {
    #[inline]
    unsafe fn from_c((iov, niov): (*const iovec, size_t), name: &str) -> Result<Self, String> {
        // SAFETY: the C contract: `niov` buffers. An `IoSlice` has the layout of an `iovec` with an
        // address, which `have_addresses` has checked.
        unsafe {
            match have_addresses(iov, niov, name)? {
                true => Ok(Cow::Borrowed(array(iov.cast(), niov))),
                false => {
                    let copy = |buf: &iovec| IoSlice::new(array(buf.iov_base.cast(), buf.iov_len));
                    Ok(Cow::Owned(array(iov, niov).iter().map(copy).collect()))
                }
            }
        }
    }
}

/// A list of buffers to read into.
pub(super) enum ReadVec<'a> {
    Borrowed(&'a mut [IoSliceMut<'a>]),
    Copied(Vec<IoSliceMut<'a>>),
}

impl<'a> ReadVec<'a> {
    /// Calls `read` with the list.
    #[inline]
    pub(super) fn with<R>(mut self, read: impl FnOnce(&mut [IoSliceMut<'a>]) -> R) -> R {
        read(match &mut self {
            Self::Borrowed(list) => list,
            Self::Copied(list) => list,
        })
    }
}

impl Argument<(*const iovec, size_t)> for ReadVec<'_> {
    #[inline]
    unsafe fn from_c((iov, niov): (*const iovec, size_t), name: &str) -> Result<Self, String> {
        // SAFETY: the C contract: `iov` points to `niov` buffers, which are valid during the call,
        // and which nothing else uses meanwhile; `iovec` has the layout of `IoSliceMut`.
        // The list is const for the caller: nothing writes to it, as the crate writes to buffers
        // only, and the trampoline gives a copy to classes that are not of this crate.
        unsafe {
            match have_addresses(iov, niov, name)? {
                true => Ok(Self::Borrowed(array_mut(iov.cast_mut().cast(), niov))),
                false => {
                    let copy =
                        |buf: &iovec| IoSliceMut::new(array_mut(buf.iov_base.cast(), buf.iov_len));
                    Ok(Self::Copied(array(iov, niov).iter().map(copy).collect()))
                }
            }
        }
    }
}

/// Whether all buffers of a list have an address; an error if one with bytes, or the list, has
/// none.
///
/// # Safety
///
/// `iov` must be NULL, or the address of `niov` buffers.
#[inline]
unsafe fn have_addresses(iov: *const iovec, niov: size_t, name: &str) -> Result<bool, String> {
    if iov.is_null() && niov > 0 {
        return Err(format!("{name} != NULL"));
    }
    // SAFETY: forwarded: it is not NULL, or there are no buffers.
    let without = unsafe { array(iov, niov) }
        .iter()
        .filter(|buf| buf.iov_base.is_null());
    let (mut some, mut bytes) = (false, 0);
    for buf in without {
        some = true;
        bytes |= buf.iov_len;
    }
    match bytes {
        0 => Ok(!some),
        _ => Err(format!("{name}->iov_base != NULL")),
    }
}
