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
    engine::{HandshakeFilter, TlsState},
    failure::of_stack,
    handshake::prepare,
    imp,
    link::Connection,
    waiting::wake_with,
};
use crate::{
    channel::{
        Channel, ChannelExt as _, PollIo, Transferred, ffi::derived_class,
        handshakes::HandshakeLimit, stream::std_io, wait_for,
    },
    coroutine,
    error::{invalid, with_context, would_block},
    hub::Direction,
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
    /// TLS over any channel, which it takes over: that one is made not to block, is not to be read
    /// or written by anybody else, and is closed with this one.
    ///
    /// The first read or write performs the handshake; [`handshake`](Self::handshake) does that
    /// alone. A handshake that has failed is final, and every call fails with its error. Closing
    /// the channel ends one that is going on with an error.
    /// [`or_timeout`](crate::IoFutureExt::or_timeout) and
    /// [`or_cancelled`](crate::IoFutureExt::or_cancelled) limit it; what is left of it then goes on
    /// with the next call.
    ///
    /// A stream ends with the close_notify of the peer. Without that
    /// the data may have been cut by anybody, and reads fail with `G_TLS_ERROR_EOF`, of the kind
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), unless they are
    /// [relaxed](crate::ReadFlags::RELAXED_EOF), or close_notify is
    /// [not required](Self::set_require_close_notify). To close the channel below is such a cut.
    ///
    /// `close` sends close_notify, in blocking mode within 5 seconds or it fails, and in
    /// non-blocking mode as far as that does not block, and closes the channel below; so, without
    /// waiting, do dropping the last reference and the close of an
    /// [`AsyncStream`](crate::AsyncStream). `shutdown` for writing sends close_notify, and reading
    /// continues. [`bye`](Self::bye) waits until it has been sent.
    ///
    /// TCP resets a connection that is closed with input unread, such as the session tickets of a
    /// server, and loses what is under way. Therefore `close` in blocking mode, and
    /// [`close_future`](crate::ChannelFutureExt::close_future) in any mode, read and discard what
    /// the peer still sends until its system has acknowledged all data, for at most these 5
    /// seconds. Other ways to close cannot wait: read up to the end before them if an upload must
    /// arrive.
    ///
    /// The channel below may be one of any class: sockets of a [`NetListener`](crate::NetListener),
    /// the pipes of a [`ChannelCommand`](crate::ChannelCommand), another TLS channel. To go over to
    /// TLS in the middle of a connection, read up to the agreed end and no further: what has been
    /// read already is lost for TLS.
    ///
    /// It begins in the mode of the channel below. In a forked child it can only be closed, which
    /// sends nothing: what the child sent or read, the parent's state would lack.
    ///
    /// One thread may read while another one writes. In non-blocking mode a write may encrypt more
    /// than the channel below takes at once. The rest goes with the next read, write or wait, or
    /// when the context runs in which it was written; [`flush`](crate::ChannelExt::flush) waits for
    /// it. What has not been sent when the channel is closed is an error of closing.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `master` | [`Channel`] | readable: the channel below |
    /// | `creds` | [`TlsCreds`] | readable |
    /// | `hostname` | string | readable: the server that a client asks for; of a server, what its client has asked for |
    /// | `handshake-done` | boolean | readable |
    /// | `peer-certificate` | [`gio::TlsCertificate`] | readable: what the peer has shown, with its issuers |
    /// | `peer-certificate-errors` | [`gio::TlsCertificateFlags`] | readable: what is wrong with it |
    /// | `protocol-version` | [`gio::TlsProtocolVersion`] | readable |
    /// | `cipher` | string | readable |
    /// | `key-size` | unsigned integer, bytes | readable |
    /// | `peer-name` | string | readable |
    /// | `alpn-protocol` | string | readable |
    /// | `resumed` | boolean | readable: whether an earlier session goes on |
    /// | `require-close-notify` | boolean | readable, writable: [`set_require_close_notify`](Self::set_require_close_notify) |
    ///
    /// # Signals
    ///
    /// `authorize-peer`: see [`connect_authorize_peer`](Self::connect_authorize_peer);
    /// `accept-certificate`: see [`connect_accept_certificate`](Self::connect_accept_certificate).
    ///
    /// # Examples
    ///
    /// A client and a server that have a key in common:
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
    /// Makes the client's end of a connection, with the server of this name or address. Says
    /// nothing to the peer yet.
    ///
    /// The name goes to the server in plain text, an address does not; a name of other letters goes
    /// as certificates have it, as `xn--…`. Where the credentials [verify the
    /// peer](TlsCreds::verifies_peer), its certificate has to be for `hostname`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for credentials of a server, for no name where one is needed, and for one that is
    /// none; and those of making the channel below non-blocking.
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

    /// Makes the server's end of a connection. Says nothing to the peer yet.
    ///
    /// # Errors
    ///
    /// `EINVAL` for credentials of a client; and those of making the channel below non-blocking.
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
            .map_err(|e| with_context(e, "Unable to make the channel below non-blocking"))?;
        let this: Self = glib::Object::new();
        peer.set_channel(this.downgrade());
        this.imp().set_link(Connection {
            collapse: wake_with(this.upcast_ref(), master),
            engine: ForkMutex::new(engine),
            peer,
            master: master.clone(),
            creds: creds.clone(),
            hostname: hostname.map(Into::into),
            flusher: ForkMutex::default(),
            permit: ForkMutex::default(),
        });
        this.upcast_ref::<Channel>().set_blocking_state(blocking);
        if is_server && let Some(limit) = master.imp().handshakes.get() {
            this.count_handshake(limit.clone());
        }
        Ok(this)
    }

    /// Counts as a handshake that is under way, until it is over.
    fn count_handshake(&self, limit: Arc<dyn HandshakeLimit>) {
        let this = self.downgrade();
        let permit = limit.begin(Arc::new(move || {
            if let Some(this) = this.upgrade()
                && let Ok(link) = this.imp().link()
            {
                link.abort_handshake(this.upcast_ref());
            }
        }));
        if let Ok(link) = self.imp().link() {
            *link.permit.lock() = Some(permit);
            // It may have been aborted already.
            link.release_permit();
        }
    }

    /// Performs the handshake, and waits until it is done, in either mode; in a coroutine suspends
    /// that. Returns at once if it is done.
    ///
    /// # Errors
    ///
    /// `G_TLS_ERROR_BAD_CERTIFICATE`, `_CERTIFICATE_REQUIRED`, `_NOT_TLS`, `_EOF` or `_HANDSHAKE`,
    /// and those of the channel below;
    /// `qio::to_glib_error(&e).matches(gio::TlsError::BadCertificate)` distinguishes them.
    ///
    /// With TLS 1.3 a client is done before the server has looked at its certificate: that it is
    /// refused comes out at the first read.
    #[doc(alias = "qio_channel_tls_handshake")]
    pub fn handshake(&self) -> io::Result<()> {
        self.until_done(Self::step_handshake)
    }

    /// As [`handshake`](Self::handshake), in a future. If that is dropped, the next call goes on.
    #[doc(alias = "qio_channel_tls_handshake_async")]
    #[doc(alias = "qio_channel_tls_handshake_finish")]
    pub fn handshake_future(&self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        self.future(Self::step_handshake)
    }

    fn step_handshake(&self) -> io::Result<()> {
        let channel = self.upcast_ref();
        let link = self.imp().link()?;
        link.do_handshake(channel)?;
        link.flush(channel)
    }

    /// Sends close_notify to the peer, after all that was written; in blocking mode, and in a
    /// coroutine, waits until that has been sent. Nothing can be written any more; reading goes on,
    /// until the peer sends its own.
    ///
    /// # Errors
    ///
    /// Those of writing, of which [`WouldBlock`](io::ErrorKind::WouldBlock) in non-blocking mode
    /// says that something is still unsent: call it again, or wait by
    /// [`bye_future`](Self::bye_future). The context that runs sends it as well.
    #[doc(alias = "qio_channel_tls_bye")]
    pub fn bye(&self) -> io::Result<()> {
        if self.is_blocking() || coroutine::in_coroutine() {
            return self.until_done(Self::step_bye);
        }
        self.step_bye().inspect_err(|e| {
            if would_block(e)
                && let Ok(link) = self.imp().link()
            {
                link.flush_later(self.upcast_ref());
            }
        })
    }

    /// As [`bye`](Self::bye), in a future.
    #[doc(alias = "qio_channel_tls_bye_async")]
    #[doc(alias = "qio_channel_tls_bye_finish")]
    pub fn bye_future(&self) -> impl Future<Output = io::Result<()>> + Send + '_ {
        self.future(Self::step_bye)
    }

    fn step_bye(&self) -> io::Result<()> {
        let link = self.imp().link()?;
        let channel = self.upcast_ref();
        link.do_handshake(channel)?;
        link.flush(channel)?;
        link.engine().send_close_notify();
        link.flush(channel)
    }

    /// Has new keys made for what is sent from now on, and if `ask_peer` by the peer for what it
    /// sends, so that a key that leaks decrypts less. OpenSSL limits what is encrypted with one key
    /// by itself. Does not block.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) before the handshake is done, and while too much
    /// is unsent; unsupported with TLS 1.2; and those of writing.
    #[doc(alias = "qio_channel_tls_update_keys")]
    pub fn update_keys(&self, ask_peer: bool) -> io::Result<()> {
        let link = self.imp().link()?;
        let channel = self.upcast_ref();
        link.do_handshake(channel)?;
        link.engine().update_keys(ask_peer)?;
        link.creds.flush_key_log();
        match link.flush(channel) {
            Err(e) if would_block(&e) => {
                link.flush_later(channel);
                Ok(())
            }
            result => result,
        }
    }

    /// Takes steps until they are done. What they wait for at last is that all has been sent.
    fn until_done(&self, step: fn(&Self) -> io::Result<()>) -> io::Result<()> {
        if coroutine::in_coroutine() {
            self.imp().link()?.may_wait()?;
            return coroutine::wait_for(self.future(step))?;
        }
        loop {
            match step(self) {
                Err(e) if would_block(&e) => {
                    self.imp().link()?.may_wait()?;
                    wait_for(self.upcast_ref(), IOCondition::OUT)?;
                }
                result => return result,
            }
        }
    }

    async fn future(&self, step: fn(&Self) -> io::Result<()>) -> io::Result<()> {
        let [mut receiving, mut sending] = [Direction::Read, Direction::Write].map(PollIo::new);
        poll_fn(|cx| {
            let link = self.imp().link();
            let attempt = match link.is_ok_and(|link| link.engine().expects_input()) {
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
        if self.imp().set_lenient(!required) {
            self.notify("require-close-notify");
        }
    }

    /// Whether the peer has to send close_notify: see
    /// [`set_require_close_notify`](Self::set_require_close_notify).
    #[doc(alias = "qio_channel_tls_get_require_close_notify")]
    #[must_use]
    pub fn requires_close_notify(&self) -> bool {
        !self.imp().is_lenient()
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
