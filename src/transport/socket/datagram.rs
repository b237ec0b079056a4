//! Message-oriented sockets.

use std::{
    future::{Future, poll_fn},
    io::{self, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use gio::prelude::*;
use glib::{IOCondition, subclass::prelude::*};

use super::{
    ChannelSocket,
    bound_path::BoundPath,
    imp::{self, CloseHook},
    resolve::{each_address, name, text},
};
use crate::{
    channel::{
        Channel, ChannelExt as _, IoFlags, PollIo, Transferred, blocking, class::PoolRef, observed,
    },
    error::{closed, invalid, with_context, would_block},
    hub::Direction,
    sys::{FdGuard, address::Native, datagram, poll::poll_now, socket},
    types::{ReadFlags, WriteFlags},
};

/// # Messages
///
/// Datagram sockets, and those of the type [`Seqpacket`](gio::SocketType::Seqpacket), preserve
/// message boundaries: each write is one message, also from several buffers, and each read takes
/// one.
///
/// - A message that does not fit into the buffers of a read is truncated, which is an error,
///   [`MessageTooLarge`](gio::IOErrorEnum::MessageTooLarge): the rest of it is lost, and the next
///   read gets the next message. The buffers are full.
///   [`next_message_size`](Self::next_message_size) returns the size in advance; peeking
///   ([`ReadFlags::PEEK`]) loses nothing.
/// - A read that returns 0 is an empty message on a datagram socket, which has no end-of-file until
///   it is shut down; on a seqpacket socket it is usually end-of-file. The functions that read
///   until the buffers are full skip empty messages, and concatenate messages if need be. Streams
///   of `std::io` and `futures-io` interpret an empty message as end-of-file.
/// - A write of no bytes sends nothing. [`send_to`](Self::send_to) sends empty messages.
impl ChannelSocket {
    /// Creates a channel that is not open yet, for a socket of a type.
    ///
    /// [`connect_sync`](Self::connect_sync) and [`listen_sync`](Self::listen_sync) open it.
    /// [`Seqpacket`](gio::SocketType::Seqpacket) is for unix sockets and vsock: connections that
    /// preserve message boundaries. [`dgram_sync`](Self::dgram_sync) opens a datagram socket
    /// whatever the type is.
    #[doc(alias = "qio_channel_socket_new_of_type")]
    #[must_use]
    pub fn of_type(kind: gio::SocketType) -> Self {
        glib::Object::builder()
            .property("socket-type", kind)
            .build()
    }

    /// Returns the type of the socket, or before it is open, the one it will have.
    ///
    /// [`Invalid`](gio::SocketType::Invalid) for a type that GIO does not have.
    #[doc(alias = "qio_channel_socket_get_socket_type")]
    #[must_use]
    pub fn socket_type(&self) -> gio::SocketType {
        match self.imp().kind() {
            libc::SOCK_STREAM => gio::SocketType::Stream,
            libc::SOCK_DGRAM => gio::SocketType::Datagram,
            libc::SOCK_SEQPACKET => gio::SocketType::Seqpacket,
            _ => gio::SocketType::Invalid,
        }
    }

    /// Creates a channel and opens it. See [`dgram_sync`](Self::dgram_sync).
    ///
    /// # Errors
    ///
    /// As [`dgram_sync`](Self::dgram_sync).
    pub fn dgram(
        local: Option<&impl IsA<gio::SocketAddress>>,
        remote: Option<&impl IsA<gio::SocketConnectable>>,
    ) -> io::Result<Self> {
        let this = Self::new();
        this.dgram_sync(local, remote)?;
        Ok(this)
    }

    /// Opens the channel as a datagram socket: UDP, or unix.
    ///
    /// Blocks during name resolution.
    ///
    /// With a `local` address it can receive messages; the file of a unix path is removed with the
    /// channel. With a `remote` one it is connected: it sends messages to that address, and
    /// receives only from it. The peer of a unix socket without a local address cannot answer; an
    /// address of the type [`Anonymous`](gio::UnixSocketAddressType::Anonymous) makes the kernel
    /// choose a name.
    ///
    /// # Errors
    ///
    /// `EINVAL` without any address; the error of the system call, with the addresses; and as
    /// [`connect_sync`](Self::connect_sync).
    #[doc(alias = "qio_channel_socket_dgram_sync")]
    pub fn dgram_sync(
        &self,
        local: Option<&impl IsA<gio::SocketAddress>>,
        remote: Option<&impl IsA<gio::SocketConnectable>>,
    ) -> io::Result<()> {
        self.imp().fd.check_unopened()?;
        let local = local.map(AsRef::as_ref);
        self.take_over(open(local, remote.map(AsRef::as_ref))?)
    }

    /// Opens the channel as a datagram socket, without blocking the main loop.
    ///
    /// See [`dgram_sync`](Self::dgram_sync). Names are resolved by another thread.
    ///
    /// # Errors
    ///
    /// As [`dgram_sync`](Self::dgram_sync); and `EINVAL` for a `remote` that is neither a
    /// [`gio::SocketAddress`] nor a [`gio::NetworkAddress`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the channel is not opened.
    #[doc(alias = "qio_channel_socket_dgram_async")]
    #[doc(alias = "qio_channel_socket_dgram_finish")]
    pub fn dgram_future<L, R>(
        &self,
        local: Option<&L>,
        remote: Option<&R>,
    ) -> impl Future<Output = io::Result<()>> + Send + use<L, R>
    where
        L: IsA<gio::SocketAddress>,
        R: IsA<gio::SocketConnectable>,
    {
        let local = local.map(|local| local.as_ref().clone());
        let remote = remote.map(|remote| Remote::of(remote.as_ref())).transpose();
        let this = self.clone();
        async move {
            this.imp().fd.check_unopened()?;
            let opened = match remote? {
                None => open(local.as_ref(), gio::SocketConnectable::NONE)?,
                Some(Remote::Address(address)) => open(local.as_ref(), Some(&address))?,
                Some(Remote::Name(name)) => {
                    let (local, name) = (local.map(PoolRef::new), PoolRef::new(name));
                    blocking::begin(move || open(local.as_deref(), Some(&*name)))?.await?
                }
            };
            this.take_over(opened)
        }
    }

    /// Reads one message, and returns also the address of its sender.
    ///
    /// `None` for a unix socket without an address. Blocks in blocking mode.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none and the channel is non-blocking;
    /// as reads for messages that do not fit; and `EINVAL` for sockets that are streams.
    #[doc(alias = "qio_channel_socket_receive_from")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, Option<gio::SocketAddress>)> {
        self.recv_from_now(buf, IoFlags::plain())
    }

    /// Reads one message in a future. See [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, no message is consumed.
    pub fn recv_from_future<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, Option<gio::SocketAddress>)>> + Send + 'a {
        let mut attempt = PollIo::new(Direction::Read);
        poll_fn(move |cx| {
            attempt.poll(self.upcast_ref(), cx, |how| {
                self.recv_from_now(buf, how).map(Transferred::whole)
            })
        })
    }

    fn recv_from_now(
        &self,
        buf: &mut [u8],
        how: IoFlags,
    ) -> io::Result<(usize, Option<gio::SocketAddress>)> {
        let fd = self.fd_of_messages()?;
        let pushback = &self.upcast_ref::<Channel>().imp().channel_state.pushback;
        // Data that a dropped future had read comes first; its sender is not recorded.
        let mut buffers = [IoSliceMut::new(buf)];
        if pushback.is_readable()
            && let Some(count) = pushback.take(&mut buffers, None, false)
        {
            return Ok((count, None));
        }
        let flags = self.imp().read_flags(how.read);
        let receive = || datagram::receive_from(fd.as_fd(), buf, flags);
        let (count, from) = observed::transfer(
            self.upcast_ref(),
            Direction::Read,
            |received| received.0,
            receive,
        )?;
        Ok((count, from.map(Native::to_gio).transpose()?))
    }

    /// Sends one message, which may be empty, to an address. Blocks in blocking mode.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no space and the channel is
    /// non-blocking: for a unix socket that is not connected no event reports when there is.
    /// `EINVAL` for sockets that are streams; and the error of the system call, with the address.
    #[doc(alias = "qio_channel_socket_send_to")]
    pub fn send_to(&self, buf: &[u8], to: &impl IsA<gio::SocketAddress>) -> io::Result<usize> {
        drop(self.fd_of_messages()?);
        let (to, flags) = (to.as_ref(), self.imp().write_flags(WriteFlags::empty()));
        let send = || {
            let to = Native::new(to)?;
            let send = |fd: BorrowedFd<'_>, flags| datagram::send_to(fd, buf, &to, flags);
            self.imp().send_message(flags, send)
        };
        let sent = observed::transfer(self.upcast_ref(), Direction::Write, |count| *count, send);
        sent.map_err(|e| match would_block(&e) {
            true => e,
            false => with_context(e, format!("Unable to send to {}", text(to))),
        })
    }

    /// Returns the size of the next message in bytes, without consuming it.
    ///
    /// In blocking mode waits for one.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none and the channel is non-blocking;
    /// `EINVAL` for sockets that are streams.
    #[doc(alias = "qio_channel_socket_get_next_message_size")]
    pub fn next_message_size(&self) -> io::Result<usize> {
        let fd = self.fd_of_messages()?;
        datagram::next_size(fd.as_fd(), self.imp().read_flags(ReadFlags::empty()))
    }

    fn fd_of_messages(&self) -> io::Result<FdGuard<'_>> {
        let fd = self.imp().fd.get()?;
        match self.imp().is_message_oriented() {
            true => Ok(fd),
            false => Err(invalid("A stream has no message boundaries")),
        }
    }

    fn take_over(&self, (fd, bound): Opened) -> io::Result<()> {
        self.imp().open(fd)?;
        if let Some(bound) = bound {
            self.imp().on_close(CloseHook::Path(bound));
        }
        Ok(())
    }
}

