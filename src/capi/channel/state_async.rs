//! Asynchronous waiting, flushing and closing: see `task`.

use crate::capi::{async_method, finish_method};
use std::ffi::c_int;

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::translate::*;
use glib_sys::{GError, GIOCondition, gpointer};

use crate::{
    ChannelFutureExt, capi::task::finish_success, channel::class::flushed, ffi::QIOChannel,
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
        qio_channel_ready_async(ioc, io_priority, cancellable, callback, user_data),
        "wait for",
        |channel| async move { channel.ready(from_glib(condition)).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_ready_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> GIOCondition {
    finish_method!(
        qio_channel_ready_finish,
        qio_channel_ready_async,
        ioc,
        result,
        error,
        0,
        |got: glib::IOCondition| got.into_glib()
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
        qio_channel_close_async(ioc, io_priority, cancellable, callback, user_data),
        "close",
        |channel| async move { channel.close_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_close_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> c_int {
    let name = c"qio_channel_close_finish";
    let tag = qio_channel_close_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        match finish_success(name, ioc.cast(), result, tag, error) {
            0 => -1,
            _ => 0,
        }
    }
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
        qio_channel_flush_async(ioc, io_priority, cancellable, callback, user_data),
        "flush",
        |channel| async move { channel.flush_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_flush_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> c_int {
    finish_method!(
        qio_channel_flush_finish,
        qio_channel_flush_async,
        ioc,
        result,
        error,
        -1,
        flushed
    )
}
