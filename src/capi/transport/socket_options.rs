//! The options of a socket. Each is a number for C, and its reader returns -1 with an error.

use std::{
    ffi::{CStr, c_uint},
    io,
    time::Duration,
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, gboolean};

use crate::{
    ChannelSocket,
    capi::{success, value, with},
    ffi::QIOChannelSocket,
};

/// # Safety
///
/// As for the functions of this module.
unsafe fn get(
    function: &CStr,
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
    option: impl FnOnce(&ChannelSocket) -> io::Result<i64>,
) -> i64 {
    // SAFETY: the caller's promise.
    unsafe {
        with(function, socket, error, -1, |socket: &ChannelSocket| {
            let action = "get an option of";
            value(option(socket), -1, error, socket.upcast_ref(), action)
        })
    }
}

/// # Safety
///
/// As for the functions of this module.
unsafe fn set(
    function: &CStr,
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
    option: impl FnOnce(&ChannelSocket) -> io::Result<()>,
) -> gboolean {
    // SAFETY: the caller's promise.
    unsafe {
        with(function, socket, error, 0, |socket: &ChannelSocket| {
            let action = "set an option of";
            success(option(socket), error, socket.upcast_ref(), action)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_send_buffer_size(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    let function = c"qio_channel_socket_get_send_buffer_size";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        get(function, socket, error, |socket| {
            socket.send_buffer_size().map(i64::from)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_send_buffer_size(
    socket: *mut QIOChannelSocket,
    bytes: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_socket_set_send_buffer_size";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        set(function, socket, error, |socket| {
            socket.set_send_buffer_size(bytes)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_receive_buffer_size(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    let function = c"qio_channel_socket_get_receive_buffer_size";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        get(function, socket, error, |socket| {
            socket.receive_buffer_size().map(i64::from)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_receive_buffer_size(
    socket: *mut QIOChannelSocket,
    bytes: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_socket_set_receive_buffer_size";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        set(function, socket, error, |socket| {
            socket.set_receive_buffer_size(bytes)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_keep_alive(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    let function = c"qio_channel_socket_get_keep_alive";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        get(function, socket, error, |socket| {
            socket.keep_alive().map(i64::from)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_keep_alive(
    socket: *mut QIOChannelSocket,
    enabled: gboolean,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_socket_set_keep_alive";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        set(function, socket, error, |socket| {
            socket.set_keep_alive(from_glib(enabled))
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_keep_alive_idle(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    let function = c"qio_channel_socket_get_keep_alive_idle";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        get(function, socket, error, |socket| {
            socket.keep_alive_idle().map(|time| time.as_secs() as i64)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_keep_alive_idle(
    socket: *mut QIOChannelSocket,
    seconds: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_socket_set_keep_alive_idle";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        set(function, socket, error, |socket| {
            socket.set_keep_alive_idle(Duration::from_secs(seconds.into()))
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_keep_alive_interval(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    let function = c"qio_channel_socket_get_keep_alive_interval";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        get(function, socket, error, |socket| {
            socket
                .keep_alive_interval()
                .map(|time| time.as_secs() as i64)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_keep_alive_interval(
    socket: *mut QIOChannelSocket,
    seconds: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_socket_set_keep_alive_interval";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        set(function, socket, error, |socket| {
            socket.set_keep_alive_interval(Duration::from_secs(seconds.into()))
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_keep_alive_count(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    let function = c"qio_channel_socket_get_keep_alive_count";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        get(function, socket, error, |socket| {
            socket.keep_alive_count().map(i64::from)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_keep_alive_count(
    socket: *mut QIOChannelSocket,
    count: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_socket_set_keep_alive_count";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        set(function, socket, error, |socket| {
            socket.set_keep_alive_count(count)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_user_timeout(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> i64 {
    let function = c"qio_channel_socket_get_user_timeout";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        get(function, socket, error, |socket| {
            socket.user_timeout().map(|time| time.as_millis() as i64)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_set_user_timeout(
    socket: *mut QIOChannelSocket,
    milliseconds: c_uint,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_socket_set_user_timeout";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        set(function, socket, error, |socket| {
            socket.set_user_timeout(Duration::from_millis(milliseconds.into()))
        })
    }
}
