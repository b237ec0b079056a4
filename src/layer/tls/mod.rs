//! TLS, by the OpenSSL of the system.
//!
//! `creds` is what a peer is told, and what is believed of it: made once, checked when it is made, and shared by
//! any number of channels. `shim` is what the crate `openssl` has no words for: the one file with unsafe code.

mod creds;
mod shim;

pub use creds::{
    QIOTlsCreds, QIOTlsCredsClass, TlsCreds, TlsCredsBuilder, TlsCredsImpl, TlsEndpoint,
};

use std::io;

use crate::error::from_glib_error;

/// An error with a code of GIO's TLS.
pub(crate) fn tls_error(code: gio::TlsError, message: &str) -> io::Error {
    from_glib_error(glib::Error::new(code, message))
}
