//! Pre-shared keys of TLS 1.3 (RFC 8446, section 4.2.11), for which the crate `openssl` has
//! nothing.

use std::{
    ffi::{c_int, c_uchar},
    mem, ptr,
    sync::LazyLock,
};

use foreign_types::{ForeignType as _, ForeignTypeRef as _};
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    ssl::{SslContext, SslContextBuilder, SslRef, SslSession},
};
use openssl_sys as ffi;

use super::bytes;
use crate::layer::tls::secret::Secret;

/// TLS 1.3, as it is written on the wire.
const TLS1_3: c_int = 0x0304;

/// The number of the extension that carries the names of keys.
const PRE_SHARED_KEY: u32 = 41;

/// Of a client: its name, its key, and the suite that is used at first.
pub(in crate::layer::tls) struct OwnKey {
    pub(in crate::layer::tls) name: Vec<u8>,
    pub(in crate::layer::tls) key: Secret,
    /// Two bytes, as on the wire: it selects the hash that the key is for.
    pub(in crate::layer::tls) suite: [u8; 2],
    /// How many bytes this hash has.
    pub(in crate::layer::tls) hash_len: usize,
}

/// Of a server: the key of an identity.
pub(in crate::layer::tls) type FindKey =
    Box<dyn Fn(&SslRef, &[u8]) -> Option<Secret> + Send + Sync>;

/// The key of a client's context, and the keys of a server's.
static OWN_KEY: LazyLock<Option<Index<SslContext, OwnKey>>> =
    LazyLock::new(|| SslContext::new_ex_index().ok());
static FIND_KEY: LazyLock<Option<Index<SslContext, FindKey>>> =
    LazyLock::new(|| SslContext::new_ex_index().ok());

type UseSession = unsafe extern "C" fn(
    *mut ffi::SSL,
    *const ffi::EVP_MD,
    *mut *const c_uchar,
    *mut usize,
    *mut *mut ffi::SSL_SESSION,
) -> c_int;
type FindSession =
    unsafe extern "C" fn(*mut ffi::SSL, *const c_uchar, usize, *mut *mut ffi::SSL_SESSION) -> c_int;

unsafe extern "C" {
    fn SSL_CTX_set_psk_use_session_callback(context: *mut ffi::SSL_CTX, callback: UseSession);
    fn SSL_CTX_set_psk_find_session_callback(context: *mut ffi::SSL_CTX, callback: FindSession);
    fn SSL_SESSION_new() -> *mut ffi::SSL_SESSION;
    fn SSL_SESSION_set1_master_key(
        session: *mut ffi::SSL_SESSION,
        key: *const c_uchar,
        len: usize,
    ) -> c_int;
    fn SSL_SESSION_set_cipher(
        session: *mut ffi::SSL_SESSION,
        cipher: *const ffi::SSL_CIPHER,
    ) -> c_int;
    fn SSL_SESSION_set_protocol_version(session: *mut ffi::SSL_SESSION, version: c_int) -> c_int;
    fn SSL_CIPHER_find(ssl: *mut ffi::SSL, suite: *const c_uchar) -> *const ffi::SSL_CIPHER;
    fn SSL_get_pending_cipher(ssl: *const ffi::SSL) -> *const ffi::SSL_CIPHER;
}

/// Lets the clients of a context use a key with TLS 1.3.
pub(in crate::layer::tls) fn use_key(
    context: &mut SslContextBuilder,
    own: OwnKey,
) -> Result<(), ErrorStack> {
    let index = (*OWN_KEY).ok_or_else(ErrorStack::get)?;
    context.set_ex_data(index, own);
    // SAFETY: `context` is a live SSL_CTX; the callback has the type of the manual, and the data
    // that it gets were set above.
    unsafe { SSL_CTX_set_psk_use_session_callback(context.as_ptr(), use_session) };
    Ok(())
}

/// Lets the servers of a context find keys of clients with TLS 1.3.
pub(in crate::layer::tls) fn find_keys(
    context: &mut SslContextBuilder,
    find: FindKey,
) -> Result<(), ErrorStack> {
    let index = (*FIND_KEY).ok_or_else(ErrorStack::get)?;
    context.set_ex_data(index, find);
    // SAFETY: `context` is a live SSL_CTX; the callback has the type of the manual, and the data
    // that it gets were set above.
    unsafe { SSL_CTX_set_psk_find_session_callback(context.as_ptr(), find_session) };
    Ok(())
}

