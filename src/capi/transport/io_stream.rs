//! Streams of GIO as channels.

use std::ptr;

use gio_sys::{GIOStream, GInputStream, GOutputStream};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType};

use crate::{
    ChannelIoStream,
    capi::{function, instance, method},
    ffi::{QIOChannel, QIOChannelIOStream},
};

instance!(ChannelIoStream, "QIO_IS_CHANNEL_IO_STREAM");
instance!(gio::IOStream, "G_IS_IO_STREAM");
instance!(gio::InputStream, "G_IS_INPUT_STREAM");
instance!(gio::OutputStream, "G_IS_OUTPUT_STREAM");

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_io_stream_get_type() -> GType {
    ChannelIoStream::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_io_stream_new(
    stream: *mut GIOStream,
) -> *mut QIOChannelIOStream {
    function!(
        qio_channel_io_stream_new(stream: gio::IOStream), pointer => ChannelIoStream::new(&stream)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_io_stream_new_pair(
    input: *mut GInputStream,
    output: *mut GOutputStream,
    error: *mut *mut GError,
) -> *mut QIOChannelIOStream {
    function!(
        qio_channel_io_stream_new_pair(
            input: Option<gio::InputStream>, output: Option<gio::OutputStream>
        ), error, pointer =>
            ChannelIoStream::new_pair(input.as_ref(), output.as_ref())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_io_stream_get_io_stream(
    channel: *mut QIOChannelIOStream,
) -> *mut GIOStream {
    method!(
        qio_channel_io_stream_get_io_stream(channel: ChannelIoStream) or ptr::null_mut() =>
            channel.io_stream().map_or(ptr::null_mut(), |stream| stream.as_ptr())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_io_stream_get_input_stream(
    channel: *mut QIOChannelIOStream,
) -> *mut GInputStream {
    method!(
        qio_channel_io_stream_get_input_stream(channel: ChannelIoStream) or ptr::null_mut() =>
            channel.input_stream().map_or(ptr::null_mut(), |stream| stream.as_ptr())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_io_stream_get_output_stream(
    channel: *mut QIOChannelIOStream,
) -> *mut GOutputStream {
    method!(
        qio_channel_io_stream_get_output_stream(channel: ChannelIoStream) or ptr::null_mut() =>
            channel.output_stream().map_or(ptr::null_mut(), |stream| stream.as_ptr())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_for_stream(
    stream: *mut GIOStream,
    error: *mut *mut GError,
) -> *mut QIOChannel {
    function!(
        qio_channel_for_stream(stream: gio::IOStream), error, pointer =>
            crate::channel_for_stream(&stream)
    )
}
