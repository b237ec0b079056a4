//! Sockets that keep messages apart.

use crate::capi::{async_call, c_name, try_method};
use std::{ffi::c_int, ptr};

use gio_sys::{
    GAsyncReadyCallback, GAsyncResult, GCancellable, GSocketAddress, GSocketConnectable,
    GSocketType,
};
use glib::{prelude::*, translate::*};
use glib_sys::{GBytes, GError, gboolean, gpointer};
use libc::{size_t, ssize_t};

use crate::{
    ChannelSocket,
    capi::{
        Instance, complain, fail, fail_without_channel, give, guarded, holds, is_a, status,
        task::{finish_success, start},
        value, with,
    },
    ffi::QIOChannelSocket,
    types::{into_bytes, zeros},
};

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_socket_new_of_type(kind: GSocketType) -> *mut QIOChannelSocket {
    let (function, no_error) = (c"qio_channel_socket_new_of_type", ptr::null_mut());
    let Some(kind) = known(function, kind) else {
        return ptr::null_mut();
    };
    // SAFETY: there is no place for an error.
    unsafe {
        guarded(function, no_error, ptr::null_mut(), || {
            give(Ok(ChannelSocket::of_type(kind)), no_error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_new_pair_of_type(
    kind: GSocketType,
    one: *mut *mut QIOChannelSocket,
    other: *mut *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_socket_new_pair_of_type";
    let Some(kind) = known(function, kind) else {
        return 0;
    };
    if !holds(function, !one.is_null(), c"one != NULL")
        || !holds(function, !other.is_null(), c"other != NULL")
    {
        return 0;
    }
    // SAFETY: the C contract, at the top of `capi`; the places were checked.
    unsafe {
        guarded(function, error, 0, || match ChannelSocket::pair_of(kind) {
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

/// A type of sockets; complains if it is none.
fn known(function: &std::ffi::CStr, kind: GSocketType) -> Option<gio::SocketType> {
    let known = matches!(
        kind,
        gio_sys::G_SOCKET_TYPE_STREAM
            | gio_sys::G_SOCKET_TYPE_DATAGRAM
            | gio_sys::G_SOCKET_TYPE_SEQPACKET
    );
    // SAFETY: it is one of the values of the enumeration.
    holds(function, known, c"type is a type of sockets").then(|| unsafe { from_glib(kind) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_socket_type(
    socket: *mut QIOChannelSocket,
) -> GSocketType {
    let (function, failed) = (
        c"qio_channel_socket_get_socket_type",
        gio_sys::G_SOCKET_TYPE_INVALID,
    );
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let no_error = ptr::null_mut();
        with(
            function,
            socket,
            no_error,
            failed,
            |socket: &ChannelSocket| socket.socket_type().into_glib(),
        )
    }
}

/// Addresses of arguments, each of which may be NULL; `None`, with a complaint, if one is something
/// else.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn addresses(
    function: &std::ffi::CStr,
    local: *mut GSocketAddress,
    remote: *mut GSocketConnectable,
) -> Option<(Option<gio::SocketAddress>, Option<gio::SocketConnectable>)> {
    // SAFETY: the caller's promise.
    unsafe {
        let is_local = local.is_null() || is_a::<gio::SocketAddress>(local.cast());
        let is_remote = remote.is_null() || is_a::<gio::SocketConnectable>(remote.cast());
        let fine = holds(
            function,
            is_local,
            c"local == NULL || G_IS_SOCKET_ADDRESS (local)",
        ) && holds(
            function,
            is_remote,
            c"remote == NULL || G_IS_SOCKET_CONNECTABLE (remote)",
        );
        fine.then(|| (from_glib_none(local), from_glib_none(remote)))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_dgram_sync(
    socket: *mut QIOChannelSocket,
    local: *mut GSocketAddress,
    remote: *mut GSocketConnectable,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_socket_dgram_sync,
        socket,
        error,
        -1,
        |socket: &ChannelSocket| {
            let Some((local, remote)) =
                addresses(c_name!(qio_channel_socket_dgram_sync), local, remote)
            else {
                return -1;
            };
            let result = socket.dgram_sync(local.as_ref(), remote.as_ref());
            status(result, error, socket.upcast_ref(), "open")
        }
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
    let call = async_call!(qio_channel_socket_dgram_async(
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
        let Some((local, remote)) = addresses(call.name, local, remote) else {
            return;
        };
        start(socket.cast(), call, "open", |channel| {
            let socket = channel.downcast::<ChannelSocket>().expect("checked");
            socket.dgram_future(local.as_ref(), remote.as_ref())
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_dgram_finish(
    socket: *mut QIOChannelSocket,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> c_int {
    let name = c"qio_channel_socket_dgram_finish";
    let tag = qio_channel_socket_dgram_async as *const () as usize;
    // SAFETY: the function that has the tag starts an operation with this result.
    unsafe {
        match finish_success(name, socket.cast(), result, tag, error) {
            0 => -1,
            _ => 0,
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_receive_from(
    socket: *mut QIOChannelSocket,
    count: size_t,
    from: *mut *mut GSocketAddress,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_socket_receive_from,
        socket,
        error,
        ptr::null_mut(),
        |socket: &ChannelSocket| {
            let received = zeros(count).and_then(|mut buf| {
                let (count, address) = socket.recv_from(&mut buf)?;
                Ok((into_bytes(buf, count), address))
            });
            match received {
                Ok((bytes, address)) => {
                    if !from.is_null() {
                        *from = address.to_glib_full();
                    }
                    bytes.into_glib_ptr()
                }
                Err(e) => {
                    fail(error, e, socket.upcast_ref(), "receive from");
                    ptr::null_mut()
                }
            }
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
        qio_channel_socket_send_to,
        socket,
        error,
        -1,
        |socket: &ChannelSocket| {
            if !holds(
                c_name!(qio_channel_socket_send_to),
                !bytes.is_null(),
                c"bytes != NULL",
            ) {
                return -1;
            }
            let bytes: glib::Bytes = from_glib_none(bytes);
            with(
                c_name!(qio_channel_socket_send_to),
                to,
                error,
                -1,
                |to: &gio::SocketAddress| {
                    let sent = socket.send_to(&bytes, to).map(|count| count as ssize_t);
                    value(sent, -1, error, socket.upcast_ref(), "send to")
                },
            )
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_get_next_message_size(
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> ssize_t {
    try_method!(
        qio_channel_socket_get_next_message_size,
        socket,
        error,
        -1,
        |socket: &ChannelSocket| {
            let size = socket.next_message_size().map(|size| size as ssize_t);
            value(size, -1, error, socket.upcast_ref(), "look into")
        }
    )
}
