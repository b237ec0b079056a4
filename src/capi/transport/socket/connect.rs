//! Connecting.

use std::ffi::c_int;

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GSocketClient, GSocketConnectable};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean, gpointer};

use crate::{
    ChannelSocket, ConnectStage,
    capi::{async_method, finish_method, instance, try_method},
    ffi::QIOChannelSocket,
};

instance!(gio::SocketClient, "G_IS_SOCKET_CLIENT");

/// What an error of a connect is called.
const CONNECT: &str = "connect";

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_connect_stage_get_type() -> GType {
    ConnectStage::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_connect_sync(
    socket: *mut QIOChannelSocket,
    address: *mut GSocketConnectable,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_socket_connect_sync(socket: ChannelSocket, address: gio::SocketConnectable),
        error, CONNECT, status => socket.connect_sync(&address)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_connect_async(
    socket: *mut QIOChannelSocket,
    address: *mut GSocketConnectable,
    client: *mut GSocketClient,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_socket_connect_async(
            socket: ChannelSocket, address:
                gio::SocketConnectable, client: Option<gio::SocketClient>
        )[io_priority, cancellable, callback, user_data],
        local CONNECT => async move { socket.connect_async(&address, client.as_ref()).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_connect_finish(
    socket: *mut QIOChannelSocket,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_socket_connect_finish, qio_channel_socket_connect_async(socket, result), error,
        () => success
    )
}
