//! Keys that both ends have, and the protocol.

use std::ffi::{CStr, c_char, c_uint};

use gio::TlsProtocolVersion;
use glib::translate::*;
use glib_sys::{GBytes, GDestroyNotify, gboolean, gpointer};

use super::{QIOTlsCredsBuilder, as_path, bytes, change, expects, text};
use crate::{TlsPskHash, capi::callback::Callback};

/// Takes one line of the keys of a connection.
type KeyLogFunc = Option<unsafe extern "C" fn(line: *const c_char, user_data: gpointer)>;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_psk(
    builder: *mut QIOTlsCredsBuilder,
    name: *const c_char,
    key: *mut GBytes,
) {
    let function = c"qio_tls_creds_builder_add_psk";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(name) = text(function, builder, name, c"name is UTF-8")
            && let Some(key) = bytes(function, builder, key, c"key != NULL")
        {
            change(function, builder, |builder| builder.psk(name, key));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_psk_file(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    let function = c"qio_tls_creds_builder_add_psk_file";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(path) = as_path(function, builder, path, c"path != NULL") {
            change(function, builder, |builder| builder.psk_file(path));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_psk_user(
    builder: *mut QIOTlsCredsBuilder,
    name: *const c_char,
) {
    let function = c"qio_tls_creds_builder_set_psk_user";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(name) = text(function, builder, name, c"name is UTF-8") {
            change(function, builder, |builder| builder.psk_user(name));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_psk_hash(
    builder: *mut QIOTlsCredsBuilder,
    hash: c_uint,
) {
    let function = c"qio_tls_creds_builder_set_psk_hash";
    // SAFETY: any number may be asked about.
    let hash = unsafe { TlsPskHash::try_from_glib(hash.cast_signed()) };
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        expects(function, builder, hash.is_ok(), c"hash is a QIOTlsPskHash");
        if let Ok(hash) = hash {
            change(function, builder, |builder| builder.psk_hash(hash));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_insecure_anonymous(
    builder: *mut QIOTlsCredsBuilder,
) {
    let function = c"qio_tls_creds_builder_set_insecure_anonymous";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { change(function, builder, QIOTlsCredsBuilder::insecure_anonymous) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_min_version(
    builder: *mut QIOTlsCredsBuilder,
    version: c_uint,
) {
    let function = c"qio_tls_creds_builder_set_min_version";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(version) = known_version(function, builder, version) {
            change(function, builder, |builder| builder.min_version(version));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_max_version(
    builder: *mut QIOTlsCredsBuilder,
    version: c_uint,
) {
    let function = c"qio_tls_creds_builder_set_max_version";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(version) = known_version(function, builder, version) {
            change(function, builder, |builder| builder.max_version(version));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_ciphers(
    builder: *mut QIOTlsCredsBuilder,
    list: *const c_char,
) {
    let function = c"qio_tls_creds_builder_set_ciphers";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(list) = text(function, builder, list, c"list is UTF-8") {
            change(function, builder, |builder| builder.ciphers(list));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_ciphersuites(
    builder: *mut QIOTlsCredsBuilder,
    list: *const c_char,
) {
    let function = c"qio_tls_creds_builder_set_ciphersuites";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(list) = text(function, builder, list, c"list is UTF-8") {
            change(function, builder, |builder| builder.ciphersuites(list));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_alpn_protocols(
    builder: *mut QIOTlsCredsBuilder,
    protocols: *const *const c_char,
) {
    let function = c"qio_tls_creds_builder_set_alpn_protocols";
    // SAFETY: the C contract, at the top of `capi`; nothing behind the NULL of the list is looked
    // at.
    unsafe {
        if !expects(
            function,
            builder,
            !protocols.is_null(),
            c"protocols != NULL",
        ) {
            return;
        }
        let all = (0..)
            .map(|i| *protocols.add(i))
            .take_while(|name| !name.is_null())
            .map(|name| CStr::from_ptr(name).to_bytes());
        change(function, builder, |builder| builder.alpn_protocols(all));
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_resumption(
    builder: *mut QIOTlsCredsBuilder,
    resumption: gboolean,
) {
    let function = c"qio_tls_creds_builder_set_resumption";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        change(function, builder, |builder| {
            builder.resumption(resumption != 0)
        });
    };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_max_handshake_size(
    builder: *mut QIOTlsCredsBuilder,
    bytes: usize,
) {
    let function = c"qio_tls_creds_builder_set_max_handshake_size";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        change(function, builder, |builder| {
            builder.max_handshake_size(bytes)
        });
    };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_key_log_func(
    builder: *mut QIOTlsCredsBuilder,
    func: KeyLogFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) {
    let function = c"qio_tls_creds_builder_set_key_log_func";
    // Whatever comes of it, the data are freed.
    let callback = Callback {
        func,
        user_data,
        notify,
    };
    // SAFETY: the C contract, at the top of `capi`.
    if !unsafe { expects(function, builder, func.is_some(), c"func != NULL") } {
        return;
    }
    let log = move |line: &str| {
        let Callback {
            func, user_data, ..
        } = &callback;
        let line = glib::GString::from(line);
        if let Some(func) = func {
            // SAFETY: the string lives through the call, and the data until `notify` is called.
            unsafe { func(line.as_ptr(), *user_data) };
        }
    };
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { change(function, builder, |builder| builder.key_log(log)) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_key_log_file(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    let function = c"qio_tls_creds_builder_set_key_log_file";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(path) = as_path(function, builder, path, c"path != NULL") {
            change(function, builder, |builder| builder.key_log_file(path));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_key_log_from_environment(
    builder: *mut QIOTlsCredsBuilder,
) {
    let function = c"qio_tls_creds_builder_set_key_log_from_environment";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        change(
            function,
            builder,
            QIOTlsCredsBuilder::key_log_from_environment,
        );
    };
}

/// A version of TLS.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn known_version(
    function: &CStr,
    builder: *mut QIOTlsCredsBuilder,
    version: c_uint,
) -> Option<TlsProtocolVersion> {
    let expected = c"version is a GTlsProtocolVersion";
    // SAFETY: any number may be asked about; for the rest, see above.
    unsafe {
        let version = TlsProtocolVersion::from_glib(version.cast_signed());
        let known = !matches!(version, TlsProtocolVersion::__Unknown(_));
        expects(function, builder, known, expected).then_some(version)
    }
}
