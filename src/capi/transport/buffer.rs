//! Memory as a channel.

use std::ptr;

use glib::{prelude::*, translate::*};
use glib_sys::{GBytes, GType};
use libc::size_t;

use crate::{
    ChannelBuffer,
    capi::{function, instance, method},
    ffi::QIOChannelBuffer,
};

instance!(ChannelBuffer, "QIO_IS_CHANNEL_BUFFER");

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_buffer_get_type() -> GType {
    ChannelBuffer::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_buffer_new(capacity: size_t) -> *mut QIOChannelBuffer {
    function!(
        qio_channel_buffer_new() or ptr::null_mut() => ChannelBuffer::new(capacity).into_glib_ptr()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_buffer_get_data(buffer: *mut QIOChannelBuffer) -> *mut GBytes {
    method!(
        qio_channel_buffer_get_data(buffer: ChannelBuffer) or ptr::null_mut() =>
            buffer.data().into_glib_ptr()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_buffer_get_size(buffer: *mut QIOChannelBuffer) -> u64 {
    method!(qio_channel_buffer_get_size(buffer: ChannelBuffer) or 0 => buffer.size())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_buffer_get_position(buffer: *mut QIOChannelBuffer) -> u64 {
    method!(qio_channel_buffer_get_position(buffer: ChannelBuffer) or 0 => buffer.position())
}
