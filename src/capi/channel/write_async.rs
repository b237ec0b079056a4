//! Asynchronous writing: see `task`.

use crate::capi::{async_call, finish_method};
use std::{
    ffi::{c_int, c_uint},
    io,
    os::fd::{AsFd, OwnedFd},
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GUnixFDList};
use glib_sys::{GBytes, GError, gboolean, gpointer};
use libc::ssize_t;

use super::bytes::{duplicates, some_bytes};
use crate::{
    Channel, ChannelFutureExt, WriteFlags,
    capi::{some, task::start},
    ffi::QIOChannel,
};

/// Bytes, and descriptors that stay open for as long as they are written.
struct Message {
    bytes: glib::Bytes,
    /// Ours: the list may be emptied by its owner at any time.
    fds: io::Result<Vec<OwnedFd>>,
    flags: WriteFlags,
}

async fn write(channel: Channel, message: Message) -> io::Result<usize> {
    let fds = message.fds?;
    let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
    channel
        .write_bytes_full_future(&message.bytes, &fds, message.flags)
        .await
}

async fn write_all(channel: Channel, message: Message) -> io::Result<()> {
    let fds = message.fds?;
    let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
    channel
        .write_bytes_full_all_future(&message.bytes, &fds, message.flags)
        .await
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_async(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_write_bytes_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(bytes) = some_bytes(call.name, bytes) else {
            return;
        };
        let message = Message {
            bytes,
            fds: Ok(Vec::new()),
            flags: WriteFlags::empty(),
        };
        start(ioc, call, "write to", |channel| write(channel, message));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> ssize_t {
    finish_method!(
        qio_channel_write_bytes_finish,
        qio_channel_write_bytes_async,
        ioc,
        result,
        error,
        -1,
        |count: usize| { count as ssize_t }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_async(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    fds: *mut GUnixFDList,
    flags: c_uint,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_write_bytes_with_fds_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(bytes) = some_bytes(call.name, bytes) else {
            return;
        };
        let Ok(fds) = some(call.name, fds) else {
            return;
        };
        let message = Message {
            bytes,
            fds: duplicates(fds.as_ref()),
            flags: WriteFlags::from_bits_truncate(flags),
        };
        start(ioc, call, "write to", |channel| write(channel, message));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> ssize_t {
    finish_method!(
        qio_channel_write_bytes_with_fds_finish,
        qio_channel_write_bytes_with_fds_async,
        ioc,
        result,
        error,
        -1,
        |count: usize| { count as ssize_t }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_all_async(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_write_bytes_all_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(bytes) = some_bytes(call.name, bytes) else {
            return;
        };
        let message = Message {
            bytes,
            fds: Ok(Vec::new()),
            flags: WriteFlags::empty(),
        };
        start(ioc, call, "write to", |channel| write_all(channel, message));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_write_bytes_all_finish,
        qio_channel_write_bytes_all_async,
        ioc,
        result,
        error,
        0,
        |()| 1
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_all_async(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    fds: *mut GUnixFDList,
    flags: c_uint,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_write_bytes_with_fds_all_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(bytes) = some_bytes(call.name, bytes) else {
            return;
        };
        let Ok(fds) = some(call.name, fds) else {
            return;
        };
        let message = Message {
            bytes,
            fds: duplicates(fds.as_ref()),
            flags: WriteFlags::from_bits_truncate(flags),
        };
        start(ioc, call, "write to", |channel| write_all(channel, message));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_write_bytes_with_fds_all_finish,
        qio_channel_write_bytes_with_fds_all_async,
        ioc,
        result,
        error,
        0,
        |()| 1
    )
}
