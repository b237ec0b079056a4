//! Messages that are written in fragments.

use std::{
    future::{Future, poll_fn},
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_io::AsyncWrite;
use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{
    ChannelWebsock, channel::WebsockMessageKind, connection::Connection, engine::WebsockState,
};
use crate::{
    channel::{Channel, PollIo},
    hub::Direction,
    layer::wire::Encoded,
    types::ReadFlags,
};

impl ChannelWebsock {
    /// Returns a writer of a message of any size, which is sent in fragments as it is written.
    /// Sends nothing yet.
    ///
    /// Until the message is finished no other can be sent: writing and sending fail with
    /// [`Pending`](gio::IOErrorEnum::Pending). Pings are answered between the fragments.
    ///
    /// # Errors
    ///
    /// `Pending` while there is another writer; `EPIPE` after a close frame of either end.
    pub fn message_writer(&self, kind: WebsockMessageKind) -> io::Result<WebsockMessageWriter> {
        let connection = self.imp().connection()?;
        connection.engine().begin_fragments(kind)?;
        Ok(WebsockMessageWriter {
            channel: self.clone(),
            is_finished: false,
            writing: PollIo::new(Direction::Write),
        })
    }
}

/// A message to the peer that is written in fragments: a result of
/// [`ChannelWebsock::message_writer`].
///
/// Each write sends a fragment of at most 64 KiB: use a
/// [`BufWriter`](io::BufWriter) for many small writes. [`Write`] blocks in the blocking mode of the
/// channel, and is [`WouldBlock`](io::ErrorKind::WouldBlock) in the other one while output is
/// pending; [`AsyncWrite`] never blocks. Closing an `AsyncWrite` finishes the message, and not the
/// connection. With compression, flushing sends what the compressor has kept.
///
/// [`finish`](Self::finish) ends the message. A writer that is dropped before that closes the
/// connection with the code 1011, if a part of the message was sent: the peer must not take the
/// part for the whole.
///
/// # Errors
///
/// `EINVAL` for text that is not UTF-8, of which nothing is sent; those of writing.
///
/// # Cancel safety
///
/// Cancel safe: a fragment is taken as a whole, or the future is not ready.
#[derive(Debug)]
#[must_use = "the message is sent when it is finished"]
pub struct WebsockMessageWriter {
    channel: ChannelWebsock,
    is_finished: bool,
    writing: PollIo,
}

impl WebsockMessageWriter {
    /// Sends the end of the message. In non-blocking mode the context of the caller sends what the
    /// lower channel does not take.
    ///
    /// # Errors
    ///
    /// `EINVAL` for text that ends inside of a character; those of writing;
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) in non-blocking mode while other output is
    /// pending: call it again. After the message is finished this does nothing.
    pub fn finish(&mut self) -> io::Result<()> {
        if !self.is_finished {
            self.until_done(WebsockState::finish_fragments)?;
            self.is_finished = true;
        }
        Ok(())
    }

    /// As [`finish`](Self::finish), in a future.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the message is finished, or the future is not ready.
    pub fn finish_future(&mut self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        poll_fn(|cx| self.poll_finish(cx))
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_finished {
            ready!(self.poll_step(cx, WebsockState::finish_fragments))?;
            self.is_finished = true;
        }
        Poll::Ready(Ok(()))
    }

    fn until_done<T>(&self, step: impl FnMut(&mut WebsockState) -> io::Result<T>) -> io::Result<T> {
        let websock = &self.channel;
        let encoded = websock.until_done(IOCondition::OUT, outgoing(step))?;
        websock.imp().end_write(&encoded, !websock.may_wait())?;
        Ok(encoded.result)
    }

    fn poll_step<T>(
        &mut self,
        cx: &mut Context<'_>,
        step: impl FnMut(&mut WebsockState) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let websock = &self.channel;
        let encoded = ready!(websock.poll_step(&mut self.writing, cx, outgoing(step)))?;
        websock.imp().end_write(&encoded, true)?;
        Poll::Ready(Ok(encoded.result))
    }
}

fn outgoing<T>(
    mut step: impl FnMut(&mut WebsockState) -> io::Result<T>,
) -> impl FnMut(&Connection, &Channel, ReadFlags) -> io::Result<Encoded<T>> {
    move |connection, channel, _| connection.outgoing(channel, &mut step)
}

fn flush(connection: &Connection, channel: &Channel, _: ReadFlags) -> io::Result<()> {
    connection.wire.flush(channel)
}

impl Write for WebsockMessageWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.until_done(|engine| engine.write_fragment(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.until_done(WebsockState::flush_fragments)?;
        self.channel.until_done(IOCondition::OUT, flush)
    }
}

impl AsyncWrite for WebsockMessageWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_step(cx, |engine| engine.write_fragment(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_step(cx, WebsockState::flush_fragments))?;
        this.channel.poll_step(&mut this.writing, cx, flush)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_finish(cx)
    }
}

impl Drop for WebsockMessageWriter {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if let Ok(connection) = self.channel.imp().connection() {
            connection.engine().abandon_fragments();
            connection
                .wire
                .send_answer::<ChannelWebsock>(self.channel.upcast_ref());
        }
    }
}
