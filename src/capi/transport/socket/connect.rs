//! Connecting.

use crate::capi::{async_call, c_name, try_method};
use std::{ffi::c_int, io};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GSocketClient, GSocketConnectable};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean, gpointer};

use crate::{
    Channel, ChannelSocket, ConnectStage,
    capi::{
        Instance, complain, instance, is_a, status,
        task::{finish_success, start_local},
        with,
    },
    ffi::QIOChannelSocket,
};

instance!(gio::SocketConnectable, c"G_IS_SOCKET_CONNECTABLE (address)");
instance!(
    gio::SocketClient,
    c"client == NULL || G_IS_SOCKET_CLIENT (client)"
);

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
        qio_channel_socket_connect_sync,
        socket,
        error,
        -1,
        |socket: &ChannelSocket| {
            let connect = |address: &gio::SocketConnectable| {
                let result = socket.connect_sync(address);
                status(result, error, socket.upcast_ref(), CONNECT)
            };
            with(
                c_name!(qio_channel_socket_connect_sync),
                address,
                error,
                -1,
                connect,
            )
        }
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
    let call = async_call!(qio_channel_socket_connect_async(
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
        if !is_a::<gio::SocketConnectable>(address.cast()) {
            return complain(call.name, gio::SocketConnectable::IS);
        }
        if !client.is_null() && !is_a::<gio::SocketClient>(client.cast()) {
            return complain(call.name, gio::SocketClient::IS);
        }
        let address: gio::SocketConnectable = from_glib_none(address);
        let client: Option<gio::SocketClient> = from_glib_none(client);
        let operation = |channel| connect(channel, address, client);
        start_local(socket.cast(), call, CONNECT, operation);
    }
}

async fn connect(
    channel: Channel,
    address: gio::SocketConnectable,
    client: Option<gio::SocketClient>,
) -> io::Result<()> {
    let socket = channel.downcast_ref::<ChannelSocket>();
    let connecting = socket
        .expect("checked")
        .connect_async(&address, client.as_ref());
    connecting.await
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_connect_finish(
    socket: *mut QIOChannelSocket,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        finish_success(
            c"qio_channel_socket_connect_finish",
            socket.cast(),
            result,
            qio_channel_socket_connect_async as *const () as usize,
            error,
        )
    }
}
