//! Certificates and trust anchors.

use std::{
    ffi::{CStr, c_char, c_uint},
    path::Path,
    slice,
};

use gio::TlsAuthenticationMode;
use gio_sys::GTlsCertificate;
use glib::translate::*;
use glib_sys::{GBytes, GDestroyNotify, gboolean, gpointer};

use super::{QIOTlsCredsBuilder, setter};
use crate::{
    capi::{callback::Callback, holds, instance},
    layer::cleanse,
};

instance!(gio::TlsCertificate, "G_IS_TLS_CERTIFICATE");

/// Returns a password, in memory of `g_malloc()`, or NULL.
type PasswordFunc =
    Option<unsafe extern "C-unwind" fn(what: *const c_char, user_data: gpointer) -> *mut c_char>;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_directory(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    setter!(qio_tls_creds_builder_set_directory(builder, path: &Path) => builder.directory(path));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_trust_file(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    setter!(qio_tls_creds_builder_add_trust_file(builder, path: &Path) => builder.trust_file(path));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_trust_pem(
    builder: *mut QIOTlsCredsBuilder,
    pem: *mut GBytes,
) {
    setter!(
        qio_tls_creds_builder_add_trust_pem(builder, pem: glib::Bytes) =>
            builder.trust_pem(pem.to_vec())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_trust(
    builder: *mut QIOTlsCredsBuilder,
    authority: *mut GTlsCertificate,
) {
    setter!(
        qio_tls_creds_builder_add_trust(builder, authority: gio::TlsCertificate) =>
            builder.trust(&authority)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_system_trust(builder: *mut QIOTlsCredsBuilder) {
    setter!(qio_tls_creds_builder_add_system_trust(builder) => builder.system_trust());
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_crl_file(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    setter!(qio_tls_creds_builder_add_crl_file(builder, path: &Path) => builder.crl_file(path));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_crl_pem(
    builder: *mut QIOTlsCredsBuilder,
    pem: *mut GBytes,
) {
    setter!(
        qio_tls_creds_builder_add_crl_pem(builder, pem: glib::Bytes) =>
            builder.crl_pem(pem.to_vec())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_allow_missing_crl(
    builder: *mut QIOTlsCredsBuilder,
    allow: gboolean,
) {
    setter!(
        qio_tls_creds_builder_set_allow_missing_crl(builder) =>
            builder.allow_missing_crl(from_glib(allow))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_certificate_files(
    builder: *mut QIOTlsCredsBuilder,
    certificate: *const c_char,
    key: *const c_char,
) {
    setter!(
        qio_tls_creds_builder_set_certificate_files(builder, certificate: &Path, key: &Path) =>
            builder.certificate_files(certificate, key)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_certificate_pem(
    builder: *mut QIOTlsCredsBuilder,
    certificate: *mut GBytes,
    key: *mut GBytes,
) {
    setter!(
        qio_tls_creds_builder_set_certificate_pem(
            builder, certificate: glib::Bytes, key: glib::Bytes
        ) => builder.certificate_pem(certificate.to_vec(), key.to_vec())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_certificate(
    builder: *mut QIOTlsCredsBuilder,
    certificate: *mut GTlsCertificate,
) {
    setter!(
        qio_tls_creds_builder_set_certificate(builder, certificate: gio::TlsCertificate) =>
            builder.certificate(&certificate)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_password(
    builder: *mut QIOTlsCredsBuilder,
    password: *const c_char,
) {
    setter!(
        qio_tls_creds_builder_set_password(builder, password: &str) => builder.password(password)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_password_func(
    builder: *mut QIOTlsCredsBuilder,
    func: PasswordFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) {
    setter!(
        qio_tls_creds_builder_set_password_func(
            builder, callback: Callback<_> = (func, user_data, notify)
        ) => builder.password_func(move |file| {
            // The closure owns all of it: `notify` is called after the last call.
            let callback = &callback;
            let file = glib::GString::from(file);
            take_password(callback.call(|func, data| func(file.as_ptr(), data)))
        })
    );
}

/// Takes the answer of a password callback, which is to be UTF-8.
///
/// # Safety
///
/// It must be NULL, or a string in memory of `g_malloc()` that is given away.
unsafe fn take_password(answer: *mut c_char) -> Option<String> {
    if answer.is_null() {
        return None;
    }
    // SAFETY: forwarded: a string that ends in NUL, and was checked not to be NULL.
    let password = unsafe { CStr::from_ptr(answer) }
        .to_str()
        .map(str::to_owned);
    // SAFETY: forwarded: memory of `g_malloc()` that this function owns and uses for the last time.
    unsafe {
        cleanse(slice::from_raw_parts_mut(
            answer.cast(),
            CStr::from_ptr(answer).count_bytes(),
        ));
        glib_sys::g_free(answer.cast());
    }
    let place = c"qio_tls_creds_builder_build";
    holds(place, password.is_ok(), "the password is UTF-8");
    password.ok()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_client_certificates(
    builder: *mut QIOTlsCredsBuilder,
    mode: c_uint,
) {
    setter!(
        qio_tls_creds_builder_set_client_certificates(builder, mode: TlsAuthenticationMode) =>
            builder.client_certificates(mode)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_checks(
    builder: *mut QIOTlsCredsBuilder,
    checks: gboolean,
) {
    setter!(qio_tls_creds_builder_set_checks(builder) => builder.verify_on_load(from_glib(checks)));
}