/// The longest interval between two attempts to send, while the queue of the peer is full.
const RETRY: Duration = Duration::from_millis(20);

impl imp::ChannelSocket {
    /// Whether a send in blocking mode may wait in the queue of the peer, where a shutdown of this
    /// socket does not wake it.
    #[inline]
    pub(super) fn waits_for_peer(&self) -> bool {
        self.unix.load(Ordering::Relaxed) && self.kind() == libc::SOCK_DGRAM
    }

    /// Sends a message by `send`, which gets the flags of each attempt. In blocking mode waits
    /// until it is sent, or the channel is closed.
    pub(super) fn send_message(
        &self,
        flags: WriteFlags,
        send: impl Fn(BorrowedFd<'_>, WriteFlags) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if flags.contains(WriteFlags::NO_WAIT) || !self.waits_for_peer() {
            return send(self.fd.get()?.as_fd(), flags);
        }
        let obj = self.obj();
        let channel = obj.upcast_ref::<Channel>();
        let state = &channel.imp().channel_state;
        let mut pause = Duration::from_millis(1);
        loop {
            let seen = state.wake_epoch();
            let fd = self.fd.get()?;
            // A close that this does not see changes the epoch.
            if channel.is_closed() {
                return Err(closed());
            }
            match send(fd.as_fd(), flags | WriteFlags::NO_WAIT) {
                Err(e) if would_block(&e) && channel.is_blocking() => {}
                sent => return sent,
            }
            // poll(2) reports the space of the peer to which the socket is connected only.
            let number = fd.as_fd().as_raw_fd();
            if poll_now(number, libc::POLLOUT)? & libc::POLLOUT == 0 {
                state.block_on(number, IOCondition::OUT, None, seen)?;
            } else {
                let deadline = Some(Instant::now() + pause);
                state.block_on(number, IOCondition::empty(), deadline, seen)?;
                pause = (pause * 2).min(RETRY);
            }
        }
    }
}

