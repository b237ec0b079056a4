//! Sockets: TCP, UDP, unix paths and abstract names, and any adopted socket.

mod bound_path;
mod connect;
mod connection;
mod credentials;
mod datagram;
mod imp;
mod leftovers;
mod listen;
mod options;
mod resolve;
mod zero_copy;

pub use connect::ConnectStage;
pub use credentials::PeerCredentials;

use std::{
    any::Any,
    future::{Future, poll_fn},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
    sync::atomic::Ordering,
};

use gio::prelude::*;
use glib::{IOCondition, subclass::prelude::*};

use crate::{
    channel::{
        Channel, ChannelExt as _, IoFlags, PollIo, Transferred, ffi::derived_class, observed,
        stream::std_io,
    },
    error::{not_supported, with_context, would_block},
    hub::Direction,
    log,
    sys::{FdLease, address::Native, file, socket},
    types::{Feature, ReadFlags},
};
pub(crate) use bound_path::PathAccess;
pub(crate) use listen::Listening;
pub(crate) use resolve::{resolve, resolve_sync, text};

derived_class!(
    ChannelSocket,
    imp::ChannelSocket,
    ChannelSocketImpl,
    QIOChannelSocket,
    QIOChannelSocketClass
);

glib::wrapper! {
    /// A socket: a stream, datagrams, a sequence of packets, or any adopted socket.
    ///
    /// Streams are TCP over IPv4 and IPv6, a unix path or an abstract name; datagrams are UDP or
    /// unix. Addresses are GIO's. Message-oriented sockets have [rules of their own](#messages).
    ///
    /// Unix sockets pass file descriptors, up to 253 per message. A write to a peer that has closed
    /// fails, and raises no `SIGPIPE`. Closing the channel wakes threads that are blocked on it:
    /// [`close`](crate::ChannelExt::close) shuts the connection down if it is in use.
    ///
    /// A listening socket on a unix path removes its file when it is closed or dropped, unless
    /// another file has replaced it.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `fd` | integer | readable: -1 when closed |
    /// | `local-address`, `remote-address` | [`gio::SocketAddress`] | readable |
    /// | `socket-type` | [`gio::SocketType`] | readable, writable until it is open |
    /// | `send-buffer-size`, `receive-buffer-size` | unsigned | readable, writable: bytes |
    /// | `keep-alive` | boolean | readable, writable |
    /// | `user-timeout` | unsigned | readable, writable: milliseconds |
    ///
    /// # Signals
    ///
    /// `connect-progress`: see [`connect_connect_progress`](Self::connect_connect_progress).
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    /// let any = gio::InetSocketAddress::new(&loopback, 0);
    /// let listener = ChannelSocket::listen(&any, 16)?;
    /// let client = ChannelSocket::connect(&listener.local_address()?)?;
    /// let server = listener.accept()?;
    ///
    /// client.write_all(b"ping")?;
    /// let mut word = [0; 4];
    /// server.read_all(&mut word)?;
    /// assert_eq!(&word, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOChannelSocket")]
    pub struct ChannelSocket(ObjectSubclass<imp::ChannelSocket>) @extends Channel;
}

static_assertions::assert_impl_all!(ChannelSocket: Send, Sync);
std_io!(ChannelSocket);

impl ChannelSocket {
    /// Creates a channel that is not open yet.
    ///
    /// It can be opened once, to connect or to listen.
    #[doc(alias = "qio_channel_socket_new")]
    #[must_use]
    pub fn new() -> Self {
        glib::Object::new()
    }

    /// Creates a channel from a socket, which it owns. The mode is that of the socket.
    ///
    /// # Errors
    ///
    /// `ENOTSOCK` if it is not a socket; it is closed then.
    #[doc(alias = "qio_channel_socket_new_fd")]
    pub fn new_fd(fd: OwnedFd) -> io::Result<Self> {
        let this = Self::new();
        this.adopt_fd(fd)?;
        Ok(this)
    }

