//! Stream sockets: TCP, unix paths and abstract names, and any that is adopted.

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    path::PathBuf,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gio::prelude::*;
use glib::{IOCondition, ParamSpec, subclass::prelude::*};

use super::fd_slot::FdSlot;
use crate::{
    channel::{
        Attempt, Channel, ChannelExt as _, ChannelImpl, Tried, Try,
        ffi::{Lent, derived_class},
        leased_watch,
        stream::std_io,
    },
    error::{explain, from_glib_error, io_error, not_supported},
    hub::{Serves, ShortRead, Side},
    sys::{address::Native, file, poll, scm, socket},
    types::{Feature, ReadFlags, Readiness, Shutdown, WriteFlags},
};

/// The file that a listening unix socket made, to be removed with it.
#[derive(Debug)]
struct BoundPath {
    path: PathBuf,
    /// The file has this identity as long as nobody has put another in its place.
    identity: (u64, u64),
    /// A forked child must leave it alone.
    owner: u32,
}

impl BoundPath {
    /// Of a path, or of nothing: abstract names leave no file.
    fn of(address: &gio::SocketAddress) -> Option<Self> {
        let unix = address.downcast_ref::<gio::UnixSocketAddress>()?;
        let Some(UnixSocketAddressPath::Path(path)) = unix.path() else {
            return None;
        };
        let path = std::path::absolute(path).ok()?;
        let identity = file::identity(&path).ok()?;
        Some(Self {
            path,
            identity,
            owner: std::process::id(),
        })
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let same = file::identity(&self.path).is_ok_and(|identity| identity == self.identity);
        if same && self.owner == std::process::id() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ChannelSocket {
        pub(super) fd: FdSlot,
        pub(super) bound: Mutex<Option<BoundPath>>,
        /// A listening socket that came from elsewhere may be in use there.
        pub(super) adopted: AtomicBool,
        /// Bytes have no boundaries. Known before the descriptor can be used.
        stream: AtomicBool,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ChannelSocket {
        const NAME: &'static str = "QIOChannelSocket";
        type Type = super::ChannelSocket;
        type ParentType = Channel;
        type Class = QIOChannelSocketClass;
        type Instance = QIOChannelSocket;

        fn class_init(class: &mut Self::Class) {
            class.parent_class.describe_slots(true, |channel, side| {
                let this = channel.downcast_ref::<super::ChannelSocket>()?.imp();
                Some(Lent::Pollable {
                    fd: this.fd.shared()?.clone(),
                    serves: Serves {
                        both: true,
                        side,
                        short_read: match (
                            this.stream.load(Ordering::Relaxed),
                            channel.has_feature(Feature::FD_PASS),
                        ) {
                            (false, _) => ShortRead::SaysNothing,
                            // Reads end where descriptors are.
                            (true, true) => ShortRead::IsUsuallyAll,
                            (true, false) => ShortRead::IsAll,
                        },
                    },
                })
            });
        }
    }

    impl ObjectImpl for ChannelSocket {
        fn properties() -> &'static [ParamSpec] {
            static PROPERTIES: LazyLock<[ParamSpec; 3]> = LazyLock::new(|| {
                [
                    glib::ParamSpecInt::builder("fd")
                        .nick("File descriptor")
                        .blurb("The descriptor, or -1 when closed")
                        .minimum(-1)
                        .default_value(-1)
                        .read_only()
                        .build(),
                    glib::ParamSpecObject::builder::<gio::SocketAddress>("local-address")
                        .nick("Local address")
                        .blurb("The address of this end")
                        .read_only()
                        .build(),
                    glib::ParamSpecObject::builder::<gio::SocketAddress>("remote-address")
                        .nick("Remote address")
                        .blurb("The address of the other end, if there is one")
                        .read_only()
                        .build(),
                ]
            });
            &*PROPERTIES
        }

        fn constructed(&self) {
            self.parent_constructed();
            let obj = self.obj();
            obj.upcast_ref::<Channel>().add_features(Feature::SHUTDOWN);
        }

        fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
            let obj = self.obj();
            match pspec.name() {
                "fd" => self.fd.number().to_value(),
                "local-address" => obj.local_address().ok().to_value(),
                "remote-address" => obj.remote_address().ok().to_value(),
                name => unreachable!("no property {name}"),
            }
        }
    }

