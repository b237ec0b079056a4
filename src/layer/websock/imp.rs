//! The virtual functions and properties of WebSocket channels.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{BorrowedFd, OwnedFd},
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use glib::{
    IOCondition, ParamSpec,
    prelude::*,
    subclass::{Signal, prelude::*},
};

use super::{
    QIOChannelWebsock, QIOChannelWebsockClass, WebsockOptions, channel::WebsockMessageKind,
    connection::Connection, engine::WebsockState, error::CloseCode,
};
use crate::{
    channel::{Channel, ChannelExt as _, ChannelImpl, class::VFuncs},
    error::io_error,
    layer::wire::{self, CHUNK, Encoded, Layer, Wire, layer_functions},
    types::{Feature, Flushed, ReadFlags, Shutdown, WriteFlags, milliseconds, to_milliseconds},
};

#[derive(Debug, Default)]
pub struct ChannelWebsock {
    /// Set by the constructors.
    connection: OnceLock<Connection>,
    /// An end-of-file without a close frame is no error.
    allows_truncation: AtomicBool,
    /// Plain writes are text messages.
    text: AtomicBool,
}

#[glib::object_subclass]
impl ObjectSubclass for ChannelWebsock {
    const NAME: &'static str = "QIOChannelWebsock";
    type Type = super::ChannelWebsock;
    type ParentType = Channel;
    type Class = QIOChannelWebsockClass;
    type Instance = QIOChannelWebsock;

    fn class_init(class: &mut Self::Class) {
        class.parent_class.set_native_layer(
            wire::poll_fd::<Self::Type>,
            wire::below::<Self::Type>,
            Some(wire::state::<Self::Type>),
            None,
        );
    }
}

