//! Lines and frames.

use crate::capi::{async_call, async_method, finish_method, try_method};
use std::{
    ffi::{CStr, c_int},
    io, ptr, slice,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::{prelude::*, translate::*};
use glib_sys::{GBytes, GError, GType, gboolean, gpointer};
use libc::size_t;

use super::bytes::some_bytes;
use crate::{
    Channel, ChannelFramingExt, Framing,
    capi::{complain, success, task::start, value},
    error::invalid,
    ffi::QIOChannel,
};

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_framing_get_type() -> GType {
    Framing::static_type().into_glib()
}

fn framing(number: c_int) -> io::Result<Framing> {
    // SAFETY: every number is allowed; those of no value are `None`.
    let framing: Result<Framing, _> = unsafe { TryFromGlib::try_from_glib(number) };
    framing.map_err(|_| invalid(&format!("{number} is no QIOChannelFraming")))
}

/// The delimiters of an argument; `None`, with a complaint, if there is a length without them.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn some_delimiters<'a>(
    function: &CStr,
    delimiters: *const u8,
    count: size_t,
) -> Option<&'a [u8]> {
    match (delimiters.is_null(), count) {
        (_, 0) => Some(&[]),
        (true, _) => {
            complain(function, c"delimiters != NULL || n_delimiters == 0");
            None
        }
        // SAFETY: the caller's promise: there are so many bytes.
        (false, _) => Some(unsafe { slice::from_raw_parts(delimiters, count) }),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_line(
    ioc: *mut QIOChannel,
    max: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_line,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let line = channel.read_line(max).map(|line| line.to_glib_full());
            value(line, ptr::null_mut(), error, channel, "read from")
        }
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
        qio_channel_read_until,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let function = c"qio_channel_read_until";
            let Some(delimiters) = some_delimiters(function, delimiters, n_delimiters) else {
                return ptr::null_mut();
            };
            let data = channel.read_until(delimiters, max);
            let data = data.map(|data| data.to_glib_full());
            value(data, ptr::null_mut(), error, channel, "read from")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_frame(
    ioc: *mut QIOChannel,
    number: c_int,
    max: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_frame,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let frame = framing(number).and_then(|framing| channel.read_frame(framing, max));
            let frame = frame.map(|frame| frame.to_glib_full());
            value(frame, ptr::null_mut(), error, channel, "read from")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_frame(
    ioc: *mut QIOChannel,
    number: c_int,
    content: *mut GBytes,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_write_frame,
        ioc,
        error,
        glib_sys::GFALSE,
        |channel: &Channel| {
            let Some(content) = some_bytes(c"qio_channel_write_frame", content) else {
                return glib_sys::GFALSE;
            };
            let written =
                framing(number).and_then(|framing| channel.write_frame(framing, &content));
            success(written, error, channel, "write to")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_to_end(
    ioc: *mut QIOChannel,
    max: size_t,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_read_to_end,
        ioc,
        error,
        ptr::null_mut(),
        |channel: &Channel| {
            let data = channel.read_to_end(max).map(|data| data.to_glib_full());
            value(data, ptr::null_mut(), error, channel, "read from")
        }
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
        qio_channel_read_line_async(ioc, io_priority, cancellable, callback, user_data),
        "read from",
        |channel| async move { channel.read_line_future(max).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_line_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_line_finish,
        qio_channel_read_line_async,
        ioc,
        result,
        error,
        ptr::null_mut(),
        |line: Option<glib::Bytes>| line.to_glib_full()
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
    let call = async_call!(qio_channel_read_until_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(delimiters) = some_delimiters(call.name, delimiters, n_delimiters) else {
            return;
        };
        let delimiters = delimiters.to_vec();
        start(ioc, call, "read from", |channel| async move {
            channel.read_until_future(&delimiters, max).await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_until_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_until_finish,
        qio_channel_read_until_async,
        ioc,
        result,
        error,
        ptr::null_mut(),
        |data: Option<glib::Bytes>| data.to_glib_full()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_frame_async(
    ioc: *mut QIOChannel,
    number: c_int,
    max: size_t,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_read_frame_async(ioc, io_priority, cancellable, callback, user_data),
        "read from",
        |channel| async move { channel.read_frame_future(framing(number)?, max).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_frame_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_frame_finish,
        qio_channel_read_frame_async,
        ioc,
        result,
        error,
        ptr::null_mut(),
        |frame: Option<glib::Bytes>| frame.to_glib_full()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_frame_async(
    ioc: *mut QIOChannel,
    number: c_int,
    content: *mut GBytes,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_write_frame_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(content) = some_bytes(call.name, content) else {
            return;
        };
        start(ioc, call, "write to", |channel| async move {
            channel.write_frame_future(framing(number)?, &content).await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_write_frame_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_write_frame_finish,
        qio_channel_write_frame_async,
        ioc,
        result,
        error,
        glib_sys::GFALSE,
        |()| glib_sys::GTRUE
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
        qio_channel_read_to_end_async(ioc, io_priority, cancellable, callback, user_data),
        "read from",
        |channel| async move { channel.read_to_end_future(max).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_read_to_end_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut GBytes {
    finish_method!(
        qio_channel_read_to_end_finish,
        qio_channel_read_to_end_async,
        ioc,
        result,
        error,
        ptr::null_mut(),
        |data: glib::Bytes| data.to_glib_full()
    )
}
