//! What the crate `openssl` lacks, or calls unsafe.
#![allow(unsafe_code)]

use openssl::{
    error::ErrorStack,
    ssl::{SslRef, SslSessionRef},
};

/// Proposes to the server to go on with a session.
///
/// The session must be one of a connection of the context that this connection is of.
pub(super) fn set_session(ssl: &mut SslRef, session: &SslSessionRef) -> Result<(), ErrorStack> {
    // SAFETY: the session is of the same context, as the caller sees to.
    unsafe { ssl.set_session(session) }
}
