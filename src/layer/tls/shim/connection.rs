//! Contexts and connections: cipher suites, sessions, tickets, keys, buffers.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_long},
    ptr,
};

use foreign_types::ForeignTypeRef as _;
use openssl::{
    error::ErrorStack,
    ssl::{
        SslCipher, SslCipherRef, SslContextBuilder, SslRef, SslSession, SslSessionRef, SslStream,
    },
    stack::StackRef,
};
use openssl_sys as ffi;

#[cfg(test)]
use std::ffi::c_uchar;

#[cfg(test)]
use super::bytes;
use super::done;

/// The control behind a macro of OpenSSL's, `SSL_CTX_set_max_cert_list`.
const SSL_CTRL_SET_MAX_CERT_LIST: c_int = 51;

unsafe extern "C" {
    fn SSL_CTX_set_timeout(context: *mut ffi::SSL_CTX, seconds: c_long) -> c_long;
    fn SSL_CTX_get_ciphers(context: *const ffi::SSL_CTX) -> *mut ffi::stack_st_SSL_CIPHER;
    fn SSL_CIPHER_is_aead(cipher: *const ffi::SSL_CIPHER) -> c_int;
    #[cfg(test)]
    fn SSL_SESSION_get0_ticket(
        session: *const ffi::SSL_SESSION,
        ticket: *mut *const c_uchar,
        len: *mut usize,
    );
    fn SSL_new_session_ticket(ssl: *mut ffi::SSL) -> c_int;
    fn SSL_free_buffers(ssl: *mut ffi::SSL) -> c_int;
    fn SSL_has_pending(ssl: *const ffi::SSL) -> c_int;
    fn SSL_rstate_string(ssl: *const ffi::SSL) -> *const c_char;
    fn SSL_key_update(ssl: *mut ffi::SSL, kind: c_int) -> c_int;
}

/// How many bytes the certificates of a peer may have.
pub(in crate::layer::tls) fn limit_certificates(context: &mut SslContextBuilder, most: usize) {
    let most = c_long::try_from(most).unwrap_or(c_long::MAX);
    // SAFETY: references are live; the control takes a number by value.
    unsafe {
        ffi::SSL_CTX_ctrl(
            context.as_ptr(),
            SSL_CTRL_SET_MAX_CERT_LIST,
            most,
            ptr::null_mut(),
        );
    }
}

/// How long sessions of a context live, in seconds.
pub(in crate::layer::tls) fn limit_sessions(context: &mut SslContextBuilder, seconds: u64) {
    // SAFETY: references are live.
    unsafe { SSL_CTX_set_timeout(context.as_ptr(), seconds as c_long) };
}

/// Lets OpenSSL choose Diffie-Hellman parameters, as strong as the other keys.
pub(in crate::layer::tls) fn choose_dh(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    // SAFETY: references are live.
    match unsafe { ffi::SSL_CTX_set_dh_auto(context.as_ptr(), 1) } {
        1 => Ok(()),
        _ => Err(ErrorStack::get()),
    }
}

/// The cipher suites of a context that do not authenticate as they encrypt.
pub(in crate::layer::tls) fn suites_without_aead(context: &SslContextBuilder) -> Vec<[u8; 2]> {
    // SAFETY: references are live; the stack with its ciphers is the context's (`get0`).
    unsafe {
        let stack = SSL_CTX_get_ciphers(context.as_ptr());
        if stack.is_null() {
            return Vec::new();
        }
        let ciphers = StackRef::<SslCipher>::from_ptr(stack).iter();
        let others = ciphers.filter(|cipher| SSL_CIPHER_is_aead(cipher.as_ptr()) == 0);
        others.map(SslCipherRef::protocol_id).collect()
    }
}

