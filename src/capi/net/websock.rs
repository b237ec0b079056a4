//! Connecting to a WebSocket by its URI.

use std::{
    ffi::{c_char, c_int},
    ptr,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib_sys::{GError, gpointer};

use crate::{
    ChannelWebsock, TlsCreds, WebsockOptions,
    capi::{async_function, finish_method, function},
    ffi::{QIOChannelWebsock, QIOTlsCreds},
    layer::QIOWebsockOptions,
};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_connect_to_uri(
    uri: *const c_char,
    options: *mut QIOWebsockOptions,
    creds: *mut QIOTlsCreds,
    error: *mut *mut GError,
) -> *mut QIOChannelWebsock {
    function!(
        qio_channel_websock_connect_to_uri(
            uri: &str, options: WebsockOptions, creds: Option<TlsCreds>
        ),
        error, pointer => ChannelWebsock::connect_to_uri(uri, &options, creds.as_ref())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_connect_to_uri_async(
    uri: *const c_char,
    options: *mut QIOWebsockOptions,
    creds: *mut QIOTlsCreds,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_function!(
        qio_channel_websock_connect_to_uri_async(
            uri: &str, options: WebsockOptions, creds: Option<TlsCreds>
        )[io_priority, cancellable, callback, user_data] =>
            ChannelWebsock::connect_to_uri_future(uri, &options, creds.as_ref())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_connect_to_uri_finish(
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut QIOChannelWebsock {
    let none = ptr::null_mut::<QIOChannelWebsock>();
    finish_method!(
        qio_channel_websock_connect_to_uri_finish,
        qio_channel_websock_connect_to_uri_async(none, result), error, ChannelWebsock => pointer
    )
}
