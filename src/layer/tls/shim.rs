//! What the crate `openssl` lacks, or calls unsafe: keys of TLS 1.3 that both ends have already,
//! lists of revoked certificates, what an extension is worth. The functions are safe to call; the
//! rest of the module has no unsafe code.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString, OsString, c_char, c_int, c_long, c_uchar, c_ulong, c_void},
    mem,
    os::unix::ffi::OsStringExt as _,
    ptr, slice,
    sync::LazyLock,
};

use foreign_types::{ForeignType, ForeignTypeRef};
use glib::translate::IntoGlibPtr as _;
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    nid::Nid,
    ssl::{
        SslCipher, SslCipherRef, SslContext, SslContextBuilder, SslRef, SslSession, SslSessionRef,
        SslStream,
    },
    stack::{Stack, StackRef},
    x509::{
        X509, X509Crl, X509NameRef, X509Ref, X509StoreContext, X509StoreContextRef,
        X509VerifyResult, store::X509StoreBuilderRef,
    },
};
use openssl_sys as ffi;

use super::secret::Secret;

/// TLS 1.3, as it is written on the wire.
const TLS1_3: c_int = 0x0304;

/// How names are written, by OpenSSL's header `x509.h`: RFC 2253, whose successor is RFC 4514.
const XN_FLAG_RFC2253: c_ulong = 0x0111_0317;

/// A part of the flags above: characters beyond ASCII as `\XX`.
const ASN1_STRFLGS_ESC_MSB: c_ulong = 4;

/// The number of the extension that carries the names of keys.
const PRE_SHARED_KEY: u32 = 41;

/// Overwrites what was secret. No compiler leaves that out.
pub(crate) fn cleanse(bytes: &mut [u8]) {
    // SAFETY: the bytes are there, and borrowed for this call alone.
    unsafe { OPENSSL_cleanse(bytes.as_mut_ptr().cast(), bytes.len()) };
}

/// Overwrites memory that OpenSSL has freed, as far as its allocator gives that out again: decoding
/// a key frees copies of it as they are. None is longer than `longest`.
pub(super) fn cleanse_freed(longest: usize) {
    const STEP: usize = 16;
    /// More than an allocator keeps of one size for a thread.
    const OF_EACH: usize = 8;
    let sizes = (2 * STEP..longest + 2 * STEP).step_by(STEP);
    let sizes = sizes.flat_map(|size| [size; OF_EACH]);
    let file = c"".as_ptr();
    // SAFETY: each block is this function's, has that size, and is freed once.
    unsafe {
        let block = |size| (ffi::CRYPTO_malloc(size, file, 0), size);
        let blocks: Vec<(*mut c_void, usize)> = sizes.map(block).collect();
        for (block, size) in blocks {
            if !block.is_null() {
                OPENSSL_cleanse(block, size);
                ffi::CRYPTO_free(block, file, 0);
            }
        }
    }
}

/// Takes the bytes out of a string of GLib's, and overwrites them there.
pub(super) fn take_text(text: glib::GString) -> Vec<u8> {
    let bytes = text.as_bytes().to_vec();
    let pointer: *mut c_char = text.into_glib_ptr();
    // SAFETY: it ends in NUL, and is this function's, which frees it.
    unsafe {
        OPENSSL_cleanse(pointer.cast(), bytes.len());
        glib::ffi::g_free(pointer.cast());
    }
    bytes
}

/// Queues a KeyUpdate, which requests one of the peer if `ask`. It is sent with the next step of
/// the handshake, or the next write. TLS 1.3 only.
pub(super) fn update_keys<S>(stream: &mut SslStream<S>, ask: bool) -> Result<(), ErrorStack> {
    // SAFETY: the connection is alive, and borrowed exclusively; the kinds are
    // SSL_KEY_UPDATE_NOT_REQUESTED and _REQUESTED.
    match unsafe { SSL_key_update(stream.ssl().as_ptr(), c_int::from(ask)) } {
        1 => Ok(()),
        _ => Err(ErrorStack::get()),
    }
}

/// The control behind a macro of OpenSSL's, `SSL_CTX_set_max_cert_list`.
const SSL_CTRL_SET_MAX_CERT_LIST: c_int = 51;

