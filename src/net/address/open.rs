//! Using an address: conversion to objects of GIO, and to channels.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::RawFd,
};

use gio::prelude::*;

use super::{Host, Kind, NetAddress};
use crate::{
    channel::{Channel, ChannelExt as _},
    error::{invalid, not_supported, with_context},
    net::NetListener,
    sys::{
        address::{Native, path_of},
        file,
    },
    transport::{ChannelSocket, channel_for_fd, resolve_sync},
    types::Feature,
};

impl NetAddress {
    /// Converts the address to a connectable of GIO.
    ///
    /// A name becomes a [`gio::NetworkAddress`].
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for `fd:`, which GIO has no address for, and
    /// for a scope that is no network interface of this machine.
    #[doc(alias = "qio_net_address_get_connectable")]
    pub fn to_connectable(&self) -> io::Result<gio::SocketConnectable> {
        Ok(match &self.0 {
            Kind::Tcp { host, port } => match host {
                Host::Name(name) => gio::NetworkAddress::new(name, *port).upcast(),
                Host::Any => literal(Ipv6Addr::UNSPECIFIED, *port).upcast(),
                Host::V4(address) => literal(*address, *port).upcast(),
                Host::V6(address, None) => literal(*address, *port).upcast(),
                Host::V6(address, Some(scope)) => self.scoped(address, scope, *port)?.upcast(),
            },
            Kind::Unix(path) => gio::UnixSocketAddress::new(path).upcast(),
            Kind::Abstract(name) => {
                let name = UnixSocketAddressPath::Abstract(name);
                gio::UnixSocketAddress::with_type(name).upcast()
            }
            Kind::Vsock { cid, port } => Native::vsock(*cid, *port).to_gio()?.upcast(),
            Kind::Fd(_) => {
                return Err(invalid(&format!(
                    "There is no socket address for {self}: it is connected already"
                )));
            }
        })
    }

    fn scoped(
        &self,
        address: &Ipv6Addr,
        scope: &str,
        port: u16,
    ) -> io::Result<gio::InetSocketAddress> {
        let text = format!("{address}%{scope}");
        gio::InetSocketAddress::from_string(&text, port.into()).ok_or_else(|| {
            let reason = "the scope is no network interface here";
            invalid(&format!("There is no socket address for {self}: {reason}"))
        })
    }

    /// Connects to the address, blocking, also during name resolution.
    ///
    /// For `fd:` the channel, a [`ChannelSocket`] or a [`ChannelFile`](crate::ChannelFile), gets a
    /// duplicate of the descriptor. The original stays open and has no owner: the peer reads
    /// end-of-file after [`shutdown`](crate::ChannelExt::shutdown), or after this process has
    /// ended. Only descriptors that this process was started with are accepted, which are those
    /// that are not close-on-exec: others are owned by other parts of the program.
    ///
    /// # Errors
    ///
    /// As [`ChannelSocket::connect_sync`], [`to_connectable`](Self::to_connectable) and
    /// [`channel_for_fd`], and [`InvalidInput`](io::ErrorKind::InvalidInput) if there is no host to
    /// connect to.
    #[doc(alias = "qio_net_address_connect_sync")]
    pub fn connect(&self) -> io::Result<Channel> {
        if let Kind::Fd(number) = self.0 {
            return self.inherited(number);
        }
        Ok(ChannelSocket::connect(&self.to_peer()?)?.upcast())
    }

    /// Connects to the address, in a future, which never blocks.
    ///
    /// As [`ChannelSocket::connect_future`], through the desktop's proxies. In C,
    /// `qio_channel_socket_connect_async()` connects to the result of
    /// `qio_net_address_get_connectable()`.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and those of the proxies.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the attempt: no channel is created.
    pub fn connect_future(&self) -> impl Future<Output = io::Result<Channel>> + use<> {
        let this = self.clone();
        async move {
            if let Kind::Fd(number) = this.0 {
                return this.inherited(number);
            }
            Ok(ChannelSocket::connect_future(&this.to_peer()?)
                .await?
                .upcast())
        }
    }

    /// As [`to_connectable`](Self::to_connectable), for connecting.
    pub(in crate::net) fn to_peer(&self) -> io::Result<gio::SocketConnectable> {
        match self.0 {
            Kind::Tcp {
                host: Host::Any, ..
            } => Err(invalid(&format!(
                "Unable to connect to {self}: there is no host"
            ))),
            _ => self.to_connectable(),
        }
    }

    fn inherited(&self, number: RawFd) -> io::Result<Channel> {
        let failed = |e| with_context(e, format!("Unable to use {self}"));
        let fd = file::duplicate_inherited(number).map_err(failed)?;
        let private = || invalid("it is close-on-exec: this process was not started with it");
        let fd = fd.ok_or_else(|| failed(private()))?;
        channel_for_fd(fd).map_err(failed)
    }

