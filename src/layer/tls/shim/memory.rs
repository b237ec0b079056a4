//! Memory that has secrets, and the environment.

use std::{
    ffi::{CStr, OsString, c_char, c_void},
    os::unix::ffi::OsStringExt as _,
};

use glib::translate::IntoGlibPtr as _;
use openssl_sys as ffi;

unsafe extern "C" {
    fn OPENSSL_cleanse(bytes: *mut c_void, len: usize);
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// Overwrites what was secret. No compiler leaves that out.
pub(crate) fn cleanse(bytes: &mut [u8]) {
    // SAFETY: a slice is a pointer to so many bytes, borrowed exclusively.
    unsafe { OPENSSL_cleanse(bytes.as_mut_ptr().cast(), bytes.len()) };
}

/// Overwrites memory that OpenSSL has freed, as far as its allocator gives that out again: decoding
/// a key frees copies of it as they are. None is longer than `longest`.
pub(in crate::layer::tls) fn cleanse_freed(longest: usize) {
    const STEP: usize = 16;
    /// More than an allocator keeps of one size for a thread.
    const OF_EACH: usize = 8;
    let sizes = (2 * STEP..longest + 2 * STEP).step_by(STEP);
    let sizes = sizes.flat_map(|size| [size; OF_EACH]);
    let file = c"".as_ptr();
    // SAFETY: each block was allocated here with that size, unless it is NULL, and is freed once.
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
pub(in crate::layer::tls) fn take_text(text: glib::GString) -> Vec<u8> {
    let bytes = text.as_bytes().to_vec();
    let pointer: *mut c_char = text.into_glib_ptr();
    // SAFETY: `into_glib_ptr` has given up the string: it is this function's to overwrite and to
    // free, has `bytes.len()` bytes and a NUL.
    unsafe {
        OPENSSL_cleanse(pointer.cast(), bytes.len());
        glib::ffi::g_free(pointer.cast());
    }
    bytes
}

/// A variable of the environment, unless the program runs with other rights than its caller's.
pub(in crate::layer::tls) fn secure_env(name: &CStr) -> Option<OsString> {
    // SAFETY: the name ends in NUL. What is returned is a string until the environment changes,
    // which programs with threads must not do (setenv(3)); it is copied at once.
    unsafe {
        let value = secure_getenv(name.as_ptr());
        (!value.is_null()).then(|| OsString::from_vec(CStr::from_ptr(value).to_bytes().to_vec()))
    }
}
