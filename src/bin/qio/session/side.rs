//! One address of the command line: its listener, or how it is opened, and what goes over it.

use std::{io, sync::Arc, time::Duration};

use qio::{
    Channel, ChannelCommand, ChannelSocket, IoFutureExt, NetAddress, NetListener, prelude::*,
};

use super::guard::Guard;
use crate::{
    cli::Options,
    endpoint::{AddressOptions, Endpoint, Local, Mode, at_once},
    limits,
    log::{Event, entry},
    peer::Peer,
    tls::Tls,
    websock::Websock,
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// One side of the command line.
pub(super) struct Side {
    endpoint: Endpoint,
    /// Listens from the start on, if that is what it is.
    pub(super) listener: Option<NetListener>,
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
        let listener = match endpoint.below() {
            Endpoint::Listen(local, settings) => {
                let listener = listen(local, settings).await?;
                if options.settings.verbose {
                    for address in listener.local_addresses() {
                        let address = endpoint.with(NetAddress::try_from(&address)?);
                        entry(Event::Listening, format!("listening on {address}"))
                            .text("address", address)
                            .write();
                    }
                }
                Some(listener)
            }
            _ => None,
        };
        Ok(Self {
            endpoint: endpoint.clone(),
            listener,
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

    /// The first channel of a session, as soon as there is one.
    pub(super) async fn first(&self) -> io::Result<First> {
        match &self.listener {
            Some(listener) => self.of_client(listener.accept_future().await?),
            None => Ok(First::Opened(
                self.over(self.open(&Peer::default()).await?)?,
            )),
        }
    }

    /// The second channel of a session with this peer, before any handshake.
    pub(super) async fn second(&self, peer: &Peer) -> io::Result<Guard> {
        match &self.listener {
            Some(listener) => {
                let client = self.of_client(listener.accept_future().await?)?;
                Ok(client.layered().await?.0)
            }
            None => self.over(self.open(peer).await?),
        }
    }

    pub(super) fn of_client(&self, client: ChannelSocket) -> io::Result<First> {
        let address = address_of(&client);
        client.set_name(Some(address.as_deref().unwrap_or("client")));
        at_once(client.clone().upcast())?;
        Ok(First::Client {
            guard: Guard(client.clone().upcast()),
            client,
            options: self.endpoint.options().cloned().unwrap_or_default(),
            layers: self.layers.clone(),
        })
    }

    fn over(&self, channel: Channel) -> io::Result<Guard> {
        self.layers.over(Guard(channel))
    }

    /// Whether this is a command.
    pub(super) fn is_command(&self) -> bool {
        matches!(self.endpoint.below(), Endpoint::Exec(_))
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
        let channel = self.endpoint.open(self.mode, peer);
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
        guard: Guard,
        client: ChannelSocket,
        options: AddressOptions,
        layers: Arc<Layers>,
    },
    Opened(Guard),
}

impl First {
    /// Checks the source of a client, reads its PROXY header, and adds TLS and a WebSocket.
    pub(super) async fn layered(self) -> io::Result<(Guard, Peer)> {
        match self {
            Self::Opened(guard) => Ok((guard, Peer::default())),
            Self::Client {
                guard,
                client,
                options,
                layers,
            } => {
                let peer = match Peer::of_client(&client, &options).await {
                    Ok(peer) => peer,
                    Err(e) => {
                        guard.refuse();
                        return Err(e);
                    }
                };
                if let Some(addresses) = peer.addresses {
                    client.set_name(Some(&format!("tcp:{}", addresses.source)));
                }
                Ok((layers.over(guard)?, peer))
            }
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

/// The address of a client, if it has one.
pub(super) fn address_of(client: &ChannelSocket) -> Option<String> {
    let address = client.remote_address().ok()?;
    Some(NetAddress::try_from(&address).ok()?.to_string())
}
