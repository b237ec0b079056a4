//! The virtual functions of the base class: "not supported", hints that are ignored, waiting by
//! `io_wait_fd`, and for paired functions the counterpart.

use std::{
    ffi::{c_int, c_uint},
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, IntoRawFd, OwnedFd},
    ptr,
};

use gio_sys::{GCredentials, GUnixFDList};
use glib::{prelude::*, translate::*};
use glib_sys::{GBytes, GError, GIOCondition, GSource, gboolean};
use libc::{iovec, size_t, ssize_t};

use super::{
    VFuncs,
    arrays::{array, array_mut, borrowed_fds, give_fds},
    bytes_vfuncs,
    call::unsupported,
    fd_handler, gerror,
};
use crate::{
    channel::{
        Channel,
        ffi::{QIO_CHANNEL_ERR_BLOCK, QIO_CHANNEL_WAIT_WATCH, QIOChannel, QIOChannelClass},
    },
    error::{not_supported, would_block},
    hub::Direction,
    types::{Flushed, ReadFlags, WriteFlags},
    watch,
};

pub(in crate::channel) fn fill(class: &mut QIOChannelClass) {
    class.io_writev = Some(writev);
    class.io_readv = Some(readv);
    class.io_close = Some(close);
    class.io_create_watch = Some(create_watch);
    class.io_set_blocking = Some(set_blocking);
    class.io_shutdown = Some(shutdown);
    class.io_set_cork = Some(hint);
    class.io_set_delay = Some(hint);
    class.io_seek = Some(seek);
    class.io_set_aio_fd_handler = Some(fd_handler::set);
    class.io_wait_fd = Some(wait_fd);
    class.io_preadv = Some(preadv);
    class.io_pwritev = Some(pwritev);
    class.io_flush = Some(flush);
    class.io_get_credentials = Some(get_credentials);
    class.io_read_bytes = Some(read_bytes);
    class.io_write_bytes = Some(write_bytes);
}

/// Converts a result to the return value of a virtual function.
///
/// # Safety
///
/// `ioc` and `error` must be the arguments of the virtual function.
#[cold]
#[inline(never)]
pub(super) unsafe fn give(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
    action: &str,
    result: io::Result<usize>,
) -> ssize_t {
    match result {
        // A count fits: it is at most the size of a buffer in memory.
        Ok(count) => count as ssize_t,
        Err(e) if would_block(&e) => QIO_CHANNEL_ERR_BLOCK,
        Err(e) => {
            // SAFETY: forwarded: `ioc` is a live channel, `error` NULL or writable.
            unsafe { gerror::report(error, e, &Channel::from_glib_borrow(ioc), action) };
            -1
        }
    }
}

/// # Safety
///
/// As for [`give`].
unsafe fn refuse(ioc: *mut QIOChannel, error: *mut *mut GError, reason: io::Error) -> c_int {
    // SAFETY: forwarded: `ioc` is a live channel, `error` NULL or writable.
    unsafe { give(ioc, error, "", Err(reason)) as c_int }
}

// The contract of the functions below: `ioc` is a live channel, arrays have the given lengths
// (their pointer may be anything if that is 0), and `error` is NULL or writable.

