//! Datagrams of UDP, as a stream of bytes.

use std::{io, net::SocketAddr};

use gio::prelude::*;
use glib::IOCondition;
use nix::sys::socket::{self, MsgFlags, SockaddrStorage};
use qio::{Channel, ChannelSocket, NetAddress, prelude::*};

use super::adapted::Adapted;

/// Sends to an address, and receives from there.
pub(super) async fn connect(address: &NetAddress, bind: Option<SocketAddr>) -> io::Result<Channel> {
    let local = bind.map(gio::InetSocketAddress::from);
    let socket = ChannelSocket::new();
    let remote = address.to_connectable()?;
    socket.dgram_future(local.as_ref(), Some(&remote)).await?;
    let sender = socket.remote_address()?;
    Ok(Adapted::datagrams(socket, sender)?.upcast())
}

/// Waits for a first datagram, and is connected to its sender from then on.
pub(super) async fn listen(address: &NetAddress) -> io::Result<Channel> {
    let socket = ChannelSocket::new();
    let local = address.to_connectable()?;
    let local = local.enumerate().next_future().await.map_err(io_error)?;
    let local = local.ok_or_else(|| io::Error::other("there is no local address"))?;
    let remote = gio::SocketConnectable::NONE;
    socket.dgram_future(Some(&local), remote).await?;
    socket.set_blocking(false)?;
    loop {
        socket.ready(IOCondition::IN).await?;
        match socket.with_fd(connect_to_sender)? {
            // Its checksum was wrong, or it was an error of an earlier datagram.
            Err(nix::Error::EAGAIN | nix::Error::ECONNREFUSED | nix::Error::EINTR) => {}
            result => break result?,
        }
    }
    let sender = socket.remote_address()?;
    Ok(Adapted::datagrams(socket, sender)?.upcast())
}

/// Connects a socket to the sender of its first datagram, which stays in the queue.
fn connect_to_sender(fd: std::os::fd::BorrowedFd<'_>) -> nix::Result<()> {
    use std::os::fd::AsRawFd;
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let raw = fd.as_raw_fd();
    let message = socket::recvmsg::<SockaddrStorage>(raw, &mut [], None, flags)?;
    let sender = message.address.ok_or(nix::Error::ENOTCONN)?;
    socket::connect(raw, &sender)
}

fn io_error(e: glib::Error) -> io::Error {
    io::Error::other(e.message().to_owned())
}