impl ObjectImpl for ChannelWebsock {
    fn properties() -> &'static [ParamSpec] {
        static PROPERTIES: LazyLock<Vec<ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecObject::builder::<Channel>("master")
                    .nick("Master")
                    .blurb("The lower channel")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("is-client")
                    .nick("Is client")
                    .blurb("Whether this is the end of the client")
                    .read_only()
                    .build(),
                glib::ParamSpecBoxed::builder::<WebsockOptions>("options")
                    .nick("Options")
                    .blurb("What this end offers, requires and allows")
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("uri")
                    .nick("URI")
                    .blurb("The URI that a client has connected to")
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("protocol")
                    .nick("Protocol")
                    .blurb("The subprotocol that both ends have agreed on")
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("extensions")
                    .nick("Extensions")
                    .blurb("The extensions that both ends have agreed on, with their parameters")
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("origin")
                    .nick("Origin")
                    .blurb("The origin of the page that a client belongs to")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("handshake-done")
                    .nick("Handshake done")
                    .blurb("Whether the connection is established")
                    .read_only()
                    .build(),
                glib::ParamSpecUInt::builder("close-code")
                    .nick("Close code")
                    .blurb("The code with which the peer has closed, or 0")
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("close-reason")
                    .nick("Close reason")
                    .blurb("The reason that the peer has given for closing")
                    .read_only()
                    .build(),
                glib::ParamSpecUInt64::builder("buffered-amount")
                    .nick("Buffered amount")
                    .blurb("How many bytes the lower channel has not taken yet")
                    .read_only()
                    .build(),
                glib::ParamSpecUInt64::builder("max-message-size")
                    .nick("Maximum message size")
                    .blurb("The most bytes of a message that is received at once")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecUInt::builder("ping-interval")
                    .nick("Ping interval")
                    .blurb("After how many milliseconds without input a ping is sent, or 0")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecUInt::builder("pong-timeout")
                    .nick("Pong timeout")
                    .blurb("For how many milliseconds a ping waits for input, or 0")
                    .explicit_notify()
                    .build(),
                glib::ParamSpecBoolean::builder("require-close")
                    .nick("Require close")
                    .blurb("Whether a stream that ends without a close frame is an error")
                    .default_value(true)
                    .explicit_notify()
                    .build(),
                glib::ParamSpecEnum::builder_with_default(
                    "message-kind",
                    WebsockMessageKind::Binary,
                )
                .nick("Message kind")
                .blurb("The kind of the messages that plain writes make")
                .explicit_notify()
                .build(),
            ]
        });
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<[Signal; 1]> = LazyLock::new(|| {
            [Signal::builder("pong")
                .run_last()
                .param_types([glib::Bytes::static_type()])
                .build()]
        });
        &*SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        channel.set_first_features(Feature::SHUTDOWN);
    }

    fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
        let obj = self.obj();
        match pspec.name() {
            "master" => self.connection.get().map(Connection::lower).to_value(),
            "is-client" => obj.is_client().to_value(),
            "options" => obj.options().to_value(),
            "uri" => obj.uri().to_value(),
            "protocol" => obj.protocol().to_value(),
            "extensions" => obj.extensions().to_value(),
            "origin" => obj.origin().to_value(),
            "handshake-done" => obj.is_handshake_done().to_value(),
            "close-code" => u32::from(obj.close_code().unwrap_or(0)).to_value(),
            "close-reason" => obj.close_reason().to_value(),
            "buffered-amount" => (obj.buffered() as u64).to_value(),
            "max-message-size" => (obj.max_message_size() as u64).to_value(),
            "ping-interval" => to_milliseconds(obj.ping_interval()).to_value(),
            "pong-timeout" => to_milliseconds(obj.pong_timeout()).to_value(),
            "require-close" => obj.requires_close().to_value(),
            "message-kind" => obj.message_kind().to_value(),
            name => unreachable!("no property {name}"),
        }
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &ParamSpec) {
        let obj = self.obj();
        match pspec.name() {
            "max-message-size" => {
                let bytes: u64 = value.get().expect("a number");
                obj.set_max_message_size(bytes.try_into().unwrap_or(usize::MAX));
            }
            "ping-interval" => obj.set_ping_interval(milliseconds(value.get().expect("a number"))),
            "pong-timeout" => obj.set_pong_timeout(milliseconds(value.get().expect("a number"))),
            "require-close" => obj.set_require_close(value.get().expect("a boolean")),
            "message-kind" => obj.set_message_kind(value.get().expect("a kind")),
            name => unreachable!("no property {name}"),
        }
    }

    fn dispose(&self) {
        if let Some(connection) = self.connection.get()
            && !self.is_inherited()
        {
            connection.engine().close_code = CloseCode::GOING_AWAY;
            // The lower channel may be used on its own again.
            let _ = connection.wire.try_send_end(self.obj().upcast_ref());
        }
    }
}

impl ChannelImpl for ChannelWebsock {
    layer_functions!();