    /// Passes ownership of a socket to a channel.
    ///
    /// For classes that derive from this one.
    ///
    /// # Errors
    ///
    /// As [`new_fd`](Self::new_fd), and [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the
    /// channel had one before, and closed.
    #[doc(alias = "qio_channel_socket_adopt_fd")]
    pub fn adopt_fd(&self, fd: OwnedFd) -> io::Result<()> {
        self.adopt_fd_from(&mut Some(fd))
    }

    /// As [`adopt_fd`](Self::adopt_fd). On failure the descriptor, which must be there, stays in
    /// `fd`.
    pub(crate) fn adopt_fd_from(&self, fd: &mut Option<OwnedFd>) -> io::Result<()> {
        self.imp().fd.check_unopened()?;
        let describe = file::describe(fd.as_ref().expect("there is one").as_fd());
        self.imp().adopted.store(true, Ordering::Release);
        self.imp().open_from(fd).map_err(|e| {
            with_context(
                e,
                format!("Unable to create a socket channel for {describe}"),
            )
        })
    }

    /// Creates two connected channels, which pass file descriptors.
    ///
    /// # Errors
    ///
    /// The error of the system call.
    #[doc(alias = "qio_channel_socket_new_pair")]
    pub fn pair() -> io::Result<(Self, Self)> {
        Self::pair_of(gio::SocketType::Stream)
    }

    /// Creates two connected channels as [`pair`](Self::pair), of any type.
    ///
    /// Unix datagram and seqpacket sockets preserve message boundaries.
    ///
    /// # Errors
    ///
    /// The error of the system call.
    #[doc(alias = "qio_channel_socket_new_pair_of_type")]
    pub fn pair_of(kind: gio::SocketType) -> io::Result<(Self, Self)> {
        let pair = socket::pair(socket::native_kind(kind));
        let (a, b) = pair.map_err(|e| with_context(e, "Unable to create a pair of sockets"))?;
        let (one, other) = (Self::new(), Self::new());
        one.imp().open(a)?;
        other.imp().open(b)?;
        Ok((one, other))
    }

    /// Creates a channel and listens. See [`listen_sync`](Self::listen_sync).
    ///
    /// # Errors
    ///
    /// As [`listen_sync`](Self::listen_sync).
    pub fn listen(address: &impl IsA<gio::SocketAddress>, backlog: u32) -> io::Result<Self> {
        let this = Self::new();
        this.listen_sync(address, backlog)?;
        Ok(this)
    }

    /// Listens on an address, with at most `backlog` connections waiting to be accepted.
    ///
    /// With port 0 the kernel chooses one: [`local_address`](Self::local_address) returns it.
    ///
    /// # Errors
    ///
    /// The error of the system call, with the address, or
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the channel was opened before.
    #[doc(alias = "qio_channel_socket_listen_sync")]
    pub fn listen_sync(
        &self,
        address: &impl IsA<gio::SocketAddress>,
        backlog: u32,
    ) -> io::Result<()> {
        self.listen_as(address.as_ref(), backlog, &Listening::default())
    }

    /// Listens on the first usable address of a name, without blocking.
    ///
    /// See [`listen_sync`](Self::listen_sync). The future must be polled in one thread, as the name
    /// is resolved in the running context.
    ///
    /// # Errors
    ///
    /// As [`listen_sync`](Self::listen_sync), for the last address; and that of the resolver.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the channel is not opened.
    #[doc(alias = "qio_channel_socket_listen_async")]
    #[doc(alias = "qio_channel_socket_listen_finish")]
    pub fn listen_future<A: IsA<gio::SocketConnectable>>(
        &self,
        address: &A,
        backlog: u32,
    ) -> impl Future<Output = io::Result<()>> + use<A> {
        listen::on_first(self.clone(), address.as_ref(), backlog)
    }

    /// Accepts one connection. In blocking mode waits for one.
    ///
    /// The new channel is blocking, whatever the mode of this one is. An adopted socket is put in
    /// non-blocking mode, for all processes that share it; this waits in poll(2).
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is none and the channel is non-blocking;
    /// unsupported without [`Feature::LISTEN`]; and the error of the system call, for example
    /// `EMFILE`: the connection stays in the queue then.
    #[doc(alias = "qio_channel_socket_accept")]
    pub fn accept(&self) -> io::Result<Self> {
        self.accept_now(IoFlags::plain())
    }

