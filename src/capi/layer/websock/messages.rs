//! Messages, pings, and the closing handshake.

use std::{
    ffi::{CStr, c_char, c_int, c_uint},
    ptr,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::{Bytes, translate::*};
use glib_sys::{GBytes, GError, gboolean, gpointer};

use super::{super::Kept, number};
use crate::{
    ChannelWebsock, WebsockMessage, WebsockMessageKind,
    capi::{Out, async_method, finish_method, try_method},
    ffi::QIOChannelWebsock,
};

/// What an error of sending is called.
const SEND: &str = "send a message on";
/// What an error of receiving is called.
const RECEIVE: &str = "receive a message from";
/// What an error of the closing handshake is called.
const BYE: &str = "perform the closing handshake on";

/// Sets the kind for the end of the stream, and for errors: GJS reads it then too, and 0 is none.
fn preset(kind: Option<Out<c_uint>>) {
    return_kind(WebsockMessageKind::Binary, kind);
}

fn return_kind(received: WebsockMessageKind, kind: Option<Out<c_uint>>) {
    if let Some(kind) = kind {
        kind.set(received.into_glib().cast_unsigned());
    }
}

/// Transfers the data of a message, and its kind. The end of the stream has none: NULL.
fn take(message: Option<WebsockMessage>, kind: Option<Out<c_uint>>) -> *mut GBytes {
    if let Some(message) = &message {
        return_kind(message.kind(), kind);
    }
    message.map(WebsockMessage::into_data).to_glib_full()
}

/// The reason for closing, which may be missing.
fn reason_of(reason: Option<&str>) -> &str {
    reason.unwrap_or_default()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_send(
    websock: *mut QIOChannelWebsock,
    kind: c_uint,
    data: *mut GBytes,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_websock_send(
            websock: ChannelWebsock, kind: WebsockMessageKind, data: Bytes,
            _kept: Kept<_> = websock
        ),
        error, SEND, success => websock.send(kind, &data)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_send_text(
    websock: *mut QIOChannelWebsock,
    text: *const c_char,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_websock_send_text(
            websock: ChannelWebsock, text: &CStr, _kept: Kept<_> = websock
        ),
        error, SEND, success => {
            // `send` checks that it is UTF-8.
            websock.send(WebsockMessageKind::Text, &Bytes::from(text.to_bytes()))
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_send_async(
    websock: *mut QIOChannelWebsock,
    kind: c_uint,
    data: *mut GBytes,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_websock_send_async(
            websock: ChannelWebsock, kind: WebsockMessageKind, data: Bytes
        )[io_priority, cancellable, callback, user_data],
        SEND => async move { websock.send_future(kind, &data).await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_send_finish(
    websock: *mut QIOChannelWebsock,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_websock_send_finish, qio_channel_websock_send_async(websock, result), error,
        () => success
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_receive(
    websock: *mut QIOChannelWebsock,
    kind: *mut c_uint,
    error: *mut *mut GError,
) -> *mut GBytes {
    try_method!(
        qio_channel_websock_receive(
            websock: ChannelWebsock, kind: Option<Out<c_uint>>, _kept: Kept<_> = websock
        ),
        error, RECEIVE, value or ptr::null_mut() => {
            preset(kind);
            Ok(take(websock.receive()?, kind))
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_receive_async(
    websock: *mut QIOChannelWebsock,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_websock_receive_async(websock: ChannelWebsock)
            [io_priority, cancellable, callback, user_data],
        RECEIVE => async move { websock.receive_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_receive_finish(
    websock: *mut QIOChannelWebsock,
    result: *mut GAsyncResult,
    kind: *mut c_uint,
    error: *mut *mut GError,
) -> *mut GBytes {
    // SAFETY: the C contract, at the top of `capi`.
    preset(unsafe { Out::new(kind) });
    finish_method!(
        qio_channel_websock_receive_finish, qio_channel_websock_receive_async(websock, result),
        error, Option<WebsockMessage> => value or ptr::null_mut(),
        |message| take(message, Out::new(kind))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_ping(
    websock: *mut QIOChannelWebsock,
    payload: *mut GBytes,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_websock_ping(
            websock: ChannelWebsock, payload: Option<Bytes>, _kept: Kept<_> = websock
        ),
        error, "send a ping on", success => websock.ping(payload.as_deref().unwrap_or_default())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_bye(
    websock: *mut QIOChannelWebsock,
    code: c_uint,
    reason: *const c_char,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_websock_bye(
            websock: ChannelWebsock, reason: Option<&str>, _kept: Kept<_> = websock
        ),
        error, BYE, success => websock.bye(number(code)?, reason_of(reason))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_bye_async(
    websock: *mut QIOChannelWebsock,
    code: c_uint,
    reason: *const c_char,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_websock_bye_async(websock: ChannelWebsock, reason: Option<&str>)
            [io_priority, cancellable, callback, user_data],
        BYE => {
            let reason = reason_of(reason).to_owned();
            async move { websock.bye_future(number(code)?, &reason).await }
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_bye_finish(
    websock: *mut QIOChannelWebsock,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_websock_bye_finish, qio_channel_websock_bye_async(websock, result), error,
        () => success
    )
}
