//! Lines and frames.
//!
//! `decode` finds where an item ends, `scan` reads until one is there, and pushes back what it has
//! read beyond it; `lines` iterates.

mod decode;
mod lines;
mod scan;

use std::{
    future::Future,
    io::{self, IoSlice},
};

use glib::prelude::*;

use super::{Channel, ChannelExt as _, ChannelFutureExt as _};
use crate::{error::closed, watch::Pushback};
use decode::{Frame, ToEnd, Until};
pub use lines::{Lines, LinesStream};
use scan::NewBytes;

/// How the length of a frame is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "QIOChannelFraming")]
#[doc(alias = "QIOChannelFraming")]
#[non_exhaustive]
#[repr(i32)]
pub enum Framing {
    /// One byte.
    #[enum_value(name = "QIO_CHANNEL_FRAMING_U8", nick = "u8")]
    U8 = 0,
    /// Two bytes, the most significant first.
    #[enum_value(name = "QIO_CHANNEL_FRAMING_U16_BE", nick = "u16-be")]
    U16Be = 1,
    /// Four bytes, the most significant first.
    #[enum_value(name = "QIO_CHANNEL_FRAMING_U32_BE", nick = "u32-be")]
    U32Be = 2,
    /// Four bytes, the least significant first.
    #[enum_value(name = "QIO_CHANNEL_FRAMING_U32_LE", nick = "u32-le")]
    U32Le = 3,
    /// Eight bytes, the most significant first.
    #[enum_value(name = "QIO_CHANNEL_FRAMING_U64_BE", nick = "u64-be")]
    U64Be = 4,
    /// LEB128, as in Protocol Buffers: seven bits a byte, the least significant first; the top bit
    /// is set in all bytes but the last.
    #[enum_value(name = "QIO_CHANNEL_FRAMING_VARINT", nick = "varint")]
    Varint = 5,
    /// The length in decimal digits, a colon, the content, and a comma.
    #[enum_value(name = "QIO_CHANNEL_FRAMING_NETSTRING", nick = "netstring")]
    Netstring = 6,
}

/// Lines and frames of a channel, in every style of waiting.
///
/// The functions wait, whatever the mode of the channel is: the blocking ones block the thread, or
/// suspend the coroutine, the futures wait in the main loop.
///
/// Each has a limit, in bytes: a peer cannot fill the memory. They read ahead, and push back what
/// follows the item: the next reader of the channel gets it, whatever that is. So a binary body
/// may follow a line, a TLS handshake may follow `STARTTLS`, and a file descriptor that was sent
/// behind a line is received by the next [`readv_full`](crate::ChannelExt::readv_full).
///
/// On a channel with [`Feature::SEEKABLE`](crate::Feature::SEEKABLE), seeks and writes take effect
/// where the last item has ended. Other channels on the same descriptor see a position that is
/// ahead.
///
/// # Errors
///
/// Those of reading; and [`MessageTooLarge`](gio::IOErrorEnum::MessageTooLarge) if the item is
/// longer than the limit. After an error, no data is lost: what was read is read again.
///
/// # Cancel safety
///
/// A future that is dropped pushes back what it has read.
///
/// # Examples
///
/// ```
/// use qio::{ChannelSocket, Framing, prelude::*};
///
/// # fn main() -> std::io::Result<()> {
/// let (here, there) = ChannelSocket::pair()?;
/// there.write_all(b"one\r\ntwo\n")?;
/// there.write_frame(Framing::U32Be, b"any bytes")?;
/// there.close()?;
///
/// assert_eq!(here.read_line(1000)?.as_deref(), Some(&b"one"[..]));
/// assert_eq!(here.read_line(1000)?.as_deref(), Some(&b"two"[..]));
/// let frame = here.read_frame(Framing::U32Be, 1000)?;
/// assert_eq!(frame.as_deref(), Some(&b"any bytes"[..]));
/// assert_eq!(here.read_line(1000)?, None);
/// # Ok(())
/// # }
/// ```
pub trait ChannelFramingExt: IsA<Channel> {
    /// Reads a line of `max` bytes at most, without its LF or CRLF. `None` at end-of-file.
    ///
    /// What precedes end-of-file is a line as well. The bytes need not be UTF-8.
    #[doc(alias = "qio_channel_read_line")]
    fn read_line(&self, max: usize) -> io::Result<Option<glib::Bytes>> {
        scan::read(self.as_ref(), Until::line(max), NewBytes)
    }

