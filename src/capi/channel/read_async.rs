//! Asynchronous reading: see `task`.

use std::{
    ffi::{c_int, c_uint},
    io::{self, IoSliceMut},
    os::fd::OwnedFd,
    ptr,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GUnixFDList};
use glib::translate::*;
use glib_sys::{GBytes, GError, gpointer};
use libc::size_t;

use crate::{
    Channel, ChannelExt, ChannelFutureExt, Feature, ReadFlags,
    capi::{Out, async_method, descriptors::return_fds, finish_method},
    ffi::QIOChannel,
    types::{into_bytes, zeros},
};

/// What a read has brought.
type Read = (Option<glib::Bytes>, Vec<OwnedFd>);

async fn read(
    channel: Channel,
    count: usize,
    with_fds: bool,
    flags: ReadFlags,
) -> io::Result<Read> {
    let mut buf = zeros(count)?;
    let mut fds = Vec::new();
    let mut iov = [IoSliceMut::new(&mut buf)];
    let wanted = with_fds.then_some(&mut fds);
    let count = channel.readv_full_future(&mut iov, wanted, flags).await?;
    Ok((Some(into_bytes(buf, count)), fds))
}

/// Reads until all is read; no bytes at the end of the file.
async fn read_all_eof(channel: Channel, count: usize, with_fds: bool) -> io::Result<Read> {
    let mut buf = zeros(count)?;
    let mut fds = Vec::new();
    let mut iov = [IoSliceMut::new(&mut buf)];
    let (wanted, flags) = (with_fds.then_some(&mut fds), ReadFlags::empty());
    let read = channel.readv_full_all_eof_future(&mut iov, wanted, flags);
    let whole = read.await?;
    Ok((whole.then(|| glib::Bytes::from_owned(buf)), fds))
}

/// Reads until all is read.
async fn read_all(channel: Channel, count: usize, with_fds: bool) -> io::Result<Read> {
    let mut buf = zeros(count)?;
    let mut fds = Vec::new();
    let mut iov = [IoSliceMut::new(&mut buf)];
    let (wanted, flags) = (with_fds.then_some(&mut fds), ReadFlags::empty());
    let read = channel.readv_full_all_future(&mut iov, wanted, flags);
    read.await?;
    Ok((Some(glib::Bytes::from_owned(buf)), fds))
}

/// Returns what a read has brought to the caller.
fn take((bytes, received): Read, fds: Option<Out<*mut GUnixFDList>>) -> *mut GBytes {
    return_fds(received, fds);
    bytes.into_glib_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_async(
    ioc: *mut QIOChannel,
    count: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_bytes_async(ioc: Channel)[io_priority, cancellable, callback, user_data],
        "read from" => read(ioc, count, false, ReadFlags::empty())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_bytes_finish, qio_channel_read_bytes_async(ioc, result), error,
        Read => value or ptr::null_mut(), |(bytes, _)| bytes.into_glib_ptr()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_async(
    ioc: *mut QIOChannel,
    count: size_t,
    flags: c_uint,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_bytes_with_fds_async(ioc: Channel, flags: ReadFlags)
            [io_priority, cancellable, callback, user_data],
        "read from" => {
            let with_fds = ioc.has_feature(Feature::FD_PASS);
            read(ioc, count, with_fds, flags)
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    fds: *mut *mut GUnixFDList,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_bytes_with_fds_finish, qio_channel_read_bytes_with_fds_async(ioc, result),
        error, Read => value or ptr::null_mut(), |read| take(read, Out::new(fds))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_async(
    ioc: *mut QIOChannel,
    count: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_bytes_all_async(ioc: Channel)
            [io_priority, cancellable, callback, user_data],
        "read from" => read_all(ioc, count, false)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_bytes_all_finish, qio_channel_read_bytes_all_async(ioc, result), error,
        Read => value or ptr::null_mut(), |(bytes, _)| bytes.into_glib_ptr()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_eof_async(
    ioc: *mut QIOChannel,
    count: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_bytes_all_eof_async(ioc: Channel)
            [io_priority, cancellable, callback, user_data],
        "read from" => read_all_eof(ioc, count, false)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_all_eof_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_bytes_all_eof_finish, qio_channel_read_bytes_all_eof_async(ioc, result),
        error, Read => value or ptr::null_mut(), |(bytes, _)| bytes.into_glib_ptr()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_all_async(
    ioc: *mut QIOChannel,
    count: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_bytes_with_fds_all_async(ioc: Channel)
            [io_priority, cancellable, callback, user_data],
        "read from" => {
            let with_fds = ioc.has_feature(Feature::FD_PASS);
            read_all(ioc, count, with_fds)
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_bytes_with_fds_all_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    fds: *mut *mut GUnixFDList,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_bytes_with_fds_all_finish,
        qio_channel_read_bytes_with_fds_all_async(ioc, result), error,
        Read => value or ptr::null_mut(), |read| take(read, Out::new(fds))
    )
}
