//! Credentials of TLS, and how they are made: a boxed type.

mod certificates;
mod protocol;

use std::{ffi::c_uint, ptr};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean};

use crate::{
    TlsCreds, TlsCredsBuilder as QIOTlsCredsBuilder, TlsEndpoint, TlsPskHash,
    capi::{
        Boxed, Owned, boxed,
        builder::{Builder, setter},
        function, instance, method,
    },
    ffi::QIOTlsCreds,
};

instance!(TlsCreds, "QIO_IS_TLS_CREDS");

impl Boxed for QIOTlsCredsBuilder {}

impl Builder for QIOTlsCredsBuilder {
    fn empty() -> Self {
        TlsCreds::builder(TlsEndpoint::Client)
    }

    fn with_invalid_argument(self, setter: &str, expected: &str) -> Self {
        self.with_invalid_argument(setter, expected)
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
