//! Reading and writing at offsets.

use std::{
    borrow::Cow,
    ffi::{c_int, c_void},
    io::{self, IoSlice},
};

use glib_sys::{GBytes, GError};
use libc::{iovec, size_t, ssize_t};

use crate::{
    Channel, ChannelSeekExt,
    capi::{memory::ReadVec, try_method},
    error::invalid,
    ffi::QIOChannel,
    types::{into_bytes, zeros},
};

fn unsigned(offset: i64) -> io::Result<u64> {
    u64::try_from(offset).map_err(|_| invalid("Offset is negative"))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_pread(
    ioc: *mut QIOChannel,
    buf: *mut c_void,
    buflen: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_pread(ioc: Channel, buf: &mut [u8] = (buf, buflen)), error,
            "read from", count =>
            ioc.pread(buf, unsigned(offset)?)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_pread_all(
    ioc: *mut QIOChannel,
    buf: *mut c_void,
    buflen: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_pread_all(ioc: Channel, buf: &mut [u8] = (buf, buflen)), error, "read from",
        status => ioc.pread_all(buf, unsigned(offset)?)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_preadv(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_preadv(ioc: Channel, iov: ReadVec<'_> = (iov, niov)), error,
            "read from", count =>
            iov.with(|iov| ioc.preadv(iov, unsigned(offset)?))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_preadv_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_preadv_all(ioc: Channel, iov: ReadVec<'_> = (iov, niov)), error, "read from",
        status => iov.with(|iov| ioc.preadv_all(iov, unsigned(offset)?))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_pread_all_eof(
    ioc: *mut QIOChannel,
    buf: *mut c_void,
    buflen: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_pread_all_eof(ioc: Channel, buf: &mut [u8] = (buf, buflen)), error, "read from",
        eof => ioc.pread_all_eof(buf, unsigned(offset)?)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_preadv_all_eof(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_preadv_all_eof(ioc: Channel, iov: ReadVec<'_> = (iov, niov)), error,
            "read from",
        eof => iov.with(|iov| ioc.preadv_all_eof(iov, unsigned(offset)?))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_pwrite(
    ioc: *mut QIOChannel,
    buf: *const c_void,
    buflen: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_pwrite(ioc: Channel, buf: &[u8] = (buf, buflen)), error, "write to", count =>
            ioc.pwrite(buf, unsigned(offset)?)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_pwrite_all(
    ioc: *mut QIOChannel,
    buf: *const c_void,
    buflen: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_pwrite_all(ioc: Channel, buf: &[u8] = (buf, buflen)), error,
            "write to", status =>
            ioc.pwrite_all(buf, unsigned(offset)?)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_pwritev(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_pwritev(ioc: Channel, iov: Cow<'_, [IoSlice<'_>]> = (iov, niov)), error,
        "write to", count => ioc.pwritev(&iov, unsigned(offset)?)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_pwritev_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_pwritev_all(ioc: Channel, iov: Cow<'_, [IoSlice<'_>]> = (iov, niov)), error,
        "write to", status => ioc.pwritev_all(&iov, unsigned(offset)?)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_pread_bytes(
    ioc: *mut QIOChannel,
    count: size_t,
    offset: i64,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_pread_bytes(ioc: Channel), error, "read from", pointer => {
            let offset = unsigned(offset)?;
            let mut buf = zeros(count)?;
            let read = ioc.pread(&mut buf, offset)?;
            Ok(into_bytes(buf, read))
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_pwrite_bytes(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    offset: i64,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_pwrite_bytes(ioc: Channel, bytes: glib::Bytes), error, "write to", size =>
            ioc.pwrite(&bytes, unsigned(offset)?)
    )
}
