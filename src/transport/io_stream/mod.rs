//! Streams of GIO as channels.

mod imp;
mod see_through;
mod streams;

pub use see_through::channel_for_stream;

use std::io;

use gio::prelude::*;
use glib::subclass::prelude::*;

use crate::{
    channel::{Channel, ffi::derived_class, stream::std_io},
    error::invalid,
};

derived_class!(
    ChannelIoStream,
    imp::ChannelIoStream,
    ChannelIoStreamImpl,
    QIOChannelIOStream,
    QIOChannelIOStreamClass
);

glib::wrapper! {
    /// A stream of GIO as a channel: all that has a [`gio::IOStream`], or an input and an output
    /// stream.
    ///
    /// [`channel_for_stream`] returns a channel of another class where the stream is a socket, one
    /// descriptor or an [`IoStream`](crate::IoStream): that is faster, and can pass descriptors.
    ///
    /// Streams that can poll are read and written without blocking, and waited for by their source.
    /// Other ones, such as those of a [`gio::File`], are read and written by a thread, one call at
    /// a time in each direction and at most 64 KiB each; this needs no main loop. They count as
    /// ready while no call is in progress, so that the first read begins one and would block. A
    /// call in progress is not lost when the caller stops waiting: the next read returns the data.
    /// A write in non-blocking mode, and in a future, accepts the data while no other write is in
    /// progress; its error is reported by the next write, by [`flush`](crate::ChannelExt::flush) or
    /// by [`close`](crate::ChannelExt::close). In blocking mode a write returns its own error.
    ///
    /// A stream with a position, which implements [`gio::Seekable`] (the pair, or the only one of
    /// the two), has [`Feature::SEEKABLE`](crate::Feature::SEEKABLE):
    /// [`seek`](crate::ChannelSeekExt::seek) moves it, and blocks as the stream does that. While a
    /// thread reads or writes, it waits, or fails with would-block in non-blocking mode. Reads and
    /// writes at an offset are not supported, as GIO has none.
    ///
    /// Pipes and other descriptors of `GUnixInputStream` and `GUnixOutputStream`, such as those of
    /// a [`gio::Subprocess`], are polled directly, each for its direction.
    ///
    /// Without an input stream, reads return end-of-file; without an output stream, writes fail
    /// with `EBADF`. Errors of the streams have their own domain and code.
    ///
    /// [`flush`](crate::ChannelExt::flush) flushes the stream, in a thread if its class can do
    /// that. [`shutdown`](crate::ChannelExt::shutdown) closes one of the streams, behind the call
    /// in progress, and does not wait for that: flushing does. [`close`](crate::ChannelExt::close)
    /// closes the streams, in blocking mode before it returns. It does not wait for calls in
    /// progress: a read is cancelled, data that were accepted are written, and the streams are
    /// closed behind them. [`close_future`](crate::ChannelFutureExt::close_future) waits for them,
    /// up to 5 s. Dropping the channel closes nothing.
    ///
    /// # Threads
    ///
    /// The channel can be shared between threads, and makes one call in each direction at a time.
    /// As with every stream of GIO, no other code may use the streams meanwhile. A stream that may
    /// be used in one thread only, as one with a class of a language that has one thread, belongs
    /// in a channel that is used in this thread only, and must be able to poll. Such a channel is
    /// closed in blocking mode, and not shut down: a thread would do that.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `io-stream` | [`gio::IOStream`] | readable, set by the constructor |
    /// | `input-stream` | [`gio::InputStream`] | readable, set by the constructor |
    /// | `output-stream` | [`gio::OutputStream`] | readable, set by the constructor |
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::{ChannelIoStream, prelude::*};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (file, stream) = gio::File::new_tmp(None::<&str>)?;
    /// let channel = ChannelIoStream::new(&stream);
    /// channel.write_all(b"hello\n")?;
    /// channel.close()?;
    /// let (content, _) = file.load_contents(gio::Cancellable::NONE)?;
    /// assert_eq!(&content[..], b"hello\n");
    /// # file.delete(gio::Cancellable::NONE)?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOChannelIOStream")]
    pub struct ChannelIoStream(ObjectSubclass<imp::ChannelIoStream>) @extends Channel;
}

static_assertions::assert_impl_all!(ChannelIoStream: Send, Sync);
std_io!(ChannelIoStream);

impl ChannelIoStream {
    /// Creates a channel for a stream, to which it holds a reference.
    #[doc(alias = "qio_channel_io_stream_new")]
    #[must_use]
    pub fn new(stream: &impl IsA<gio::IOStream>) -> Self {
        glib::Object::builder()
            .property("io-stream", stream.as_ref())
            .build()
    }

    /// Creates a channel for two streams, or one, to which it holds references.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) without a stream.
    ///
    /// # Examples
    ///
    /// A process of GIO:
    ///
    /// ```
    /// use gio::SubprocessFlags;
    /// use qio::{ChannelIoStream, Shutdown, prelude::*};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let flags = SubprocessFlags::STDIN_PIPE | SubprocessFlags::STDOUT_PIPE;
    /// let command = ["tr", "a-z", "A-Z"].map(AsRef::as_ref);
    /// let process = gio::Subprocess::newv(&command, flags)?;
    /// let (output, input) = (process.stdout_pipe(), process.stdin_pipe());
    /// let channel = ChannelIoStream::new_pair(output.as_ref(), input.as_ref())?;
    /// channel.write_all(b"hello")?;
    /// channel.shutdown(Shutdown::Write)?;
    /// assert_eq!(channel.read_to_end(100)?, "HELLO".as_bytes());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "qio_channel_io_stream_new_pair")]
    pub fn new_pair(
        input: Option<&impl IsA<gio::InputStream>>,
        output: Option<&impl IsA<gio::OutputStream>>,
    ) -> io::Result<Self> {
        if input.is_none() && output.is_none() {
            return Err(invalid(
                "Unable to create a channel: there is neither an input nor an output stream",
            ));
        }
        Ok(glib::Object::builder()
            .property("input-stream", input.map(AsRef::as_ref))
            .property("output-stream", output.map(AsRef::as_ref))
            .build())
    }

    /// Returns the stream, or `None` for a channel of two streams.
    #[doc(alias = "qio_channel_io_stream_get_io_stream")]
    #[doc(alias = "get_io_stream")]
    #[must_use]
    pub fn io_stream(&self) -> Option<gio::IOStream> {
        let whole = self.imp().streams().ok()?.whole.as_ref()?;
        Some(whole.stream().clone())
    }

    /// Returns the stream that the channel reads from, if there is one.
    #[doc(alias = "qio_channel_io_stream_get_input_stream")]
    #[doc(alias = "get_input_stream")]
    #[must_use]
    pub fn input_stream(&self) -> Option<gio::InputStream> {
        let input = self.imp().streams().ok()?.input.as_ref()?;
        Some(input.stream().clone())
    }

    /// Returns the stream that the channel writes to, if there is one.
    #[doc(alias = "qio_channel_io_stream_get_output_stream")]
    #[doc(alias = "get_output_stream")]
    #[must_use]
    pub fn output_stream(&self) -> Option<gio::OutputStream> {
        let output = self.imp().streams().ok()?.output.as_ref()?;
        Some(output.stream().clone())
    }
}
