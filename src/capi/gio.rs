//! Channels as streams of GIO.

use std::ptr;

use glib::{prelude::*, translate::*};
use glib_sys::GType;

use super::{function, instance, method};
use crate::{Channel, InputStream, IoStream, OutputStream, ffi::QIOChannel};

/// The C instance: final, and so opaque.
type QIOIOStream = <IoStream as ObjectType>::GlibType;

instance!(IoStream, "QIO_IS_IO_STREAM");

#[unsafe(no_mangle)]
pub extern "C" fn qio_io_stream_get_type() -> GType {
    IoStream::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_input_stream_get_type() -> GType {
    InputStream::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_output_stream_get_type() -> GType {
    OutputStream::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_io_stream_new(channel: *mut QIOChannel) -> *mut QIOIOStream {
    function!(qio_io_stream_new(channel: Channel), pointer => IoStream::new(&channel))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_io_stream_get_channel(stream: *mut QIOIOStream) -> *mut QIOChannel {
    method!(qio_io_stream_get_channel(stream: IoStream) or ptr::null_mut() =>
        stream.channel().map_or(ptr::null_mut(), |channel| channel.as_ptr()))
}
