//! TLS over a channel.

use crate::capi::{async_call, finish_method};
use std::{
    ffi::{CStr, c_char, c_int, c_uint},
    ptr,
};

use gio_sys::{
    G_TLS_PROTOCOL_VERSION_UNKNOWN, GAsyncReadyCallback, GAsyncResult, GCancellable,
    GTlsCertificate, GTlsCertificateFlags, GTlsProtocolVersion,
};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GFALSE, GType, gboolean, gpointer};

use crate::{
    Channel, ChannelTls, TlsCreds,
    capi::{Instance, complain, give, guarded, holds, instance, is_a, success, task::start, with},
    ffi::{QIOChannel, QIOChannelTLS, QIOTlsCreds},
};

instance!(ChannelTls, c"QIO_IS_CHANNEL_TLS (tls)");

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
    let function = c"qio_channel_tls_new_client";
    // SAFETY: the C contract, at the top of `capi`; the string ends in NUL where it is not NULL.
    unsafe {
        let hostname = (!hostname.is_null()).then(|| CStr::from_ptr(hostname).to_str());
        let Ok(hostname) = hostname.transpose() else {
            complain(function, c"hostname is UTF-8");
            return ptr::null_mut();
        };
        over(function, master, creds, error, |master, creds| {
            ChannelTls::new_client(master, creds, hostname)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_new_server(
    master: *mut QIOChannel,
    creds: *mut QIOTlsCreds,
    error: *mut *mut GError,
) -> *mut QIOChannelTLS {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        over(
            c"qio_channel_tls_new_server",
            master,
            creds,
            error,
            ChannelTls::new_server,
        )
    }
}

/// # Safety
///
/// As for the functions of this module.
unsafe fn over(
    function: &CStr,
    master: *mut QIOChannel,
    creds: *mut QIOTlsCreds,
    error: *mut *mut GError,
    make: impl FnOnce(&Channel, &TlsCreds) -> std::io::Result<ChannelTls>,
) -> *mut QIOChannelTLS {
    // SAFETY: the caller's promise; checked to be instances.
    unsafe {
        if !holds(
            function,
            is_a::<Channel>(master.cast()),
            c"QIO_IS_CHANNEL (master)",
        ) || !holds(function, is_a::<TlsCreds>(creds.cast()), TlsCreds::IS)
        {
            return ptr::null_mut();
        }
        guarded(function, error, ptr::null_mut(), || {
            let master = Channel::from_glib_borrow(master);
            let creds = TlsCreds::from_glib_borrow(creds);
            give(make(&master, &creds), error)
        })
    }
}

/// Calls a method that may fail.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn attempt(
    function: &CStr,
    tls: *mut QIOChannelTLS,
    error: *mut *mut GError,
    action: &str,
    method: impl FnOnce(&ChannelTls) -> std::io::Result<()>,
) -> gboolean {
    // SAFETY: the caller's promise.
    unsafe {
        with(function, tls, error, GFALSE, |tls: &ChannelTls| {
            // A handler of `authorize-peer` may drop the channel.
            let tls = tls.clone();
            success(method(&tls), error, tls.upcast_ref(), action)
        })
    }
}

/// Calls a getter.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn getter<R: Copy>(
    function: &CStr,
    tls: *mut QIOChannelTLS,
    nothing: R,
    method: impl FnOnce(&ChannelTls) -> R,
) -> R {
    // SAFETY: the caller's promise; there is no place for an error.
    unsafe { with(function, tls, ptr::null_mut(), nothing, method) }
}

