//! One address of the command line: its listener, or how it is opened, and what goes over it.

use std::{io, rc::Rc, time::Duration};

use qio::{Channel, ChannelSocket, IoFutureExt, NetAddress, NetListener, prelude::*};

use super::guard::Guard;
use crate::{
    cli::Options,
    endpoint::{Endpoint, Mode, at_once},
    meter::Meter,
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
    pub(super) tls: Option<Rc<Tls>>,
    websock: Option<Websock>,
}

impl Side {
    pub(super) async fn new(
        endpoint: &Endpoint,
        mode: Mode,
        options: &Options,
        meter: &Meter,
    ) -> io::Result<Self> {
        let tls = match endpoint.is_tls() {
            true => Some(Rc::new(Tls::new(endpoint, &options.settings.tls)?)),
            false => None,
        };
        let listener = match endpoint.below() {
            Endpoint::Listen(address) => {
                let listener = NetListener::new();
                // What a relay has left behind that was killed.
                listener.set_replace_stale(true);
                listener.open_address_future(address, BACKLOG).await?;
                if options.settings.verbose {
                    for address in listener.local_addresses() {
                        let address = NetAddress::try_from(&address)?;
                        meter.log(&format!("listening on {}", endpoint.with(address)));
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
            tls,
            websock: Websock::new(endpoint, &options.settings.websock)?,
        })
    }

    /// A channel, as soon as there is one, before any handshake.
    pub(super) async fn channel(&self) -> io::Result<Guard> {
        match &self.listener {
            Some(listener) => self.of_client(listener.accept_future().await?),
            None => self.over(self.open().await?),
        }
    }

    pub(super) fn of_client(&self, client: ChannelSocket) -> io::Result<Guard> {
        client.set_name(Some(&name_of(&client)));
        self.over(at_once(client.upcast())?)
    }

    fn over(&self, channel: Channel) -> io::Result<Guard> {
        let mut channel = Guard(channel);
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

    async fn open(&self) -> io::Result<Channel> {
        let channel = self.endpoint.open(self.mode);
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

/// The address of a client, if it has one.
pub(super) fn name_of(client: &ChannelSocket) -> String {
    let address = client.remote_address().ok();
    let address = address.and_then(|address| NetAddress::try_from(&address).ok());
    address.map_or_else(|| "client".to_owned(), |address| address.to_string())
}