/// Called for a ClientHello: `hash` is NULL for the first one; after a HelloRetryRequest it is the
/// hash of the selected suite.
unsafe extern "C" fn use_session(
    ssl: *mut ffi::SSL,
    hash: *const ffi::EVP_MD,
    name: *mut *const c_uchar,
    name_len: *mut usize,
    session: *mut *mut ffi::SSL_SESSION,
) -> c_int {
    // SAFETY: callbacks. The name stays where it is, as long as the context does, which the
    // connection keeps.
    unsafe {
        *session = ptr::null_mut();
        let own = OWN_KEY.and_then(|index| SslRef::from_ptr(ssl).ssl_context().ex_data(index));
        let Some(own) = own else {
            return 1;
        };
        if !hash.is_null() && ffi::EVP_MD_get_size(hash) != own.hash_len as c_int {
            return 1;
        }
        let cipher = SSL_CIPHER_find(ssl, own.suite.as_ptr());
        match new_session(&own.key, cipher) {
            Some(made) => {
                (*name, *name_len) = (own.name.as_ptr(), own.name.len());
                *session = into_ptr(made);
                1
            }
            None => 0,
        }
    }
}

/// Called for every identity that a client offers, which may be a ticket too.
unsafe extern "C" fn find_session(
    ssl: *mut ffi::SSL,
    name: *const c_uchar,
    name_len: usize,
    session: *mut *mut ffi::SSL_SESSION,
) -> c_int {
    // SAFETY: callbacks; the name has `name_len` bytes.
    unsafe {
        *session = ptr::null_mut();
        let name = bytes(name, name_len);
        let connection = SslRef::from_ptr(ssl);
        let find = FIND_KEY.and_then(|index| connection.ssl_context().ex_data(index));
        let Some(key) = find.and_then(|find| find(connection, name)) else {
            return 1;
        };
        // The suite is selected already, and so is the hash.
        match new_session(&key, SSL_get_pending_cipher(ssl)) {
            Some(made) => {
                *session = into_ptr(made);
                1
            }
            None => 0,
        }
    }
}

/// A session for OpenSSL, which frees it.
fn into_ptr(session: SslSession) -> *mut ffi::SSL_SESSION {
    let pointer = session.as_ptr();
    mem::forget(session);
    pointer
}

/// A session that begins with a key.
///
/// # Safety
///
/// The cipher is NULL or one of OpenSSL's, which are there forever.
unsafe fn new_session(key: &[u8], cipher: *const ffi::SSL_CIPHER) -> Option<SslSession> {
    if cipher.is_null() {
        return None;
    }
    // SAFETY: a new session has no other owner, so that its wrapper may free it; the key is copied,
    // and the cipher is the caller's promise.
    unsafe {
        let session = SSL_SESSION_new();
        if session.is_null() {
            return None;
        }
        let session = SslSession::from_ptr(session);
        let set = SSL_SESSION_set1_master_key(session.as_ptr(), key.as_ptr(), key.len()) == 1
            && SSL_SESSION_set_cipher(session.as_ptr(), cipher) == 1
            && SSL_SESSION_set_protocol_version(session.as_ptr(), TLS1_3) == 1;
        set.then_some(session)
    }
}

/// The pre_shared_key extension of a client: identities and binders. Only while its ClientHello is
/// processed; empty if it has none.
pub(in crate::layer::tls) fn offered_psks(ssl: &mut SslRef) -> &[u8] {
    let (mut data, mut len) = (ptr::null(), 0);
    // SAFETY: references are live; the places are this function's. What is returned belongs to the
    // ClientHello, which is freed after the callback that has this borrow; at any other time
    // OpenSSL returns 0.
    unsafe {
        let found =
            ffi::SSL_client_hello_get0_ext(ssl.as_ptr(), PRE_SHARED_KEY, &mut data, &mut len);
        match found {
            1 => bytes(data, len),
            _ => &[],
        }
    }
}
