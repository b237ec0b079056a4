//! Sockets; those that keep messages apart, options and credentials have files of their own.

mod connect;

use crate::capi::{async_call, c_name, method, try_method};
use std::{
    ffi::{c_int, c_uint},
    io, ptr,
};

use gio_sys::{
    GAsyncReadyCallback, GAsyncResult, GCancellable, GSocketAddress, GSocketConnectable,
};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean, gpointer};

use super::own;
use crate::{
    Channel, ChannelSocket,
    capi::{
        Instance, complain, fail, fail_without_channel, give, guarded, holds, instance, is_a,
        status, success,
        task::{finish, finish_success, start, start_local_of},
        with,
    },
    channel::class::describe,
    ffi::QIOChannelSocket,
};

instance!(ChannelSocket, c"QIO_IS_CHANNEL_SOCKET (socket)");
instance!(gio::SocketAddress, c"G_IS_SOCKET_ADDRESS (address)");

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_socket_get_type() -> GType {
    ChannelSocket::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_socket_new() -> *mut QIOChannelSocket {
    let (function, no_error) = (c"qio_channel_socket_new", ptr::null_mut());
    // SAFETY: there is no place for an error.
    unsafe {
        guarded(function, no_error, ptr::null_mut(), || {
            give(Ok(ChannelSocket::new()), no_error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_new_fd(
    fd: c_int,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    let function = c"qio_channel_socket_new_fd";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(mut fd) = own(function, fd, error) else {
            return ptr::null_mut();
        };
        guarded(function, error, ptr::null_mut(), || {
            let socket = ChannelSocket::new();
            give(socket.adopt_fd_from(&mut fd.0).map(|()| socket), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_new_pair(
    one: *mut *mut QIOChannelSocket,
    other: *mut *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_socket_new_pair";
    if !holds(function, !one.is_null(), c"one != NULL")
        || !holds(function, !other.is_null(), c"other != NULL")
    {
        return 0;
    }
    // SAFETY: the C contract, at the top of `capi`; the places were checked.
    unsafe {
        guarded(function, error, 0, || match ChannelSocket::pair() {
            Ok((a, b)) => {
                *one = give(Ok(a), error);
                *other = give(Ok(b), error);
                1
            }
            Err(e) => {
                fail_without_channel(error, &e);
                0
            }
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_adopt_fd(
    socket: *mut QIOChannelSocket,
    fd: c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_adopt_fd,
        socket,
        error,
        0,
        |socket: &ChannelSocket| {
            let Some(mut fd) = own(c_name!(qio_channel_socket_adopt_fd), fd, error) else {
                return 0;
            };
            success(
                socket.adopt_fd_from(&mut fd.0),
                error,
                socket.upcast_ref(),
                "open",
            )
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_listen_sync(
    socket: *mut QIOChannelSocket,
    address: *mut GSocketAddress,
    backlog: c_uint,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_socket_listen_sync,
        socket,
        error,
        -1,
        |socket: &ChannelSocket| {
            let listen = |address: &gio::SocketAddress| {
                let result = socket.listen_sync(address, backlog);
                status(result, error, socket.upcast_ref(), "listen on")
            };
            with(
                c_name!(qio_channel_socket_listen_sync),
                address,
                error,
                -1,
                listen,
            )
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_listen_async(
    socket: *mut QIOChannelSocket,
    address: *mut GSocketConnectable,
    backlog: c_uint,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_socket_listen_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    let no_error = ptr::null_mut();
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with(
            call.name,
            socket,
            no_error,
            (),
            |channel: &ChannelSocket| {
                let listen = |address: &gio::SocketConnectable| {
                    let future = channel.listen_future(address, backlog);
                    let base = channel.clone().upcast();
                    let to_error = move |e: &io::Error| describe(e, &base, "listen on");
                    start_local_of(socket.cast(), &call, future, to_error);
                };
                with(call.name, address, no_error, (), listen);
            },
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_listen_finish(
    socket: *mut QIOChannelSocket,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    // SAFETY: the C contract, at the top of `capi`; what has this tag has no result.
    unsafe {
        finish_success(
            c"qio_channel_socket_listen_finish",
            socket.cast(),
            result,
            qio_channel_socket_listen_async as *const () as usize,
            error,
        )
    }
}

/// What an error of `accept` is called.
const ACCEPT: &str = "accept a connection on";

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_accept(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    try_method!(
        qio_channel_socket_accept,
        socket,
        error,
        ptr::null_mut(),
        |socket: &ChannelSocket| { give_from(socket.accept(), error, socket.upcast_ref(), ACCEPT) }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_accept_async(
    socket: *mut QIOChannelSocket,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_socket_accept_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if !is_a::<ChannelSocket>(socket.cast()) {
            return complain(call.name, ChannelSocket::IS);
        }
        start(socket.cast(), call, ACCEPT, |channel| async move {
            let socket = channel.downcast_ref::<ChannelSocket>();
            socket.expect("checked").accept_future().await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_accept_finish(
    socket: *mut QIOChannelSocket,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    // SAFETY: the C contract, at the top of `capi`; what has this tag has a socket for its result.
    unsafe {
        finish(
            c"qio_channel_socket_accept_finish",
            socket.cast(),
            result,
            qio_channel_socket_accept_async as *const () as usize,
            error,
            ptr::null_mut(),
            |accepted: ChannelSocket| give(Ok(accepted), error),
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_local_address(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> *mut GSocketAddress {
    try_method!(
        qio_channel_socket_get_local_address,
        socket,
        error,
        ptr::null_mut(),
        |socket: &ChannelSocket| {
            let action = "get the local address of";
            give_from(socket.local_address(), error, socket.upcast_ref(), action)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_remote_address(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> *mut GSocketAddress {
    try_method!(
        qio_channel_socket_get_remote_address,
        socket,
        error,
        ptr::null_mut(),
        |socket: &ChannelSocket| {
            let action = "get the remote address of";
            give_from(socket.remote_address(), error, socket.upcast_ref(), action)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_fd(socket: *mut QIOChannelSocket) -> c_int {
    method!(qio_channel_socket_get_fd, socket, -1, ChannelSocket::fd)
}

/// As [`give`], with an error that names the channel.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn give_from<T: IsA<glib::Object>>(
    result: io::Result<T>,
    out: *mut *mut GError,
    channel: &Channel,
    action: &str,
) -> *mut T::GlibType {
    // SAFETY: the caller's promise.
    unsafe {
        match result {
            Ok(object) => give(Ok(object), out),
            Err(e) => {
                fail(out, e, channel, action);
                ptr::null_mut()
            }
        }
    }
}
