//! The channel that discards what is written.

use glib::{prelude::*, translate::*};
use glib_sys::GType;

use crate::{ChannelNull, capi::function, ffi::QIOChannelNull};

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_null_get_type() -> GType {
    ChannelNull::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_null_new() -> *mut QIOChannelNull {
    function!(qio_channel_null_new(), pointer => ChannelNull::new())
}
