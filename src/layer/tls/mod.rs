//! TLS, by the OpenSSL of the system.
//!
//! `creds` is what a peer is told, and what is believed of it: made once, checked when it is made, and shared by
//! any number of channels. `shim` is what the crate `openssl` has no words for: the one file with unsafe code.

mod creds;
mod shim;

pub use creds::{
    QIOTlsCreds, QIOTlsCredsClass, TlsCreds, TlsCredsBuilder, TlsCredsImpl, TlsEndpoint, TlsPskHash,
};

use std::io;

use openssl::error::ErrorStack;

use crate::error::from_glib_error;

/// An error with a code of GIO's TLS.
pub(super) fn tls_error(code: gio::TlsError, message: &str) -> io::Error {
    from_glib_error(glib::Error::new(code, message))
}

/// What OpenSSL says has gone wrong: the deepest reason, which it met first.
fn reason(stack: &ErrorStack) -> &'static str {
    let mut errors = stack.errors().iter();
    errors
        .find_map(|error| error.reason())
        .unwrap_or("OpenSSL does not say why")
}