/// What a property holds, to be given away; NULL where a channel was made by its type alone.
fn object<T>(tls: &ChannelTls, property: &str) -> *mut T {
    let object = tls.property::<Option<glib::Object>>(property);
    let raw: *mut gobject_sys::GObject = object.to_glib_full();
    raw.cast()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_handshake(
    tls: *mut QIOChannelTLS,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_tls_handshake";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { attempt(function, tls, error, HANDSHAKE, ChannelTls::handshake) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_handshake_async(
    tls: *mut QIOChannelTLS,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_tls_handshake_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if !is_a::<ChannelTls>(tls.cast()) {
            return complain(call.name, ChannelTls::IS);
        }
        start(tls.cast(), call, HANDSHAKE, |channel| async move {
            as_tls(&channel).handshake_future().await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_handshake_finish(
    tls: *mut QIOChannelTLS,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_tls_handshake_finish,
        qio_channel_tls_handshake_async,
        tls,
        result,
        error,
        0,
        |()| 1
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_bye(
    tls: *mut QIOChannelTLS,
    error: *mut *mut GError,
) -> gboolean {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { attempt(c"qio_channel_tls_bye", tls, error, BYE, ChannelTls::bye) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_bye_async(
    tls: *mut QIOChannelTLS,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_tls_bye_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if !is_a::<ChannelTls>(tls.cast()) {
            return complain(call.name, ChannelTls::IS);
        }
        start(tls.cast(), call, BYE, |channel| async move {
            as_tls(&channel).bye_future().await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_bye_finish(
    tls: *mut QIOChannelTLS,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_tls_bye_finish,
        qio_channel_tls_bye_async,
        tls,
        result,
        error,
        0,
        |()| 1
    )
}

fn as_tls(channel: &Channel) -> &ChannelTls {
    channel.downcast_ref().expect("checked")
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_update_keys(
    tls: *mut QIOChannelTLS,
    ask_peer: gboolean,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_tls_update_keys";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        attempt(function, tls, error, "update the keys of", |tls| {
            tls.update_keys(from_glib(ask_peer))
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_master(tls: *mut QIOChannelTLS) -> *mut QIOChannel {
    let function = c"qio_channel_tls_get_master";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { getter(function, tls, ptr::null_mut(), |tls| object(tls, "master")) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_creds(tls: *mut QIOChannelTLS) -> *mut QIOTlsCreds {
    let function = c"qio_channel_tls_get_creds";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { getter(function, tls, ptr::null_mut(), |tls| object(tls, "creds")) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_hostname(tls: *mut QIOChannelTLS) -> *mut c_char {
    let function = c"qio_channel_tls_get_hostname";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, ptr::null_mut(), |tls| {
            tls.hostname().to_glib_full()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_is_handshake_done(tls: *mut QIOChannelTLS) -> gboolean {
    let function = c"qio_channel_tls_is_handshake_done";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, GFALSE, |tls| {
            tls.is_handshake_done().into_glib()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_peer_certificate(
    tls: *mut QIOChannelTLS,
) -> *mut GTlsCertificate {
    let function = c"qio_channel_tls_get_peer_certificate";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, ptr::null_mut(), |tls| {
            tls.peer_certificate().to_glib_full()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_peer_certificate_errors(
    tls: *mut QIOChannelTLS,
) -> GTlsCertificateFlags {
    let function = c"qio_channel_tls_get_peer_certificate_errors";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, 0, |tls| {
            tls.peer_certificate_errors().into_glib()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_protocol_version(
    tls: *mut QIOChannelTLS,
) -> GTlsProtocolVersion {
    let function = c"qio_channel_tls_get_protocol_version";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, G_TLS_PROTOCOL_VERSION_UNKNOWN, |tls| {
            tls.protocol_version().into_glib()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_cipher(tls: *mut QIOChannelTLS) -> *mut c_char {
    let function = c"qio_channel_tls_get_cipher";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, ptr::null_mut(), |tls| {
            tls.cipher().to_glib_full()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_key_size(tls: *mut QIOChannelTLS) -> c_uint {
    let function = c"qio_channel_tls_get_key_size";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { getter(function, tls, 0, |tls| tls.key_size().unwrap_or(0)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_peer_name(tls: *mut QIOChannelTLS) -> *mut c_char {
    let function = c"qio_channel_tls_get_peer_name";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, ptr::null_mut(), |tls| {
            tls.peer_name().to_glib_full()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_alpn_protocol(tls: *mut QIOChannelTLS) -> *mut c_char {
    let function = c"qio_channel_tls_get_alpn_protocol";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, ptr::null_mut(), |tls| {
            tls.alpn_protocol().to_glib_full()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_is_resumed(tls: *mut QIOChannelTLS) -> gboolean {
    let function = c"qio_channel_tls_is_resumed";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { getter(function, tls, GFALSE, |tls| tls.is_resumed().into_glib()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_set_require_close_notify(
    tls: *mut QIOChannelTLS,
    required: gboolean,
) {
    let function = c"qio_channel_tls_set_require_close_notify";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, (), |tls| {
            tls.set_require_close_notify(from_glib(required));
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_tls_get_require_close_notify(
    tls: *mut QIOChannelTLS,
) -> gboolean {
    let function = c"qio_channel_tls_get_require_close_notify";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        getter(function, tls, GFALSE, |tls| {
            tls.requires_close_notify().into_glib()
        })
    }
}
