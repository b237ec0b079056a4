//! Reading and writing at offsets.

use crate::capi::{c_name, try_method};
use std::{
    ffi::{c_int, c_void},
    io, ptr,
};

use glib::translate::*;
use glib_sys::{GBytes, GError};
use libc::{iovec, size_t, ssize_t};

use super::iov::{list, list_mut, memory, memory_mut, until_eof};
use crate::{
    Channel, ChannelExt,
    capi::{count, holds, status, value},
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
    try_method!(qio_channel_pread, ioc, error, -1, |channel: &Channel| {
        let Some(buf) = memory_mut(c_name!(qio_channel_pread), buf, buflen) else {
            return -1;
        };
        let result = unsigned(offset).and_then(|offset| channel.pread(buf, offset));
        count(result, error, channel, "read from")
    })
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
        qio_channel_pread_all,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(buf) = memory_mut(c_name!(qio_channel_pread_all), buf, buflen) else {
                return -1;
            };
            let result = unsigned(offset).and_then(|offset| channel.pread_all(buf, offset));
            status(result, error, channel, "read from")
        }
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
    try_method!(qio_channel_preadv, ioc, error, -1, |channel: &Channel| {
        let Some(mut iov) = list_mut(c_name!(qio_channel_preadv), iov, niov) else {
            return -1;
        };
        let result = unsigned(offset).and_then(|offset| channel.preadv(iov.buffers(), offset));
        count(result, error, channel, "read from")
    })
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
        qio_channel_preadv_all,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(mut iov) = list_mut(c_name!(qio_channel_preadv_all), iov, niov) else {
                return -1;
            };
            let result =
                unsigned(offset).and_then(|offset| channel.preadv_all(iov.buffers(), offset));
            status(result, error, channel, "read from")
        }
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
        qio_channel_pread_all_eof,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(buf) = memory_mut(c_name!(qio_channel_pread_all_eof), buf, buflen) else {
                return -1;
            };
            let result = unsigned(offset).and_then(|offset| channel.pread_all_eof(buf, offset));
            until_eof(result, error, channel)
        }
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
        qio_channel_preadv_all_eof,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(mut iov) = list_mut(c_name!(qio_channel_preadv_all_eof), iov, niov) else {
                return -1;
            };
            let result =
                unsigned(offset).and_then(|offset| channel.preadv_all_eof(iov.buffers(), offset));
            until_eof(result, error, channel)
        }
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
    try_method!(qio_channel_pwrite, ioc, error, -1, |channel: &Channel| {
        let Some(buf) = memory(c_name!(qio_channel_pwrite), buf, buflen) else {
            return -1;
        };
        let result = unsigned(offset).and_then(|offset| channel.pwrite(buf, offset));
        count(result, error, channel, "write to")
    })
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
        qio_channel_pwrite_all,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(buf) = memory(c_name!(qio_channel_pwrite_all), buf, buflen) else {
                return -1;
            };
            let result = unsigned(offset).and_then(|offset| channel.pwrite_all(buf, offset));
            status(result, error, channel, "write to")
        }
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
    try_method!(qio_channel_pwritev, ioc, error, -1, |channel: &Channel| {
        let Some(iov) = list(c_name!(qio_channel_pwritev), iov, niov) else {
            return -1;
        };
        let result = unsigned(offset).and_then(|offset| channel.pwritev(&iov, offset));
        count(result, error, channel, "write to")
    })
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
        qio_channel_pwritev_all,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(iov) = list(c_name!(qio_channel_pwritev_all), iov, niov) else {
                return -1;
            };
            let result = unsigned(offset).and_then(|offset| channel.pwritev_all(&iov, offset));
            status(result, error, channel, "write to")
        }
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
        qio_channel_pread_bytes,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let result = unsigned(offset).and_then(|offset| {
                let mut buf = zeros(count)?;
                let read = channel.pread(&mut buf, offset)?;
                Ok(into_bytes(buf, read).to_glib_full())
            });
            value(result, ptr::null_mut(), error, channel, "read from")
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
        qio_channel_pwrite_bytes,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            if !holds(
                c_name!(qio_channel_pwrite_bytes),
                !bytes.is_null(),
                c"bytes != NULL",
            ) {
                return -1;
            }
            let bytes = glib::Bytes::from_glib_borrow(bytes);
            let result = unsigned(offset).and_then(|offset| channel.pwrite(&bytes, offset));
            value(
                result.map(|count| count as ssize_t),
                -1,
                error,
                channel,
                "write to",
            )
        }
    )
}
