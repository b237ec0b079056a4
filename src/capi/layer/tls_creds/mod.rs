//! Credentials of TLS, and how they are made: a boxed type.

mod certificates;
mod protocol;

use crate::capi::method;
use std::{
    ffi::{CStr, OsStr, c_char, c_uint},
    mem,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr,
};

use glib::{prelude::*, translate::*};
use glib_sys::{GBytes, GError, GType, gboolean};

use crate::{
    TlsCreds, TlsCredsBuilder as QIOTlsCredsBuilder, TlsEndpoint, TlsPskHash,
    capi::{Instance, give, guarded, holds, instance, with},
    ffi::QIOTlsCreds,
};

instance!(TlsCreds, c"QIO_IS_TLS_CREDS (creds)");

#[unsafe(no_mangle)]
pub extern "C" fn qio_tls_endpoint_get_type() -> GType {
    TlsEndpoint::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_tls_psk_hash_get_type() -> GType {
    TlsPskHash::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_tls_creds_get_type() -> GType {
    TlsCreds::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_tls_creds_builder_get_type() -> GType {
    QIOTlsCredsBuilder::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_get_endpoint(creds: *mut QIOTlsCreds) -> c_uint {
    method!(qio_tls_creds_get_endpoint, creds, 0, |creds: &TlsCreds| {
        creds.endpoint().into_glib().cast_unsigned()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_verifies_peer(creds: *mut QIOTlsCreds) -> gboolean {
    method!(qio_tls_creds_verifies_peer, creds, 0, |creds: &TlsCreds| {
        creds.verifies_peer().into_glib()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_new(endpoint: c_uint) -> *mut QIOTlsCredsBuilder {
    let (function, no_error) = (c"qio_tls_creds_builder_new", ptr::null_mut());
    // SAFETY: any number may be asked about.
    let endpoint = unsafe { TlsEndpoint::try_from_glib(endpoint.cast_signed()) };
    let expected = c"endpoint is a QIOTlsEndpoint";
    if !holds(function, endpoint.is_ok(), expected) {
        return ptr::null_mut();
    }
    let make = || {
        endpoint.map_or(ptr::null_mut(), |endpoint| {
            boxed(TlsCreds::builder(endpoint))
        })
    };
    // SAFETY: there is no place for an error.
    unsafe { guarded(function, no_error, ptr::null_mut(), make) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_copy(
    builder: *const QIOTlsCredsBuilder,
) -> *mut QIOTlsCredsBuilder {
    let (function, no_error) = (c"qio_tls_creds_builder_copy", ptr::null_mut());
    if !holds(function, !builder.is_null(), c"builder != NULL") {
        return ptr::null_mut();
    }
    // SAFETY: what is not NULL is a builder, which the caller keeps alive for the length of the
    // call.
    unsafe {
        guarded(function, no_error, ptr::null_mut(), || {
            boxed((*builder).clone())
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_free(builder: *mut QIOTlsCredsBuilder) {
    let function = c"qio_tls_creds_builder_free";
    if holds(function, !builder.is_null(), c"builder != NULL") {
        // SAFETY: it came from `boxed`, or from GLib's copy of such a one, and is given back.
        let free = || drop(unsafe { Box::from_raw(builder) });
        // SAFETY: there is no place for an error.
        unsafe { guarded(function, ptr::null_mut(), (), free) };
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_build(
    builder: *const QIOTlsCredsBuilder,
    error: *mut *mut GError,
) -> *mut QIOTlsCreds {
    let (function, failed) = (c"qio_tls_creds_builder_build", ptr::null_mut());
    if !holds(function, !builder.is_null(), c"builder != NULL") {
        return failed;
    }
    // SAFETY: as above.
    unsafe {
        guarded(function, error, failed, || {
            give((*builder).clone().build(), error)
        })
    }
}

fn boxed(builder: QIOTlsCredsBuilder) -> *mut QIOTlsCredsBuilder {
    Box::into_raw(Box::new(builder))
}

/// Changes a builder where it is; complains if it is NULL.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn change(
    function: &CStr,
    builder: *mut QIOTlsCredsBuilder,
    how: impl FnOnce(QIOTlsCredsBuilder) -> QIOTlsCredsBuilder,
) {
    if !holds(function, !builder.is_null(), c"builder != NULL") {
        return;
    }
    // SAFETY: what is not NULL is a builder, which nothing else uses during the call.
    unsafe {
        guarded(function, ptr::null_mut(), (), || {
            // What a panic leaves.
            let broken = TlsCreds::builder(TlsEndpoint::Client);
            let broken =
                broken.with_invalid_argument(&function.to_string_lossy(), "it does not panic");
            let old = mem::replace(&mut *builder, broken);
            *builder = how(old);
        });
    }
}

/// Whether what a setter was given is what it expects. If not, it complains, and `build` will fail.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn expects(
    function: &CStr,
    builder: *mut QIOTlsCredsBuilder,
    condition: bool,
    expected: &CStr,
) -> bool {
    if !holds(function, condition, expected) && !builder.is_null() {
        let [setter, mistake] = [function, expected].map(CStr::to_string_lossy);
        // SAFETY: the caller's promise.
        unsafe {
            change(function, builder, |builder| {
                builder.with_invalid_argument(&setter, &mistake)
            });
        }
    }
    condition
}

/// A string that need not be UTF-8, and not NULL.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn as_path<'a>(
    function: &CStr,
    builder: *mut QIOTlsCredsBuilder,
    path: *const c_char,
    expected: &CStr,
) -> Option<&'a Path> {
    // SAFETY: what is not NULL ends in NUL.
    unsafe { expects(function, builder, !path.is_null(), expected) }
        .then(|| unsafe { Path::new(OsStr::from_bytes(CStr::from_ptr(path).to_bytes())) })
}

/// A string of UTF-8.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn text<'a>(
    function: &CStr,
    builder: *mut QIOTlsCredsBuilder,
    text: *const c_char,
    expected: &CStr,
) -> Option<&'a str> {
    let text = match text.is_null() {
        true => None,
        // SAFETY: what is not NULL ends in NUL.
        false => unsafe { CStr::from_ptr(text) }.to_str().ok(),
    };
    // SAFETY: the caller's promise.
    unsafe { expects(function, builder, text.is_some(), expected) };
    text
}

/// What is in a GBytes, which is not NULL.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn bytes(
    function: &CStr,
    builder: *mut QIOTlsCredsBuilder,
    bytes: *mut GBytes,
    expected: &CStr,
) -> Option<Vec<u8>> {
    // SAFETY: what is not NULL is a GBytes.
    unsafe { expects(function, builder, !bytes.is_null(), expected) }
        .then(|| unsafe { glib::Bytes::from_glib_none(bytes) }.to_vec())
}

/// An instance of a class.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn object<T: Instance>(
    function: &CStr,
    builder: *mut QIOTlsCredsBuilder,
    object: *mut T::GlibType,
    how: impl FnOnce(QIOTlsCredsBuilder, &T) -> QIOTlsCredsBuilder,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let is_one = with(function, object, ptr::null_mut(), false, |object: &T| {
            change(function, builder, |builder| how(builder, object));
            true
        });
        if !is_one && !builder.is_null() {
            let [setter, mistake] = [function, T::IS].map(CStr::to_string_lossy);
            change(function, builder, |builder| {
                builder.with_invalid_argument(&setter, &mistake)
            });
        }
    }
}
