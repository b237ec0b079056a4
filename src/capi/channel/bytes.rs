//! Reading and writing `GBytes`, with descriptors in a `GUnixFDList`: for bindings, whose errors
//! are exceptions, also would-block.

use std::{
    ffi::c_uint,
    io::{self, IoSliceMut},
    os::fd::OwnedFd,
};

use gio_sys::GUnixFDList;
use glib_sys::{GBytes, GError, gboolean};
use libc::{size_t, ssize_t};

use crate::{
    Channel, ChannelExt, Feature, ReadFlags, WriteFlags,
    capi::{
        Out,
        descriptors::{return_fds, with_fds},
        try_method,
    },
    channel::class::VFuncs,
    ffi::QIOChannel,
    types::zeros,
};

/// Reads, with descriptors if there is a place for them and the channel can pass any: bindings
/// always have a place.
fn receiving<R>(
    channel: &Channel,
    fds: Option<Out<*mut GUnixFDList>>,
    read: impl FnOnce(Option<&mut Vec<OwnedFd>>) -> io::Result<R>,
) -> io::Result<R> {
    let mut received = Vec::new();
    let wanted = fds.is_some() && channel.has_feature(Feature::FD_PASS);
    let result = read(wanted.then_some(&mut received));
    if result.is_err() {
        received.clear();
    }
    return_fds(received, fds);
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
        qio_channel_read_bytes(ioc: Channel), error, "read from", pointer => ioc.read_bytes(count)
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
        qio_channel_read_bytes_with_fds(
            ioc: Channel, fds: Option<Out<*mut GUnixFDList>>, flags: ReadFlags
        ), error, "read from", pointer =>
            receiving(ioc, fds, |fds| VFuncs::of(ioc).read_bytes(count, fds, flags))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all(
    ioc: *mut QIOChannel,
    count: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_bytes_all(ioc: Channel), error, "read from", pointer =>
            read_all(ioc, count, None)
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
        qio_channel_read_bytes_with_fds_all(ioc: Channel, fds: Option<Out<*mut GUnixFDList>>),
        error, "read from", pointer => receiving(ioc, fds, |fds| read_all(ioc, count, fds))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_eof(
    ioc: *mut QIOChannel,
    count: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_bytes_all_eof(ioc: Channel), error, "read from", pointer =>
            read_all_eof(ioc, count, None)
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
        qio_channel_read_bytes_with_fds_all_eof(ioc: Channel, fds: Option<Out<*mut GUnixFDList>>),
        error, "read from", pointer => receiving(ioc, fds, |fds| read_all_eof(ioc, count, fds))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_write_bytes(ioc: Channel, bytes: glib::Bytes), error, "write to", size =>
            ioc.write_bytes(&bytes)
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
        qio_channel_write_bytes_with_fds(
            ioc: Channel, bytes: glib::Bytes, fds: Option<gio::UnixFDList>, flags: WriteFlags
        ), error, "write to", size =>
            with_fds(fds.as_ref(), |fds| ioc.write_bytes_full(&bytes, fds, flags))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_all(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_write_bytes_all(ioc: Channel, bytes: glib::Bytes), error, "write to", success =>
            ioc.write_all(&bytes)
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
        qio_channel_write_bytes_with_fds_all(
            ioc: Channel, bytes: glib::Bytes, fds: Option<gio::UnixFDList>, flags: WriteFlags
        ), error, "write to", success =>
            with_fds(fds.as_ref(), |fds| ioc.write_bytes_full_all(&bytes, fds, flags))
    )
}
