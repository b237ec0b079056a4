//! Messages of any size, as streams of their own.

use std::{
    future::Future,
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::AsyncRead;
use glib::{IOCondition, subclass::prelude::*};

use super::{ChannelWebsock, channel::WebsockMessageKind, connection::Connection};
use crate::{
    channel::{Channel, PollIo},
    hub::Direction,
    types::ReadFlags,
};

impl ChannelWebsock {
    /// Waits for the next message, and returns it as a stream: a message of any size, of which no
    /// more than 64 KiB are in memory. `None` is the end of the stream of messages.
    ///
    /// Of a message that was read in part, by a plain read or a `receive` that was cancelled, this
    /// is what is left. Use one reader at a time: a reader gets nothing of what another call reads,
    /// and nothing more once there is another reader of its message.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) in non-blocking mode if no message has begun to
    /// arrive; and those of reading.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{self, Write as _};
    /// use qio::{ChannelSocket, ChannelWebsock, WebsockMessageKind, WebsockOptions};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let options = WebsockOptions::default();
    /// let (here, there) = ChannelSocket::pair()?;
    /// let client = ChannelWebsock::new_client(&here, "ws://example.org/", &options)?;
    /// let server = ChannelWebsock::new_server(&there, &options)?;
    /// let sent = std::thread::spawn(move || {
    ///     let mut writer = server.message_writer(WebsockMessageKind::Binary)?;
    ///     for _ in 0..100 {
    ///         writer.write_all(&[0; 10_000])?;
    ///     }
    ///     writer.finish()
    /// });
    /// let mut reader = client.next_message()?.expect("a message");
    /// assert_eq!(io::copy(&mut reader, &mut io::sink())?, 1_000_000);
    /// # sent.join().expect("no panic")
    /// # }
    /// ```
    pub fn next_message(&self) -> io::Result<Option<WebsockMessageReader>> {
        let begun = self.until_done(IOCondition::IN, self.next_message_step())?;
        Ok(begun.map(|begun| WebsockMessageReader::new(self, begun)))
    }

    /// As [`next_message`](Self::next_message), in a future.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call returns the message.
    pub fn next_message_future(
        &self,
    ) -> impl Future<Output = io::Result<Option<WebsockMessageReader>>> + Send + '_ {
        let begun = self.step_future(IOCondition::IN, self.next_message_step());
        async move {
            let begun = begun.await?;
            Ok(begun.map(|begun| WebsockMessageReader::new(self, begun)))
        }
    }

    fn next_message_step(
        &self,
    ) -> impl FnMut(
        &Connection,
        &Channel,
        ReadFlags,
    ) -> io::Result<Option<(u64, WebsockMessageKind)>>
    + Send
    + use<> {
        let allows_truncation = self.imp().allows_truncation();
        move |connection, channel, flags| {
            connection.incoming(channel, flags, |engine| {
                engine.begin_message(allows_truncation)
            })
        }
    }
}

/// A message of the peer, as a stream: a result of [`ChannelWebsock::next_message`].
///
/// Its end is the end of the message. [`Read`] blocks in the blocking mode of the channel, and is
/// [`WouldBlock`](io::ErrorKind::WouldBlock) in the other one if nothing more has arrived;
/// [`AsyncRead`] never blocks. Dropping the reader discards what is left of the message.
///
/// # Errors
///
/// Those of reading; [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the connection ends within
/// the message, however that ends.
///
/// # Cancel safety
///
/// A read whose future is dropped loses no data.
#[derive(Debug)]
pub struct WebsockMessageReader {
    channel: ChannelWebsock,
    /// Its number.
    reader: u64,
    kind: WebsockMessageKind,
    reading: PollIo,
}

impl WebsockMessageReader {
    fn new(channel: &ChannelWebsock, (reader, kind): (u64, WebsockMessageKind)) -> Self {
        Self {
            channel: channel.clone(),
            reader,
            kind,
            reading: PollIo::new(Direction::Read),
        }
    }

    /// What the message is. Text is validated as it is read.
    #[must_use]
    pub fn kind(&self) -> WebsockMessageKind {
        self.kind
    }
}

fn read_step(
    reader: u64,
    buf: &mut [u8],
) -> impl FnMut(&Connection, &Channel, ReadFlags) -> io::Result<usize> {
    move |connection, channel, flags| match buf.is_empty() {
        true => Ok(0),
        false => connection.incoming(channel, flags, |it| it.read_message(reader, buf)),
    }
}

impl Read for WebsockMessageReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.channel
            .until_done(IOCondition::IN, read_step(self.reader, buf))
    }
}

impl AsyncRead for WebsockMessageReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let step = read_step(this.reader, buf);
        this.channel.poll_step(&mut this.reading, cx, step)
    }
}

impl Drop for WebsockMessageReader {
    fn drop(&mut self) {
        self.channel
            .engine(|engine| engine.discard_message(self.reader));
    }
}
