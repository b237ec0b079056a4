//! Connecting.

use std::ffi::c_int;

use gio_sys::GSocketConnectable;
use glib::prelude::*;
use glib_sys::GError;

use crate::{
    ChannelSocket,
    capi::{instance, status, with},
    ffi::QIOChannelSocket,
};

instance!(gio::SocketConnectable, c"G_IS_SOCKET_CONNECTABLE (address)");

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_connect_sync(
    socket: *mut QIOChannelSocket,
    address: *mut GSocketConnectable,
    error: *mut *mut GError,
) -> c_int {
    let function = c"qio_channel_socket_connect_sync";
    // SAFETY: see the room.
    unsafe {
        with(function, socket, error, -1, |socket: &ChannelSocket| {
            let connect = |address: &gio::SocketConnectable| {
                let result = socket.connect_sync(address);
                status(result, error, socket.upcast_ref(), "connect")
            };
            with(function, address, error, -1, connect)
        })
    }
}
