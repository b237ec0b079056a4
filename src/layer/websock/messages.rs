//! Whole messages.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use glib::{Bytes, IOCondition, subclass::prelude::*};

use super::{ChannelWebsock, channel::WebsockMessageKind, connection::Connection};
use crate::{channel::Channel, layer::wire::Encoded, types::ReadFlags};

/// A message of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebsockMessage {
    kind: WebsockMessageKind,
    data: Bytes,
}

impl WebsockMessage {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> WebsockMessageKind {
        self.kind
    }

    /// Its content.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The content of a text message.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let text = str::from_utf8(&self.data).ok();
        text.filter(|_| self.kind == WebsockMessageKind::Text)
    }

    /// Returns the content.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        self.data
    }
}

impl ChannelWebsock {
    /// Sends a message, as a whole or not at all.
    ///
    /// In non-blocking mode a message is taken if no other output is pending, and the context of
    /// the caller sends it; a reference to `data` is held until then. If the peer closes before
    /// that is done, `flush` and `close` fail with `EPIPE`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for text that is not UTF-8; [`WouldBlock`](io::ErrorKind::WouldBlock) in
    /// non-blocking mode while other output is pending; those of
    /// [`handshake`](Self::handshake), and `EPIPE` after a close frame of either end, also if the
    /// peer sends it before the whole message is sent.
    #[doc(alias = "qio_channel_websock_send")]
    pub fn send(&self, kind: WebsockMessageKind, data: &Bytes) -> io::Result<()> {
        let encoded = self.until_done(IOCondition::OUT, send_step(kind, data))?;
        self.imp().end_send(&encoded, !self.may_wait())
    }

    /// As [`send`](Self::send), for text.
    #[doc(alias = "qio_channel_websock_send_text")]
    pub fn send_text(&self, text: &str) -> io::Result<()> {
        self.send(WebsockMessageKind::Text, &Bytes::from(text.as_bytes()))
    }

    /// As [`send`](Self::send), in a future, which is ready when the message was taken.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message is sent as a whole, or the future is not ready.
    #[doc(alias = "qio_channel_websock_send_async")]
    #[doc(alias = "qio_channel_websock_send_finish")]
    pub fn send_future<'a>(
        &'a self,
        kind: WebsockMessageKind,
        data: &'a Bytes,
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        let taken = self.step_future(IOCondition::OUT, send_step(kind, data));
        async move {
            let encoded = taken.await?;
            self.imp().end_send(&encoded, true)
        }
    }

    /// Receives a message, or what is left of one that was read in part. `None` is the end of the
    /// stream.
    ///
    /// # Errors
    ///
    /// Code 1009 for a message larger than [`max_message_size`](Self::max_message_size);
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) in non-blocking mode if no message has arrived;
    /// and those of reading.
    #[doc(alias = "qio_channel_websock_receive")]
    pub fn receive(&self) -> io::Result<Option<WebsockMessage>> {
        self.until_done(IOCondition::IN, self.receive_step())
    }

    /// As [`receive`](Self::receive), in a future.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what has arrived of a message is kept for the next call.
    #[doc(alias = "qio_channel_websock_receive_async")]
    #[doc(alias = "qio_channel_websock_receive_finish")]
    pub fn receive_future(
        &self,
    ) -> impl Future<Output = io::Result<Option<WebsockMessage>>> + Send + '_ {
        self.step_future(IOCondition::IN, self.receive_step())
    }

    /// Returns the messages of the peer as a stream, which ends at the end of the connection or
    /// after an error.
    pub fn messages(&self) -> WebsockMessages<'_> {
        WebsockMessages {
            channel: self,
            receiving: None,
            is_over: false,
        }
    }

    fn receive_step(
        &self,
    ) -> impl FnMut(&Connection, &Channel, ReadFlags) -> io::Result<Option<WebsockMessage>> + Send + use<>
    {
        let allows_truncation = self.imp().allows_truncation();
        move |connection, channel, flags| {
            let message =
                connection.incoming(channel, flags, |engine| engine.receive(allows_truncation));
            message.map(|message| message.map(|(kind, data)| WebsockMessage { kind, data }))
        }
    }
}

fn send_step(
    kind: WebsockMessageKind,
    data: &Bytes,
) -> impl FnMut(&Connection, &Channel, ReadFlags) -> io::Result<Encoded<usize>> + Send {
    move |connection, channel, _| connection.send(channel, kind, data)
}

type Receiving<'a> = Pin<Box<dyn Future<Output = io::Result<Option<WebsockMessage>>> + Send + 'a>>;

/// The stream of [`ChannelWebsock::messages`].
#[must_use = "a stream does nothing unless it is polled"]
pub struct WebsockMessages<'a> {
    channel: &'a ChannelWebsock,
    receiving: Option<Receiving<'a>>,
    is_over: bool,
}

impl std::fmt::Debug for WebsockMessages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebsockMessages")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

impl Stream for WebsockMessages<'_> {
    type Item = io::Result<WebsockMessage>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let channel = self.channel;
        let receiving = self
            .receiving
            .get_or_insert_with(|| Box::pin(channel.receive_future()));
        let message = ready!(receiving.as_mut().poll(cx));
        self.receiving = None;
        self.is_over = !matches!(message, Ok(Some(_)));
        Poll::Ready(message.transpose())
    }
}
