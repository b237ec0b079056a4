//! Datagrams of UDP, as a stream of bytes.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::{AsRawFd, OwnedFd},
    sync::{Mutex, MutexGuard},
};

use gio::prelude::*;
use glib::IOCondition;
use nix::sys::socket::{
    self, AddressFamily, SockFlag, SockType, SockaddrStorage, setsockopt, sockopt,
};
use qio::{Channel, ChannelSocket, NetAddress, prelude::*};

use super::adapted::Adapted;

/// More than a datagram has.
const LARGEST: usize = 65_536;

/// Senders that wait to be accepted; datagrams of others are dropped meanwhile.
const BACKLOG: usize = 128;

/// The bytes that are kept of senders that wait; more is dropped.
const BACKLOG_BYTES: usize = 1 << 20;

/// Datagrams that are received in a row: more than the default buffer of a socket has, but few
/// enough that a denial of service stops neither the sessions nor the signals.
const BATCH: usize = 1024;

/// Sends to an address, and receives from there.
pub(super) async fn connect(address: &NetAddress, bind: Option<SocketAddr>) -> io::Result<Channel> {
    let local = bind.map(gio::InetSocketAddress::from);
    let socket = ChannelSocket::new();
    let remote = address.to_connectable()?;
    socket.dgram_future(local.as_ref(), Some(&remote)).await?;
    let sender = socket.remote_address()?;
    Ok(Adapted::datagrams(socket, sender)?.upcast())
}

/// A socket whose senders become channels.
pub(crate) struct Listener {
    socket: ChannelSocket,
    local: SocketAddr,
    /// Senders that have not been accepted, without sockets.
    senders: Mutex<VecDeque<Sender>>,
}

/// A sender, with what it has sent before it had a socket.
struct Sender {
    address: gio::SocketAddress,
    first: VecDeque<Vec<u8>>,
}

impl Listener {
    /// Receives on an address, of which a name is resolved.
    pub(crate) async fn new(address: &NetAddress) -> io::Result<Self> {
        let failed = |e: io::Error| {
            let address = address.to_string();
            let address = address.trim_start_matches("tcp:");
            let message = format!("Unable to receive on udp:{address}: {e}");
            io::Error::new(e.kind(), message)
        };
        let enumerator = address.to_connectable()?.enumerate();
        let next = enumerator.next_future().await;
        let next = next.map_err(|e| failed(io::Error::other(e.message().to_owned())))?;
        let next = next.as_ref().and_then(crate::peer::ip);
        let local = next.ok_or_else(|| failed(io::Error::other("it has no address")))?;
        let socket = bound(local).map_err(|e| failed(e.into()))?;
        let local = socket::getsockname::<SockaddrStorage>(socket.as_raw_fd())?;
        let socket = ChannelSocket::new_fd(socket)?;
        socket.set_blocking(false)?;
        Ok(Self {
            socket,
            local: of_native(&local).expect("bound to one"),
            senders: Mutex::default(),
        })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits for a datagram of a new sender, and returns its channel, which has that datagram.
    pub(crate) async fn accept(&self) -> io::Result<Channel> {
        loop {
            let next = self.senders().front().map(|it| it.address.clone());
            let Some(address) = next else {
                self.socket.ready(IOCondition::IN).await?;
                self.receive()?;
                continue;
            };
            let socket = self.connected(&address);
            // What was sent before that goes to its channel as well: nothing else has received it.
            self.receive()?;
            let Some(Sender { first, .. }) = self.senders().pop_front() else {
                continue;
            };
            // Without a descriptor it is lost, as datagrams are.
            let Ok(socket) = socket else { continue };
            let name = NetAddress::try_from(&address).map(|it| it.to_string());
            let channel = Adapted::datagrams(socket, address)?;
            channel.set_first(first);
            let name = name.unwrap_or_default();
            channel.set_name(Some(&format!("udp:{}", name.trim_start_matches("tcp:"))));
            return Ok(channel.upcast());
        }
    }

    fn senders(&self) -> MutexGuard<'_, VecDeque<Sender>> {
        self.senders.lock().expect("no panic")
    }

    /// Takes all datagrams that are there: those that arrive once the socket of their sender is
    /// connected are received by that.
    fn receive(&self) -> io::Result<()> {
        let mut buf = vec![0; LARGEST];
        for _ in 0..BATCH {
            let (count, from) = match self.socket.recv_from(&mut buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                result => result?,
            };
            let Some(from) = from else { continue };
            let mut senders = self.senders();
            let kept = senders.iter().flat_map(|it| &it.first).map(Vec::len);
            if kept.sum::<usize>() + count > BACKLOG_BYTES {
                continue;
            }
            let known = senders
                .iter()
                .position(|it| Adapted::same(&it.address, &from));
            let datagram = buf[..count].to_vec();
            match known {
                Some(index) => senders[index].first.push_back(datagram),
                None if senders.len() < BACKLOG => senders.push_back(Sender {
                    address: from,
                    first: [datagram].into(),
                }),
                None => {}
            }
        }
        Ok(())
    }

    /// A socket at the same local address, of one sender.
    fn connected(&self, sender: &gio::SocketAddress) -> io::Result<ChannelSocket> {
        let remote = crate::peer::ip(sender).ok_or(io::ErrorKind::InvalidInput)?;
        let socket = bound(self.local)?;
        socket::connect(socket.as_raw_fd(), &SockaddrStorage::from(remote))?;
        ChannelSocket::new_fd(socket)
    }
}

/// A socket that shares its address with others of the same user.
fn bound(local: SocketAddr) -> nix::Result<OwnedFd> {
    let family = match local {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket::socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReusePort, &true)?;
    socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(local))?;
    Ok(socket)
}

fn of_native(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in();
    let v4 = v4.map(|it| SocketAddr::new(it.ip().into(), it.port()));
    let v6 = address.as_sockaddr_in6();
    v4.or_else(|| v6.map(|it| SocketAddr::new(it.ip().into(), it.port())))
}
