//! One address of the command line: its listener, or how it is opened, and what goes over it.

use std::{io, sync::Arc, time::Duration};

use qio::{Channel, ChannelCommand, IoFutureExt, prelude::*};

use super::{
    acceptor::{Acceptor, Client, Connection},
    guard::{Guard, Unadmitted},
};
use crate::{
    cli::Options,
    endpoint::{AddressOptions, Endpoint, Mode, at_once},
    limits::{self, Usage},
    peer::Peer,
    tls::Tls,
    websock::Websock,
};

/// One side of the command line.
pub(super) struct Side {
    endpoint: Endpoint,
    /// Listens from the start on, if that is what it is.
    pub(super) acceptor: Option<Acceptor>,
    mode: Mode,
    timeout: Option<Duration>,
    layers: Arc<Layers>,
}

/// What goes over the channels of a side.
pub(super) struct Layers {
    tls: Option<Arc<Tls>>,
    websock: Option<Websock>,
}

impl Side {
    pub(super) async fn new(
        endpoint: &Endpoint,
        mode: Mode,
        options: &Options,
    ) -> io::Result<Self> {
        let tls = match endpoint.is_tls() {
            true => Some(Arc::new(Tls::new(endpoint, &options.settings.tls)?)),
            false => None,
        };
        let acceptor = Acceptor::new(endpoint).await?;
        if let Some(acceptor) = acceptor.as_ref().filter(|_| options.settings.verbose) {
            acceptor.log(endpoint)?;
        }
        Ok(Self {
            endpoint: endpoint.clone(),
            acceptor,
            mode,
            timeout: options.settings.timeout,
            layers: Arc::new(Layers {
                tls,
                websock: Websock::new(endpoint, &options.settings.websock)?,
            }),
        })
    }

    /// The TLS settings, if the address has TLS.
    pub(super) fn tls(&self) -> Option<Arc<Tls>> {
        self.layers.tls.clone()
    }

    /// A channel of a session with this peer, if the side does not listen, before any handshake.
    pub(super) async fn open_layered(&self, peer: &Peer) -> io::Result<Guard> {
        self.over(self.open(peer).await?)
    }

    pub(super) fn of_client(&self, client: Client) -> io::Result<First> {
        let connection = match client {
            Client::Connection(connection) => connection,
            Client::Datagrams(channel) => return Ok(First::Opened(self.over(channel)?)),
        };
        let channel: Channel = connection.socket.clone().upcast();
        channel.set_name(Some(connection.address.as_deref().unwrap_or("client")));
        Ok(First::Client {
            unadmitted: Unadmitted::new(Guard(at_once(channel)?)),
            connection,
            options: self.endpoint.options().cloned().unwrap_or_default(),
            layers: self.layers.clone(),
        })
    }

    fn over(&self, channel: Channel) -> io::Result<Guard> {
        self.layers.over(Guard(channel))
    }

    /// Whether this side, as the second one, passes on the addresses or the credentials of the
    /// peer.
    pub(super) fn needs_peer(&self) -> bool {
        match self.endpoint.below() {
            Endpoint::Exec(_) => true,
            Endpoint::Connect(_, options) => options.send_proxy.is_some(),
            _ => false,
        }
    }

    /// What a client of this side takes, with this second side.
    pub(super) fn usage(&self, second: &Self) -> Usage {
        Usage::of(&self.endpoint, &second.endpoint)
    }

    async fn open(&self, peer: &Peer) -> io::Result<Channel> {
        let channel = self.open_in_time(peer).await?;
        if let Some(command) = channel.downcast_ref::<ChannelCommand>() {
            // It may have ended already.
            let _ = limits::restore(command.pid());
        }
        Ok(channel)
    }

    async fn open_in_time(&self, peer: &Peer) -> io::Result<Channel> {
        // Boxed, as each limit below has space for it twice: a session is kept small.
        let channel = Box::pin(self.endpoint.open(self.mode, peer));
        let Some(timeout) = self.timeout else {
            return channel.await;
        };
        channel
            .or_timeout(timeout)
            .await
            .map_err(|e| match e.kind() {
                io::ErrorKind::TimedOut => {
                    let message = format!("Unable to open {} in {timeout:?}", self.endpoint);
                    io::Error::new(io::ErrorKind::TimedOut, message)
                }
                _ => e,
            })
    }
}

impl Layers {
    /// Adds TLS and a WebSocket, before their handshakes.
    fn over(&self, mut channel: Guard) -> io::Result<Guard> {
        if let Some(tls) = &self.tls {
            let over = tls.over(&channel.0)?;
            channel = channel.replaced(over);
        }
        if let Some(websock) = &self.websock {
            let over = websock.over(&channel.0)?;
            channel = channel.replaced(over);
        }
        Ok(channel)
    }
}

/// The first channel of a session.
pub(super) enum First {
    /// A client that was accepted, of which nothing has been read.
    Client {
        unadmitted: Unadmitted,
        connection: Connection,
        options: AddressOptions,
        layers: Arc<Layers>,
    },
    Opened(Guard),
}

impl First {
    /// Checks the source of a client, reads its PROXY header, and adds TLS and a WebSocket.
    /// `needs_peer`: see [`needs_peer`](Side::needs_peer) of the second side.
    pub(super) async fn layered(self, needs_peer: bool) -> io::Result<(Guard, Peer)> {
        match self {
            Self::Opened(guard) => Ok((guard, Peer::default())),
            Self::Client {
                unadmitted,
                connection,
                options,
                layers,
            } => {
                let Connection { socket, source, .. } = connection;
                let peer = Peer::of_client(&socket, source, &options, needs_peer).await?;
                if options.expect_proxy.is_some()
                    && let Some(addresses) = peer.addresses
                {
                    socket.set_name(Some(&format!("tcp:{}", addresses.source)));
                }
                Ok((layers.over(unadmitted.admitted())?, peer))
            }
        }
    }
}