/// Sets the cipher suites of TLS 1.2 of one connection, maybe to none. In the callback of a
/// ClientHello.
pub(in crate::layer::tls) fn set_ciphers(ssl: &mut SslRef, list: &str) -> Result<(), ErrorStack> {
    /// SSL_R_NO_CIPHER_MATCH: the list is set, and empty.
    const NONE: c_int = 185;
    let list = CString::new(list).unwrap_or_default();
    // SAFETY: references are live; the list ends in NUL, and OpenSSL copies it.
    let result = done(unsafe { ffi::SSL_set_cipher_list(ssl.as_ptr(), list.as_ptr()) });
    match result {
        Err(e)
            if e.errors()
                .first()
                .is_some_and(|it| it.reason_code() == NONE) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Whether a ClientHello has the extension extended_master_secret (RFC 7627). Only while it is
/// processed.
pub(in crate::layer::tls) fn offers_extended_master_secret(ssl: &mut SslRef) -> bool {
    const EXTENDED_MASTER_SECRET: u32 = 23;
    let (mut data, mut len) = (ptr::null(), 0);
    // SAFETY: references are live; the places are this function's, and the contents are not read.
    unsafe {
        let kind = EXTENDED_MASTER_SECRET;
        ffi::SSL_client_hello_get0_ext(ssl.as_ptr(), kind, &mut data, &mut len) == 1
    }
}

/// Proposes to the server to resume a session, of any connection of the same context. Before the
/// handshake.
pub(in crate::layer::tls) fn set_session<S>(
    stream: &mut SslStream<S>,
    session: &SslSessionRef,
) -> Result<(), ErrorStack> {
    // SAFETY: references are live. The session is of the context of this connection, as the crate
    // demands: `Sessions`, where it comes from, belongs to one context.
    done(unsafe { ffi::SSL_set_session(stream.ssl().as_ptr(), session.as_ptr()) })
}

/// Lets the servers of a context find sessions by their identifiers.
pub(in crate::layer::tls) fn find_sessions(
    context: &mut SslContextBuilder,
    find: impl Fn(&mut SslRef, &[u8]) -> Option<SslSession> + Send + Sync + 'static,
) {
    // SAFETY: the crate requires that sessions are of this context: `Sessions`, the only caller,
    // belongs to one.
    unsafe { context.set_get_session_callback(find) };
}

/// Has a server's session ticket sent with the next write. TLS 1.3 only, after the handshake.
pub(in crate::layer::tls) fn queue_ticket<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    // SAFETY: references are live, and this one is exclusive.
    done(unsafe { SSL_new_session_ticket(stream.ssl().as_ptr()) })
}

/// Queues a KeyUpdate, which requests one of the peer if `request_peer`. It is sent with the next
/// step of the handshake, or the next write. TLS 1.3 only.
pub(in crate::layer::tls) fn update_keys<S>(
    stream: &mut SslStream<S>,
    request_peer: bool,
) -> Result<(), ErrorStack> {
    // SAFETY: references are live, and this one is exclusive; the kinds are
    // SSL_KEY_UPDATE_NOT_REQUESTED and _REQUESTED.
    done(unsafe { SSL_key_update(stream.ssl().as_ptr(), c_int::from(request_peer)) })
}

/// Frees the buffers of a connection that have nothing in them: 17 KiB each. Handshake messages
/// after the handshake, such as session tickets, leave some in spite of `SSL_MODE_RELEASE_BUFFERS`.
/// Returns whether OpenSSL was called for that.
///
/// `SSL_free_buffers` of OpenSSL before 3.0.14, 3.1.6, 3.2.2 and 3.3.1 also frees a buffer that is
/// in use: after the header of a record whose body has not come, and while data of a record is left
/// (CVE-2024-4741). Distributions correct that without another version number, so that what the
/// later versions check is checked here for all.
pub(in crate::layer::tls) fn free_buffers<S>(stream: &mut SslStream<S>) -> bool {
    let ssl = stream.ssl().as_ptr();
    let is_idle = is_between_records(stream);
    if is_idle {
        // SAFETY: references are live, and this one is exclusive. No part of a record is in the
        // buffers: `is_between_records`.
        unsafe { SSL_free_buffers(ssl) };
    }
    is_idle
}

/// Whether OpenSSL has no part of a record, neither of its header nor of its body, nor data of it.
fn is_between_records<S>(stream: &SslStream<S>) -> bool {
    let ssl = stream.ssl().as_ptr();
    // SAFETY: references are live; the text is a constant of OpenSSL's.
    unsafe { SSL_has_pending(ssl) == 0 && CStr::from_ptr(SSL_rstate_string(ssl)) == c"RH" }
}

/// The session ticket that a client got; empty for a session with an identifier of TLS 1.2.
#[cfg(test)]
pub(in crate::layer::tls) fn ticket(session: &SslSessionRef) -> &[u8] {
    let (mut data, mut len) = (ptr::null(), 0);
    // SAFETY: references are live; the places are this function's, and the ticket is the session's
    // (`get0`).
    unsafe {
        SSL_SESSION_get0_ticket(session.as_ptr(), &mut data, &mut len);
        bytes(data, len)
    }
}
