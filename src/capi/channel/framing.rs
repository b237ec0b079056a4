//! Lines and frames.

use std::ffi::{c_int, c_uint};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::{prelude::*, translate::*};
use glib_sys::{GBytes, GError, GType, gboolean, gpointer};
use libc::size_t;

use crate::{
    Channel, ChannelFramingExt, Framing,
    capi::{async_method, finish_method, try_method},
    ffi::QIOChannel,
};

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_framing_get_type() -> GType {
    Framing::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_line(
    ioc: *mut QIOChannel,
    max: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_line(ioc: Channel),
        error, "read from", pointer => ioc.read_line(max)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_line_async(
    ioc: *mut QIOChannel,
    max: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_line_async(ioc: Channel)
            [io_priority, cancellable, callback, user_data],
        "read from" => async move { ioc.read_line_future(max).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_line_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_line_finish, qio_channel_read_line_async(ioc, result), error,
        Option<glib::Bytes> => pointer
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_until(
    ioc: *mut QIOChannel,
    delimiters: *const u8,
    n_delimiters: size_t,
    max: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_until(ioc: Channel, delimiters: &[u8] = (delimiters.cast(), n_delimiters)),
        error, "read from", pointer => ioc.read_until(delimiters, max)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_until_async(
    ioc: *mut QIOChannel,
    delimiters: *const u8,
    n_delimiters: size_t,
    max: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_until_async(
            ioc: Channel, delimiters: &[u8] = (delimiters.cast(), n_delimiters)
        )[io_priority, cancellable, callback, user_data],
        "read from" => {
            let delimiters = delimiters.to_vec();
            async move { ioc.read_until_future(&delimiters, max).await }
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_until_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_until_finish, qio_channel_read_until_async(ioc, result), error,
        Option<glib::Bytes> => pointer
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_frame(
    ioc: *mut QIOChannel,
    framing: c_uint,
    max: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_frame(ioc: Channel, framing: Framing),
        error, "read from", pointer => ioc.read_frame(framing, max)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_frame_async(
    ioc: *mut QIOChannel,
    framing: c_uint,
    max: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_frame_async(ioc: Channel, framing: Framing)
            [io_priority, cancellable, callback, user_data],
        "read from" => async move { ioc.read_frame_future(framing, max).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_frame_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_frame_finish, qio_channel_read_frame_async(ioc, result), error,
        Option<glib::Bytes> => pointer
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_frame(
    ioc: *mut QIOChannel,
    framing: c_uint,
    content: *mut GBytes,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_write_frame(ioc: Channel, framing: Framing, content: glib::Bytes),
        error, "write to", success => ioc.write_frame(framing, &content)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_frame_async(
    ioc: *mut QIOChannel,
    framing: c_uint,
    content: *mut GBytes,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_write_frame_async(ioc: Channel, framing: Framing, content: glib::Bytes)
            [io_priority, cancellable, callback, user_data],
        "write to" => async move { ioc.write_frame_future(framing, &content).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_frame_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_write_frame_finish, qio_channel_write_frame_async(ioc, result), error,
        () => success
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_push_back(
    ioc: *mut QIOChannel,
    bytes: *mut GBytes,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_push_back(ioc: Channel, bytes: glib::Bytes),
        error, "push back to", success => ioc.push_back(&bytes)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_to_end(
    ioc: *mut QIOChannel,
    max: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_to_end(ioc: Channel),
        error, "read from", pointer => ioc.read_to_end(max)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_to_end_async(
    ioc: *mut QIOChannel,
    max: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_to_end_async(ioc: Channel)
            [io_priority, cancellable, callback, user_data],
        "read from" => async move { ioc.read_to_end_future(max).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_to_end_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_to_end_finish, qio_channel_read_to_end_async(ioc, result), error,
        glib::Bytes => pointer
    )
}
