//! The class of WebSocket channels.

use std::{future::Future, io, sync::atomic::AtomicBool};

use glib::{Bytes, IOCondition, SignalHandlerId, prelude::*, subclass::prelude::*};

use super::{
    client::parse_uri,
    connection::Connection,
    engine::{Role, WebsockState},
    imp,
    options::WebsockOptions,
};
use crate::{
    channel::{Channel, ChannelExt as _, ffi::derived_class, stream::std_io},
    error::with_context,
    layer::{
        lower::LowerCloseWaker,
        wire::{Engine as _, Wire},
    },
    sync::ForkMutex,
};

derived_class!(
    ChannelWebsock,
    imp::ChannelWebsock,
    ChannelWebsockImpl,
    QIOChannelWebsock,
    QIOChannelWebsockClass
);

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "QIOWebsockMessageKind")]
#[doc(alias = "QIOWebsockMessageKind")]
#[repr(i32)]
pub enum WebsockMessageKind {
    /// UTF-8.
    #[enum_value(name = "QIO_WEBSOCK_MESSAGE_KIND_TEXT", nick = "text")]
    Text = 1,
    /// Any bytes.
    #[enum_value(name = "QIO_WEBSOCK_MESSAGE_KIND_BINARY", nick = "binary")]
    Binary = 2,
}

glib::wrapper! {
    /// A WebSocket (RFC 6455) over any other channel, of which it takes ownership: the lower
    /// channel is set to non-blocking mode, must not be used directly, and is closed with this one.
    ///
    /// It can be used as a stream of bytes, or by messages. Reading returns the bytes of the
    /// messages of the peer one after another, as they arrive: a message need not be complete, and
    /// may be of any size. A write makes one message of what fits into a frame of 64 KiB, of the
    /// kind [`message_kind`](Self::message_kind). This is what QEMU does, and so WebSocket peers of
    /// QEMU and noVNC can be served. [`send`](Self::send) and [`receive`](Self::receive) transfer
    /// whole messages.
    ///
    /// The first read or write performs the opening handshake; [`handshake`](Self::handshake) does
    /// that alone. A server can decide about a request itself: see
    /// [`receive_request`](Self::receive_request). A failed handshake is final.
    ///
    /// A stream ends when the peer closes with the code 1000 or 1001, or with none. Any other code
    /// is an error with that code, in the domain [`WebsockError`](crate::WebsockError). The end of
    /// the lower channel without a closing handshake is an error of the kind
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), unless reads are
    /// [relaxed](crate::ReadFlags::RELAXED_EOF), or [not required](Self::set_require_close) to end
    /// with one.
    ///
    /// A peer that breaks the protocol gets a close frame with the code for it, and reading fails
    /// with that code. Pings are answered whenever this channel reads, writes, waits or flushes. No
    /// memory is used beyond 64 KiB in each direction, messages that are received at once, and
    /// messages that are sent.
    ///
    /// `close` sends a close frame and closes the lower channel, in blocking mode within
    /// [`close_timeout`](crate::WebsockOptionsBuilder::close_timeout);
    /// [`bye`](Self::bye) performs the closing handshake. WebSockets have no half-close:
    /// `shutdown` for writing sends a close frame, and most peers send nothing after that. Dropping
    /// the last reference sends a close frame with 1001 as far as that does not block, and leaves
    /// the lower channel open. In a forked child it can only be closed, which sends nothing.
    ///
    /// One thread may read while another one writes.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `master` | [`Channel`] | readable: the lower channel |
    /// | `is-client` | boolean | readable |
    /// | `options` | [`WebsockOptions`] | readable |
    /// | `uri` | string | readable: of a client |
    /// | `protocol` | string | readable: the subprotocol |
    /// | `extensions` | string | readable: the extensions, as `permessage-deflate` |
    /// | `origin` | string | readable: of the page that a client belongs to |
    /// | `handshake-done` | boolean | readable |
    /// | `close-code` | unsigned integer | readable: the code of the peer, 0 before |
    /// | `close-reason` | string | readable |
    /// | `buffered-amount` | unsigned integer, bytes | readable: what has yet to be sent |
    /// | `max-message-size` | unsigned integer, bytes | readable, writable |
    /// | `ping-interval` | unsigned integer, milliseconds | readable, writable |
    /// | `pong-timeout` | unsigned integer, milliseconds | readable, writable |
    /// | `require-close` | boolean | readable, writable: [`set_require_close`](Self::set_require_close) |
    /// | `message-kind` | [`WebsockMessageKind`] | readable, writable: what plain writes make |
    ///
    /// # Signals
    ///
    /// `pong`: see [`connect_pong`](Self::connect_pong).
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::{ChannelSocket, ChannelWebsock, WebsockMessageKind, WebsockOptions, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let options = WebsockOptions::default();
    /// let (here, there) = ChannelSocket::pair()?;
    /// let client = ChannelWebsock::new_client(&here, "ws://example.org/chat", &options)?;
    /// let server = ChannelWebsock::new_server(&there, &options)?;
    /// let served = std::thread::spawn(move || server.send_text("hello").map(|()| server));
    /// let message = client.receive()?.expect("a message"); // which performs the handshake
    /// assert_eq!(message.kind(), WebsockMessageKind::Text);
    /// assert_eq!(message.text(), Some("hello"));
    /// # drop(served.join());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOChannelWebsock")]
    pub struct ChannelWebsock(ObjectSubclass<imp::ChannelWebsock>) @extends Channel;
}

