//! TLS over a channel.

use std::{
    ffi::{c_char, c_int, c_uint},
    ptr,
};

use gio_sys::{
    G_TLS_PROTOCOL_VERSION_UNKNOWN, GAsyncReadyCallback, GAsyncResult, GCancellable,
    GTlsCertificate, GTlsCertificateFlags, GTlsProtocolVersion,
};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GFALSE, GType, gboolean, gpointer};

use super::{Kept, object};
use crate::{
    Channel, ChannelTls, TlsCreds,
    capi::{async_method, finish_method, function, instance, method, try_method},
    ffi::{QIOChannel, QIOChannelTLS, QIOTlsCreds},
};

instance!(ChannelTls, "QIO_IS_CHANNEL_TLS");

/// What an error of a handshake is called.
const HANDSHAKE: &str = "perform the TLS handshake on";
/// What an error of sending close_notify is called.
const BYE: &str = "send close_notify on";

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_tls_get_type() -> GType {
    ChannelTls::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_new_client(
    master: *mut QIOChannel,
    creds: *mut QIOTlsCreds,
    hostname: *const c_char,
    error: *mut *mut GError,
) -> *mut QIOChannelTLS {
    function!(
        qio_channel_tls_new_client(master: Channel, creds: TlsCreds, hostname: Option<&str>), error,
        pointer => ChannelTls::new_client(&master, &creds, hostname)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_new_server(
    master: *mut QIOChannel,
    creds: *mut QIOTlsCreds,
    error: *mut *mut GError,
) -> *mut QIOChannelTLS {
    function!(
        qio_channel_tls_new_server(master: Channel, creds: TlsCreds), error, pointer =>
            ChannelTls::new_server(&master, &creds)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_handshake(
    tls: *mut QIOChannelTLS,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_tls_handshake(tls: ChannelTls, _kept: Kept<_> = tls), error, HANDSHAKE,
        success => tls.handshake()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_handshake_async(
    tls: *mut QIOChannelTLS,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_tls_handshake_async(tls: ChannelTls)
            [io_priority, cancellable, callback, user_data],
        HANDSHAKE => async move { tls.handshake_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_handshake_finish(
    tls: *mut QIOChannelTLS,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_tls_handshake_finish, qio_channel_tls_handshake_async(tls, result), error,
        () => success
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_bye(
    tls: *mut QIOChannelTLS,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_tls_bye(tls: ChannelTls, _kept: Kept<_> = tls), error, BYE, success => tls.bye()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_bye_async(
    tls: *mut QIOChannelTLS,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_tls_bye_async(tls: ChannelTls)[io_priority, cancellable, callback, user_data],
        BYE => async move { tls.bye_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_bye_finish(
    tls: *mut QIOChannelTLS,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_tls_bye_finish, qio_channel_tls_bye_async(tls, result), error, () => success
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_update_keys(
    tls: *mut QIOChannelTLS,
    request_peer: gboolean,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_tls_update_keys(tls: ChannelTls, _kept: Kept<_> = tls), error,
            "update the keys of",
        success => tls.update_keys(from_glib(request_peer))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_master(tls: *mut QIOChannelTLS) -> *mut QIOChannel {
    method!(
        qio_channel_tls_get_master(tls: ChannelTls) or ptr::null_mut() => object(tls, "master")
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_creds(tls: *mut QIOChannelTLS) -> *mut QIOTlsCreds {
    method!(qio_channel_tls_get_creds(tls: ChannelTls) or ptr::null_mut() => object(tls, "creds"))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_hostname(tls: *mut QIOChannelTLS) -> *mut c_char {
    method!(qio_channel_tls_get_hostname(tls: ChannelTls), pointer => tls.hostname())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_is_handshake_done(tls: *mut QIOChannelTLS) -> gboolean {
    method!(
        qio_channel_tls_is_handshake_done(tls: ChannelTls) or GFALSE =>
            tls.is_handshake_done().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_peer_certificate(
    tls: *mut QIOChannelTLS,
) -> *mut GTlsCertificate {
    method!(
        qio_channel_tls_get_peer_certificate(tls: ChannelTls), pointer => tls.peer_certificate()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_peer_certificate_errors(
    tls: *mut QIOChannelTLS,
) -> GTlsCertificateFlags {
    method!(
        qio_channel_tls_get_peer_certificate_errors(tls: ChannelTls) or 0 =>
            tls.peer_certificate_errors().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_protocol_version(
    tls: *mut QIOChannelTLS,
) -> GTlsProtocolVersion {
    method!(
        qio_channel_tls_get_protocol_version(tls: ChannelTls) or G_TLS_PROTOCOL_VERSION_UNKNOWN =>
            tls.protocol_version().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_cipher(tls: *mut QIOChannelTLS) -> *mut c_char {
    method!(qio_channel_tls_get_cipher(tls: ChannelTls), pointer => tls.cipher())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_key_size(tls: *mut QIOChannelTLS) -> c_uint {
    method!(qio_channel_tls_get_key_size(tls: ChannelTls) or 0 => tls.key_size().unwrap_or(0))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_peer_name(tls: *mut QIOChannelTLS) -> *mut c_char {
    method!(qio_channel_tls_get_peer_name(tls: ChannelTls), pointer => tls.peer_name())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_alpn_protocol(tls: *mut QIOChannelTLS) -> *mut c_char {
    method!(qio_channel_tls_get_alpn_protocol(tls: ChannelTls), pointer => tls.alpn_protocol())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_is_resumed(tls: *mut QIOChannelTLS) -> gboolean {
    method!(qio_channel_tls_is_resumed(tls: ChannelTls) or GFALSE => tls.is_resumed().into_glib())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_set_require_close_notify(
    tls: *mut QIOChannelTLS,
    required: gboolean,
) {
    method!(
        qio_channel_tls_set_require_close_notify(tls: ChannelTls) =>
            tls.set_require_close_notify(from_glib(required))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_require_close_notify(
    tls: *mut QIOChannelTLS,
) -> gboolean {
    method!(
        qio_channel_tls_get_require_close_notify(tls: ChannelTls) or GFALSE =>
            tls.requires_close_notify().into_glib()
    )
}
