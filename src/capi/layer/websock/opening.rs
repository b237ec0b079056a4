//! The opening handshake.

use std::ffi::{c_char, c_int, c_uint};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::translate::*;
use glib_sys::{GBytes, GError, GFALSE, gboolean, gpointer};

use super::{super::Kept, headers::Headers, number};
use crate::{
    ChannelWebsock,
    capi::{async_method, finish_method, method, try_method},
    ffi::QIOChannelWebsock,
};

/// What an error of a handshake is called.
const HANDSHAKE: &str = "perform the WebSocket handshake on";
/// What an error of receiving a request is called.
const RECEIVE: &str = "receive a WebSocket request from";
/// What an error of answering one is called.
const ANSWER: &str = "answer the WebSocket request of";

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_handshake(
    websock: *mut QIOChannelWebsock,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_websock_handshake(websock: ChannelWebsock, _kept: Kept<_> = websock), error,
        HANDSHAKE, success => websock.handshake()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_handshake_async(
    websock: *mut QIOChannelWebsock,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_websock_handshake_async(websock: ChannelWebsock)
            [io_priority, cancellable, callback, user_data],
        HANDSHAKE => async move { websock.handshake_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_handshake_finish(
    websock: *mut QIOChannelWebsock,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_websock_handshake_finish, qio_channel_websock_handshake_async(websock, result),
        error, () => success
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_receive_request(
    websock: *mut QIOChannelWebsock,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_websock_receive_request(websock: ChannelWebsock, _kept: Kept<_> = websock),
        error, RECEIVE, success => websock.receive_request()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_receive_request_async(
    websock: *mut QIOChannelWebsock,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_websock_receive_request_async(websock: ChannelWebsock)
            [io_priority, cancellable, callback, user_data],
        RECEIVE => async move { websock.receive_request_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_receive_request_finish(
    websock: *mut QIOChannelWebsock,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_websock_receive_request_finish,
        qio_channel_websock_receive_request_async(websock, result), error, () => success
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_accept(
    websock: *mut QIOChannelWebsock,
    protocol: *const c_char,
    headers: *const *const c_char,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_websock_accept(
            websock: ChannelWebsock, protocol: Option<&str>, headers: Headers,
            _kept: Kept<_> = websock
        ),
        error, ANSWER, success => websock.accept(protocol, &headers.pairs()?)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_accept_async(
    websock: *mut QIOChannelWebsock,
    protocol: *const c_char,
    headers: *const *const c_char,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_websock_accept_async(
            websock: ChannelWebsock, protocol: Option<&str>, headers: Headers
        )[io_priority, cancellable, callback, user_data],
        ANSWER => {
            let protocol = protocol.map(str::to_owned);
            async move {
                websock.accept_future(protocol.as_deref(), &headers.pairs()?).await
            }
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_accept_finish(
    websock: *mut QIOChannelWebsock,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_websock_accept_finish, qio_channel_websock_accept_async(websock, result),
        error, () => success
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_refuse(
    websock: *mut QIOChannelWebsock,
    status: c_uint,
    headers: *const *const c_char,
    body: *mut GBytes,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_websock_refuse(
            websock: ChannelWebsock, headers: Headers, body: Option<glib::Bytes>,
            _kept: Kept<_> = websock
        ),
        error, ANSWER, success => {
            websock.refuse(number(status)?, &headers.pairs()?, body.as_deref().unwrap_or_default())
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_refuse_async(
    websock: *mut QIOChannelWebsock,
    status: c_uint,
    headers: *const *const c_char,
    body: *mut GBytes,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_websock_refuse_async(
            websock: ChannelWebsock, headers: Headers, body: Option<glib::Bytes>
        )[io_priority, cancellable, callback, user_data],
        ANSWER => async move {
            let body = body.as_deref().unwrap_or_default();
            websock.refuse_future(number(status)?, &headers.pairs()?, body).await
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_refuse_finish(
    websock: *mut QIOChannelWebsock,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_websock_refuse_finish, qio_channel_websock_refuse_async(websock, result),
        error, () => success
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_is_upgrade(
    websock: *mut QIOChannelWebsock,
) -> gboolean {
    method!(
        qio_channel_websock_is_upgrade(websock: ChannelWebsock) or GFALSE =>
            websock.is_upgrade().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_method(
    websock: *mut QIOChannelWebsock,
) -> *mut c_char {
    method!(qio_channel_websock_get_method(websock: ChannelWebsock), string => websock.method())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_target(
    websock: *mut QIOChannelWebsock,
) -> *mut c_char {
    method!(qio_channel_websock_get_target(websock: ChannelWebsock), string => websock.target())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_path(
    websock: *mut QIOChannelWebsock,
) -> *mut c_char {
    method!(qio_channel_websock_get_path(websock: ChannelWebsock), string => websock.path())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_query(
    websock: *mut QIOChannelWebsock,
) -> *mut c_char {
    method!(qio_channel_websock_get_query(websock: ChannelWebsock), string => websock.query())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_origin(
    websock: *mut QIOChannelWebsock,
) -> *mut c_char {
    method!(qio_channel_websock_get_origin(websock: ChannelWebsock), string => websock.origin())
}
