//! Credentials of the peer of a socket.

use std::{
    ffi::{c_int, c_uint},
    os::fd::IntoRawFd,
};

use glib_sys::{GError, gboolean};

use crate::{
    ChannelSocket,
    capi::{Out, try_method},
    ffi::QIOChannelSocket,
};

/// What an error of these functions is called.
const ACTION: &str = "get the credentials of the peer of";

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_peer_credentials(
    socket: *mut QIOChannelSocket,
    pid: *mut c_int,
    uid: *mut c_uint,
    gid: *mut c_uint,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_socket_get_peer_credentials(
            socket: ChannelSocket, pid: Option<Out<c_int>>, uid: Option<Out<c_uint>>,
            gid: Option<Out<c_uint>>
        ), error, ACTION, success => {
            let peer = socket.peer_credentials()?;
            pid.into_iter().for_each(|it| it.set(peer.pid));
            uid.into_iter().for_each(|it| it.set(peer.uid));
            gid.into_iter().for_each(|it| it.set(peer.gid));
            Ok(())
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_peer_pidfd(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_socket_get_peer_pidfd(socket: ChannelSocket), error, ACTION, value or -1 =>
            socket.peer_pidfd().map(IntoRawFd::into_raw_fd)
    )
}
