//! Memory as a channel.

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
    function!(qio_channel_buffer_new(), pointer => ChannelBuffer::new(capacity))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_buffer_get_data(buffer: *mut QIOChannelBuffer) -> *mut GBytes {
    method!(qio_channel_buffer_get_data(buffer: ChannelBuffer), pointer => buffer.data())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_buffer_get_size(buffer: *mut QIOChannelBuffer) -> u64 {
    method!(qio_channel_buffer_get_size(buffer: ChannelBuffer) or 0 => buffer.size())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_buffer_get_position(buffer: *mut QIOChannelBuffer) -> u64 {
    method!(qio_channel_buffer_get_position(buffer: ChannelBuffer) or 0 => buffer.position())
}
