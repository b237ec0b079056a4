//! Opening the channels of addresses.

use std::{io, path::PathBuf};

use gio::prelude::*;
use nix::fcntl::{FcntlArg, fcntl};
use qio::{Backoff, Channel, ChannelCommand, ChannelFile, ChannelSocket, NetAddress, prelude::*};

use super::{AddressOptions, Endpoint, Mode, proxies, pty, udp};
use crate::{
    join::{Join, unshared},
    peer::Peer,
    proxy_protocol,
};

impl Endpoint {
    /// Opens what does not listen, without TLS and WebSocket.
    pub(crate) async fn open(&self, mode: Mode, peer: &Peer) -> io::Result<Channel> {
        let channel = match self.below() {
            Self::Connect(address, options) => {
                let channel = at_once(connect(address, options).await?)?;
                if let Some(version) = options.send_proxy {
                    let header = proxy_protocol::encode(version, peer.addresses);
                    channel.write_all_future(&header).await?;
                }
                channel
            }
            Self::Listen(..) | Self::Tls(_) | Self::Websock(..) => {
                unreachable!("clients are accepted, and layers are not below")
            }
            Self::Udp { address, bind, .. } => udp::connect(address, *bind).await?,
            Self::Pty(link) => pty::open(link).await?,
            Self::Fd(address) => as_opened(unshared(address.connect()?))?,
            Self::Exec(argv) => at_once(
                peer.environment(ChannelCommand::builder(argv))
                    .spawn()?
                    .upcast(),
            )?,
            Self::File(path) => file(path.clone(), mode).await?,
            Self::Stdio => Join::stdio()?.upcast(),
        };
        channel.set_name(Some(&self.below().to_string()));
        Ok(channel)
    }
}

/// Connects by the options of an address.
async fn connect(address: &NetAddress, options: &AddressOptions) -> io::Result<Channel> {
    if (options.bind, options.retry, options.timeout) == (None, 0, None) {
        return plainly(address).await;
    }
    let connectable = address.to_connectable()?;
    let attempt = async |_attempt| {
        let client = options.client();
        let socket = ChannelSocket::new();
        let connecting = socket.connect_async(&connectable, Some(&client));
        match options.timeout {
            None => connecting.await?,
            Some(timeout) => connecting
                .or_timeout(timeout)
                .await
                .map_err(|e| match e.kind() {
                    io::ErrorKind::TimedOut => {
                        let message = format!("Unable to connect to {address} in {timeout:?}");
                        io::Error::new(io::ErrorKind::TimedOut, message)
                    }
                    _ => e,
                })?,
        }
        Ok(socket.upcast())
    };
    match options.retry {
        0 => attempt(1).await,
        retry => {
            let backoff = Backoff::new().attempts(retry.saturating_add(1));
            backoff.retry(attempt).await
        }
    }
}

thread_local! {
    /// The settings of all connections without a proxy.
    static WITHOUT_PROXY: gio::SocketClient = {
        let client = gio::SocketClient::new();
        client.set_enable_proxy(false);
        client
    };
}

/// Connects without options.
async fn plainly(address: &NetAddress) -> io::Result<Channel> {
    // Without a host it is an error.
    if address.host().is_none() || !proxies::has_none(address).await {
        return address.connect_future().await;
    }
    let client = WITHOUT_PROXY.with(gio::SocketClient::clone);
    let socket = ChannelSocket::new();
    let connectable = address.to_connectable()?;
    socket.connect_async(&connectable, Some(&client)).await?;
    Ok(socket.upcast())
}

/// Makes a channel non-blocking, whose descriptor no other process uses: no poll(2) is needed
/// before each call.
pub(crate) fn at_once(channel: Channel) -> io::Result<Channel> {
    channel.set_blocking(false)?;
    Ok(channel)
}

/// What was opened by others to be read only, or to be written, is like a file of that kind.
fn as_opened(channel: Channel) -> io::Result<Channel> {
    let file = match channel.downcast::<ChannelFile>() {
        Ok(file) => file,
        Err(channel) => return Ok(channel),
    };
    let flags = file.with_fd(|fd| fcntl(fd, FcntlArg::F_GETFL))??;
    Ok(match flags & libc::O_ACCMODE {
        libc::O_RDONLY => Join::reading(file).upcast(),
        libc::O_WRONLY => Join::writing(file)?.upcast(),
        _ => file.upcast(),
    })
}

/// Opens a file in a thread: opening a FIFO blocks until its other end is open.
async fn file(path: PathBuf, mode: Mode) -> io::Result<Channel> {
    let open = move || match mode {
        Mode::Read => Ok(Join::reading(ChannelFile::open(path)?)),
        Mode::Write { append } => {
            let how = if append {
                libc::O_APPEND
            } else {
                libc::O_TRUNC
            };
            let flags = libc::O_WRONLY | libc::O_CREAT | how;
            Join::writing(ChannelFile::new_path(path, flags, 0o666)?)
        }
    };
    let opened = gio::spawn_blocking(open).await.expect("it does not panic");
    let joined: Join = opened?;
    Ok(joined.upcast())
}
