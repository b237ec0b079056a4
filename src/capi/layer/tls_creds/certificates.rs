//! Certificates and trust anchors.

use std::{
    ffi::{CStr, c_char, c_uint},
    slice,
};

use gio::TlsAuthenticationMode;
use gio_sys::GTlsCertificate;
use glib::translate::*;
use glib_sys::{GBytes, GDestroyNotify, gboolean, gpointer};

use super::{QIOTlsCredsBuilder, as_path, bytes, change, expects, object, text};
use crate::{
    capi::{callback::Callback, holds, instance},
    layer::cleanse,
};

instance!(gio::TlsCertificate, c"G_IS_TLS_CERTIFICATE (certificate)");

/// Says what the password of something is, in memory of `g_malloc()`, or NULL.
type PasswordFunc =
    Option<unsafe extern "C" fn(what: *const c_char, user_data: gpointer) -> *mut c_char>;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_directory(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    let function = c"qio_tls_creds_builder_set_directory";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(path) = as_path(function, builder, path, c"path != NULL") {
            change(function, builder, |builder| builder.directory(path));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_trust_file(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    let function = c"qio_tls_creds_builder_add_trust_file";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(path) = as_path(function, builder, path, c"path != NULL") {
            change(function, builder, |builder| builder.trust_file(path));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_trust_pem(
    builder: *mut QIOTlsCredsBuilder,
    pem: *mut GBytes,
) {
    let function = c"qio_tls_creds_builder_add_trust_pem";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(pem) = bytes(function, builder, pem, c"pem != NULL") {
            change(function, builder, |builder| builder.trust_pem(pem));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_trust(
    builder: *mut QIOTlsCredsBuilder,
    authority: *mut GTlsCertificate,
) {
    let function = c"qio_tls_creds_builder_add_trust";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        object(
            function,
            builder,
            authority,
            |builder, authority: &gio::TlsCertificate| builder.trust(authority),
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_system_trust(builder: *mut QIOTlsCredsBuilder) {
    let function = c"qio_tls_creds_builder_add_system_trust";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { change(function, builder, QIOTlsCredsBuilder::system_trust) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_crl_file(
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
) {
    let function = c"qio_tls_creds_builder_add_crl_file";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(path) = as_path(function, builder, path, c"path != NULL") {
            change(function, builder, |builder| builder.crl_file(path));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_add_crl_pem(
    builder: *mut QIOTlsCredsBuilder,
    pem: *mut GBytes,
) {
    let function = c"qio_tls_creds_builder_add_crl_pem";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(pem) = bytes(function, builder, pem, c"pem != NULL") {
            change(function, builder, |builder| builder.crl_pem(pem));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_allow_missing_crl(
    builder: *mut QIOTlsCredsBuilder,
    allow: gboolean,
) {
    let function = c"qio_tls_creds_builder_set_allow_missing_crl";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        change(function, builder, |builder| {
            builder.allow_missing_crl(allow != 0)
        });
    };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_certificate_files(
    builder: *mut QIOTlsCredsBuilder,
    certificate: *const c_char,
    key: *const c_char,
) {
    let function = c"qio_tls_creds_builder_set_certificate_files";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(certificate) = as_path(function, builder, certificate, c"certificate != NULL")
            && let Some(key) = as_path(function, builder, key, c"key != NULL")
        {
            change(function, builder, |builder| {
                builder.certificate_files(certificate, key)
            });
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_certificate_pem(
    builder: *mut QIOTlsCredsBuilder,
    certificate: *mut GBytes,
    key: *mut GBytes,
) {
    let function = c"qio_tls_creds_builder_set_certificate_pem";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(certificate) = bytes(function, builder, certificate, c"certificate != NULL")
            && let Some(key) = bytes(function, builder, key, c"key != NULL")
        {
            change(function, builder, |builder| {
                builder.certificate_pem(certificate, key)
            });
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_certificate(
    builder: *mut QIOTlsCredsBuilder,
    certificate: *mut GTlsCertificate,
) {
    let function = c"qio_tls_creds_builder_set_certificate";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        object(
            function,
            builder,
            certificate,
            |builder, certificate: &gio::TlsCertificate| builder.certificate(certificate),
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_password(
    builder: *mut QIOTlsCredsBuilder,
    password: *const c_char,
) {
    let function = c"qio_tls_creds_builder_set_password";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if let Some(password) = text(function, builder, password, c"password is UTF-8") {
            change(function, builder, |builder| builder.password(password));
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_password_func(
    builder: *mut QIOTlsCredsBuilder,
    func: PasswordFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) {
    let function = c"qio_tls_creds_builder_set_password_func";
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
    let ask = move |what: &str| {
        let Callback {
            func, user_data, ..
        } = &callback;
        let what = glib::GString::from(what);
        // SAFETY: the string lives through the call, and the data until `notify` is called.
        let answer = unsafe { (*func)?(what.as_ptr(), *user_data) };
        // SAFETY: what is not NULL is a string, and ours.
        unsafe { take_password(answer) }
    };
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { change(function, builder, |builder| builder.password_func(ask)) };
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
    // SAFETY: the caller's promise.
    let password = unsafe { CStr::from_ptr(answer) }
        .to_str()
        .map(str::to_owned);
    // SAFETY: it was given away, and is not used any more.
    unsafe {
        cleanse(slice::from_raw_parts_mut(
            answer.cast(),
            CStr::from_ptr(answer).count_bytes(),
        ));
        glib_sys::g_free(answer.cast());
    }
    let place = c"qio_tls_creds_builder_build";
    holds(place, password.is_ok(), c"the password is UTF-8");
    password.ok()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_client_certificates(
    builder: *mut QIOTlsCredsBuilder,
    mode: c_uint,
) {
    let function = c"qio_tls_creds_builder_set_client_certificates";
    // SAFETY: any number may be asked about.
    let mode = unsafe { TlsAuthenticationMode::from_glib(mode.cast_signed()) };
    let known = !matches!(mode, TlsAuthenticationMode::__Unknown(_));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        if expects(
            function,
            builder,
            known,
            c"mode is a GTlsAuthenticationMode",
        ) {
            change(function, builder, |builder| {
                builder.client_certificates(mode)
            });
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_set_checks(
    builder: *mut QIOTlsCredsBuilder,
    checks: gboolean,
) {
    let function = c"qio_tls_creds_builder_set_checks";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        change(function, builder, |builder| {
            builder.verify_on_load(checks != 0)
        });
    };
}
