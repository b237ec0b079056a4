//! Verification of certificates in store contexts.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
    sync::LazyLock,
};

use foreign_types::{ForeignType as _, ForeignTypeRef as _};
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    nid::Nid,
    ssl::{SslContext, SslContextBuilder, SslRef},
    stack::{Stack, StackRef},
    x509::{
        X509, X509Crl, X509StoreContext, X509StoreContextRef, X509VerifyResult,
        store::X509StoreBuilderRef,
    },
};
use openssl_sys as ffi;

use super::done;

/// Verifies the certificate of a peer, in the middle of a handshake. Returns whether the handshake
/// continues; if not, the error of the store context selects the alert.
pub(in crate::layer::tls) type PeerVerifier =
    Box<dyn Fn(&SslRef, &mut X509StoreContextRef) -> bool + Send + Sync>;

static PEER_VERIFIER: LazyLock<Option<Index<SslContext, PeerVerifier>>> =
    LazyLock::new(|| SslContext::new_ex_index().ok());

/// Decides whether a verification continues: called by OpenSSL at each error, and for each
/// certificate without one.
pub(in crate::layer::tls) type VerifyCallback<'a> =
    dyn FnMut(bool, &mut X509StoreContextRef) -> bool + 'a;

/// The index of a store context's data that `X509_STORE_CTX_set_app_data` uses.
const APP_DATA: c_int = 0;

type VerifyPeer = unsafe extern "C" fn(*mut ffi::X509_STORE_CTX, *mut c_void) -> c_int;
type VerifyStep = unsafe extern "C" fn(c_int, *mut ffi::X509_STORE_CTX) -> c_int;

unsafe extern "C" {
    fn SSL_CTX_set_cert_verify_callback(
        context: *mut ffi::SSL_CTX,
        callback: VerifyPeer,
        argument: *mut c_void,
    );
    fn X509_STORE_CTX_set_verify_cb(context: *mut ffi::X509_STORE_CTX, callback: VerifyStep);
    fn X509_STORE_CTX_get0_untrusted(context: *mut ffi::X509_STORE_CTX) -> *mut ffi::stack_st_X509;
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
    fn X509_STORE_CTX_get0_param(context: *mut ffi::X509_STORE_CTX) -> *mut ffi::X509_VERIFY_PARAM;
    fn X509_VERIFY_PARAM_get0_host(
        param: *mut ffi::X509_VERIFY_PARAM,
        index: c_int,
    ) -> *const c_char;
    fn X509_STORE_add_crl(store: *mut ffi::X509_STORE, crl: *mut ffi::X509_CRL) -> c_int;
}

/// Replaces the verification of peer certificates by the connections of a context.
pub(in crate::layer::tls) fn set_peer_verifier(
    context: &mut SslContextBuilder,
    verifier: PeerVerifier,
) -> Result<(), ErrorStack> {
    let index = (*PEER_VERIFIER).ok_or_else(ErrorStack::get)?;
    context.set_ex_data(index, verifier);
    // SAFETY: references are live; the callback has the type of the manual, and its data was set
    // above.
    unsafe { SSL_CTX_set_cert_verify_callback(context.as_ptr(), verify_peer, ptr::null_mut()) };
    Ok(())
}

/// The `app_verify_callback` of a context.
unsafe extern "C" fn verify_peer(context: *mut ffi::X509_STORE_CTX, _: *mut c_void) -> c_int {
    // SAFETY: callbacks. The store context is used by nothing else meanwhile, and has the
    // connection in its application data (SSL_get_ex_data_X509_STORE_CTX_idx(3)).
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

/// Verifies the chain of a store context. Returns OpenSSL's result.
pub(in crate::layer::tls) fn verify_chain(
    context: &mut X509StoreContextRef,
    mut callback: &mut VerifyCallback<'_>,
) -> bool {
    let context = context.as_ptr();
    // SAFETY: references are live, and this one is exclusive. `verify_step` reads the pointer only
    // within X509_verify_cert, while `callback` is borrowed, and it is removed afterwards.
    unsafe {
        let place: *mut &mut VerifyCallback<'_> = &mut callback;
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
    // SAFETY: callbacks. `verify_chain` has set the pointer, and is in X509_verify_cert, which
    // calls this.
    unsafe {
        let place = ffi::X509_STORE_CTX_get_ex_data(context, APP_DATA);
        if place.is_null() {
            return 0;
        }
        let callback = &mut *place.cast::<&mut VerifyCallback<'_>>();
        c_int::from(callback(
            good != 0,
            X509StoreContextRef::from_ptr_mut(context),
        ))
    }
}

/// Calls `verify` with a store context for a chain that a peer has presented before, set up as
/// OpenSSL does in a handshake of this connection.
pub(in crate::layer::tls) fn with_chain<T>(
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
        // SAFETY: references are live; the parameters are copied.
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
pub(in crate::layer::tls) fn presented(context: &mut X509StoreContextRef) -> Vec<X509> {
    // SAFETY: references are live; the stack is the store context's (`get0`).
    unsafe {
        let stack = X509_STORE_CTX_get0_untrusted(context.as_ptr());
        if stack.is_null() {
            return Vec::new();
        }
        let stack = StackRef::<X509>::from_ptr(stack);
        stack.iter().map(ToOwned::to_owned).collect()
    }
}

/// The host name that the certificate must have.
pub(in crate::layer::tls) fn host(ssl: &SslRef) -> Option<&str> {
    // SAFETY: references are live; the host is a string of the connection's parameters (`get0`).
    unsafe {
        let host = X509_VERIFY_PARAM_get0_host(ffi::SSL_get0_param(ssl.as_ptr()), 0);
        (!host.is_null()).then(|| CStr::from_ptr(host).to_str().ok())?
    }
}

/// The error of a chain that OpenSSL accepts and something else rejects: the alert is
/// bad_certificate.
pub(in crate::layer::tls) fn cert_rejected() -> X509VerifyResult {
    // SAFETY: the crate requires a code of X509_STORE_CTX_get_error(3), which this is.
    unsafe { X509VerifyResult::from_raw(ffi::X509_V_ERR_CERT_REJECTED) }
}

/// Whether the certificate that is being verified has no alternative names and one common name,
/// which is the host name that it must have.
pub(in crate::layer::tls) fn is_for_common_name(context: &X509StoreContextRef) -> bool {
    let Some(certificate) = context.current_cert() else {
        return false;
    };
    // SAFETY: references are live; the host is a string of the store context's parameters (`get0`).
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

/// Adds a certificate revocation list.
pub(in crate::layer::tls) fn add_crl(
    store: &mut X509StoreBuilderRef,
    crl: &X509Crl,
) -> Result<(), ErrorStack> {
    // SAFETY: references are live; the store takes a reference of its own.
    done(unsafe { X509_STORE_add_crl(store.as_ptr(), crl.as_ptr()) })
}

/// The time at which the certificates of a peer are verified, in seconds since 1970.
#[cfg(test)]
pub(in crate::layer::tls) fn set_verification_time(ssl: &SslRef, time: i64) {
    // SAFETY: references are live; the parameters are the connection's (`get0`).
    unsafe { ffi::X509_VERIFY_PARAM_set_time(ffi::SSL_get0_param(ssl.as_ptr()), time) };
}
