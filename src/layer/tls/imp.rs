//! The virtual functions and properties of TLS channels.

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
    QIOChannelTLS, QIOChannelTLSClass, TlsCreds, authorize,
    connection::{Connection, closes_at_once},
    engine::TlsState,
    failure::forked_child,
};
use crate::{
    channel::{Channel, ChannelExt as _, ChannelImpl, class::VFuncs},
    error::{io_error, would_block},
    layer::wire::{self, Failure, Layer, Wire, layer_functions},
    types::{Feature, Flushed, ReadFlags, Shutdown, WriteFlags},
};

#[derive(Debug, Default)]
pub struct ChannelTls {
    /// Set by the constructors.
    connection: OnceLock<Connection>,
    /// An end-of-file without close_notify is no error.
    allows_truncation: AtomicBool,
}

#[glib::object_subclass]
impl ObjectSubclass for ChannelTls {
    const NAME: &'static str = "QIOChannelTLS";
    type Type = super::ChannelTls;
    type ParentType = Channel;
    type Class = QIOChannelTLSClass;
    type Instance = QIOChannelTLS;

    fn class_init(class: &mut Self::Class) {
        class.parent_class.set_native_layer(
            wire::poll_fd::<Self::Type>,
            wire::below::<Self::Type>,
            Some(wire::state::<Self::Type>),
            Some(closes_at_once),
        );
    }
}

impl ObjectImpl for ChannelTls {
    fn properties() -> &'static [ParamSpec] {
        static PROPERTIES: LazyLock<Vec<ParamSpec>> = LazyLock::new(|| {
            vec![
                glib::ParamSpecObject::builder::<Channel>("master")
                    .nick("Master")
                    .blurb("The lower channel")
                    .read_only()
                    .build(),
                glib::ParamSpecObject::builder::<TlsCreds>("creds")
                    .nick("Credentials")
                    .blurb("The credentials (certificate, private key, trust anchors)")
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("hostname")
                    .nick("Host name")
                    .blurb("The name of the server that the client requests")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("handshake-done")
                    .nick("Handshake done")
                    .blurb("Whether the connection is established")
                    .read_only()
                    .build(),
                glib::ParamSpecObject::builder::<gio::TlsCertificate>("peer-certificate")
                    .nick("Peer certificate")
                    .blurb("The certificate of the peer, with its issuers")
                    .read_only()
                    .build(),
                glib::ParamSpecFlags::builder::<gio::TlsCertificateFlags>(
                    "peer-certificate-errors",
                )
                .nick("Peer certificate errors")
                .blurb("The errors of the certificate of the peer")
                .read_only()
                .build(),
                glib::ParamSpecEnum::builder_with_default(
                    "protocol-version",
                    gio::TlsProtocolVersion::Unknown,
                )
                .nick("Protocol version")
                .blurb("The version of TLS, once that is known")
                .read_only()
                .build(),
                glib::ParamSpecString::builder("cipher")
                    .nick("Cipher")
                    .blurb("The name of the cipher suite, once that is known")
                    .read_only()
                    .build(),
                glib::ParamSpecUInt::builder("key-size")
                    .nick("Key size")
                    .blurb("The size of the cipher's key in bytes, or 0 while that is not known")
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("peer-name")
                    .nick("Peer name")
                    .blurb("The distinguished name of the verified peer, once that is known")
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("alpn-protocol")
                    .nick("ALPN protocol")
                    .blurb("The protocol that both ends have agreed on")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("resumed")
                    .nick("Resumed")
                    .blurb("Whether a session was resumed")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("require-close-notify")
                    .nick("Require close notify")
                    .blurb("Whether a stream that ends without close_notify is an error")
                    .default_value(true)
                    .explicit_notify()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        authorize::signals()
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        channel.set_first_features(Feature::SHUTDOWN | Feature::READ_PEEK);
    }

    fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
        let obj = self.obj();
        match pspec.name() {
            "master" => self.connection.get().map(Connection::master).to_value(),
            "creds" => self
                .connection
                .get()
                .map(|connection| &connection.creds)
                .to_value(),
            "hostname" => obj.hostname().to_value(),
            "handshake-done" => obj.is_handshake_done().to_value(),
            "peer-certificate" => obj.peer_certificate().to_value(),
            "peer-certificate-errors" => obj.peer_certificate_errors().to_value(),
            "protocol-version" => obj.protocol_version().to_value(),
            "cipher" => obj.cipher().to_value(),
            "key-size" => obj.key_size().unwrap_or(0).to_value(),
            "peer-name" => obj.peer_name().to_value(),
            "alpn-protocol" => obj.alpn_protocol().to_value(),
            "resumed" => obj.is_resumed().to_value(),
            "require-close-notify" => obj.requires_close_notify().to_value(),
            name => unreachable!("no property {name}"),
        }
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &ParamSpec) {
        match pspec.name() {
            "require-close-notify" => self
                .obj()
                .set_require_close_notify(value.get().expect("a boolean")),
            name => unreachable!("no property {name}"),
        }
    }

    fn dispose(&self) {
        if let Some(connection) = self.connection.get()
            && !self.is_inherited()
        {
            // The lower channel may be used on its own again.
            let _ = connection.try_send_end(self.obj().upcast_ref());
        }
    }
}

impl ChannelImpl for ChannelTls {
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
        let count = self.waiting(IOCondition::OUT, no_wait, |connection, channel| {
            connection.write(channel, iov)
        })?;
        let (connection, obj) = (self.connection()?, self.obj());
        connection
            .wire
            .end_write::<Self::Type>(obj.upcast_ref(), no_wait, || connection.may_wait())?;
        Ok(count)
    }

