//! The matching channel for a stream: what is behind the stream, where that is known.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use gio::prelude::*;

use super::ChannelIoStream;
use crate::{
    channel::Channel,
    gio::{ForeignInput, ForeignOutput, ForeignStream, IoStream},
    transport::{ChannelFile, ChannelSocket},
};

/// Creates a channel for a stream of GIO: what is behind it, where that is known.
///
/// | stream | channel |
/// | --- | --- |
/// | [`IoStream`](crate::IoStream) | its channel |
/// | [`gio::SocketConnection`] over no other stream | [`ChannelSocket`], as [`from_connection`](ChannelSocket::from_connection) |
/// | `GUnixInputStream` and `GUnixOutputStream` of one descriptor | [`ChannelFile`] on a duplicate of it |
/// | any other | [`ChannelIoStream`] |
///
/// A channel with a duplicate of the descriptor is in the mode of that. To close the connection,
/// close both the channel and the stream, or shut the channel down.
///
/// # Errors
///
/// The error of duplicating the descriptor.
///
/// # Examples
///
/// ```
/// use qio::{ChannelIoStream, ChannelSocket, prelude::*};
///
/// # fn main() -> std::io::Result<()> {
/// let (here, _there) = ChannelSocket::pair()?;
/// let channel = qio::channel_for_stream(&here.to_connection()?)?;
/// assert!(channel.is::<ChannelSocket>());
/// let memory = gio::MemoryInputStream::from_bytes(&glib::Bytes::from_static(b"data"));
/// let stream = gio::SimpleIOStream::new(&memory, &gio::MemoryOutputStream::new_resizable());
/// let channel = qio::channel_for_stream(&stream)?;
/// assert!(channel.is::<ChannelIoStream>());
/// assert_eq!(channel.read_to_end(100)?, "data".as_bytes());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "qio_channel_for_stream")]
pub fn channel_for_stream(stream: &impl IsA<gio::IOStream>) -> io::Result<Channel> {
    let stream: &gio::IOStream = stream.as_ref();
    if let Some(ours) = stream
        .downcast_ref::<IoStream>()
        .and_then(IoStream::channel)
    {
        return Ok(ours);
    }
    let whole = ForeignStream::new(stream);
    if !stream.is_closed() {
        if let Some(connection) = whole.connection() {
            return Ok(ChannelSocket::from_connection(connection)?.upcast());
        }
        if let (Some(input), Some(output)) = (whole.input(), whole.output())
            && let Some(fd) = common_fd(&input, &output)
        {
            return Ok(ChannelFile::duplicate(fd)?.upcast());
        }
    }
    Ok(ChannelIoStream::new(stream).upcast())
}

/// The descriptor, if both halves have the same one.
fn common_fd<'a>(input: &'a ForeignInput, output: &ForeignOutput) -> Option<BorrowedFd<'a>> {
    let (read, write) = (input.unix_fd()?, output.unix_fd()?);
    (read.as_raw_fd() == write.as_raw_fd()).then_some(read)
}
