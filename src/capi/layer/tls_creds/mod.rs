//! Credentials of TLS, and how they are made: a boxed type.

mod certificates;
mod protocol;

use std::{ffi::CStr, ffi::c_uint, mem, ptr};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean};

use crate::{
    TlsCreds, TlsCredsBuilder as QIOTlsCredsBuilder, TlsEndpoint, TlsPskHash,
    capi::{Boxed, Owned, complain, function, guarded, instance, method},
    ffi::QIOTlsCreds,
};

instance!(TlsCreds, "QIO_IS_TLS_CREDS");

impl Boxed for QIOTlsCredsBuilder {}

fn boxed(builder: QIOTlsCredsBuilder) -> *mut QIOTlsCredsBuilder {
    Box::into_raw(Box::new(builder))
}

/// The body of a setter of a builder. Arguments are checked as in other functions; if one is not
/// what it must be, `build` will fail as well.
macro_rules! setter {
    ($function:ident($builder:ident $(, $arg:ident: $type:ty $(= $raw:expr)?)*) => $value:expr) => {
        // SAFETY: the C contract, at the top of `capi`; nothing else uses the builder during the
        // call.
        unsafe {
            let function = $crate::capi::c_name!($function);
            $(
                let $arg = match <$type as $crate::capi::Argument<_>>::from_c(
                    $crate::capi::layer::tls_creds::raw!($arg $(, $raw)?), stringify!($arg),
                ) {
                    Ok(argument) => argument,
                    Err(expected) => {
                        return $crate::capi::layer::tls_creds::reject_argument(
                            function, $builder, &expected,
                        );
                    }
                };
            )*
            $crate::capi::layer::tls_creds::change(function, $builder, |$builder| $value);
        }
    };
}
use setter;

macro_rules! raw {
    ($arg:ident) => {
        $arg
    };
    ($arg:ident, $raw:expr) => {
        $raw
    };
}
use raw;

/// Changes a builder where it is; complains if it is NULL.
///
/// # Safety
///
/// `builder` must be NULL or a builder that nothing else uses during the call.
unsafe fn change(
    function: &CStr,
    builder: *mut QIOTlsCredsBuilder,
    how: impl FnOnce(QIOTlsCredsBuilder) -> QIOTlsCredsBuilder,
) {
    // SAFETY: forwarded: NULL or a builder; there is no `GError **`.
    unsafe {
        let Some(builder) = builder.as_mut() else {
            return complain(function, "builder != NULL");
        };
        guarded(function, ptr::null_mut(), (), || {
            // This is the builder if `how` panics.
            let broken = TlsCreds::builder(TlsEndpoint::Client);
            let broken =
                broken.with_invalid_argument(&function.to_string_lossy(), "it does not panic");
            *builder = how(mem::replace(builder, broken));
        });
    }
}

/// Complains of an argument; `build` will fail.
///
/// # Safety
///
/// As for [`change`].
unsafe fn reject_argument(function: &CStr, builder: *mut QIOTlsCredsBuilder, expected: &str) {
    complain(function, expected);
    if !builder.is_null() {
        let setter = function.to_string_lossy();
        // SAFETY: forwarded: it is not NULL, and nothing else uses it.
        unsafe {
            change(function, builder, |it| {
                it.with_invalid_argument(&setter, expected)
            });
        };
    }
}

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
    method!(
        qio_tls_creds_get_endpoint(creds: TlsCreds) or 0 =>
            creds.endpoint().into_glib().cast_unsigned()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_verifies_peer(creds: *mut QIOTlsCreds) -> gboolean {
    method!(qio_tls_creds_verifies_peer(creds: TlsCreds) or 0 => creds.verifies_peer().into_glib())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_new(endpoint: c_uint) -> *mut QIOTlsCredsBuilder {
    function!(
        qio_tls_creds_builder_new(endpoint: TlsEndpoint) or ptr::null_mut() =>
            boxed(TlsCreds::builder(endpoint))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_copy(
    builder: *const QIOTlsCredsBuilder,
) -> *mut QIOTlsCredsBuilder {
    function!(
        qio_tls_creds_builder_copy(builder: &QIOTlsCredsBuilder) or ptr::null_mut() =>
            boxed(builder.clone())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_free(builder: *mut QIOTlsCredsBuilder) {
    function!(qio_tls_creds_builder_free(builder: Owned<QIOTlsCredsBuilder>) => drop(builder.0));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_tls_creds_builder_build(
    builder: *const QIOTlsCredsBuilder,
    error: *mut *mut GError,
) -> *mut QIOTlsCreds {
    function!(
        qio_tls_creds_builder_build(builder: &QIOTlsCredsBuilder), error, pointer =>
            builder.clone().build()
    )
}
