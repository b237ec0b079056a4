//! Asynchronous waiting, flushing and closing: see `task`.

use std::ffi::c_int;

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::translate::*;
use glib_sys::{GError, GIOCondition, gpointer};

use crate::{
    Channel, ChannelFutureExt, Flushed,
    capi::{async_method, finish_method},
    channel::class::flushed,
    ffi::QIOChannel,
};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_ready_async(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_ready_async(ioc: Channel)[io_priority, cancellable, callback, user_data],
        "wait for" => async move { ioc.ready(from_glib(condition)).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_ready_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> GIOCondition {
    finish_method!(
        qio_channel_ready_finish, qio_channel_ready_async(ioc, result), error,
        glib::IOCondition => value or 0, |got| got.into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_close_async(
    ioc: *mut QIOChannel,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_close_async(ioc: Channel)[io_priority, cancellable, callback, user_data],
        "close" => async move { ioc.close_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_close_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> c_int {
    finish_method!(
        qio_channel_close_finish, qio_channel_close_async(ioc, result), error, () => status
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_flush_async(
    ioc: *mut QIOChannel,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_flush_async(ioc: Channel)[io_priority, cancellable, callback, user_data],
        "flush" => async move { ioc.flush_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_flush_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> c_int {
    finish_method!(
        qio_channel_flush_finish, qio_channel_flush_async(ioc, result), error,
        Flushed => value or -1, flushed
    )
}
