//! Connections of GIO as sockets, and the reverse.

use gio_sys::GSocketConnection;
use glib_sys::GError;

use crate::{
    ChannelSocket,
    capi::{function, instance, try_method},
    ffi::QIOChannelSocket,
};

instance!(gio::SocketConnection, "G_IS_SOCKET_CONNECTION");

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_new_from_connection(
    connection: *mut GSocketConnection,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    function!(
        qio_channel_socket_new_from_connection(connection: gio::SocketConnection),
        error, pointer => ChannelSocket::from_connection(&connection)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_to_connection(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> *mut GSocketConnection {
    try_method!(
        qio_channel_socket_to_connection(socket: ChannelSocket), error,
        "create a connection of", pointer => socket.to_connection()
    )
}
