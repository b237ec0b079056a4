//! Reading and writing memory of C, with descriptors as numbers.

use std::{
    borrow::Cow,
    ffi::{c_int, c_void},
    io::IoSlice,
    os::fd::BorrowedFd,
};

use glib_sys::GError;
use libc::{iovec, size_t, ssize_t};

use crate::{
    Channel, ChannelExt, ReadFlags, WriteFlags,
    capi::{descriptors::ReceivedFds, memory::ReadVec, try_method},
    ffi::QIOChannel,
};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_readv_full(
            ioc: Channel, fds: ReceivedFds = (fds, nfds), iov: ReadVec<'_> = (iov, niov),
            flags: ReadFlags
        ), error, "read from", count =>
            fds.receive(|fds| iov.with(|iov| ioc.readv_full(iov, fds, flags)))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev_full(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut c_int,
    nfds: size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> ssize_t {
    // The caller flushes before memory that is written without a copy changes: the C contract.
    try_method!(
        qio_channel_writev_full(
            ioc: Channel, iov: Cow<'_, [IoSlice<'_>]> = (iov, niov),
            fds: &[BorrowedFd<'_>] = (fds, nfds), flags: WriteFlags
        ), error, "write to", count => ioc.writev_zero_copy(&iov, fds, flags)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_readv(ioc: Channel, iov: ReadVec<'_> = (iov, niov)), error,
            "read from", count =>
            iov.with(|iov| ioc.readv(iov))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_writev(ioc: Channel, iov: Cow<'_, [IoSlice<'_>]> = (iov, niov)), error,
            "write to",
        count => ioc.writev(&iov)
    )
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hot.qio")]
pub unsafe extern "C" fn qio_channel_read(
    ioc: *mut QIOChannel,
    buf: *mut c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_read(ioc: Channel, buf: &mut [u8] = (buf, buflen)), error, "read from", count =>
            ioc.read(buf)
    )
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.hot.qio")]
pub unsafe extern "C" fn qio_channel_write(
    ioc: *mut QIOChannel,
    buf: *const c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_write(ioc: Channel, buf: &[u8] = (buf, buflen)), error, "write to", count =>
            ioc.write(buf)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_all_eof(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_readv_all_eof(ioc: Channel, iov: ReadVec<'_> = (iov, niov)), error, "read from",
        eof => iov.with(|iov| ioc.readv_all_eof(iov))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_readv_all(ioc: Channel, iov: ReadVec<'_> = (iov, niov)), error, "read from",
        status => iov.with(|iov| ioc.readv_all(iov))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_writev_all(ioc: Channel, iov: Cow<'_, [IoSlice<'_>]> = (iov, niov)), error,
        "write to", status => ioc.writev_all(&iov)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_all_eof(
    ioc: *mut QIOChannel,
    buf: *mut c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_read_all_eof(ioc: Channel, buf: &mut [u8] = (buf, buflen)), error, "read from",
        eof => ioc.read_all_eof(buf)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_all(
    ioc: *mut QIOChannel,
    buf: *mut c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_read_all(ioc: Channel, buf: &mut [u8] = (buf, buflen)), error, "read from",
        status => ioc.read_all(buf)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_all(
    ioc: *mut QIOChannel,
    buf: *const c_void,
    buflen: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_write_all(ioc: Channel, buf: &[u8] = (buf, buflen)), error,
            "write to", status =>
            ioc.write_all(buf)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full_all_eof(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_readv_full_all_eof(
            ioc: Channel, fds: ReceivedFds = (fds, nfds), iov: ReadVec<'_> = (iov, niov)
        ), error, "read from", eof =>
            fds.receive(|fds| iov.with(|iov| ioc.readv_full_all_eof(iov, fds, ReadFlags::empty())))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full_all_eof_with_flags(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_readv_full_all_eof_with_flags(
            ioc: Channel, fds: ReceivedFds = (fds, nfds), iov: ReadVec<'_> = (iov, niov),
            flags: ReadFlags
        ), error, "read from", eof =>
            fds.receive(|fds| iov.with(|iov| ioc.readv_full_all_eof(iov, fds, flags)))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_readv_full_all(
            ioc: Channel, fds: ReceivedFds = (fds, nfds), iov: ReadVec<'_> = (iov, niov)
        ), error, "read from", status =>
            fds.receive(|fds| iov.with(|iov| ioc.readv_full_all(iov, fds, ReadFlags::empty())))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_readv_full_all_with_flags(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_readv_full_all_with_flags(
            ioc: Channel, fds: ReceivedFds = (fds, nfds), iov: ReadVec<'_> = (iov, niov),
            flags: ReadFlags
        ), error, "read from", status =>
            fds.receive(|fds| iov.with(|iov| ioc.readv_full_all(iov, fds, flags)))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev_full_all(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut c_int,
    nfds: size_t,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_writev_full_all(
            ioc: Channel, iov: Cow<'_, [IoSlice<'_>]> = (iov, niov),
            fds: &[BorrowedFd<'_>] = (fds, nfds)
        ), error, "write to", status => ioc.writev_full_all(&iov, fds, WriteFlags::empty())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_writev_full_all_with_flags(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut c_int,
    nfds: size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_writev_full_all_with_flags(
            ioc: Channel, iov: Cow<'_, [IoSlice<'_>]> = (iov, niov),
            fds: &[BorrowedFd<'_>] = (fds, nfds), flags: WriteFlags
        ), error, "write to", status => ioc.writev_full_all(&iov, fds, flags)
    )
}