    fn readv(
        &self,
        iov: &mut [IoSliceMut<'_>],
        _fds: Option<&mut Vec<OwnedFd>>,
        mut flags: ReadFlags,
    ) -> io::Result<usize> {
        let no_wait = flags.contains(ReadFlags::NO_WAIT);
        if self.allows_truncation() {
            flags |= ReadFlags::RELAXED_EOF;
        }
        self.waiting(IOCondition::IN, no_wait, |connection, channel| {
            connection.read(channel, iov, flags)
        })
    }

    fn writev(
        &self,
        iov: &[IoSlice<'_>],
        _fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let no_wait = flags.contains(WriteFlags::NO_WAIT) || !self.obj().is_blocking();
        let kind = self.message_kind();
        let encoded = self.waiting(IOCondition::OUT, no_wait, |connection, channel| {
            connection.write(channel, iov, kind)
        })?;
        self.end_write(&encoded, no_wait)?;
        Ok(encoded.result)
    }

    fn close(&self) -> io::Result<()> {
        match self.connection.get().filter(|_| self.is_inherited()) {
            // The connection is the parent's: nothing is sent.
            Some(connection) => connection.lower().close(),
            None => {
                let connection = self.connection()?;
                let timeout = connection.close_timeout();
                let closed = connection.wire.close(self.obj().upcast_ref(), timeout);
                closed.and(connection.engine().check_whole())
            }
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let wire = &self.connection()?.wire;
        wire.shutdown::<Self::Type>(self.obj().upcast_ref(), how)
    }

    fn flush(&self) -> io::Result<Flushed> {
        let connection = self.connection()?;
        connection.wire.flush(self.obj().upcast_ref())?;
        connection.engine().check_sent()?;
        VFuncs::of(connection.lower()).flush()
    }
}

impl ChannelWebsock {
    pub(super) fn set_connection(&self, connection: Connection) {
        self.connection.set(connection).expect("set once");
    }

    pub(super) fn allows_truncation(&self) -> bool {
        self.allows_truncation.load(Ordering::Relaxed)
    }

    /// Returns whether that is a change.
    pub(super) fn set_allows_truncation(&self, allows_truncation: bool) -> bool {
        self.allows_truncation
            .swap(allows_truncation, Ordering::Relaxed)
            != allows_truncation
    }

    pub(super) fn message_kind(&self) -> WebsockMessageKind {
        match self.text.load(Ordering::Relaxed) {
            true => WebsockMessageKind::Text,
            false => WebsockMessageKind::Binary,
        }
    }

    /// Returns whether that is a change.
    pub(super) fn set_message_kind(&self, kind: WebsockMessageKind) -> bool {
        let text = kind == WebsockMessageKind::Text;
        self.text.swap(text, Ordering::Relaxed) != text
    }

    /// Whether this process is a child of the one that made the connection: frames that one of them
    /// sends or receives would be missing in the state of the other.
    fn is_inherited(&self) -> bool {
        self.obj().upcast_ref::<Channel>().imp().is_inherited()
    }

    pub(super) fn connection(&self) -> io::Result<&Connection> {
        let connection = self.connection.get().ok_or_else(|| {
            io_error(
                gio::IOErrorEnum::NotConnected,
                "WebSocket channel has no underlying channel",
            )
        })?;
        match self.is_inherited() {
            true => Err(io_error(
                gio::IOErrorEnum::NotSupported,
                "A WebSocket cannot be used in a forked child: it is that of the parent",
            )),
            false => Ok(connection),
        }
    }

    /// The channel as it was constructed, also in a forked child.
    pub(super) fn constructed_connection(&self) -> Option<&Connection> {
        self.connection.get()
    }

    /// Sends what a write has left: later, or before this returns.
    pub(super) fn end_write<T>(&self, encoded: &Encoded<T>, no_wait: bool) -> io::Result<()> {
        match encoded.is_sent {
            true => Ok(()),
            false => self.end_output(no_wait),
        }
    }

    /// The same for a message. Longer ones are encoded in pieces, and may be cut meanwhile.
    pub(super) fn end_send(&self, encoded: &Encoded<usize>, no_wait: bool) -> io::Result<()> {
        match encoded.is_sent && encoded.result > CHUNK {
            true => self.connection()?.engine().check_sent(),
            false => self.end_write(encoded, no_wait),
        }
    }

    /// The same for output of any kind.
    pub(super) fn end_output(&self, no_wait: bool) -> io::Result<()> {
        let (connection, obj) = (self.connection()?, self.obj());
        let wire = &connection.wire;
        wire.end_write::<super::ChannelWebsock>(obj.upcast_ref(), no_wait, || Ok(()))?;
        connection.engine().check_sent()
    }

    /// Attempts an operation; in blocking mode until the result is not would-block.
    pub(super) fn waiting<T>(
        &self,
        condition: IOCondition,
        no_wait: bool,
        mut attempt: impl FnMut(&Connection, &Channel) -> io::Result<T>,
    ) -> io::Result<T> {
        let connection = self.connection()?;
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        let may_wait = || Ok(!no_wait && channel.is_blocking());
        wire::until_done(channel, condition, may_wait, || {
            attempt(connection, channel)
        })
    }
}

impl Layer for super::ChannelWebsock {
    type Engine = WebsockState;

    fn wire(&self) -> Option<&Wire<WebsockState>> {
        Some(&self.imp().connection().ok()?.wire)
    }
}