/// A socket, and the file that it has created.
type Opened = (OwnedFd, Option<BoundPath>);

/// The remote address, in a type that is `Send`.
enum Remote {
    Address(gio::SocketAddress),
    Name(gio::NetworkAddress),
}

impl Remote {
    fn of(remote: &gio::SocketConnectable) -> io::Result<Self> {
        if let Some(address) = remote.dynamic_cast_ref::<gio::SocketAddress>() {
            Ok(Self::Address(address.clone()))
        } else if let Some(name) = remote.dynamic_cast_ref::<gio::NetworkAddress>() {
            Ok(Self::Name(name.clone()))
        } else {
            Err(invalid("Datagrams need an address or a host name"))
        }
    }
}

/// Creates a datagram socket, connected to the first address of `remote` that can be used.
fn open(
    local: Option<&gio::SocketAddress>,
    remote: Option<&impl IsA<gio::SocketConnectable>>,
) -> io::Result<Opened> {
    let native = local.map(Native::new).transpose()?;
    let open = |remote: Option<&Native>| {
        let bind = || datagram::open(native.as_ref(), remote);
        match local {
            Some(local) => BoundPath::bind(local, bind),
            None => Ok((bind()?, None)),
        }
    };
    // The file is removed again if connecting fails.
    let connect = |remote: &Native| {
        let (fd, bound) = open(Some(remote))?;
        Ok((socket::connect_fd(fd, remote)?, bound))
    };
    match (local, remote) {
        (None, None) => Err(invalid(
            "A datagram socket needs a local or a remote address",
        )),
        (Some(local), None) => {
            open(None).map_err(|e| with_context(e, format!("Unable to receive on {}", text(local))))
        }
        (_, Some(remote)) => {
            let unable = |e, address: Option<&gio::SocketAddress>| {
                let to = match address {
                    Some(address) => text(address),
                    None => name(remote.as_ref()),
                };
                // The error does not identify which of the two addresses failed.
                let from = local.map(|local| format!("from {} ", text(local)));
                let from = from.unwrap_or_default();
                with_context(e, format!("Unable to send {from}to {to}"))
            };
            each_address(remote.as_ref(), connect, unable)
        }
    }
}