static_assertions::assert_impl_all!(ChannelWebsock: Send, Sync);
std_io!(ChannelWebsock);

impl ChannelWebsock {
    /// Returns the server's end of a connection. Sends nothing yet.
    ///
    /// # Errors
    ///
    /// Those of setting the lower channel to non-blocking mode.
    #[doc(alias = "qio_channel_websock_new_server")]
    pub fn new_server(master: &impl IsA<Channel>, options: &WebsockOptions) -> io::Result<Self> {
        Self::new(master.upcast_ref(), Role::Server, None, options)
    }

    /// Returns the client's end of a connection. Sends nothing yet.
    ///
    /// `uri` is what the request is for, of the scheme `ws` or `wss`. It has no effect on the lower
    /// channel, which has to be connected, and which performs TLS.
    ///
    /// # Errors
    ///
    /// `EINVAL` for an invalid URI; and those of setting the lower channel to non-blocking mode.
    #[doc(alias = "qio_channel_websock_new_client")]
    pub fn new_client(
        master: &impl IsA<Channel>,
        uri: &str,
        options: &WebsockOptions,
    ) -> io::Result<Self> {
        let role = Role::Client(parse_uri(uri)?);
        Self::new(master.upcast_ref(), role, Some(uri.to_owned()), options)
    }

    fn new(
        master: &Channel,
        role: Role,
        uri: Option<String>,
        options: &WebsockOptions,
    ) -> io::Result<Self> {
        let blocking = master.is_blocking();
        master
            .set_blocking(false)
            .map_err(|e| with_context(e, "Unable to set the lower channel to non-blocking mode"))?;
        let this: Self = glib::Object::new();
        let engine = WebsockState::new(role, options.clone());
        let lower = LowerCloseWaker::new(this.upcast_ref(), master);
        let wire = Wire::new(engine, lower);
        this.imp().set_connection(Connection {
            wire,
            uri,
            keep_alive: ForkMutex::default(),
            is_open: AtomicBool::new(false),
        });
        this.upcast_ref::<Channel>().set_blocking_state(blocking);
        Ok(this)
    }

    /// Performs the opening handshake, if that is not done. In non-blocking mode as far as that
    /// does not block.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) in non-blocking mode while the peer has to send
    /// something. Of the domain [`WebsockError`](crate::WebsockError): the HTTP status with which a
    /// server has refused, or was refused by this server's options; or the reason why the request
    /// or answer is invalid.
    #[doc(alias = "qio_channel_websock_handshake")]
    pub fn handshake(&self) -> io::Result<()> {
        // Which is also there once another thread has completed the handshake.
        self.until_done(IOCondition::OUT, |connection, channel, _| {
            connection.do_handshake(channel)
        })
    }

    /// As [`handshake`](Self::handshake), in a future.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call continues the handshake.
    #[doc(alias = "qio_channel_websock_handshake_async")]
    #[doc(alias = "qio_channel_websock_handshake_finish")]
    pub fn handshake_future(&self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        self.step_future(IOCondition::IN, |connection, channel, _| {
            connection.do_handshake(channel)
        })
    }

    /// Performs the closing handshake: sends a close frame with a code and a reason, and reads and
    /// discards what the peer still sends until its close frame. A client then waits until the
    /// server ends the connection. Does not close the lower channel.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a code that must not be sent, or a reason of more than 123 bytes; `TimedOut`
    /// after the [`close_timeout`](crate::WebsockOptionsBuilder::close_timeout) of the options; and
    /// those of reading and writing.
    #[doc(alias = "qio_channel_websock_bye")]
    pub fn bye(&self, code: u16, reason: &str) -> io::Result<()> {
        super::closing::bye(self, code, reason)
    }