    /// Listens on the address, with at most `backlog` connections waiting to be accepted.
    ///
    /// Blocks during name resolution, or suspends a coroutine; of several addresses of a name, the
    /// first that can be listened on is used. An empty host means all addresses, including IPv4,
    /// unless the system's `bindv6only` separates them. A [`NetListener`] listens on all addresses
    /// of a name by [`open_address`](NetListener::open_address).
    ///
    /// `fd:` is a socket that listens already; see [`connect`](Self::connect). The path of a unix
    /// socket must not exist.
    ///
    /// # Errors
    ///
    /// As [`ChannelSocket::listen_sync`] and [`to_connectable`](Self::to_connectable), and
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a descriptor that is no listening socket.
    #[doc(alias = "qio_net_address_listen_sync")]
    pub fn listen(&self, backlog: u32) -> io::Result<ChannelSocket> {
        if let Kind::Fd(number) = self.0 {
            let channel = self.inherited(number)?;
            return match channel.downcast::<ChannelSocket>() {
                Ok(socket) if socket.has_feature(Feature::LISTEN) => Ok(socket),
                _ => Err(invalid(&format!(
                    "Unable to listen on {self}: the socket is not listening"
                ))),
            };
        }
        let mut failure = None;
        for address in self.to_local()? {
            match ChannelSocket::listen(&address, backlog) {
                Ok(socket) => return Ok(socket),
                Err(e) => failure = Some(e),
            }
        }
        Err(failure.expect("there is an address"))
    }

    /// The addresses to listen on, in order of preference.
    fn to_local(&self) -> io::Result<Vec<gio::SocketAddress>> {
        if let Kind::Tcp {
            host: Host::Any,
            port,
        } = self.0
        {
            // The second for a system without IPv6.
            return Ok(vec![
                literal(Ipv6Addr::UNSPECIFIED, port).upcast(),
                literal(Ipv4Addr::UNSPECIFIED, port).upcast(),
            ]);
        }
        let addresses = resolve_sync(&self.to_connectable()?);
        addresses.map_err(|e| with_context(e, format!("Unable to listen on {self}")))
    }
}

/// Addresses in text form.
impl NetListener {
    /// Listens on an address in text form as well.
    ///
    /// See [`open_sync`](Self::open_sync), and without a host [`open_port`](Self::open_port). `fd:`
    /// is a socket that listens already.
    ///
    /// # Errors
    ///
    /// As those, and as [`NetAddress::listen`].
    #[doc(alias = "qio_net_listener_open_address")]
    pub fn open_address(&self, address: &NetAddress, backlog: u32) -> io::Result<()> {
        match &address.0 {
            Kind::Fd(_) => self.add(&address.listen(backlog)?),
            Kind::Tcp {
                host: Host::Any,
                port,
            } => self.open_port(*port, backlog).map(drop),
            _ => self.open_sync(&address.to_connectable()?, backlog),
        }
    }

    /// Listens on an address in text form as well, without blocking.
    ///
    /// See [`open_address`](Self::open_address).
    ///
    /// # Errors
    ///
    /// As [`open_address`](Self::open_address).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future opens no socket.
    pub fn open_address_future(
        &self,
        address: &NetAddress,
        backlog: u32,
    ) -> impl Future<Output = io::Result<()>> + use<> {
        let (this, address) = (self.clone(), address.clone());
        async move {
            match &address.0 {
                // Neither a name to resolve nor a path to lock.
                Kind::Fd(_)
                | Kind::Tcp {
                    host: Host::Any, ..
                } => this.open_address(&address, backlog),
                _ => {
                    let address = address.to_connectable()?;
                    this.open_future(&address, backlog).await
                }
            }
        }
    }
}

fn literal(address: impl Into<IpAddr>, port: u16) -> gio::InetSocketAddress {
    SocketAddr::new(address.into(), port).into()
}

/// Converts the address of a peer, or of a listening socket.
///
/// The flow information of IPv6 is left out.
///
/// # Errors
///
/// [`Unsupported`](io::ErrorKind::Unsupported) for an address without a text form: that of a unix
/// socket without a name, or of another family.
impl TryFrom<&gio::SocketAddress> for NetAddress {
    type Error = io::Error;

    #[doc(alias = "qio_net_address_new_from_socket_address")]
    fn try_from(address: &gio::SocketAddress) -> io::Result<Self> {
        let unwritten = || {
            let text = SocketConnectableExt::to_string(address);
            not_supported(&format!(
                "The socket address {text} has no string representation"
            ))
        };
        if let Some(inet) = address.downcast_ref::<gio::InetSocketAddress>() {
            let host = inet.address().to_str();
            // Newer versions of GIO include the scope, by its name.
            let host = host.split('%').next().unwrap_or_default();
            let scope = match inet.family() {
                gio::SocketFamily::Ipv6 => inet.scope_id(),
                _ => 0,
            };
            return Ok(match scope {
                0 => Self::tcp(host, inet.port())?,
                scope => Self::tcp(&format!("{host}%{scope}"), inet.port())?,
            });
        }
        if let Some(path) = path_of(address) {
            return Ok(Self::unix(path)?);
        }
        if let Some(unix) = address.downcast_ref::<gio::UnixSocketAddress>() {
            use UnixSocketAddressPath::{Abstract, AbstractPadded};
            return Ok(match unix.path() {
                Some(Abstract(name)) => Self::unix_abstract(name)?,
                Some(AbstractPadded(name)) => {
                    let mut name = name.to_vec();
                    name.resize(super::LONGEST, 0);
                    Self::unix_abstract(name)?
                }
                _ => return Err(unwritten()),
            });
        }
        let (cid, port) = Native::new(address)?.as_vsock().ok_or_else(unwritten)?;
        Ok(Self::vsock(cid, port))
    }
}