/// How many bytes the certificates of a peer may have.
pub(super) fn limit_certificates(context: &mut SslContextBuilder, most: usize) {
    let most = c_long::try_from(most).unwrap_or(c_long::MAX);
    // SAFETY: the context is a live one; the control takes a number.
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
pub(super) fn limit_sessions(context: &mut SslContextBuilder, seconds: u64) {
    // SAFETY: the context is a live one.
    unsafe { SSL_CTX_set_timeout(context.as_ptr(), seconds as c_long) };
}

/// The cipher suites of a context that do not authenticate as they encrypt.
pub(super) fn suites_without_aead(context: &SslContextBuilder) -> Vec<[u8; 2]> {
    // SAFETY: the context is a live one, and the stack with its ciphers belongs to it.
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
pub(super) fn set_ciphers(ssl: &mut SslRef, list: &str) -> Result<(), ErrorStack> {
    /// SSL_R_NO_CIPHER_MATCH: the list is set, and empty.
    const NONE: c_int = 185;
    let list = CString::new(list).unwrap_or_default();
    // SAFETY: the connection is a live one, and the list is copied.
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
pub(super) fn offers_extended_master_secret(ssl: &mut SslRef) -> bool {
    const EXTENDED_MASTER_SECRET: u32 = 23;
    let (mut data, mut len) = (ptr::null(), 0);
    // SAFETY: the connection is a live one, and the places are there; the contents are not read.
    unsafe {
        let kind = EXTENDED_MASTER_SECRET;
        ffi::SSL_client_hello_get0_ext(ssl.as_ptr(), kind, &mut data, &mut len) == 1
    }
}

/// A name as RFC 4514 has it, in UTF-8; `None` if it is empty, or there is no memory.
pub(super) fn distinguished_name(name: &X509NameRef) -> Option<String> {
    // Characters beyond ASCII as they are.
    let flags = XN_FLAG_RFC2253 & !ASN1_STRFLGS_ESC_MSB;
    // SAFETY: the buffer is a live one, which this function frees; its contents stay until then;
    // the name is a live one.
    unsafe {
        let buffer = ffi::BIO_new(ffi::BIO_s_mem());
        if buffer.is_null() {
            return None;
        }
        let mut text = None;
        if X509_NAME_print_ex(buffer, name.as_ptr(), 0, flags) >= 0 {
            let mut start = ptr::null_mut();
            let len = ffi::BIO_get_mem_data(buffer, &mut start);
            if len > 0 && !start.is_null() {
                let bytes = slice::from_raw_parts(start.cast::<u8>(), len as usize);
                text = Some(String::from_utf8_lossy(bytes).into_owned());
            }
        }
        ffi::BIO_free_all(buffer);
        text
    }
}

/// Has a server's session ticket sent with the next write. TLS 1.3 only, after the handshake.
pub(super) fn queue_ticket<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    // SAFETY: the connection is alive, and nothing else uses it.
    done(unsafe { SSL_new_session_ticket(stream.ssl().as_ptr()) })
}

/// Frees the buffers of a connection that have nothing in them: 17 KiB each. Handshake messages
/// after the handshake, such as session tickets, leave some in spite of `SSL_MODE_RELEASE_BUFFERS`.
pub(super) fn free_buffers<S>(stream: &mut SslStream<S>) {
    // SAFETY: the connection is alive, and nothing else uses it. One whose buffers are in use keeps
    // them.
    unsafe { SSL_free_buffers(stream.ssl().as_ptr()) };
}

/// Of a client: its name, its key, and the suite that is used at first.
pub(super) struct OwnKey {
    pub(super) name: Vec<u8>,
    pub(super) key: Secret,
    /// Two bytes, as on the wire; it says which hash the key is for.
    pub(super) suite: [u8; 2],
    /// How many bytes this hash has.
    pub(super) hash_len: usize,
}

/// Of a server: the key of an identity.
pub(super) type FindKey = Box<dyn Fn(&SslRef, &[u8]) -> Option<Secret> + Send + Sync>;

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
type VerifyPeer = unsafe extern "C" fn(*mut ffi::X509_STORE_CTX, *mut c_void) -> c_int;
type VerifyStep = unsafe extern "C" fn(c_int, *mut ffi::X509_STORE_CTX) -> c_int;
type FindSession =
    unsafe extern "C" fn(*mut ffi::SSL, *const c_uchar, usize, *mut *mut ffi::SSL_SESSION) -> c_int;

unsafe extern "C" {
    fn OPENSSL_cleanse(bytes: *mut c_void, len: usize);
    fn secure_getenv(name: *const c_char) -> *const c_char;
    fn SSL_CTX_set_timeout(context: *mut ffi::SSL_CTX, seconds: c_long) -> c_long;
    fn X509_NAME_print_ex(
        out: *mut ffi::BIO,
        name: *const ffi::X509_NAME,
        indent: c_int,
        flags: c_ulong,
    ) -> c_int;
    fn SSL_CTX_set_cert_verify_callback(
        context: *mut ffi::SSL_CTX,
        callback: VerifyPeer,
        argument: *mut c_void,
    );
    fn X509_STORE_CTX_set_verify_cb(context: *mut ffi::X509_STORE_CTX, callback: VerifyStep);
    fn X509_STORE_CTX_get0_untrusted(context: *mut ffi::X509_STORE_CTX) -> *mut ffi::stack_st_X509;
    fn NAME_CONSTRAINTS_check(certificate: *mut ffi::X509, constraints: *mut c_void) -> c_int;
    fn NAME_CONSTRAINTS_free(constraints: *mut c_void);
    fn X509_STORE_CTX_set_default(
        context: *mut ffi::X509_STORE_CTX,
        purpose: *const c_char,
    ) -> c_int;
    fn X509_STORE_CTX_set_ex_data(
        context: *mut ffi::X509_STORE_CTX,
        index: c_int,
        data: *mut c_void,
    ) -> c_int;
    fn X509_VERIFY_PARAM_set1(
        to: *mut ffi::X509_VERIFY_PARAM,
        from: *const ffi::X509_VERIFY_PARAM,
    ) -> c_int;
    fn SSL_CTX_get_ciphers(context: *const ffi::SSL_CTX) -> *mut ffi::stack_st_SSL_CIPHER;
    fn SSL_CIPHER_is_aead(cipher: *const ffi::SSL_CIPHER) -> c_int;
    fn SSL_new_session_ticket(ssl: *mut ffi::SSL) -> c_int;
    fn SSL_free_buffers(ssl: *mut ffi::SSL) -> c_int;
    fn SSL_key_update(ssl: *mut ffi::SSL, kind: c_int) -> c_int;
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
    fn X509_STORE_CTX_get0_param(context: *mut ffi::X509_STORE_CTX) -> *mut ffi::X509_VERIFY_PARAM;
    fn X509_VERIFY_PARAM_get0_host(
        param: *mut ffi::X509_VERIFY_PARAM,
        index: c_int,
    ) -> *const c_char;
    fn X509_STORE_add_crl(store: *mut ffi::X509_STORE, crl: *mut ffi::X509_CRL) -> c_int;
}

/// The result of a function that returns 1 if all went well.
fn done(result: c_int) -> Result<(), ErrorStack> {
    match result {
        1 => Ok(()),
        _ => Err(ErrorStack::get()),
    }
}

/// Proposes to the server to resume a session, of any connection of the same context. Before the
/// handshake.
pub(super) fn set_session<S>(
    stream: &mut SslStream<S>,
    session: &SslSessionRef,
) -> Result<(), ErrorStack> {
    // SAFETY: both are live; `Sessions`, where they come from, has those of one context, and offers
    // them to its connections only.
    done(unsafe { ffi::SSL_set_session(stream.ssl().as_ptr(), session.as_ptr()) })
}

/// Lets the clients of a context use a key with TLS 1.3.
pub(super) fn use_key(context: &mut SslContextBuilder, own: OwnKey) -> Result<(), ErrorStack> {
    let index = (*OWN_KEY).ok_or_else(ErrorStack::get)?;
    context.set_ex_data(index, own);
    // SAFETY: the context is a live one; the callback has the right type, and takes what was set
    // before.
    unsafe { SSL_CTX_set_psk_use_session_callback(context.as_ptr(), use_session) };
    Ok(())
}

/// Lets the servers of a context find keys of clients with TLS 1.3.
pub(super) fn find_keys(context: &mut SslContextBuilder, find: FindKey) -> Result<(), ErrorStack> {
    let index = (*FIND_KEY).ok_or_else(ErrorStack::get)?;
    context.set_ex_data(index, find);
    // SAFETY: as above.
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
    // SAFETY: OpenSSL hands out a live connection, and places for the results. The name stays where
    // it is, as long as the context does, which the connection keeps.
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
                *session = given(made);
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
    // SAFETY: OpenSSL hands out a live connection, a name of that length, and a place for the
    // result.
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
                *session = given(made);
                1
            }
            None => 0,
        }
    }
}

