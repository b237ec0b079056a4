//! Counting the bytes that are moved between channels.

use std::{ptr::NonNull, sync::Arc};

use glib::{prelude::*, translate::*};
use glib_sys::GType;

use crate::{
    ByteCounter,
    capi::{Argument, c_name, complain, function},
    ffi::QIOByteCounter,
};

/// What a function that must have a counter complains of.
const NO_COUNTER: &str = "counter != NULL";

/// The caller's counter, or one that is not read.
impl Argument<*mut QIOByteCounter> for ByteCounter {
    unsafe fn from_c(raw: *mut QIOByteCounter, _: &str) -> Result<Self, String> {
        if raw.is_null() {
            return Ok(Self::new());
        }
        // SAFETY: the C contract: a counter, which `qio_byte_counter_new` made by `Arc::into_raw`.
        // This takes a reference of its own.
        unsafe {
            Arc::increment_strong_count(raw);
            Ok(Self(Arc::from_raw(raw)))
        }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_byte_counter_get_type() -> GType {
    ByteCounter::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_byte_counter_new() -> *mut QIOByteCounter {
    Arc::into_raw(ByteCounter::new().0).cast_mut()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_byte_counter_ref(counter: *mut QIOByteCounter) -> *mut QIOByteCounter {
    if let Some(counter) = NonNull::new(counter) {
        // SAFETY: the C contract: a counter, which `qio_byte_counter_new` made by `Arc::into_raw`.
        unsafe { Arc::increment_strong_count(counter.as_ptr()) };
    } else {
        complain(c_name!(qio_byte_counter_ref), NO_COUNTER);
    }
    counter
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_byte_counter_unref(counter: *mut QIOByteCounter) {
    if counter.is_null() {
        return complain(c_name!(qio_byte_counter_unref), NO_COUNTER);
    }
    // SAFETY: the C contract: a counter, which `qio_byte_counter_new` made by `Arc::into_raw`, with
    // a reference that the caller transfers.
    unsafe { Arc::decrement_strong_count(counter) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_byte_counter_get_count(counter: *mut QIOByteCounter) -> u64 {
    if counter.is_null() {
        complain(c_name!(qio_byte_counter_get_count), NO_COUNTER);
        return 0;
    }
    function!(qio_byte_counter_get_count(counter: ByteCounter) or 0 => counter.count())
}
