//! Who is at the other end of a socket.

use crate::capi::try_method;
use std::{
    ffi::{c_int, c_uint},
    os::fd::IntoRawFd,
};

use glib::prelude::*;
use glib_sys::{GError, gboolean};

use crate::{
    ChannelSocket,
    capi::{success, value},
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
        qio_channel_socket_get_peer_credentials,
        socket,
        error,
        0,
        |socket: &ChannelSocket| {
            let result = socket.peer_credentials().map(|peer| {
                if let Some(pid) = pid.as_mut() {
                    *pid = peer.pid;
                }
                if let Some(uid) = uid.as_mut() {
                    *uid = peer.uid;
                }
                if let Some(gid) = gid.as_mut() {
                    *gid = peer.gid;
                }
            });
            success(result, error, socket.upcast_ref(), ACTION)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_peer_pidfd(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_socket_get_peer_pidfd,
        socket,
        error,
        -1,
        |socket: &ChannelSocket| {
            let pidfd = socket.peer_pidfd().map(IntoRawFd::into_raw_fd);
            value(pidfd, -1, error, socket.upcast_ref(), ACTION)
        }
    )
}