    /// As [`read_line`](Self::read_line), in a future.
    #[doc(alias = "qio_channel_read_line_async")]
    #[doc(alias = "qio_channel_read_line_finish")]
    fn read_line_future(
        &self,
        max: usize,
    ) -> impl Future<Output = io::Result<Option<glib::Bytes>>> + Send + '_ {
        scan::read_future(self.as_ref(), Until::line(max), NewBytes)
    }

    /// As [`read_line`](Self::read_line), but appends the line to a buffer, and returns its length.
    ///
    /// A buffer that is cleared and used again saves the allocations per line. At end-of-file, and
    /// after an error, the buffer is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (here, there) = ChannelSocket::pair()?;
    /// there.write_all(b"one\r\n\ntwo\n")?;
    /// there.close()?;
    ///
    /// let mut line = Vec::new();
    /// let mut lengths = Vec::new();
    /// while let Some(length) = here.read_line_into(&mut line, 1000)? {
    ///     lengths.push(length);
    ///     line.clear();
    /// }
    /// assert_eq!(lengths, [3, 0, 3]);
    /// # Ok(())
    /// # }
    /// ```
    fn read_line_into(&self, line: &mut Vec<u8>, max: usize) -> io::Result<Option<usize>> {
        scan::read(self.as_ref(), Until::line(max), line)
    }

    /// As [`read_line_into`](Self::read_line_into), in a future.
    fn read_line_into_future<'a>(
        &'a self,
        line: &'a mut Vec<u8>,
        max: usize,
    ) -> impl Future<Output = io::Result<Option<usize>>> + Send + 'a {
        scan::read_future(self.as_ref(), Until::line(max), line)
    }

    /// Reads `max` bytes at most, up to the first byte that is one of `delimiters`, and with it.
    /// `None` at end-of-file.
    ///
    /// What precedes end-of-file is returned without a delimiter.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if there is no delimiter.
    #[doc(alias = "qio_channel_read_until")]
    fn read_until(&self, delimiters: &[u8], max: usize) -> io::Result<Option<glib::Bytes>> {
        scan::read(self.as_ref(), Until::new(delimiters, max)?, NewBytes)
    }

    /// As [`read_until`](Self::read_until), in a future.
    #[doc(alias = "qio_channel_read_until_async")]
    #[doc(alias = "qio_channel_read_until_finish")]
    fn read_until_future<'a>(
        &'a self,
        delimiters: &'a [u8],
        max: usize,
    ) -> impl Future<Output = io::Result<Option<glib::Bytes>>> + Send + 'a {
        let channel = self.as_ref();
        async move { scan::read_future(channel, Until::new(delimiters, max)?, NewBytes).await }
    }

    /// Reads a frame whose content has `max` bytes at most, and returns the content. `None` at
    /// end-of-file.
    ///
    /// A frame beyond the limit is an error before its content is read.
    ///
    /// # Errors
    ///
    /// [`Truncated`](crate::ChannelError::Truncated) at end-of-file in the middle of a frame,
    /// [`InvalidData`](io::ErrorKind::InvalidData) for bytes that are no frame of this kind.
    #[doc(alias = "qio_channel_read_frame")]
    fn read_frame(&self, framing: Framing, max: usize) -> io::Result<Option<glib::Bytes>> {
        scan::read(self.as_ref(), Frame { framing, max }, NewBytes)
    }

    /// As [`read_frame`](Self::read_frame), in a future.
    #[doc(alias = "qio_channel_read_frame_async")]
    #[doc(alias = "qio_channel_read_frame_finish")]
    fn read_frame_future(
        &self,
        framing: Framing,
        max: usize,
    ) -> impl Future<Output = io::Result<Option<glib::Bytes>>> + Send + '_ {
        scan::read_future(self.as_ref(), Frame { framing, max }, NewBytes)
    }

    /// As [`read_frame`](Self::read_frame), but appends the content to a buffer, and returns its
    /// length.
    ///
    /// A buffer that is cleared and used again saves the allocations per frame. At end-of-file, and
    /// after an error, the buffer is unchanged.
    fn read_frame_into(
        &self,
        framing: Framing,
        content: &mut Vec<u8>,
        max: usize,
    ) -> io::Result<Option<usize>> {
        scan::read(self.as_ref(), Frame { framing, max }, content)
    }

    /// As [`read_frame_into`](Self::read_frame_into), in a future.
    fn read_frame_into_future<'a>(
        &'a self,
        framing: Framing,
        content: &'a mut Vec<u8>,
        max: usize,
    ) -> impl Future<Output = io::Result<Option<usize>>> + Send + 'a {
        scan::read_future(self.as_ref(), Frame { framing, max }, content)
    }

    /// Writes a frame with this content.
    ///
    /// # Errors
    ///
    /// Those of [`write_all`](crate::ChannelExt::write_all);
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the content is too long for the encoding of
    /// its length.
    #[doc(alias = "qio_channel_write_frame")]
    fn write_frame(&self, framing: Framing, content: &[u8]) -> io::Result<()> {
        let envelope = framing.envelope(content.len())?;
        let parts = [&envelope.before, content, envelope.after];
        self.as_ref().writev_all(&parts.map(IoSlice::new))
    }

    /// As [`write_frame`](Self::write_frame), in a future.
    ///
    /// # Cancel safety
    ///
    /// As for [`write_all_future`](crate::ChannelFutureExt::write_all_future): if the future is
    /// dropped, the frame may have been written in part.
    #[doc(alias = "qio_channel_write_frame_async")]
    #[doc(alias = "qio_channel_write_frame_finish")]
    fn write_frame_future<'a>(
        &'a self,
        framing: Framing,
        content: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        let channel = self.as_ref();
        async move {
            let envelope = framing.envelope(content.len())?;
            let parts = [&envelope.before, content, envelope.after];
            channel.writev_all_future(&parts.map(IoSlice::new)).await
        }
    }

    /// Reads all data up to end-of-file, `max` bytes at most.
    #[doc(alias = "qio_channel_read_to_end")]
    fn read_to_end(&self, max: usize) -> io::Result<glib::Bytes> {
        scan::read(self.as_ref(), ToEnd { max }, NewBytes).map(or_empty)
    }

    /// As [`read_to_end`](Self::read_to_end), in a future.
    #[doc(alias = "qio_channel_read_to_end_async")]
    #[doc(alias = "qio_channel_read_to_end_finish")]
    fn read_to_end_future(
        &self,
        max: usize,
    ) -> impl Future<Output = io::Result<glib::Bytes>> + Send + '_ {
        let reading = scan::read_future(self.as_ref(), ToEnd { max }, NewBytes);
        async move { reading.await.map(or_empty) }
    }

    /// Pushes bytes back that were read and not consumed: the next reader gets them first.
    ///
    /// As the functions above do with what they have read ahead. So a protocol that is recognized
    /// by its first bytes gets these as well, and a TLS handshake what a buffered reader has read
    /// beyond `STARTTLS`. Watches, futures and threads that wait for input are woken.
    ///
    /// On a channel with [`Feature::SEEKABLE`](crate::Feature::SEEKABLE) it has to be what was read
    /// last: seeks and writes move the position back by its length.
    ///
    /// # Errors
    ///
    /// That the channel is closed.
    #[doc(alias = "qio_channel_push_back")]
    fn push_back(&self, data: &[u8]) -> io::Result<()> {
        let channel = self.as_ref();
        if channel.is_closed() {
            return Err(closed());
        }
        if !data.is_empty() {
            channel.push_back_data(Pushback::copied([data].into_iter(), Vec::new()));
        }
        Ok(())
    }

    /// Iterates over the lines, of `max` bytes at most each.
    ///
    /// Each is read by [`read_line`](Self::read_line). The iterator ends at end-of-file, and after
    /// an error.
    fn lines(&self, max: usize) -> Lines {
        Lines::new(self.as_ref().clone(), max)
    }

    /// As [`lines`](Self::lines), as a stream.
    ///
    /// Dropping it loses no data.
    fn lines_stream(&self, max: usize) -> LinesStream {
        LinesStream::new(self.as_ref().clone(), max)
    }
}

impl<C: IsA<Channel>> ChannelFramingExt for C {}

fn or_empty(bytes: Option<glib::Bytes>) -> glib::Bytes {
    bytes.unwrap_or_else(|| glib::Bytes::from_static(&[]))
}
