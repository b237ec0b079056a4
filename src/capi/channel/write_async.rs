//! Asynchronous writing: see `task`. Descriptors are duplicated first: the owner of their list may
//! change it at any time.

use std::{
    ffi::{c_int, c_uint},
    io,
    os::fd::{AsFd, OwnedFd},
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GUnixFDList};
use glib_sys::{GBytes, GError, gboolean, gpointer};
use libc::ssize_t;

use crate::{
    Channel, ChannelFutureExt, WriteFlags,
    capi::{async_method, descriptors::duplicates, finish_method},
    ffi::QIOChannel,
};

async fn write(
    channel: Channel,
    bytes: glib::Bytes,
    fds: io::Result<Vec<OwnedFd>>,
    flags: WriteFlags,
) -> io::Result<usize> {
    let fds = fds?;
    let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
    let write = channel.write_bytes_full_future(&bytes, &fds, flags);
    write.await
}

async fn write_all(
    channel: Channel,
    bytes: glib::Bytes,
    fds: io::Result<Vec<OwnedFd>>,
    flags: WriteFlags,
) -> io::Result<()> {
    let fds = fds?;
    let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
    let write = channel.write_bytes_full_all_future(&bytes, &fds, flags);
    write.await
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
    async_method!(
        qio_channel_write_bytes_async(ioc: Channel, bytes: glib::Bytes)
            [io_priority, cancellable, callback, user_data],
        "write to" => write(ioc, bytes, Ok(Vec::new()), WriteFlags::empty())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> ssize_t {
    finish_method!(
        qio_channel_write_bytes_finish, qio_channel_write_bytes_async(ioc, result), error,
        usize => size
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
    async_method!(
        qio_channel_write_bytes_with_fds_async(
            ioc: Channel, bytes: glib::Bytes, fds: Option<gio::UnixFDList>, flags: WriteFlags
        )[io_priority, cancellable, callback, user_data],
        "write to" => write(ioc, bytes, duplicates(fds.as_ref()), flags)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> ssize_t {
    finish_method!(
        qio_channel_write_bytes_with_fds_finish,
        qio_channel_write_bytes_with_fds_async(ioc, result), error, usize => size
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
    async_method!(
        qio_channel_write_bytes_all_async(ioc: Channel, bytes: glib::Bytes)
            [io_priority, cancellable, callback, user_data],
        "write to" => write_all(ioc, bytes, Ok(Vec::new()), WriteFlags::empty())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_write_bytes_all_finish, qio_channel_write_bytes_all_async(ioc, result), error,
        () => success
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
    async_method!(
        qio_channel_write_bytes_with_fds_all_async(
            ioc: Channel, bytes: glib::Bytes, fds: Option<gio::UnixFDList>, flags: WriteFlags
        )[io_priority, cancellable, callback, user_data],
        "write to" => write_all(ioc, bytes, duplicates(fds.as_ref()), flags)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_bytes_with_fds_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_write_bytes_with_fds_all_finish,
        qio_channel_write_bytes_with_fds_all_async(ioc, result), error, () => success
    )
}
