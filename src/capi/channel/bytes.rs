//! Reading and writing `GBytes`, with descriptors in a `GUnixFDList`: for bindings, whose errors
//! are exceptions, also would-block.

use crate::capi::{c_name, try_method};
use std::{
    ffi::{CStr, c_uint},
    io::{self, IoSliceMut},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr,
};

use gio::prelude::*;
use gio_sys::GUnixFDList;
use glib::translate::*;
use glib_sys::{GBytes, GError, gboolean};
use libc::{size_t, ssize_t};

use crate::{
    Channel, ChannelExt, Feature, ReadFlags, WriteFlags,
    capi::{holds, some, success, value},
    channel::class::VFuncs,
    error::from_glib_error,
    ffi::QIOChannel,
    types::zeros,
};

/// Descriptors as an argument takes them: `None` for none.
pub(super) fn fd_list(fds: Vec<OwnedFd>) -> Option<gio::UnixFDList> {
    (!fds.is_empty()).then(|| gio::UnixFDList::from_array(fds))
}

/// Calls `f` with duplicates of the descriptors in a list: what it does may take its time, and the
/// list may be emptied by its owner meanwhile.
pub(super) fn with_fds<R>(
    list: Option<&gio::UnixFDList>,
    f: impl FnOnce(&[BorrowedFd<'_>]) -> io::Result<R>,
) -> io::Result<R> {
    let fds = duplicates(list)?;
    let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
    f(&fds)
}

/// Duplicates of the descriptors in a list, if there is one.
pub(super) fn duplicates(list: Option<&gio::UnixFDList>) -> io::Result<Vec<OwnedFd>> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let get = |index| list.get(index).map_err(from_glib_error);
    (0..list.length()).map(get).collect()
}

/// The bytes of an argument; `None`, with a complaint, if there are none.
///
/// # Safety
///
/// As for the functions of this module.
pub(super) unsafe fn some_bytes(function: &CStr, bytes: *mut GBytes) -> Option<glib::Bytes> {
    let is_there = holds(function, !bytes.is_null(), c"bytes != NULL");
    // SAFETY: the caller's promise.
    is_there.then(|| unsafe { from_glib_none(bytes) })
}

/// Gives descriptors away, if there is a place for them.
///
/// # Safety
///
/// As for the functions of this module.
pub(super) unsafe fn give_list(received: Vec<OwnedFd>, fds: *mut *mut GUnixFDList) {
    if !fds.is_null() {
        // SAFETY: the caller's promise.
        unsafe { *fds = fd_list(received).to_glib_full() };
    }
}

/// Reads, with descriptors if there is a place for them and the channel has any: bindings always
/// have a place.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn receiving<R>(
    channel: &Channel,
    fds: *mut *mut GUnixFDList,
    read: impl FnOnce(Option<&mut Vec<OwnedFd>>) -> io::Result<R>,
) -> io::Result<R> {
    let mut received = Vec::new();
    let wanted = !fds.is_null() && channel.has_feature(Feature::FD_PASS);
    let result = read(wanted.then_some(&mut received));
    if result.is_err() {
        received.clear();
    }
    // SAFETY: the caller's promise.
    unsafe { give_list(received, fds) };
    result
}

/// Reads until all is read; `None` at the end of the file.
fn read_all_eof(
    channel: &Channel,
    count: usize,
    fds: Option<&mut Vec<OwnedFd>>,
) -> io::Result<Option<glib::Bytes>> {
    let mut buf = zeros(count)?;
    let mut iov = [IoSliceMut::new(&mut buf)];
    let whole = channel.readv_full_all_eof(&mut iov, fds, ReadFlags::empty())?;
    Ok(whole.then(|| glib::Bytes::from_owned(buf)))
}