    impl ChannelImpl for ChannelSocket {
        // Into the trampoline, as `recv` into this: after a system call every frame counts.
        #[inline(always)]
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            fds: Option<&mut Vec<OwnedFd>>,
            flags: ReadFlags,
        ) -> io::Result<usize> {
            let fd = self.fd.get()?;
            match (iov, fds) {
                ([one], None) => socket::recv(fd.as_fd(), one, flags),
                (iov, fds) => scm::recvmsg(fd.as_fd(), iov, fds, flags),
            }
        }

        #[inline(always)]
        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            fds: &[BorrowedFd<'_>],
            flags: WriteFlags,
        ) -> io::Result<usize> {
            let fd = self.fd.get()?;
            match (iov, fds) {
                ([one], []) => socket::send(fd.as_fd(), one, flags),
                (iov, fds) => scm::sendmsg(fd.as_fd(), iov, fds, flags),
            }
        }

        fn close(&self) -> io::Result<()> {
            // Before the number is free for others: waiters must not look at it any more.
            self.obj().upcast_ref::<Channel>().imp().mark_closed();
            let result = self.fd.close(|fd| {
                if !self.is_foreign_listener() {
                    let _ = socket::shutdown(fd, Shutdown::Both);
                }
            });
            drop(
                self.bound
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
            result
        }

        fn create_watch(&self, condition: IOCondition) -> glib::Source {
            let fd = self.fd.shared();
            leased_watch(self.obj().upcast_ref(), condition, fd, fd)
        }

        fn set_blocking(&self, enabled: bool) -> io::Result<()> {
            self.fd.set_blocking(enabled)
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            socket::shutdown(self.fd.get()?.as_fd(), how)
        }

        fn set_cork(&self, enabled: bool) {
            self.hint(|fd| socket::set_cork(fd, enabled));
        }

        fn set_delay(&self, enabled: bool) {
            self.hint(|fd| socket::set_nodelay(fd, !enabled));
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            self.fd.wait_fd(condition)
        }
    }

    impl ChannelSocket {
        /// Takes a socket over and finds out what it can do.
        pub(super) fn open(&self, fd: OwnedFd) -> io::Result<()> {
            let traits = socket::traits(fd.as_fd())?;
            let blocking = file::is_blocking(fd.as_fd())?;
            self.fd.fill_after(fd, || {
                self.stream.store(traits.stream, Ordering::Relaxed);
            })?;
            let mut features = Feature::READ_PEEK;
            features.set(Feature::LISTEN, traits.listening);
            features.set(Feature::FD_PASS, traits.unix && !traits.listening);
            let obj = self.obj();
            let channel = obj.upcast_ref::<Channel>();
            channel.add_features(features);
            channel.note_blocking(blocking);
            Ok(())
        }

        /// Ending a listening socket would end it for every process that has it.
        fn is_foreign_listener(&self) -> bool {
            self.adopted.load(Ordering::Acquire) && self.obj().has_feature(Feature::LISTEN)
        }

        /// A socket of another kind does not know the option, which is fine.
        fn hint(&self, set: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) {
            if let Ok(fd) = self.fd.get() {
                let _ = set(fd.as_fd());
            }
        }
    }
}

derived_class!(
    ChannelSocket,
    imp::ChannelSocket,
    ChannelSocketImpl,
    QIOChannelSocket,
    QIOChannelSocketClass
);

