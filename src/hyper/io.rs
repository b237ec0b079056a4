//! A channel as a connection of hyper.
#![allow(unsafe_code)]

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::hyper::rt::{Read, ReadBufCursor, Write};
use futures_io::AsyncWrite as _;
use glib::prelude::*;

use crate::channel::{AsyncStream, Channel, ChannelExt as _};

/// A channel as a connection of hyper, in either direction.
///
/// It never blocks, whatever the mode of the channel is. Writes are vectored. Reads go directly to
/// the buffer of hyper, which is not initialized first where the channel, and those below it, are
/// of classes of this crate. Descriptors that the peer passes are closed.
///
/// Dropping it leaves the channel open for other references: see the [module](super).
///
/// # Errors
///
/// Those of the futures of [`ChannelFutureExt`](crate::ChannelFutureExt); hyper returns them as the
/// source of its own.
///
/// # Cancel safety
///
/// A connection that is dropped loses the input that hyper has buffered.
#[derive(Debug)]
pub struct Io {
    stream: AsyncStream,
    is_shut: bool,
}

static_assertions::assert_impl_all!(Io: Send);

impl Io {
    /// Creates a connection over a channel.
    #[must_use]
    pub fn new(channel: &impl IsA<Channel>) -> Self {
        Self {
            stream: channel.async_stream(),
            is_shut: false,
        }
    }

    /// Returns the channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        self.stream.channel()
    }
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: `poll_read_uninit` only writes initialized bytes to the memory.
        let memory = unsafe { buf.as_mut() };
        let count = ready!(self.stream.poll_read_uninit(cx, memory))?;
        // SAFETY: `poll_read_uninit` has initialized as many bytes as it returns.
        unsafe { buf.advance(count) };
        Poll::Ready(Ok(()))
    }
}

impl Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.channel().is_closed() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.stream).poll_close(cx))?;
            self.is_shut = true;
        }
        // hyper drops this next, and perhaps the channel with it: close_notify is to be sent
        // before.
        self.poll_flush(cx)
    }
}