/// Reads until all is read.
fn read_all(
    channel: &Channel,
    count: usize,
    fds: Option<&mut Vec<OwnedFd>>,
) -> io::Result<Option<glib::Bytes>> {
    let mut buf = zeros(count)?;
    let mut iov = [IoSliceMut::new(&mut buf)];
    channel.readv_full_all(&mut iov, fds, ReadFlags::empty())?;
    Ok(Some(glib::Bytes::from_owned(buf)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes(
    ioc: *mut QIOChannel,
    count: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_bytes,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let bytes = channel.read_bytes(count).map(|bytes| bytes.to_glib_full());
            value(bytes, ptr::null_mut(), error, channel, "read from")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds(
    ioc: *mut QIOChannel,
    count: size_t,
    fds: *mut *mut GUnixFDList,
    flags: c_uint,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_bytes_with_fds,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let flags = ReadFlags::from_bits_truncate(flags);
            let slots = VFuncs::of(channel);
            let bytes = receiving(channel, fds, |fds| slots.read_bytes(count, fds, flags));
            let bytes = bytes.map(|bytes| bytes.to_glib_full());
            value(bytes, ptr::null_mut(), error, channel, "read from")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all(
    ioc: *mut QIOChannel,
    count: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_bytes_all,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let bytes = read_all(channel, count, None).map(|bytes| bytes.to_glib_full());
            value(bytes, ptr::null_mut(), error, channel, "read from")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_all(
    ioc: *mut QIOChannel,
    count: size_t,
    fds: *mut *mut GUnixFDList,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_bytes_with_fds_all,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let bytes = receiving(channel, fds, |fds| read_all(channel, count, fds));
            let bytes = bytes.map(|bytes| bytes.to_glib_full());
            value(bytes, ptr::null_mut(), error, channel, "read from")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_eof(
    ioc: *mut QIOChannel,
    count: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_bytes_all_eof,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let bytes = read_all_eof(channel, count, None).map(|bytes| bytes.to_glib_full());
            value(bytes, ptr::null_mut(), error, channel, "read from")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_all_eof(
    ioc: *mut QIOChannel,
    count: size_t,
    fds: *mut *mut GUnixFDList,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_bytes_with_fds_all_eof,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let bytes = receiving(channel, fds, |fds| read_all_eof(channel, count, fds));
            let bytes = bytes.map(|bytes| bytes.to_glib_full());
            value(bytes, ptr::null_mut(), error, channel, "read from")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_write_bytes,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(bytes) = some_bytes(c_name!(qio_channel_write_bytes), bytes) else {
                return -1;
            };
            let written = channel.write_bytes(&bytes).map(|count| count as ssize_t);
            value(written, -1, error, channel, "write to")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    fds: *mut GUnixFDList,
    flags: c_uint,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_write_bytes_with_fds,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(bytes) = some_bytes(c_name!(qio_channel_write_bytes_with_fds), bytes) else {
                return -1;
            };
            let Ok(fds) = some(c_name!(qio_channel_write_bytes_with_fds), fds) else {
                return -1;
            };
            let flags = WriteFlags::from_bits_truncate(flags);
            let written = with_fds(fds.as_ref(), |fds| {
                channel.write_bytes_full(&bytes, fds, flags)
            });
            value(
                written.map(|count| count as ssize_t),
                -1,
                error,
                channel,
                "write to",
            )
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_all(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_write_bytes_all,
        ioc,
        error,
        0,
        |channel: &Channel| {
            let Some(bytes) = some_bytes(c_name!(qio_channel_write_bytes_all), bytes) else {
                return 0;
            };
            success(channel.write_all(&bytes), error, channel, "write to")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_all(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    fds: *mut GUnixFDList,
    flags: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_write_bytes_with_fds_all,
        ioc,
        error,
        0,
        |channel: &Channel| {
            let Some(bytes) = some_bytes(c_name!(qio_channel_write_bytes_with_fds_all), bytes)
            else {
                return 0;
            };
            let Ok(fds) = some(c_name!(qio_channel_write_bytes_with_fds_all), fds) else {
                return 0;
            };
            let flags = WriteFlags::from_bits_truncate(flags);
            let result = with_fds(fds.as_ref(), |fds| {
                channel.write_bytes_full_all(&bytes, fds, flags)
            });
            success(result, error, channel, "write to")
        }
    )
}
