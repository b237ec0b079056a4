//! Pre-shared keys, and the protocol.

use std::{
    ffi::{OsStr, c_char, c_uint},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use gio::TlsProtocolVersion;
use glib::translate::*;
use glib_sys::{GBytes, GDestroyNotify, gboolean, gpointer};

use super::{QIOTlsCredsBuilder, setter};
use crate::{TlsPskHash, capi::callback::Callback};

/// Takes one line of the keys of a connection.
type KeyLogFunc = Option<unsafe extern "C-unwind" fn(line: *const c_char, user_data: gpointer)>;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_psk(
    builder: *mut QIOTlsCredsBuilder,
    name: *const c_char,
    key: *mut GBytes,
) {
    setter!(
        qio_tls_creds_builder_add_psk(builder, name: &str, key: glib::Bytes) =>
            builder.psk(name, key.to_vec())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_psk_file(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    setter!(qio_tls_creds_builder_add_psk_file(builder, path: &Path) => builder.psk_file(path));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_psk_user(
    builder: *mut QIOTlsCredsBuilder,
    name: *const c_char,
) {
    setter!(qio_tls_creds_builder_set_psk_user(builder, name: &str) => builder.psk_user(name));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_psk_hash(
    builder: *mut QIOTlsCredsBuilder,
    hash: c_uint,
) {
    setter!(qio_tls_creds_builder_set_psk_hash(builder, hash: TlsPskHash) =>
        builder.psk_hash(hash));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_insecure_anonymous(
    builder: *mut QIOTlsCredsBuilder,
) {
    setter!(qio_tls_creds_builder_set_insecure_anonymous(builder) => builder.insecure_anonymous());
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_min_version(
    builder: *mut QIOTlsCredsBuilder,
    version: c_uint,
) {
    setter!(
        qio_tls_creds_builder_set_min_version(builder, version: TlsProtocolVersion) =>
            builder.min_version(version)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_max_version(
    builder: *mut QIOTlsCredsBuilder,
    version: c_uint,
) {
    setter!(
        qio_tls_creds_builder_set_max_version(builder, version: TlsProtocolVersion) =>
            builder.max_version(version)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_ciphers(
    builder: *mut QIOTlsCredsBuilder,
    list: *const c_char,
) {
    setter!(qio_tls_creds_builder_set_ciphers(builder, list: &str) => builder.ciphers(list));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_ciphersuites(
    builder: *mut QIOTlsCredsBuilder,
    list: *const c_char,
) {
    setter!(qio_tls_creds_builder_set_ciphersuites(builder, list: &str) =>
        builder.ciphersuites(list));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_alpn_protocols(
    builder: *mut QIOTlsCredsBuilder,
    protocols: *const *const c_char,
) {
    setter!(
        qio_tls_creds_builder_set_alpn_protocols(builder, protocols: Vec<&OsStr>) => {
            builder.alpn_protocols(protocols.into_iter().map(OsStr::as_bytes))
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_resumption(
    builder: *mut QIOTlsCredsBuilder,
    resumption: gboolean,
) {
    setter!(
        qio_tls_creds_builder_set_resumption(builder) => builder.resumption(from_glib(resumption))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_max_handshake_size(
    builder: *mut QIOTlsCredsBuilder,
    bytes: usize,
) {
    setter!(
        qio_tls_creds_builder_set_max_handshake_size(builder) => builder.max_handshake_size(bytes)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_key_log_func(
    builder: *mut QIOTlsCredsBuilder,
    func: KeyLogFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) {
    setter!(
        qio_tls_creds_builder_set_key_log_func(
            builder, callback: Callback<_> = (func, user_data, notify)
        ) => builder.key_log(move |line| {
            // The closure owns all of it: `notify` is called after the last call.
            let callback = &callback;
            let line = glib::GString::from(line);
            callback.call(|func, data| func(line.as_ptr(), data));
        })
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_key_log_file(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    setter!(
        qio_tls_creds_builder_set_key_log_file(builder, path: &Path) => builder.key_log_file(path)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_key_log_from_environment(
    builder: *mut QIOTlsCredsBuilder,
) {
    setter!(
        qio_tls_creds_builder_set_key_log_from_environment(builder) =>
            builder.key_log_from_environment()
    );
}