    /// As [`bye`](Self::bye), in a future.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the close frame is sent by later calls, and the next call continues.
    #[doc(alias = "qio_channel_websock_bye_async")]
    #[doc(alias = "qio_channel_websock_bye_finish")]
    pub fn bye_future<'a>(
        &'a self,
        code: u16,
        reason: &'a str,
    ) -> impl Future<Output = io::Result<()>> + Send + 'a {
        super::closing::bye_future(self, code, reason)
    }

    /// Sends a ping with a payload of at most 125 bytes. The peer answers with a pong of the same
    /// payload: see [`connect_pong`](Self::connect_pong).
    ///
    /// # Errors
    ///
    /// `EINVAL` for a longer payload; [`WouldBlock`](io::ErrorKind::WouldBlock) in non-blocking
    /// mode while other output is pending; and those of writing.
    #[doc(alias = "qio_channel_websock_ping")]
    pub fn ping(&self, payload: &[u8]) -> io::Result<()> {
        let encoded = self.until_done(IOCondition::OUT, |connection, channel, _| {
            connection.outgoing(channel, |engine| engine.ping(payload))
        })?;
        self.imp().end_write(&encoded, !self.may_wait())
    }

    /// Calls `func` with the payload of a pong, in the thread that has read it.
    pub fn connect_pong<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self, &Bytes) + Send + Sync + 'static,
    {
        self.connect_closure(
            "pong",
            false,
            glib::RustClosure::new(move |values| {
                let (channel, payload) = (values[0].get::<Self>(), values[1].get::<Bytes>());
                if let (Ok(channel), Ok(payload)) = (channel, payload) {
                    func(&channel, &payload);
                }
                None
            }),
        )
    }

    pub(super) fn emit_pong(&self, payload: &[u8]) {
        self.emit_by_name::<()>("pong", &[&Bytes::from(payload)]);
    }

    /// Whether the opening handshake is done.
    #[doc(alias = "qio_channel_websock_is_handshake_done")]
    #[must_use]
    pub fn is_handshake_done(&self) -> bool {
        self.engine(|engine| engine.is_open()).unwrap_or(false)
    }

    /// The subprotocol that both ends have agreed on.
    #[doc(alias = "qio_channel_websock_get_protocol")]
    #[must_use]
    pub fn protocol(&self) -> Option<String> {
        self.engine(|engine| engine.opening.protocol.clone())
            .flatten()
    }

    /// The extensions that both ends have agreed on, with their parameters, as the response of the
    /// server names them: `permessage-deflate; server_max_window_bits=12`, for example.
    #[doc(alias = "qio_channel_websock_get_extensions")]
    #[must_use]
    pub fn extensions(&self) -> Option<String> {
        self.engine(|engine| engine.opening.extensions.clone())
            .flatten()
    }

    /// The code with which the peer has closed: 1005 if it has sent none, 1006 if the connection
    /// has ended without a close frame; `None` before.
    #[doc(alias = "qio_channel_websock_get_close_code")]
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        self.engine(|engine| match engine.peer_close() {
            Some((code, _)) => Some(code.number()),
            None => engine.is_cut().then_some(1006),
        })
        .flatten()
    }

    /// The reason that the peer has given for closing.
    #[doc(alias = "qio_channel_websock_get_close_reason")]
    #[must_use]
    pub fn close_reason(&self) -> Option<String> {
        let reason =
            |engine: &mut WebsockState| engine.peer_close().map(|(_, reason)| reason.to_owned());
        self.engine(reason).flatten()
    }

    /// How many bytes the lower channel has not taken yet, as `bufferedAmount` of browsers.
    #[doc(alias = "qio_channel_websock_get_buffered_amount")]
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.engine(|engine| engine.buffered()).unwrap_or(0)
    }

    /// The most bytes of a message that is received at once.
    #[doc(alias = "qio_channel_websock_get_max_message_size")]
    #[must_use]
    pub fn max_message_size(&self) -> usize {
        self.engine(|engine| engine.max_message_size()).unwrap_or(0)
    }

    /// Sets the most bytes of a message that is received at once: see
    /// [`max_message_size`](crate::WebsockOptionsBuilder::max_message_size).
    #[doc(alias = "qio_channel_websock_set_max_message_size")]
    pub fn set_max_message_size(&self, bytes: usize) {
        let is_changed = self.engine(|engine| {
            let before = engine.max_message_size();
            engine.set_max_message_size(bytes);
            before != bytes
        });
        if is_changed == Some(true) {
            self.notify("max-message-size");
        }
    }

    /// Whether a stream that ends without a close frame is an error.
    #[doc(alias = "qio_channel_websock_get_require_close")]
    #[must_use]
    pub fn requires_close(&self) -> bool {
        !self.imp().allows_truncation()
    }

    /// Sets whether a stream that ends without a close frame of the peer is an error of reading.
    /// Default: `true`. Browsers that are killed end like that.
    #[doc(alias = "qio_channel_websock_set_require_close")]
    pub fn set_require_close(&self, required: bool) {
        if self.imp().set_allows_truncation(!required) {
            self.notify("require-close");
        }
    }

    /// The kind of the messages that plain writes make.
    #[doc(alias = "qio_channel_websock_get_message_kind")]
    #[must_use]
    pub fn message_kind(&self) -> WebsockMessageKind {
        self.imp().message_kind()
    }

    /// Sets the kind of the messages that plain writes make. Default: binary. Writes of text fail
    /// with `EINVAL` if they are not UTF-8.
    #[doc(alias = "qio_channel_websock_set_message_kind")]
    pub fn set_message_kind(&self, kind: WebsockMessageKind) {
        if self.imp().set_message_kind(kind) {
            self.notify("message-kind");
        }
    }

    /// Calls `f` with the engine, if there is one.
    pub(super) fn engine<R>(&self, f: impl FnOnce(&mut WebsockState) -> R) -> Option<R> {
        let connection = self.imp().connection().ok()?;
        Some(f(&mut connection.engine()))
    }
}
