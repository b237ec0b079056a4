//! TLS, by the OpenSSL of the system.
//!
//! `creds` has certificates, keys and trust anchors: built once, validated then, and shared by any
//! number of channels. `channel` and `imp` are the class of channels: `engine` computes, between
//! plaintext and ciphertext in memory (`pipes`); `link` moves the ciphertext, `waiting` says what
//! to wait for, `flusher` sends what a write has left; `handshake` prepares a connection, `verify`
//! verifies the peer's certificates, `authorize` calls the handlers that decide on it, `peer` is
//! what is known of it, `verdict` why a certificate does not verify, `failure` about all else that
//! goes wrong. `secret` is what is overwritten when it is dropped. `shim` is what the crate
//! `openssl` has no words for: the one file with unsafe code.

mod authorize;
mod channel;
mod creds;
mod engine;
mod facts;
mod failure;
mod flusher;
mod handshake;
mod imp;
mod link;
mod peer;
mod pipes;
mod secret;
mod shim;
#[cfg(test)]
mod tests;
mod verdict;
mod verify;
mod waiting;

pub use channel::{ChannelTls, ChannelTlsImpl, QIOChannelTLS, QIOChannelTLSClass};

#[cfg(feature = "capi")]
pub(crate) use shim::cleanse;

pub use creds::{
    QIOTlsCreds, QIOTlsCredsClass, TlsCreds, TlsCredsBuilder, TlsCredsImpl, TlsEndpoint, TlsPskHash,
};

use std::io;

use openssl::error::{Error, ErrorStack};

use crate::error::from_glib_error;

/// An error with a code of GIO's TLS.
pub(super) fn tls_error(code: gio::TlsError, message: &str) -> io::Error {
    from_glib_error(glib::Error::new(code, message))
}

/// What OpenSSL says has gone wrong: the deepest reason, which it met first, but for that of a
/// provider, which knows of ciphers only.
fn reason(stack: &ErrorStack) -> &'static str {
    let errors = || stack.errors().iter();
    let is_deep = |error: &&Error| error.library() == Some("Provider routines");
    errors()
        .filter(|error| !is_deep(error))
        .find_map(Error::reason)
        .or_else(|| errors().find_map(Error::reason))
        .unwrap_or("OpenSSL does not say why")
}
