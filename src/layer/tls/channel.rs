//! The class of TLS channels.

use std::{
    future::{Future, poll_fn},
    io,
    sync::Arc,
};

use glib::{IOCondition, SignalHandlerId, prelude::*, subclass::prelude::*};

use super::{
    TlsCreds, TlsEndpoint,
    authorize::called,
    connection::Connection,
    engine::{HandshakeFilter, TlsState},
    failure::of_stack,
    imp,
    prepare::prepare,
};
use crate::{
    channel::{
        Channel, ChannelExt as _, PollIo, Transferred, ffi::derived_class,
        handshakes::HandshakeLimit, stream::std_io, wait_for,
    },
    coroutine,
    error::{invalid, with_context, would_block},
    hub::Direction,
    layer::{lower::LowerCloseWaker, wire::Wire},
    log::{self, Activity},
    sync::ForkMutex,
};

derived_class!(
    ChannelTls,
    imp::ChannelTls,
    ChannelTlsImpl,
    QIOChannelTLS,
    QIOChannelTLSClass
);

glib::wrapper! {
    /// TLS over any other channel, of which it takes ownership: the lower channel is set to
    /// non-blocking mode, must not be used directly, and is closed with this one.
    ///
    /// The first read or write performs the handshake; [`handshake`](Self::handshake) does that
    /// alone. A failed handshake is final: every call fails with its error. Closing the channel
    /// fails a handshake under way. [`or_timeout`](crate::IoFutureExt::or_timeout) and
    /// [`or_cancelled`](crate::IoFutureExt::or_cancelled) limit it; the next call continues it.
    ///
    /// A stream ends with the close_notify of the peer. Without that the data may have been
    /// truncated by an attacker, and reads fail with `G_TLS_ERROR_EOF`, of the kind
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), unless they are
    /// [relaxed](crate::ReadFlags::RELAXED_EOF), or close_notify is [not
    /// required](Self::set_require_close_notify). Closing the lower channel directly is such a
    /// truncation.
    ///
    /// `close` sends close_notify, in blocking mode within 5 seconds or it fails, and in
    /// non-blocking mode as far as that does not block, and closes the lower channel. Dropping the
    /// last reference sends close_notify as far as that does not block, and leaves the lower
    /// channel open. A handshake under way ends with the alerts user_canceled and close_notify,
    /// unless this end encrypts what it sends already. `shutdown` for writing, and so the close of
    /// an [`AsyncStream`](crate::AsyncStream), sends close_notify, and reading continues.
    /// [`bye`](Self::bye) waits until it has been sent.
    ///
    /// TCP resets a connection that is closed with input unread, such as the session tickets of a
    /// server, and loses data under way. Therefore `close` in blocking mode, and
    /// [`close_future`](crate::ChannelFutureExt::close_future) in any mode, read and discard what
    /// the peer still sends until its system has acknowledged all data, for at most these 5
    /// seconds. Other ways to close cannot wait: read up to the end before them if an upload must
    /// arrive.
    ///
    /// The lower channel may be of any class: sockets of a [`NetListener`](crate::NetListener), the
    /// pipes of a [`ChannelCommand`](crate::ChannelCommand), another TLS channel. To start TLS
    /// in the middle of a connection (STARTTLS), read up to the agreed end and no further: what has
    /// been read already is lost for TLS. It begins in the mode of the lower channel. In a forked
    /// child it can only be closed, which sends nothing: records of the child would be missing in
    /// the state of the parent.
    ///
    /// One thread may read while another one writes. In non-blocking mode a write may encrypt more
    /// than the lower channel takes at once. The rest is sent by the next read, write or wait, or
    /// when the context of the writer runs; [`flush`](crate::ChannelExt::flush) waits for it.
    /// Unsent data is an error of `close`.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `master` | [`Channel`] | readable: the lower channel |
    /// | `creds` | [`TlsCreds`] | readable |
    /// | `hostname` | string | readable: the name of the server; of a server, the one that its client requests |
    /// | `handshake-done` | boolean | readable |
    /// | `peer-certificate` | [`gio::TlsCertificate`] | readable: the certificate of the peer, with its issuers |
    /// | `peer-certificate-errors` | [`gio::TlsCertificateFlags`] | readable: its errors |
    /// | `protocol-version` | [`gio::TlsProtocolVersion`] | readable |
    /// | `cipher` | string | readable |
    /// | `key-size` | unsigned integer, bytes | readable |
    /// | `peer-name` | string | readable |
    /// | `alpn-protocol` | string | readable |
    /// | `resumed` | boolean | readable: whether a session was resumed |
    /// | `require-close-notify` | boolean | readable, writable: [`set_require_close_notify`](Self::set_require_close_notify) |
    ///
    /// # Signals
    ///
    /// `authorize-peer`: see [`connect_authorize_peer`](Self::connect_authorize_peer);
    /// `accept-certificate`: see [`connect_accept_certificate`](Self::connect_accept_certificate).
    ///
    /// # Examples
    ///
    /// A client and a server with a pre-shared key:
    ///
    /// ```
    /// use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let creds = |end| TlsCreds::builder(end).psk("alice", *b"sixteen bytes...").build();
    /// let (here, there) = ChannelSocket::pair()?;
    /// let client = ChannelTls::new_client(&here, &creds(TlsEndpoint::Client)?, None)?;
    /// let server = ChannelTls::new_server(&there, &creds(TlsEndpoint::Server)?)?;
    /// let served = std::thread::spawn(move || server.write_all(b"hello").map(|()| server));
    /// let mut greeting = [0; 5];
    /// client.read_all(&mut greeting)?; // which performs the handshake
    /// assert_eq!(&greeting, b"hello");
    /// println!("{}", client.cipher().expect("they are connected"));
    /// # drop(served.join());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOChannelTLS")]
    pub struct ChannelTls(ObjectSubclass<imp::ChannelTls>) @extends Channel;
}

