//! The options of a socket. Each is a number for C, and its reader returns -1 with an error.

use std::{ffi::c_uint, time::Duration};

use glib::translate::*;
use glib_sys::{GError, gboolean};

use crate::{ChannelSocket, capi::try_method, ffi::QIOChannelSocket};

/// What errors of these functions are called.
const GET: &str = "get an option of";
const SET: &str = "set an option of";

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_send_buffer_size(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    try_method!(
        qio_channel_socket_get_send_buffer_size(socket: ChannelSocket), error, GET, value or -1 =>
            socket.send_buffer_size().map(i64::from)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_send_buffer_size(
    socket: *mut QIOChannelSocket,
    bytes: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_set_send_buffer_size(socket: ChannelSocket), error, SET, success =>
            socket.set_send_buffer_size(bytes)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_receive_buffer_size(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    try_method!(
        qio_channel_socket_get_receive_buffer_size(socket: ChannelSocket), error,
            GET, value or -1 =>
            socket.receive_buffer_size().map(i64::from)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_receive_buffer_size(
    socket: *mut QIOChannelSocket,
    bytes: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_set_receive_buffer_size(socket: ChannelSocket), error, SET, success =>
            socket.set_receive_buffer_size(bytes)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_keep_alive(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    try_method!(
        qio_channel_socket_get_keep_alive(socket: ChannelSocket), error, GET, value or -1 =>
            socket.keep_alive().map(i64::from)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_keep_alive(
    socket: *mut QIOChannelSocket,
    enabled: gboolean,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_set_keep_alive(socket: ChannelSocket), error, SET, success =>
            socket.set_keep_alive(from_glib(enabled))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_keep_alive_idle(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    try_method!(
        qio_channel_socket_get_keep_alive_idle(socket: ChannelSocket), error, GET, value or -1 =>
            socket.keep_alive_idle().map(|time| time.as_secs() as i64)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_keep_alive_idle(
    socket: *mut QIOChannelSocket,
    seconds: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_set_keep_alive_idle(socket: ChannelSocket), error, SET, success =>
            socket.set_keep_alive_idle(Duration::from_secs(seconds.into()))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_keep_alive_interval(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    try_method!(
        qio_channel_socket_get_keep_alive_interval(socket: ChannelSocket), error,
            GET, value or -1 =>
            socket.keep_alive_interval().map(|time| time.as_secs() as i64)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_keep_alive_interval(
    socket: *mut QIOChannelSocket,
    seconds: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_set_keep_alive_interval(socket: ChannelSocket), error, SET, success =>
            socket.set_keep_alive_interval(Duration::from_secs(seconds.into()))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_keep_alive_count(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    try_method!(
        qio_channel_socket_get_keep_alive_count(socket: ChannelSocket), error, GET, value or -1 =>
            socket.keep_alive_count().map(i64::from)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_keep_alive_count(
    socket: *mut QIOChannelSocket,
    count: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_set_keep_alive_count(socket: ChannelSocket), error, SET, success =>
            socket.set_keep_alive_count(count)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_user_timeout(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    try_method!(
        qio_channel_socket_get_user_timeout(socket: ChannelSocket), error, GET, value or -1 =>
            socket.user_timeout().map(|time| time.as_millis() as i64)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_user_timeout(
    socket: *mut QIOChannelSocket,
    milliseconds: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_set_user_timeout(socket: ChannelSocket), error, SET, success =>
            socket.set_user_timeout(Duration::from_millis(milliseconds.into()))
    )
}