/// A session for OpenSSL, which frees it.
fn given(session: SslSession) -> *mut ffi::SSL_SESSION {
    let pointer = session.as_ptr();
    mem::forget(session);
    pointer
}

/// A session that begins with a key.
///
/// # Safety
///
/// The cipher is NULL or one of OpenSSL's, which are there for ever.
unsafe fn new_session(key: &[u8], cipher: *const ffi::SSL_CIPHER) -> Option<SslSession> {
    if cipher.is_null() {
        return None;
    }
    // SAFETY: a new session has no other owner, and is freed by its wrapper if it comes to nothing;
    // the key is copied.
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
pub(super) fn shown_keys(ssl: &mut SslRef) -> &[u8] {
    let (mut data, mut len) = (ptr::null(), 0);
    // SAFETY: the places are there; what is returned belongs to the hello, which outlives the
    // borrow. At any other time there is none.
    unsafe {
        let found =
            ffi::SSL_client_hello_get0_ext(ssl.as_ptr(), PRE_SHARED_KEY, &mut data, &mut len);
        match found {
            1 => bytes(data, len),
            _ => &[],
        }
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
        // SAFETY: the caller's promise.
        _ => unsafe { slice::from_raw_parts(data, len) },
    }
}

/// Lets OpenSSL choose Diffie-Hellman parameters, as strong as the other keys.
pub(super) fn choose_dh(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    // SAFETY: the context is a live one.
    match unsafe { ffi::SSL_CTX_set_dh_auto(context.as_ptr(), 1) } {
        1 => Ok(()),
        _ => Err(ErrorStack::get()),
    }
}

/// Adds a certificate revocation list.
pub(super) fn add_crl(store: &mut X509StoreBuilderRef, crl: &X509Crl) -> Result<(), ErrorStack> {
    // SAFETY: both are live ones, and the store takes a reference of its own.
    done(unsafe { X509_STORE_add_crl(store.as_ptr(), crl.as_ptr()) })
}

/// Verifies the certificate of a peer, in the middle of a handshake. Returns whether the handshake
/// continues; if not, the error of the store context selects the alert.
pub(super) type PeerVerifier = Box<dyn Fn(&SslRef, &mut X509StoreContextRef) -> bool + Send + Sync>;

static PEER_VERIFIER: LazyLock<Option<Index<SslContext, PeerVerifier>>> =
    LazyLock::new(|| SslContext::new_ex_index().ok());

/// Replaces the verification of peer certificates by the connections of a context.
pub(super) fn set_peer_verifier(
    context: &mut SslContextBuilder,
    verifier: PeerVerifier,
) -> Result<(), ErrorStack> {
    let index = (*PEER_VERIFIER).ok_or_else(ErrorStack::get)?;
    context.set_ex_data(index, verifier);
    // SAFETY: the context is a live one; the callback has the right type, and takes what was set
    // before.
    unsafe { SSL_CTX_set_cert_verify_callback(context.as_ptr(), verify_peer, ptr::null_mut()) };
    Ok(())
}

/// The `app_verify_callback` of a context.
unsafe extern "C" fn verify_peer(context: *mut ffi::X509_STORE_CTX, _: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live store context that nothing else uses meanwhile, with the
    // connection in its application data; the connection keeps its context, which keeps the
    // verifier.
    unsafe {
        let Ok(index) = X509StoreContext::ssl_idx() else {
            return 0;
        };
        let ssl = ffi::X509_STORE_CTX_get_ex_data(context, index.as_raw());
        if ssl.is_null() {
            return 0;
        }
        let ssl = SslRef::from_ptr(ssl.cast());
        let verifier = PEER_VERIFIER.and_then(|index| ssl.ssl_context().ex_data(index));
        let verified =
            verifier.is_some_and(|verify| verify(ssl, X509StoreContextRef::from_ptr_mut(context)));
        c_int::from(verified)
    }
}

/// Decides whether a verification continues: called by OpenSSL at each error, and for each
/// certificate without one.
pub(super) type StepJudge<'a> = dyn FnMut(bool, &mut X509StoreContextRef) -> bool + 'a;

/// The index of a store context's data that `X509_STORE_CTX_set_app_data` uses.
const APP_DATA: c_int = 0;

/// Verifies the chain of a store context. Returns OpenSSL's result.
pub(super) fn verify_chain(
    context: &mut X509StoreContextRef,
    mut judge: &mut StepJudge<'_>,
) -> bool {
    let context = context.as_ptr();
    // SAFETY: the store context is a live one, which the caller has for itself. The callback reads
    // the pointer only within X509_verify_cert, while `judge` is borrowed, and the pointer is
    // removed afterwards.
    unsafe {
        let place: *mut &mut StepJudge<'_> = &mut judge;
        if X509_STORE_CTX_set_ex_data(context, APP_DATA, place.cast()) != 1 {
            return false;
        }
        X509_STORE_CTX_set_verify_cb(context, verify_step);
        let result = ffi::X509_verify_cert(context);
        X509_STORE_CTX_set_ex_data(context, APP_DATA, ptr::null_mut());
        result == 1
    }
}

unsafe extern "C" fn verify_step(good: c_int, context: *mut ffi::X509_STORE_CTX) -> c_int {
    // SAFETY: `verify_chain` has set the pointer, and runs.
    unsafe {
        let place = ffi::X509_STORE_CTX_get_ex_data(context, APP_DATA);
        if place.is_null() {
            return 0;
        }
        let judge = &mut *place.cast::<&mut StepJudge<'_>>();
        c_int::from(judge(good != 0, X509StoreContextRef::from_ptr_mut(context)))
    }
}

/// Calls `verify` with a store context for a chain that a peer has presented before, set up as
/// OpenSSL does in a handshake of this connection.
pub(super) fn with_chain<T>(
    ssl: &SslRef,
    chain: &[X509],
    verify: impl FnOnce(&mut X509StoreContextRef) -> T,
) -> Result<T, ErrorStack> {
    let (own, others) = chain.split_first().ok_or_else(ErrorStack::get)?;
    let mut rest = Stack::new()?;
    for certificate in others {
        rest.push(certificate.clone())?;
    }
    let purpose = match ssl.is_server() {
        true => c"ssl_client",
        false => c"ssl_server",
    };
    let store = ssl.ssl_context().cert_store();
    X509StoreContext::new()?.init(store, own, &rest, |context| {
        // SAFETY: both are live ones; the parameters are copied.
        unsafe {
            done(X509_STORE_CTX_set_default(
                context.as_ptr(),
                purpose.as_ptr(),
            ))?;
            let param = X509_STORE_CTX_get0_param(context.as_ptr());
            ffi::X509_VERIFY_PARAM_set_auth_level(param, ffi::SSL_get_security_level(ssl.as_ptr()));
            done(X509_VERIFY_PARAM_set1(
                param,
                ffi::SSL_get0_param(ssl.as_ptr()),
            ))?;
        }
        Ok(verify(context))
    })
}

/// What the peer of a store context has presented.
pub(super) fn presented(context: &mut X509StoreContextRef) -> Vec<X509> {
    // SAFETY: the context is a live one, and the stack belongs to it.
    unsafe {
        let stack = X509_STORE_CTX_get0_untrusted(context.as_ptr());
        if stack.is_null() {
            return Vec::new();
        }
        let stack = StackRef::<X509>::from_ptr(stack);
        stack.iter().map(ToOwned::to_owned).collect()
    }
}

/// The host that is asked for.
pub(super) fn host(ssl: &SslRef) -> Option<&str> {
    // SAFETY: the connection is a live one; the host is a string that its parameters keep.
    unsafe {
        let host = X509_VERIFY_PARAM_get0_host(ffi::SSL_get0_param(ssl.as_ptr()), 0);
        (!host.is_null()).then(|| CStr::from_ptr(host).to_str().ok())?
    }
}

/// Whether the names of a certificate obey the name constraints of another one.
pub(super) fn obeys_constraints(certificate: &X509Ref, authority: &X509Ref) -> bool {
    // SAFETY: both are live ones; the constraints are freed at once.
    unsafe {
        // Parses its extensions.
        ffi::X509_get_extension_flags(certificate.as_ptr());
        let nid = Nid::NAME_CONSTRAINTS.as_raw();
        let constraints =
            ffi::X509_get_ext_d2i(authority.as_ptr(), nid, ptr::null_mut(), ptr::null_mut());
        if constraints.is_null() {
            return true;
        }
        let result = NAME_CONSTRAINTS_check(certificate.as_ptr(), constraints);
        NAME_CONSTRAINTS_free(constraints);
        result == ffi::X509_V_OK
    }
}

/// The error of a chain that OpenSSL accepts and something else rejects: the alert is
/// bad_certificate.
pub(super) fn cert_rejected() -> X509VerifyResult {
    // SAFETY: it is a number of X509_STORE_CTX_get_error(3).
    unsafe { X509VerifyResult::from_raw(ffi::X509_V_ERR_CERT_REJECTED) }
}

/// Lets the servers of a context find sessions by their identifiers.
pub(super) fn find_sessions(
    context: &mut SslContextBuilder,
    find: impl Fn(&mut SslRef, &[u8]) -> Option<SslSession> + Send + Sync + 'static,
) {
    // SAFETY: `Sessions`, the only caller, has those of one context.
    unsafe { context.set_get_session_callback(find) };
}

/// The time at which the certificates of a peer are verified, in seconds since 1970.
#[cfg(test)]
pub(super) fn set_verification_time(ssl: &SslRef, time: i64) {
    // SAFETY: the connection is a live one, and its parameters belong to it.
    unsafe { ffi::X509_VERIFY_PARAM_set_time(ffi::SSL_get0_param(ssl.as_ptr()), time) };
}

/// The contents of an extension of a certificate, if it has it.
pub(super) fn extension(certificate: &X509Ref, extension: Nid) -> Option<&[u8]> {
    // SAFETY: the certificate is a live one, and the extension and its contents belong to it.
    unsafe {
        let at = ffi::X509_get_ext_by_NID(certificate.as_ptr(), extension.as_raw(), -1);
        if at < 0 {
            return None;
        }
        let data = ffi::X509_EXTENSION_get_data(ffi::X509_get_ext(certificate.as_ptr(), at)).cast();
        let len = usize::try_from(ffi::ASN1_STRING_length(data)).ok()?;
        Some(bytes(ffi::ASN1_STRING_get0_data(data), len))
    }
}

/// Whether an extension of a certificate, which has it, must be heeded.
pub(super) fn is_critical(certificate: &X509Ref, extension: Nid) -> bool {
    // SAFETY: the certificate is a live one, and the extension its own.
    unsafe {
        let at = ffi::X509_get_ext_by_NID(certificate.as_ptr(), extension.as_raw(), -1);
        at >= 0
            && ffi::X509_EXTENSION_get_critical(ffi::X509_get_ext(certificate.as_ptr(), at)) != 0
    }
}

/// Whether the certificate that is being verified has no alternative names and one common name,
/// which is the host that is asked for.
pub(super) fn is_for_common_name(context: &X509StoreContextRef) -> bool {
    let Some(certificate) = context.current_cert() else {
        return false;
    };
    // SAFETY: the context and its certificate are live ones; the host is a string that the
    // parameters keep.
    unsafe {
        let nid = Nid::SUBJECT_ALT_NAME.as_raw();
        if ffi::X509_get_ext_by_NID(certificate.as_ptr(), nid, -1) >= 0 {
            return false;
        }
        if certificate
            .subject_name()
            .entries_by_nid(Nid::COMMONNAME)
            .count()
            != 1
        {
            return false;
        }
        let host = X509_VERIFY_PARAM_get0_host(X509_STORE_CTX_get0_param(context.as_ptr()), 0);
        if host.is_null() {
            return false;
        }
        let len = CStr::from_ptr(host).count_bytes();
        let flags = ffi::X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
        ffi::X509_check_host(certificate.as_ptr(), host, len, flags, ptr::null_mut()) == 1
    }
}

/// A variable of the environment, unless the program runs with other rights than its caller's.
pub(super) fn secure_env(name: &CStr) -> Option<OsString> {
    // SAFETY: the name is a string; what is returned is one until the environment changes, and is
    // copied at once.
    unsafe {
        let value = secure_getenv(name.as_ptr());
        (!value.is_null()).then(|| OsString::from_vec(CStr::from_ptr(value).to_bytes().to_vec()))
    }
}

/// The CA flag of the basic constraints of a certificate; `None` without these.
pub(super) fn says_authority(certificate: &X509Ref) -> Option<bool> {
    // SAFETY: the certificate is a live one.
    let flags = unsafe { ffi::X509_get_extension_flags(certificate.as_ptr()) };
    (flags & ffi::EXFLAG_BCONS != 0).then_some(flags & ffi::EXFLAG_CA != 0)
}