    fn close(&self) -> io::Result<()> {
        match self.connection.get().filter(|_| self.is_inherited()) {
            // The connection is the parent's: nothing is sent.
            Some(connection) => connection.master().close(),
            None => self.connection()?.close(self.obj().upcast_ref()),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.connection()?.shutdown(self.obj().upcast_ref(), how)
    }

    fn flush(&self) -> io::Result<Flushed> {
        let connection = self.connection()?;
        let obj = self.obj();
        let channel = obj.upcast_ref();
        if connection.engine().is_handshaking() {
            // A task that waits for writability is also woken by incoming records, which have to be
            // processed.
            match connection.do_handshake(channel) {
                Err(e) if !would_block(&e) => return Err(e),
                _ => {}
            }
        }
        connection.wire.flush(channel).map_err(|e| {
            let engine = connection.engine();
            // The pending output of a failed handshake is not waited for.
            let failure = engine.failure().filter(|_| would_block(&e));
            failure.map_or(e, Failure::again)
        })?;
        VFuncs::of(connection.master()).flush()
    }
}

impl ChannelTls {
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

    /// Whether this process is a child of the one that made the connection: records that one of
    /// them sends or receives would be missing in the state of the other.
    fn is_inherited(&self) -> bool {
        self.obj().upcast_ref::<Channel>().imp().is_inherited()
    }

    pub(super) fn connection(&self) -> io::Result<&Connection> {
        let connection = self.connection.get().ok_or_else(|| {
            io_error(
                gio::IOErrorEnum::NotConnected,
                "TLS channel has no underlying channel",
            )
        })?;
        match self.is_inherited() {
            true => Err(forked_child()),
            false => Ok(connection),
        }
    }

    /// Attempts an operation; in blocking mode until the result is not would-block.
    fn waiting<T>(
        &self,
        condition: IOCondition,
        no_wait: bool,
        mut attempt: impl FnMut(&Connection, &Channel) -> io::Result<T>,
    ) -> io::Result<T> {
        let connection = self.connection()?;
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        let may_wait = || match !no_wait && channel.is_blocking() {
            true => connection.may_wait().map(|()| true),
            false => Ok(false),
        };
        wire::until_done(channel, condition, may_wait, || {
            attempt(connection, channel)
        })
    }
}

impl Layer for super::ChannelTls {
    type Engine = TlsState;

    fn wire(&self) -> Option<&Wire<TlsState>> {
        Some(&self.imp().connection().ok()?.wire)
    }
}
