//! Message-oriented sockets.

use std::ffi::c_int;

use gio_sys::{
    GAsyncReadyCallback, GAsyncResult, GCancellable, GSocketAddress, GSocketConnectable,
    GSocketType,
};
use glib::translate::*;
use glib_sys::{GBytes, GError, gboolean, gpointer};
use libc::{size_t, ssize_t};

use crate::{
    ChannelSocket,
    capi::{Out, async_method, finish_method, function, method, try_method},
    ffi::QIOChannelSocket,
    types::{into_bytes, zeros},
};

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_socket_new_of_type(kind: GSocketType) -> *mut QIOChannelSocket {
    function!(
        qio_channel_socket_new_of_type(kind: gio::SocketType), pointer =>
            ChannelSocket::of_type(kind)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_new_pair_of_type(
    kind: GSocketType,
    one: *mut *mut QIOChannelSocket,
    other: *mut *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> gboolean {
    function!(
        qio_channel_socket_new_pair_of_type(
            kind: gio::SocketType, one: Out<*mut QIOChannelSocket>,
            other: Out<*mut QIOChannelSocket>
        ), error, success => {
            let (a, b) = ChannelSocket::pair_of(kind)?;
            one.set(a.into_glib_ptr());
            other.set(b.into_glib_ptr());
            Ok(())
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_socket_type(
    socket: *mut QIOChannelSocket,
) -> GSocketType {
    method!(
        qio_channel_socket_get_socket_type(socket: ChannelSocket)
        or gio_sys::G_SOCKET_TYPE_INVALID =>
            socket.socket_type().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_dgram_sync(
    socket: *mut QIOChannelSocket,
    local: *mut GSocketAddress,
    remote: *mut GSocketConnectable,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_socket_dgram_sync(
            socket: ChannelSocket, local: Option<gio::SocketAddress>,
            remote: Option<gio::SocketConnectable>
        ), error, "open", status => socket.dgram_sync(local.as_ref(), remote.as_ref())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_dgram_async(
    socket: *mut QIOChannelSocket,
    local: *mut GSocketAddress,
    remote: *mut GSocketConnectable,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_socket_dgram_async(
            socket: ChannelSocket, local: Option<gio::SocketAddress>,
            remote: Option<gio::SocketConnectable>
        )[io_priority, cancellable, callback, user_data],
        "open" => socket.dgram_future(local.as_ref(), remote.as_ref())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_dgram_finish(
    socket: *mut QIOChannelSocket,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> c_int {
    finish_method!(
        qio_channel_socket_dgram_finish, qio_channel_socket_dgram_async(socket, result), error,
        () => status
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_receive_from(
    socket: *mut QIOChannelSocket,
    count: size_t,
    from: *mut *mut GSocketAddress,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_socket_receive_from(
            socket: ChannelSocket, from: Option<Out<*mut GSocketAddress>>
        ), error, "receive from", pointer => {
            let mut buf = zeros(count)?;
            let (count, address) = socket.recv_from(&mut buf)?;
            from.into_iter().for_each(|from| from.set(address.to_glib_full()));
            Ok(into_bytes(buf, count))
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_send_to(
    socket: *mut QIOChannelSocket,
    bytes: *mut GBytes,
    to: *mut GSocketAddress,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_socket_send_to(
            socket: ChannelSocket, bytes: glib::Bytes, to: gio::SocketAddress
        ), error, "send to", size => socket.send_to(&bytes, &to)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_next_message_size(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_socket_get_next_message_size(socket: ChannelSocket), error, "look into", size =>
            socket.next_message_size()
    )
}