pub(super) unsafe extern "C-unwind" fn writev(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut c_int,
    nfds: size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the contract of the slot; iovec and IoSlice have the same layout.
    unsafe {
        let channel = Channel::from_glib_borrow(ioc);
        let vfuncs = VFuncs::of(&channel);
        let filled = bytes_vfuncs::write_filled(vfuncs.class).bytes;
        let result = bytes_vfuncs::via_counterpart(filled, ioc, Direction::Write, || {
            let iov = array(iov.cast::<IoSlice<'_>>(), niov);
            let fds = borrowed_fds(fds, nfds)?;
            let flags = WriteFlags::from_bits_retain(flags as u32);
            bytes_vfuncs::writev_by_bytes(vfuncs, iov, fds, flags)
        });
        give(ioc, error, "write to", result)
    }
}

pub(super) unsafe extern "C-unwind" fn readv(
    ioc: *mut QIOChannel,
    iov: *const iovec,
    niov: size_t,
    fds: *mut *mut c_int,
    nfds: *mut size_t,
    flags: c_int,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the contract of the slot; iovec and IoSliceMut have the same layout. The list is
    // const in C, and `readv_by_bytes` writes to the buffers only.
    unsafe {
        let channel = Channel::from_glib_borrow(ioc);
        let vfuncs = VFuncs::of(&channel);
        let filled = bytes_vfuncs::read_filled(vfuncs.class).bytes;
        let mut received = Vec::new();
        let result = bytes_vfuncs::via_counterpart(filled, ioc, Direction::Read, || {
            let iov = array_mut(iov.cast_mut().cast::<IoSliceMut<'_>>(), niov);
            let flags = ReadFlags::from_bits_retain(flags as u32);
            let wanted = (!fds.is_null()).then_some(&mut received);
            bytes_vfuncs::readv_by_bytes(vfuncs, iov, wanted, flags)
        });
        give_fds(received, fds, nfds);
        give(ioc, error, "read from", result)
    }
}

pub(super) unsafe extern "C-unwind" fn read_bytes(
    ioc: *mut QIOChannel,
    count: size_t,
    fds: *mut *mut GUnixFDList,
    flags: c_uint,
    error: *mut *mut GError,
) -> *mut GBytes {
    // SAFETY: the contract of the slot: `ioc` is live, the out parameters are NULL or writable.
    unsafe {
        if !fds.is_null() {
            *fds = ptr::null_mut();
        }
        let channel = Channel::from_glib_borrow(ioc);
        let vfuncs = VFuncs::of(&channel);
        let filled = bytes_vfuncs::read_filled(vfuncs.class).iov;
        let mut received = Vec::new();
        let result = bytes_vfuncs::via_counterpart(filled, ioc, Direction::Read, || {
            let flags = ReadFlags::from_bits_retain(flags);
            let wanted = (!fds.is_null()).then_some(&mut received);
            bytes_vfuncs::read_bytes_by_iov(vfuncs, count, wanted, flags)
        });
        match result {
            Ok(bytes) => {
                if !received.is_empty() {
                    let raw: Vec<c_int> = received.into_iter().map(OwnedFd::into_raw_fd).collect();
                    *fds = gio_sys::g_unix_fd_list_new_from_array(raw.as_ptr(), raw.len() as c_int);
                }
                bytes.into_glib_ptr()
            }
            Err(e) => {
                gerror::report(error, e, &channel, "read from");
                ptr::null_mut()
            }
        }
    }
}

pub(super) unsafe extern "C-unwind" fn write_bytes(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    fds: *mut GUnixFDList,
    flags: c_uint,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the contract of the slot; the list owns the array of `len` open descriptors, whose
    // numbers have the layout of a BorrowedFd.
    unsafe {
        let channel = Channel::from_glib_borrow(ioc);
        let vfuncs = VFuncs::of(&channel);
        let filled = bytes_vfuncs::write_filled(vfuncs.class).iov;
        let result = bytes_vfuncs::via_counterpart(filled, ioc, Direction::Write, || {
            let bytes = glib::Bytes::from_glib_borrow(bytes);
            let mut len = 0;
            let raw = match fds.is_null() {
                true => ptr::null(),
                false => gio_sys::g_unix_fd_list_peek_fds(fds, &mut len),
            };
            let fds = array(raw.cast::<BorrowedFd<'_>>(), len as usize);
            let flags = WriteFlags::from_bits_retain(flags);
            vfuncs.slot_writev(&[IoSlice::new(&bytes)], bytes.len(), fds, flags)
        });
        match result {
            Ok(count) => count as ssize_t,
            Err(e) => {
                // A binding cannot return -2: would-block is an error like any other there.
                gerror::report(error, e, &channel, "write to");
                -1
            }
        }
    }
}

pub(super) unsafe extern "C-unwind" fn close(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
) -> c_int {
    // SAFETY: the contract of the slot: `ioc` is live, `error` NULL or writable.
    unsafe { refuse(ioc, error, unsupported("Closing is")) }
}

pub(super) unsafe extern "C-unwind" fn create_watch(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
) -> *mut GSource {
    // SAFETY: the contract of the slot; a watch calls the function with the channel that it
    // watches.
    unsafe {
        let channel = Channel::from_glib_borrow(ioc);
        channel
            .watched(|watched| {
                watch::by_query(watched, from_glib(condition), |object, condition| {
                    VFuncs::of(object.unsafe_cast_ref::<Channel>()).wait_fd(condition)
                })
            })
            .into_glib_ptr()
    }
}

pub(super) unsafe extern "C-unwind" fn set_blocking(
    ioc: *mut QIOChannel,
    _enabled: gboolean,
    error: *mut *mut GError,
) -> c_int {
    // SAFETY: the contract of the slot: `ioc` is live, and `error` NULL or writable.
    unsafe { refuse(ioc, error, unsupported("Changing the blocking mode is")) }
}

pub(super) unsafe extern "C-unwind" fn shutdown(
    ioc: *mut QIOChannel,
    _how: c_int,
    error: *mut *mut GError,
) -> c_int {
    // SAFETY: the contract of the slot: `ioc` is live, `error` NULL or writable.
    unsafe { refuse(ioc, error, unsupported("Data path shutdown")) }
}

/// Cork and delay are hints: the default is to ignore them.
pub(super) unsafe extern "C-unwind" fn hint(_ioc: *mut QIOChannel, _enabled: gboolean) {}

pub(super) unsafe extern "C-unwind" fn seek(
    ioc: *mut QIOChannel,
    _offset: i64,
    _whence: c_int,
    error: *mut *mut GError,
) -> i64 {
    // SAFETY: the contract of the slot: `ioc` is live, `error` NULL or writable.
    unsafe { refuse(ioc, error, no_positions()).into() }
}

fn no_positions() -> io::Error {
    not_supported("Channel does not support random access")
}

pub(super) unsafe extern "C-unwind" fn wait_fd(
    _ioc: *mut QIOChannel,
    _condition: GIOCondition,
    _fd_condition: *mut GIOCondition,
) -> c_int {
    QIO_CHANNEL_WAIT_WATCH
}

pub(super) unsafe extern "C-unwind" fn preadv(
    ioc: *mut QIOChannel,
    _iov: *const iovec,
    _niov: size_t,
    _offset: i64,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the contract of the slot: `ioc` is live, `error` NULL or writable.
    unsafe { give(ioc, error, "", Err(no_positions())) }
}

pub(super) unsafe extern "C-unwind" fn pwritev(
    ioc: *mut QIOChannel,
    _iov: *const iovec,
    _niov: size_t,
    _offset: i64,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: the contract of the slot: `ioc` is live, `error` NULL or writable.
    unsafe { give(ioc, error, "", Err(no_positions())) }
}

/// The return value of `io_flush` after success, as in QEMU.
pub(crate) fn flushed(result: Flushed) -> c_int {
    match result {
        Flushed::ZeroCopy => 0,
        Flushed::Copied => 1,
    }
}

pub(super) unsafe extern "C-unwind" fn flush(
    _ioc: *mut QIOChannel,
    _error: *mut *mut GError,
) -> c_int {
    0
}

pub(super) unsafe extern "C-unwind" fn get_credentials(
    ioc: *mut QIOChannel,
    error: *mut *mut GError,
) -> *mut GCredentials {
    // SAFETY: the contract of the slot: `ioc` is live, `error` NULL or writable.
    unsafe { refuse(ioc, error, unsupported("Getting peer credentials is")) };
    ptr::null_mut()
}