static_assertions::assert_impl_all!(ChannelTls: Send, Sync);
std_io!(ChannelTls);

impl ChannelTls {
    /// Returns the client's end of a connection with the server of this name or address. Sends
    /// nothing yet.
    ///
    /// The name goes to the server in plain text, an address does not; non-ASCII names are
    /// converted to A-labels (IDNA). If the credentials [verify the peer](TlsCreds::verifies_peer),
    /// its certificate must be for `hostname`.
    ///
    /// # Errors
    /// `EINVAL` for credentials of a server, for a missing name if one is needed, and for an
    /// invalid one; and those of setting the lower channel to non-blocking mode.
    #[doc(alias = "qio_channel_tls_new_client")]
    pub fn new_client<'a>(
        master: &impl IsA<Channel>,
        creds: &TlsCreds,
        hostname: impl Into<Option<&'a str>>,
    ) -> io::Result<Self> {
        if creds.endpoint() != TlsEndpoint::Client {
            return Err(invalid("These credentials are for servers"));
        }
        Self::new(master.upcast_ref(), creds, hostname.into())
    }

    /// Returns the server's end of a connection. Sends nothing yet.
    ///
    /// # Errors
    ///
    /// `EINVAL` for credentials of a client; and those of setting the lower channel to non-blocking
    /// mode.
    #[doc(alias = "qio_channel_tls_new_server")]
    pub fn new_server(master: &impl IsA<Channel>, creds: &TlsCreds) -> io::Result<Self> {
        if creds.endpoint() != TlsEndpoint::Server {
            return Err(invalid("These credentials are for clients"));
        }
        Self::new(master.upcast_ref(), creds, None)
    }

    fn new(master: &Channel, creds: &TlsCreds, hostname: Option<&str>) -> io::Result<Self> {
        let (ssl, peer) = prepare(creds, hostname)?;
        let peer_name = match (creds.endpoint(), hostname) {
            (TlsEndpoint::Server, _) => "the client",
            (TlsEndpoint::Client, Some(name)) => name,
            (TlsEndpoint::Client, None) => "the server",
        };
        let is_server = creds.endpoint() == TlsEndpoint::Server;
        let most = creds.max_handshake_size();
        let filter = match is_server {
            true => HandshakeFilter::server(most),
            false => HandshakeFilter::client(most, creds.cbc_suites()),
        };
        let engine = TlsState::new(ssl, peer_name.to_owned(), creds.tickets(), filter)
            .map_err(|e| of_stack("Unable to begin with TLS", &e))?;
        let blocking = master.is_blocking();
        master
            .set_blocking(false)
            .map_err(|e| with_context(e, "Unable to set the lower channel to non-blocking mode"))?;
        let this: Self = glib::Object::new();
        peer.set_channel(this.downgrade());
        this.imp().set_connection(Connection {
            wire: Wire::new(engine, LowerCloseWaker::new(this.upcast_ref(), master)),
            peer,
            creds: creds.clone(),
            hostname: hostname.map(Into::into),
            permit: ForkMutex::default(),
        });
        this.upcast_ref::<Channel>().set_blocking_state(blocking);
        if is_server && let Some(limit) = master.imp().handshakes.get() {
            this.count_handshake(limit.clone());
        }
        Ok(this)
    }

    /// Takes a permit of a listener for the handshake.
    fn count_handshake(&self, limit: Arc<dyn HandshakeLimit>) {
        let this = self.downgrade();
        let permit = limit.begin(Arc::new(move || {
            if let Some(this) = this.upgrade()
                && let Ok(connection) = this.imp().connection()
            {
                connection.abort_handshake(this.upcast_ref());
            }
        }));
        if let Ok(connection) = self.imp().connection() {
            *connection.permit.lock() = Some(permit);
            // It may have been aborted already.
            connection.release_permit();
        }
    }

    /// Performs the handshake, and waits until it is done, in both modes; a coroutine is suspended.
    /// Returns at once if it is done.
    ///
    /// # Errors
    ///
    /// `G_TLS_ERROR_BAD_CERTIFICATE`, `_CERTIFICATE_REQUIRED`, `_NOT_TLS`, `_EOF` or `_HANDSHAKE`,
    /// and those of the lower channel;
    /// `qio::to_glib_error(&e).matches(gio::TlsError::BadCertificate)` distinguishes them. With TLS
    /// 1.3 the handshake of a client is done before the server has verified its certificate: a
    /// refusal is reported by the first read.
    #[doc(alias = "qio_channel_tls_handshake")]
    pub fn handshake(&self) -> io::Result<()> {
        log::within(Activity::Handshake, self, || {
            self.until_done(Self::step_handshake)
        })
    }

    /// As [`handshake`](Self::handshake), in a future.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, the next call continues the handshake.
    #[doc(alias = "qio_channel_tls_handshake_async")]
    #[doc(alias = "qio_channel_tls_handshake_finish")]
    pub fn handshake_future(&self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        log::in_span(Activity::Handshake, self, self.future(Self::step_handshake))
    }

    fn step_handshake(&self) -> io::Result<()> {
        let channel = self.upcast_ref();
        let connection = self.imp().connection()?;
        connection.do_handshake(channel)?;
        connection.wire.flush(channel)
    }

    /// Sends close_notify to the peer, after all that was written; in blocking mode, and in a
    /// coroutine, waits until that has been sent. Writes fail afterwards; reading continues until
    /// the close_notify of the peer. If a part of a handshake message of the peer has come, such as
    /// a session ticket, close_notify is sent after the rest of it.
    ///
    /// # Errors
    ///
    /// Those of writing, of which [`WouldBlock`](io::ErrorKind::WouldBlock) in non-blocking mode
    /// means that output is still pending, which the current context sends as well, or that the
    /// rest of such a message has yet to come: call it again, or wait by
    /// [`bye_future`](Self::bye_future).
    #[doc(alias = "qio_channel_tls_bye")]
    pub fn bye(&self) -> io::Result<()> {
        if self.is_blocking() || coroutine::in_coroutine() {
            return self.until_done(Self::step_bye);
        }
        self.step_bye().inspect_err(|e| {
            if would_block(e)
                && let Ok(connection) = self.imp().connection()
            {
                connection.flush_later(self.upcast_ref());
            }
        })
    }

    /// As [`bye`](Self::bye), in a future.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, no output is lost, and the next call continues.
    #[doc(alias = "qio_channel_tls_bye_async")]
    #[doc(alias = "qio_channel_tls_bye_finish")]
    pub fn bye_future(&self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        self.future(Self::step_bye)
    }

    fn step_bye(&self) -> io::Result<()> {
        self.imp().connection()?.bye(self.upcast_ref())
    }

    /// Sends a TLS 1.3 KeyUpdate, and with `request_peer` requests one of the peer, so that a key
    /// that leaks decrypts less. OpenSSL itself limits how much is encrypted with one key. Does not
    /// block.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) before the handshake is done, and while too much
    /// output is pending; `NotSupported` with TLS 1.2; and those of writing.
    #[doc(alias = "qio_channel_tls_update_keys")]
    pub fn update_keys(&self, request_peer: bool) -> io::Result<()> {
        let connection = self.imp().connection()?;
        let channel = self.upcast_ref();
        connection.do_handshake(channel)?;
        connection.engine().update_keys(request_peer)?;
        connection.creds.flush_key_log();
        match connection.wire.flush(channel) {
            Err(e) if would_block(&e) => {
                connection.flush_later(channel);
                Ok(())
            }
            result => result,
        }
    }

    /// Repeats a step until it is done. At last it waits for pending output.
    fn until_done(&self, step: fn(&Self) -> io::Result<()>) -> io::Result<()> {
        if coroutine::in_coroutine() {
            self.imp().connection()?.may_wait()?;
            return coroutine::wait_for(self.future(step))?;
        }
        loop {
            match step(self) {
                Err(e) if would_block(&e) => {
                    self.imp().connection()?.may_wait()?;
                    wait_for(self.upcast_ref(), IOCondition::OUT)?;
                }
                result => return result,
            }
        }
    }

    async fn future(&self, step: fn(&Self) -> io::Result<()>) -> io::Result<()> {
        let [mut receiving, mut sending] = [Direction::Read, Direction::Write].map(PollIo::new);
        poll_fn(|cx| {
            let connection = self.imp().connection();
            let attempt =
                match connection.is_ok_and(|connection| connection.engine().expects_input()) {
                    true => &mut receiving,
                    false => &mut sending,
                };
            attempt.poll(self.upcast_ref(), cx, |_| {
                step(self).map(Transferred::whole)
            })
        })
        .await
    }

    /// Sets whether a stream that ends without the close_notify of the peer is an error of reading.
    /// Default: `true`. Some servers never send close_notify, and protocols that state all lengths
    /// do not need it. As the property of `GTlsConnection`; the flag
    /// [`RELAXED_EOF`](crate::ReadFlags::RELAXED_EOF) does the same for one read.
    #[doc(alias = "qio_channel_tls_set_require_close_notify")]
    pub fn set_require_close_notify(&self, required: bool) {
        if self.imp().set_allows_truncation(!required) {
            self.notify("require-close-notify");
        }
    }

    /// Whether the peer has to send close_notify: see
    /// [`set_require_close_notify`](Self::set_require_close_notify).
    #[doc(alias = "qio_channel_tls_get_require_close_notify")]
    #[must_use]
    pub fn requires_close_notify(&self) -> bool {
        !self.imp().allows_truncation()
    }

    /// Calls `func`, in the thread that performs the handshake, when the connection is established.
    pub fn connect_handshake_done_notify<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self) + Send + Sync + 'static,
    {
        self.connect_notify(Some("handshake-done"), move |channel, _| {
            called(|| func(channel));
        })
    }
}
