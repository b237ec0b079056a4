//! What the crate `openssl` lacks, or has as unsafe functions: the one module of this layer with
//! unsafe code. Its functions are safe to call.
//!
//! `SAFETY` comments name two invariants:
//!
//! - *References are live*: an `SslRef`, `X509Ref`, `SslContextBuilder` and the like points to an
//!   object of its type that exists as long as the borrow, and is not used elsewhere if the borrow
//!   is exclusive. The crate `foreign_types` establishes it where an object is made. What OpenSSL
//!   calls `get0` belongs to that object, and is not used after the borrow.
//! - *Callbacks*: OpenSSL calls them with live objects and places for the results, as its manual
//!   has for the function that sets them. What they read of a context was set in its application
//!   data before, and stays until the context is freed, which each connection keeps.
#![allow(unsafe_code)]

mod certificate;
mod connection;
mod memory;
mod psk;
mod verify;

use std::{
    ffi::{c_int, c_uchar},
    slice,
};

use openssl::error::ErrorStack;

pub(crate) use self::memory::cleanse;
pub(super) use self::{
    certificate::{distinguished_name, extension, is_ca, is_critical, obeys_constraints},
    connection::{
        choose_dh, find_sessions, free_buffers, limit_certificates, limit_sessions,
        offers_extended_master_secret, queue_ticket, set_ciphers, set_session, suites_without_aead,
        update_keys,
    },
    memory::{cleanse_freed, secure_env, take_text},
    psk::{OwnKey, find_keys, offered_psks, use_key},
    verify::{
        add_crl, cert_rejected, host, is_for_common_name, presented, set_peer_verifier,
        verify_chain, with_chain,
    },
};
#[cfg(test)]
pub(super) use self::{connection::ticket, verify::set_verification_time};

/// The result of a function that returns 1 if all went well.
fn done(result: c_int) -> Result<(), ErrorStack> {
    match result {
        1 => Ok(()),
        _ => Err(ErrorStack::get()),
    }
}

/// Bytes of C.
///
/// # Safety
///
/// There are so many, for as long as `'a`; NULL if there are none.
unsafe fn bytes<'a>(data: *const c_uchar, len: usize) -> &'a [u8] {
    match len {
        0 => &[],
        // SAFETY: the caller's promise, see `# Safety`.
        _ => unsafe { slice::from_raw_parts(data, len) },
    }
}