glib::wrapper! {
    /// A stream socket: TCP over IPv4 and IPv6, a unix path or an abstract name, or any
    /// socket that is adopted. Addresses are GIO's.
    ///
    /// Unix sockets pass file descriptors, up to 253 in one message. A write to a peer
    /// that is gone fails and raises no signal. Whoever is blocked on the socket when it is
    /// closed returns: [`close`](crate::ChannelExt::close) shuts the connection down if
    /// anybody still uses it.
    ///
    /// A listening socket on a unix path removes its file when it is closed or dropped,
    /// unless another file has taken its place.
    ///
    /// # Properties
    ///
    /// `fd`, an integer, readable: -1 when closed; `local-address` and `remote-address`,
    /// [`gio::SocketAddress`]es, readable.
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let any = gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4), 0);
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
    /// Makes a channel that is still to be connected, or to listen: once.
    #[doc(alias = "qio_channel_socket_new")]
    #[must_use]
    pub fn new() -> Self {
        glib::Object::new()
    }

    /// Makes a channel of a socket, which it takes over. The mode, blocking or not, is the
    /// one that the socket is in.
    ///
    /// # Errors
    ///
    /// `ENOTSOCK` if it is no socket; it is closed then.
    #[doc(alias = "qio_channel_socket_new_fd")]
    pub fn new_fd(fd: OwnedFd) -> io::Result<Self> {
        let this = Self::new();
        this.adopt_fd(fd)?;
        Ok(this)
    }

    /// Gives a channel its socket, which it takes over: for classes that derive from this one.
    ///
    /// # Errors
    ///
    /// As [`new_fd`](Self::new_fd), and [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the
    /// channel has had one, and closed.
    pub fn adopt_fd(&self, fd: OwnedFd) -> io::Result<()> {
        self.imp().fd.check_unopened()?;
        let describe = file::describe(fd.as_fd());
        self.imp().adopted.store(true, Ordering::Release);
        self.imp()
            .open(fd)
            .map_err(|e| explain(e, format!("Unable to make a socket channel of {describe}")))
    }

    /// Makes two channels that are connected to each other, and that pass descriptors.
    ///
    /// # Errors
    ///
    /// What the system says.
    #[doc(alias = "qio_channel_socket_new_pair")]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = socket::pair()?;
        let (one, other) = (Self::new(), Self::new());
        one.imp().open(a)?;
        other.imp().open(b)?;
        Ok((one, other))
    }

    /// Connects a new channel. See [`connect_sync`](Self::connect_sync).
    ///
    /// # Errors
    ///
    /// As [`connect_sync`](Self::connect_sync).
    pub fn connect(address: &impl IsA<gio::SocketConnectable>) -> io::Result<Self> {
        let this = Self::new();
        this.connect_sync(address)?;
        Ok(this)
    }

    /// Listens on a new channel. See [`listen_sync`](Self::listen_sync).
    ///
    /// # Errors
    ///
    /// As [`listen_sync`](Self::listen_sync).
    pub fn listen(address: &impl IsA<gio::SocketAddress>, backlog: u32) -> io::Result<Self> {
        let this = Self::new();
        this.listen_sync(address, backlog)?;
        Ok(this)
    }

    /// Connects, blocking. Where a name has several addresses, each is tried in turn.
    ///
    /// # Errors
    ///
    /// That of the last address, with the address; of the resolver; or
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the channel has been opened.
    #[doc(alias = "qio_channel_socket_connect_sync")]
    pub fn connect_sync(&self, address: &impl IsA<gio::SocketConnectable>) -> io::Result<()> {
        self.imp().fd.check_unopened()?;
        let addresses = address.enumerate();
        let mut failure = None;
        while let Some(address) = addresses
            .next(gio::Cancellable::NONE)
            .map_err(from_glib_error)?
        {
            match Native::new(&address).and_then(|native| socket::connect(&native)) {
                Ok(fd) => return self.imp().open(fd),
                Err(e) => {
                    failure = Some(explain(
                        e,
                        format!("Unable to connect to {}", text(&address)),
                    ));
                }
            }
        }
        Err(failure.unwrap_or_else(|| {
            let name = SocketConnectableExt::to_string(address);
            io_error(
                gio::IOErrorEnum::HostNotFound,
                &format!("{name} has no address"),
            )
        }))
    }

    /// Listens, with at most `backlog` connections waiting to be accepted. With port 0 the
    /// system chooses one: [`local_address`](Self::local_address) tells it.
    ///
    /// # Errors
    ///
    /// What the system says, with the address, or
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the channel has been opened.
    #[doc(alias = "qio_channel_socket_listen_sync")]
    pub fn listen_sync(
        &self,
        address: &impl IsA<gio::SocketAddress>,
        backlog: u32,
    ) -> io::Result<()> {
        self.imp().fd.check_unopened()?;
        let address = address.as_ref();
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        let fd = Native::new(address)
            .and_then(|native| socket::listen(&native, backlog))
            .map_err(|e| explain(e, format!("Unable to listen on {}", text(address))))?;
        let bound = BoundPath::of(address);
        self.imp().open(fd)?;
        *self
            .imp()
            .bound
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = bound;
        Ok(())
    }

    /// Takes one connection. In blocking mode waits for one. The new channel is blocking, whatever
    /// the mode of this one is.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if none is there and the channel is
    /// non-blocking; unsupported without [`Feature::LISTEN`]; and what the system says,
    /// `EMFILE` for example: the connection stays in the queue then.
    #[doc(alias = "qio_channel_socket_accept")]
    pub fn accept(&self) -> io::Result<Self> {
        let fd = self.imp().fd.get()?;
        if !self.has_feature(Feature::LISTEN) {
            return Err(not_supported("Channel does not listen for connections"));
        }
        drop(fd);
        let fd = self.imp().fd.ready(self.upcast_ref(), IOCondition::IN)?;
        let accepted = Self::new();
        accepted.imp().open(socket::accept(fd.as_fd())?)?;
        Ok(accepted)
    }

    /// Takes one connection, once there is one. See [`accept`](Self::accept). Never blocks,
    /// whatever the mode of the channel is; dropping it leaves the connection in the queue.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_future(&self) -> impl Future<Output = io::Result<Self>> + Send + '_ {
        let mut attempt = Attempt::new(Side::Read);
        poll_fn(move |cx| {
            attempt.poll(self.upcast_ref(), cx, |how| {
                self.accept_now(how).map(Tried::whole)
            })
        })
    }

    fn accept_now(&self, how: Try) -> io::Result<Self> {
        if how.read.contains(ReadFlags::NO_WAIT) {
            let fd = self.imp().fd.get()?;
            let ready = poll::poll_now(fd.as_fd().as_raw_fd(), libc::POLLIN)?;
            if ready == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.accept()
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// When the channel is not open.
    #[doc(alias = "qio_channel_socket_get_local_address")]
    pub fn local_address(&self) -> io::Result<gio::SocketAddress> {
        socket::local_address(self.imp().fd.get()?.as_fd())
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// `ENOTCONN` if there is no other end.
    #[doc(alias = "qio_channel_socket_get_remote_address")]
    pub fn remote_address(&self) -> io::Result<gio::SocketAddress> {
        socket::remote_address(self.imp().fd.get()?.as_fd())
    }

    /// The number of the descriptor, for display; -1 when closed.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.imp().fd.number()
    }

    /// Lends the descriptor to `f`: it stays open meanwhile, whoever closes the channel.
    ///
    /// # Errors
    ///
    /// When the channel is not open.
    pub fn with_fd<R>(&self, f: impl FnOnce(BorrowedFd<'_>) -> R) -> io::Result<R> {
        Ok(f(self.imp().fd.get()?.as_fd()))
    }
}

impl Default for ChannelSocket {
    fn default() -> Self {
        Self::new()
    }
}

/// An address in messages.
fn text(address: &gio::SocketAddress) -> glib::GString {
    SocketConnectableExt::to_string(address)
}
