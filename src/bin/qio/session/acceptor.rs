//! What accepts the clients of an address: connections, or the senders of datagrams.

use std::{io, net::SocketAddr};

use qio::{Channel, ChannelSocket, NetAddress, NetListener, prelude::*};

use crate::{
    endpoint::{AddressOptions, DatagramListener, Endpoint, Local},
    log::{Event, entry},
    peer::ip,
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// What accepts the clients of an address.
pub(super) enum Acceptor {
    Connections(NetListener),
    Datagrams(DatagramListener),
}

/// A client, before anything has been read.
pub(super) enum Client {
    Connection(Connection),
    /// The datagrams of one sender.
    Datagrams(Channel),
}

impl Acceptor {
    /// Listens on an address. `None` for one that does not listen.
    pub(super) async fn new(endpoint: &Endpoint) -> io::Result<Option<Self>> {
        Ok(match endpoint.below() {
            Endpoint::Listen(local, options) => {
                Some(Self::Connections(listen(local, options).await?))
            }
            Endpoint::Udp {
                address,
                listens: true,
                ..
            } => Some(Self::Datagrams(DatagramListener::new(address).await?)),
            _ => None,
        })
    }

    /// Logs the addresses that are listened on, in the syntax of the command line.
    pub(super) fn log(&self, endpoint: &Endpoint) -> io::Result<()> {
        let addresses = match self {
            Self::Connections(listener) => {
                let addresses = listener.local_addresses();
                let names = addresses.iter().map(NetAddress::try_from);
                let names: Result<Vec<_>, _> = names.collect();
                names?.iter().map(|it| endpoint.with(it)).collect()
            }
            Self::Datagrams(listener) => vec![format!("udp:{}", listener.local())],
        };
        for address in addresses {
            entry(Event::Listening, format!("listening on {address}"))
                .text("address", address)
                .write();
        }
        Ok(())
    }

    /// The next client.
    pub(super) async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Connections(listener) => {
                let socket = listener.accept_future().await?;
                Ok(Client::Connection(Connection::new(socket)))
            }
            Self::Datagrams(listener) => Ok(Client::Datagrams(listener.accept().await?)),
        }
    }

    /// Accepts no more connections while there are so many. Senders of datagrams are counted by the
    /// caller.
    pub(super) fn set_max_clients(&self, limit: u32) {
        if let Self::Connections(listener) = self {
            listener.set_max_clients(limit);
        }
    }
}

impl Client {
    /// The address of the client, if it has one.
    pub(super) fn address(&self) -> Option<String> {
        match self {
            Self::Connection(connection) => connection.address.clone(),
            Self::Datagrams(channel) => channel.name().map(Into::into),
        }
    }
}

/// A connection that was accepted.
pub(super) struct Connection {
    pub(super) socket: ChannelSocket,
    /// The address of the client, if it has an IP address.
    pub(super) source: Option<SocketAddr>,
    /// The address of the client as text, if it has one.
    pub(super) address: Option<String>,
}

impl Connection {
    /// Reads the address of the client.
    fn new(socket: ChannelSocket) -> Self {
        let remote = socket.remote_address().ok();
        let source = remote.as_ref().and_then(ip);
        let address = match source {
            // What the type of addresses would print.
            Some(SocketAddr::V4(source)) => Some(format!("tcp:{source}")),
            _ => remote.as_ref().and_then(text_of),
        };
        Self {
            socket,
            source,
            address,
        }
    }
}

/// Listens by the options of an address.
async fn listen(local: &Local, options: &AddressOptions) -> io::Result<NetListener> {
    let listener = NetListener::new();
    // What a relay has left behind that was killed.
    listener.set_replace_stale(!options.keep_stale);
    listener.set_path_mode(options.mode);
    if let Some((user, group)) = options.owner {
        listener.set_path_owner(user, group);
    }
    match local {
        Local::Address(address) => listener.open_address_future(address, BACKLOG).await?,
        Local::Activated(name) => {
            if listener.open_activated(name.as_deref())? == 0 {
                let of_name = name
                    .as_ref()
                    .map_or_else(String::new, |it| format!(" {it}"));
                let message = format!("The service manager has passed no socket{of_name}");
                return Err(io::Error::new(io::ErrorKind::NotFound, message));
            }
        }
    }
    Ok(listener)
}

/// The address of a peer, if it has one.
pub(super) fn address_of(socket: &ChannelSocket) -> Option<String> {
    text_of(&socket.remote_address().ok()?)
}

fn text_of(address: &gio::SocketAddress) -> Option<String> {
    Some(NetAddress::try_from(address).ok()?.to_string())
}
