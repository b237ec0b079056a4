//! Names and extensions of certificates.

use std::{
    ffi::{c_int, c_ulong, c_void},
    ptr, slice,
};

use foreign_types::ForeignTypeRef as _;
use openssl::{
    nid::Nid,
    x509::{X509NameRef, X509Ref},
};
use openssl_sys as ffi;

use super::bytes;

/// How names are written, by OpenSSL's header `x509.h`: RFC 2253, whose successor is RFC 4514.
const XN_FLAG_RFC2253: c_ulong = 0x0111_0317;

/// A part of the flags above: characters beyond ASCII as `\XX`.
const ASN1_STRFLGS_ESC_MSB: c_ulong = 4;

unsafe extern "C" {
    fn X509_NAME_print_ex(
        out: *mut ffi::BIO,
        name: *const ffi::X509_NAME,
        indent: c_int,
        flags: c_ulong,
    ) -> c_int;
    fn NAME_CONSTRAINTS_check(certificate: *mut ffi::X509, constraints: *mut c_void) -> c_int;
    fn NAME_CONSTRAINTS_free(constraints: *mut c_void);
}

/// A name as RFC 4514 has it, in UTF-8; `None` if it is empty, or there is no memory.
pub(in crate::layer::tls) fn distinguished_name(name: &X509NameRef) -> Option<String> {
    // Characters beyond ASCII as they are.
    let flags = XN_FLAG_RFC2253 & !ASN1_STRFLGS_ESC_MSB;
    // SAFETY: references are live. The buffer is this function's, and freed once; its contents,
    // which are copied, stay until then.
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

/// The contents of an extension of a certificate, if it has it.
pub(in crate::layer::tls) fn extension(certificate: &X509Ref, extension: Nid) -> Option<&[u8]> {
    // SAFETY: references are live; the extension and its contents are the certificate's (`get0`).
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
pub(in crate::layer::tls) fn is_critical(certificate: &X509Ref, extension: Nid) -> bool {
    // SAFETY: references are live; the extension is the certificate's (`get0`).
    unsafe {
        let at = ffi::X509_get_ext_by_NID(certificate.as_ptr(), extension.as_raw(), -1);
        at >= 0
            && ffi::X509_EXTENSION_get_critical(ffi::X509_get_ext(certificate.as_ptr(), at)) != 0
    }
}

/// The CA flag of the basic constraints of a certificate; `None` without these.
pub(in crate::layer::tls) fn is_ca(certificate: &X509Ref) -> Option<bool> {
    // SAFETY: references are live.
    let flags = unsafe { ffi::X509_get_extension_flags(certificate.as_ptr()) };
    (flags & ffi::EXFLAG_BCONS != 0).then_some(flags & ffi::EXFLAG_CA != 0)
}

/// Whether the names of a certificate satisfy the name constraints of another one.
pub(in crate::layer::tls) fn obeys_constraints(certificate: &X509Ref, authority: &X509Ref) -> bool {
    // SAFETY: references are live; the constraints are this function's, and freed once.
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
