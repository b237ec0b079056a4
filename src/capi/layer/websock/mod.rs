//! WebSocket over a channel: the class and its properties.

mod headers;
mod keep_alive;
mod messages;
mod opening;
mod options;

use std::{
    ffi::{c_char, c_uint},
    io, ptr,
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, GFALSE, GQuark, GType, gboolean};

use super::object;
use crate::{
    Channel, ChannelWebsock, WebsockError, WebsockMessageKind, WebsockOptions,
    capi::{function, instance, method},
    error::invalid,
    ffi::{QIOChannel, QIOChannelWebsock},
    layer::QIOWebsockOptions,
};

instance!(ChannelWebsock, "QIO_IS_CHANNEL_WEBSOCK");

/// A number of the protocol: a status, or a code for closing.
fn number(number: c_uint) -> io::Result<u16> {
    number
        .try_into()
        .map_err(|_| invalid(&format!("{number} is larger than any status or code")))
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_websock_message_kind_get_type() -> GType {
    WebsockMessageKind::static_type().into_glib()
}

/// The errors that have names: those without a code in the protocol.
#[derive(Clone, Copy, glib::Enum)]
#[enum_type(name = "QIOWebsockError")]
#[repr(i32)]
enum NamedError {
    #[enum_value(name = "QIO_WEBSOCK_ERROR_NOT_WEBSOCKET", nick = "not-websocket")]
    NotWebsocket = WebsockError::NOT_WEBSOCKET.code(),
    #[enum_value(name = "QIO_WEBSOCK_ERROR_BAD_REQUEST", nick = "bad-request")]
    BadRequest = WebsockError::BAD_REQUEST.code(),
    #[enum_value(name = "QIO_WEBSOCK_ERROR_BAD_ANSWER", nick = "bad-answer")]
    BadAnswer = WebsockError::BAD_ANSWER.code(),
    #[enum_value(name = "QIO_WEBSOCK_ERROR_TOO_LARGE", nick = "too-large")]
    TooLarge = WebsockError::TOO_LARGE.code(),
    #[enum_value(name = "QIO_WEBSOCK_ERROR_TIMED_OUT", nick = "timed-out")]
    TimedOut = WebsockError::TIMED_OUT.code(),
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_websock_error_get_type() -> GType {
    NamedError::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_websock_error_quark() -> GQuark {
    <WebsockError as glib::error::ErrorDomain>::domain().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_websock_get_type() -> GType {
    ChannelWebsock::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_new_server(
    master: *mut QIOChannel,
    options: *mut QIOWebsockOptions,
    error: *mut *mut GError,
) -> *mut QIOChannelWebsock {
    function!(
        qio_channel_websock_new_server(master: Channel, options: WebsockOptions), error,
        pointer => ChannelWebsock::new_server(&master, &options)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_new_client(
    master: *mut QIOChannel,
    uri: *const c_char,
    options: *mut QIOWebsockOptions,
    error: *mut *mut GError,
) -> *mut QIOChannelWebsock {
    function!(
        qio_channel_websock_new_client(master: Channel, uri: &str, options: WebsockOptions), error,
        pointer => ChannelWebsock::new_client(&master, uri, &options)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_master(
    websock: *mut QIOChannelWebsock,
) -> *mut QIOChannel {
    method!(
        qio_channel_websock_get_master(websock: ChannelWebsock) or ptr::null_mut() =>
            object(websock, "master")
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_is_client(
    websock: *mut QIOChannelWebsock,
) -> gboolean {
    method!(
        qio_channel_websock_is_client(websock: ChannelWebsock) or GFALSE =>
            websock.is_client().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_options(
    websock: *mut QIOChannelWebsock,
) -> *mut QIOWebsockOptions {
    method!(qio_channel_websock_get_options(websock: ChannelWebsock), pointer => websock.options())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_uri(
    websock: *mut QIOChannelWebsock,
) -> *mut c_char {
    method!(qio_channel_websock_get_uri(websock: ChannelWebsock), string => websock.uri())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_is_handshake_done(
    websock: *mut QIOChannelWebsock,
) -> gboolean {
    method!(
        qio_channel_websock_is_handshake_done(websock: ChannelWebsock) or GFALSE =>
            websock.is_handshake_done().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_protocol(
    websock: *mut QIOChannelWebsock,
) -> *mut c_char {
    method!(qio_channel_websock_get_protocol(websock: ChannelWebsock), string => websock.protocol())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_extensions(
    websock: *mut QIOChannelWebsock,
) -> *mut c_char {
    method!(
        qio_channel_websock_get_extensions(websock: ChannelWebsock), string =>
            websock.extensions()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_close_code(
    websock: *mut QIOChannelWebsock,
) -> c_uint {
    method!(
        qio_channel_websock_get_close_code(websock: ChannelWebsock) or 0 =>
            websock.close_code().unwrap_or(0).into()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_close_reason(
    websock: *mut QIOChannelWebsock,
) -> *mut c_char {
    method!(
        qio_channel_websock_get_close_reason(websock: ChannelWebsock), string =>
            websock.close_reason()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_buffered_amount(
    websock: *mut QIOChannelWebsock,
) -> u64 {
    method!(
        qio_channel_websock_get_buffered_amount(websock: ChannelWebsock) or 0 =>
            websock.buffered() as u64
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_max_message_size(
    websock: *mut QIOChannelWebsock,
) -> u64 {
    method!(
        qio_channel_websock_get_max_message_size(websock: ChannelWebsock) or 0 =>
            websock.max_message_size() as u64
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_set_max_message_size(
    websock: *mut QIOChannelWebsock,
    bytes: u64,
) {
    method!(
        qio_channel_websock_set_max_message_size(websock: ChannelWebsock) =>
            websock.set_max_message_size(bytes.try_into().unwrap_or(usize::MAX))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_require_close(
    websock: *mut QIOChannelWebsock,
) -> gboolean {
    method!(
        qio_channel_websock_get_require_close(websock: ChannelWebsock) or GFALSE =>
            websock.requires_close().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_set_require_close(
    websock: *mut QIOChannelWebsock,
    required: gboolean,
) {
    method!(
        qio_channel_websock_set_require_close(websock: ChannelWebsock) =>
            websock.set_require_close(from_glib(required))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_get_message_kind(
    websock: *mut QIOChannelWebsock,
) -> c_uint {
    let kind = method!(
        qio_channel_websock_get_message_kind(websock: ChannelWebsock)
            or WebsockMessageKind::Binary => websock.message_kind()
    );
    kind.into_glib().cast_unsigned()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_websock_set_message_kind(
    websock: *mut QIOChannelWebsock,
    kind: c_uint,
) {
    method!(
        qio_channel_websock_set_message_kind(websock: ChannelWebsock, kind: WebsockMessageKind) =>
            websock.set_message_kind(kind)
    );
}