    /// Accepts one connection in a future. See [`accept`](Self::accept).
    ///
    /// Never blocks, whatever the mode of the channel is, also if other processes accept from the
    /// same socket.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, the connection stays in the queue.
    #[doc(alias = "qio_channel_socket_accept_async")]
    #[doc(alias = "qio_channel_socket_accept_finish")]
    pub fn accept_future(&self) -> impl Future<Output = io::Result<Self>> + Send + '_ {
        let mut attempt = PollIo::new(Direction::Read);
        poll_fn(move |cx| {
            attempt.poll(self.upcast_ref(), cx, |how| {
                self.accept_now(how).map(Transferred::whole)
            })
        })
    }

    /// As [`accept`](Self::accept), without blocking if the flags forbid it.
    pub(crate) fn accept_now(&self, how: IoFlags) -> io::Result<Self> {
        let (imp, channel) = (self.imp(), self.upcast_ref::<Channel>());
        // Checked before the feature: a channel that is not open reports that.
        drop(imp.fd.get()?);
        if !self.has_feature(Feature::LISTEN) {
            return Err(not_supported("Channel does not listen for connections"));
        }
        let (connection, peer) = loop {
            let no_wait = how.read.contains(ReadFlags::NO_WAIT) || !channel.is_blocking();
            if !no_wait {
                drop(imp.fd.ready(channel, IOCondition::IN)?);
            }
            // Else accept4(2) could wait, where `close` does not wake it, if another thread or
            // process has been faster.
            let fd = imp.nonblocking_listener()?;
            match socket::accept(fd.as_fd()) {
                // Another thread or process has accepted the connection.
                Err(e) if would_block(&e) && !no_wait => {}
                result => break result?,
            }
        };
        let accepted = Self::new();
        accepted.imp().open_accepted(connection, &peer, imp)?;
        observed::connected(accepted.upcast_ref());
        log::event(&accepted, || match accepted.remote_address() {
            Ok(address) => format!("accepted from {}", text(&address)),
            Err(_) => "accepted".to_owned(),
        });
        Ok(accepted)
    }

    /// Returns the local address.
    ///
    /// # Errors
    ///
    /// If the channel is not open.
    #[doc(alias = "qio_channel_socket_get_local_address")]
    pub fn local_address(&self) -> io::Result<gio::SocketAddress> {
        socket::local_address(self.imp().fd.get()?.as_fd())
    }

    /// Returns the address of the peer: of a connection over IP that was accepted, as of then.
    ///
    /// # Errors
    ///
    /// `ENOTCONN` if there is no peer, and an error if the channel is not open.
    #[doc(alias = "qio_channel_socket_get_remote_address")]
    pub fn remote_address(&self) -> io::Result<gio::SocketAddress> {
        let fd = self.imp().fd.get()?;
        match self.imp().accepted_from.get() {
            Some(bytes) => Native::of_bytes(bytes).to_gio(),
            None => socket::remote_address(fd.as_fd()),
        }
    }

    /// Returns the number of the descriptor, for display; -1 when closed.
    #[doc(alias = "qio_channel_socket_get_fd")]
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.imp().fd.number()
    }

    /// Uses the descriptor until the lease is dropped. `None` if the channel is not open.
    pub(crate) fn lease(&self) -> Option<FdLease> {
        self.imp().fd.shared()?.lease()
    }

    /// Drops an object when the channel is closed, or dropped: at once if it is closed already.
    pub(crate) fn on_close(&self, other: Box<dyn Any + Send + Sync>) {
        self.imp().on_close(imp::CloseHook::Other(other));
    }

    /// Calls `f` with the descriptor, which stays open meanwhile.
    ///
    /// # Errors
    ///
    /// If the channel is not open.
    pub fn with_fd<R>(&self, f: impl FnOnce(BorrowedFd<'_>) -> R) -> io::Result<R> {
        Ok(f(self.imp().fd.get()?.as_fd()))
    }
}

impl Default for ChannelSocket {
    fn default() -> Self {
        Self::new()
    }
}
