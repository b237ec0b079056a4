//! The channel that goes nowhere.

use std::ptr;

use glib::{prelude::*, translate::*};
use glib_sys::GType;

use crate::{
    ChannelNull,
    capi::{give, guarded},
    ffi::QIOChannelNull,
};

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_null_get_type() -> GType {
    ChannelNull::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_null_new() -> *mut QIOChannelNull {
    let (function, no_error) = (c"qio_channel_null_new", ptr::null_mut());
    // SAFETY: there is no place for an error.
    unsafe {
        guarded(function, no_error, ptr::null_mut(), || {
            give(Ok(ChannelNull::new()), no_error)
        })
    }
}
