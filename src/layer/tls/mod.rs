//! TLS, by the OpenSSL of the system.
//!
//! | module | purpose |
//! | --- | --- |
//! | `creds` | certificates, keys and trust anchors: built and checked once, shared by channels |
//! | `channel`, `imp`, `info` | the class of channels, and its properties |
//! | `engine`, `memory_bio` | OpenSSL between plaintext and ciphertext in memory |
//! | `connection` | reads and writes, by `layer::wire`; steps of the handshake; close |
//! | `prepare` | a connection before its handshake: the name of the server |
//! | `verify`, `verify_error` | verification of the peer's certificates, and messages about it |
//! | `authorize`, `peer` | handlers that accept or reject the peer, and the state of the peer |
//! | `failure` | all other errors |
//! | `secret` | memory that is overwritten when it is dropped |
//! | `shim` | what the crate `openssl` lacks: the one module with unsafe code |

mod authorize;
mod channel;
mod connection;
mod creds;
mod engine;
mod failure;
mod imp;
mod info;
mod memory_bio;
mod peer;
mod prepare;
mod secret;
mod shim;
#[cfg(test)]
mod tests;
mod verify;
mod verify_error;

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

/// The reason of an error of OpenSSL: the first one in the queue, except those of providers, which
/// are about ciphers only.
fn reason(stack: &ErrorStack) -> &'static str {
    let errors = || stack.errors().iter();
    let is_deep = |error: &&Error| error.library() == Some("Provider routines");
    errors()
        .filter(|error| !is_deep(error))
        .find_map(Error::reason)
        .or_else(|| errors().find_map(Error::reason))
        .unwrap_or("OpenSSL gives no reason")
}
