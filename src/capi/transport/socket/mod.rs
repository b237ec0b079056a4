//! Sockets; message-oriented ones, options and credentials have files of their own.

mod connect;

use std::ffi::{c_int, c_uint};

use gio_sys::{
    GAsyncReadyCallback, GAsyncResult, GCancellable, GSocketAddress, GSocketConnectable,
};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean, gpointer};

use crate::{
    ChannelSocket,
    capi::{
        Out, async_method, descriptors::CallersFd, finish_method, function, instance, method,
        try_method,
    },
    ffi::QIOChannelSocket,
};

instance!(ChannelSocket, "QIO_IS_CHANNEL_SOCKET");

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_socket_get_type() -> GType {
    ChannelSocket::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_socket_new() -> *mut QIOChannelSocket {
    function!(qio_channel_socket_new(), pointer => ChannelSocket::new())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_new_fd(
    fd: c_int,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    function!(
        qio_channel_socket_new_fd(fd: CallersFd), error, pointer => {
            let socket = ChannelSocket::new();
            socket.adopt_fd_from(&mut fd.take()?.0)?;
            Ok(socket)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_new_pair(
    one: *mut *mut QIOChannelSocket,
    other: *mut *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> gboolean {
    function!(
        qio_channel_socket_new_pair(
            one: Out<*mut QIOChannelSocket>, other: Out<*mut QIOChannelSocket>
        ), error, success => {
            let (a, b) = ChannelSocket::pair()?;
            one.set(a.into_glib_ptr());
            other.set(b.into_glib_ptr());
            Ok(())
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_adopt_fd(
    socket: *mut QIOChannelSocket,
    fd: c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_adopt_fd(socket: ChannelSocket, fd: CallersFd), error, "open", success =>
            socket.adopt_fd_from(&mut fd.take()?.0)
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
        qio_channel_socket_listen_sync(socket: ChannelSocket, address: gio::SocketAddress), error,
        "listen on", status => socket.listen_sync(&address, backlog)
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
    async_method!(
        qio_channel_socket_listen_async(socket: ChannelSocket, address: gio::SocketConnectable)
            [io_priority, cancellable, callback, user_data],
        local "listen on" => socket.listen_future(&address, backlog)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_listen_finish(
    socket: *mut QIOChannelSocket,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_socket_listen_finish, qio_channel_socket_listen_async(socket, result), error,
        () => success
    )
}

/// What an error of `accept` is called.
const ACCEPT: &str = "accept a connection on";

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_accept(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    try_method!(
        qio_channel_socket_accept(socket: ChannelSocket), error, ACCEPT, pointer => socket.accept()
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
    async_method!(
        qio_channel_socket_accept_async(socket: ChannelSocket)
            [io_priority, cancellable, callback, user_data],
        ACCEPT => async move { socket.accept_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_accept_finish(
    socket: *mut QIOChannelSocket,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    finish_method!(
        qio_channel_socket_accept_finish, qio_channel_socket_accept_async(socket, result), error,
        ChannelSocket => pointer
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_local_address(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> *mut GSocketAddress {
    try_method!(
        qio_channel_socket_get_local_address(socket: ChannelSocket), error,
        "get the local address of", pointer => socket.local_address()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_remote_address(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> *mut GSocketAddress {
    try_method!(
        qio_channel_socket_get_remote_address(socket: ChannelSocket), error,
        "get the remote address of", pointer => socket.remote_address()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_fd(socket: *mut QIOChannelSocket) -> c_int {
    method!(qio_channel_socket_get_fd(socket: ChannelSocket) or -1 => socket.fd())
}
