//! Connecting to a WebSocket by its URI.

use std::{future::Future, io};

use crate::{
    channel::Channel,
    error::{from_glib_error, invalid},
    layer::{ChannelTls, ChannelWebsock, TlsCreds, TlsEndpoint, WebsockOptions, is_secure},
    transport::ChannelSocket,
};
use gio::prelude::*;

/// Connecting by a URI.
impl ChannelWebsock {
    /// Connects to the host of a URI, of the scheme `ws` or `wss`, and performs the opening
    /// handshake. Blocks; in a [coroutine](crate::coroutine), suspends that.
    ///
    /// Connects as [`ChannelSocket::connect_sync`], without proxies. `wss` is a WebSocket over TLS,
    /// by the credentials, or by those of a client that trusts the authorities of the system; the
    /// certificate must be for the host.
    ///
    /// # Errors
    ///
    /// `EINVAL` for an invalid URI, and for credentials of a server or for `ws`; those of
    /// connecting, of the TLS handshake, and of [`handshake`](Self::handshake).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use qio::{ChannelWebsock, WebsockOptions};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let options = WebsockOptions::default();
    /// let websock = ChannelWebsock::connect_to_uri("wss://example.org/chat", &options, None)?;
    /// websock.send_text("hello")?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "qio_channel_websock_connect_to_uri")]
    pub fn connect_to_uri(
        uri: &str,
        options: &WebsockOptions,
        creds: Option<&TlsCreds>,
    ) -> io::Result<Self> {
        let peer = Peer::new(uri, creds)?;
        let socket = ChannelSocket::connect(&peer.address)?;
        let channel = match peer.over_tls(&socket)? {
            Some(tls) => {
                tls.handshake()?;
                tls.upcast()
            }
            None => socket.upcast::<Channel>(),
        };
        let websock = Self::new_client(&channel, uri, options)?;
        websock.handshake()?;
        Ok(websock)
    }

    /// As [`connect_to_uri`](Self::connect_to_uri), in a future, also through proxies: see
    /// [`ChannelSocket::connect_async`].
    ///
    /// # Errors
    ///
    /// As [`connect_to_uri`](Self::connect_to_uri).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    #[doc(alias = "qio_channel_websock_connect_to_uri_async")]
    #[doc(alias = "qio_channel_websock_connect_to_uri_finish")]
    pub fn connect_to_uri_future(
        uri: &str,
        options: &WebsockOptions,
        creds: Option<&TlsCreds>,
    ) -> impl Future<Output = io::Result<Self>> + use<> {
        let peer = Peer::new(uri, creds);
        let (uri, options) = (uri.to_owned(), options.clone());
        async move {
            let peer = peer?;
            let socket = ChannelSocket::connect_future(&peer.address).await?;
            let channel = match peer.over_tls(&socket)? {
                Some(tls) => {
                    tls.handshake_future().await?;
                    tls.upcast()
                }
                None => socket.upcast::<Channel>(),
            };
            let websock = Self::new_client(&channel, &uri, &options)?;
            websock.handshake_future().await?;
            Ok(websock)
        }
    }
}

/// What a URI names.
struct Peer {
    address: gio::SocketConnectable,
    /// For `wss`: of the certificate.
    host: String,
    creds: Option<TlsCreds>,
}

impl Peer {
    fn new(uri: &str, creds: Option<&TlsCreds>) -> io::Result<Self> {
        let (is_secure, port) = match is_secure(uri)? {
            true => (true, 443),
            false => (false, 80),
        };
        let creds = match (is_secure, creds) {
            (true, Some(creds)) if creds.endpoint() == TlsEndpoint::Server => {
                return Err(invalid("These credentials are for servers"));
            }
            (true, Some(creds)) => Some(creds.clone()),
            (true, None) => Some(TlsCreds::builder(TlsEndpoint::Client).build()?),
            (false, None) => None,
            (false, Some(_)) => {
                let message = format!("{uri:?} is a URI without TLS, and there are credentials");
                return Err(invalid(&message));
            }
        };
        let address = gio::NetworkAddress::parse_uri(uri, port).map_err(from_glib_error)?;
        Ok(Self {
            host: address.hostname().into(),
            address: address.upcast(),
            creds,
        })
    }

    /// TLS over a connection, if the URI demands it.
    fn over_tls(&self, socket: &ChannelSocket) -> io::Result<Option<ChannelTls>> {
        let over = |creds| ChannelTls::new_client(socket, creds, &*self.host);
        self.creds.as_ref().map(over).transpose()
    }
}
