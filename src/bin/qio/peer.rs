//! The peer of a session: what its second address gets to see of it.

use std::{io, net::SocketAddr};

use gio::prelude::*;
use qio::{ChannelSocket, CommandBuilder, PeerCredentials};

use crate::{
    endpoint::AddressOptions,
    proxy_protocol::{self, Addresses},
};

/// The variables of commands that are about the peer.
const VARIABLES: [&str; 7] = [
    "QIO_PEER_ADDR",
    "QIO_PEER_PORT",
    "QIO_SOCK_ADDR",
    "QIO_SOCK_PORT",
    "QIO_PEER_PID",
    "QIO_PEER_UID",
    "QIO_PEER_GID",
];

/// The first side of a session, if it is a client.
#[derive(Default)]
pub(crate) struct Peer {
    /// By the PROXY protocol if that is expected, or of the socket.
    pub(crate) addresses: Option<Addresses>,
    /// Of a unix socket.
    credentials: Option<PeerCredentials>,
}

impl Peer {
    /// The peer of a client that was accepted from this address, which must be in a range if there
    /// are any. Reads its PROXY header, if one is expected; the local address and the credentials
    /// only if the second address `needs_peer`.
    pub(crate) async fn of_client(
        client: &ChannelSocket,
        source: Option<SocketAddr>,
        options: &AddressOptions,
        needs_peer: bool,
    ) -> io::Result<Self> {
        let range = &options.range;
        let allowed = |source: SocketAddr| range.iter().any(|it| it.contains(source.ip()));
        if !range.is_empty() && !source.is_some_and(allowed) {
            let message = "The source is in no range that may connect";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        let by_proxy = match options.expect_proxy {
            // Boxed, to keep the sessions of all others small.
            Some(limit) => Box::pin(proxy_protocol::read(client.upcast_ref(), limit)).await?,
            None => None,
        };
        if !needs_peer {
            return Ok(Self {
                addresses: by_proxy,
                credentials: None,
            });
        }
        let destination = client.local_address().ok().and_then(|it| ip(&it));
        let own = source.zip(destination);
        let own = own.map(|(source, destination)| Addresses {
            source,
            destination,
        });
        Ok(Self {
            addresses: by_proxy.or(own),
            credentials: client.peer_credentials().ok(),
        })
    }

    /// Adds what is known of the peer to the environment of a command, and nothing that was
    /// inherited.
    pub(crate) fn environment(&self, mut command: CommandBuilder) -> CommandBuilder {
        for name in VARIABLES {
            command = command.env_remove(name);
        }
        if let Some(Addresses {
            source,
            destination,
        }) = self.addresses
        {
            command = command
                .env("QIO_PEER_ADDR", source.ip().to_canonical().to_string())
                .env("QIO_PEER_PORT", source.port().to_string())
                .env("QIO_SOCK_ADDR", destination.ip().to_canonical().to_string())
                .env("QIO_SOCK_PORT", destination.port().to_string());
        }
        if let Some(credentials) = &self.credentials {
            command = command
                .env("QIO_PEER_PID", credentials.pid.to_string())
                .env("QIO_PEER_UID", credentials.uid.to_string())
                .env("QIO_PEER_GID", credentials.gid.to_string());
        }
        command
    }
}

/// The IP address and port of an address, if it has them.
pub(crate) fn ip(address: &gio::SocketAddress) -> Option<SocketAddr> {
    let address = address.downcast_ref::<gio::InetSocketAddress>()?;
    Some(SocketAddr::new(address.address().into(), address.port()))
}
