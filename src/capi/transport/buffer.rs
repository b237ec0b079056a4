//! Memory as a channel.

use crate::capi::method;
use std::ptr;

use glib::{prelude::*, translate::*};
use glib_sys::{GBytes, GType};
use libc::size_t;

use crate::{
    ChannelBuffer,
    capi::{give, guarded, instance},
    ffi::QIOChannelBuffer,
};

instance!(ChannelBuffer, c"QIO_IS_CHANNEL_BUFFER (buffer)");

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_buffer_get_type() -> GType {
    ChannelBuffer::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_buffer_new(capacity: size_t) -> *mut QIOChannelBuffer {
    let (function, no_error) = (c"qio_channel_buffer_new", ptr::null_mut());
    // SAFETY: there is no place for an error.
    unsafe {
        guarded(function, no_error, ptr::null_mut(), || {
            give(Ok(ChannelBuffer::new(capacity)), no_error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_buffer_get_data(buffer: *mut QIOChannelBuffer) -> *mut GBytes {
    method!(
        qio_channel_buffer_get_data,
        buffer,
        ptr::null_mut(),
        |buffer: &ChannelBuffer| buffer.data().into_glib_ptr()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_buffer_get_size(buffer: *mut QIOChannelBuffer) -> u64 {
    method!(qio_channel_buffer_get_size, buffer, 0, ChannelBuffer::size)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_buffer_get_position(buffer: *mut QIOChannelBuffer) -> u64 {
    method!(
        qio_channel_buffer_get_position,
        buffer,
        0,
        ChannelBuffer::position
    )
}
