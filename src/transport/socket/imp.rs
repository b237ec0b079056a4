//! What a socket fills in of the class: calls of the system on its descriptor.

use std::{
    any::Any,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, LazyLock, OnceLock,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
};

use glib::{
    IOCondition, ParamSpec,
    prelude::*,
    subclass::{Signal, prelude::*},
};

use super::{
    QIOChannelSocket, QIOChannelSocketClass, bound_path::BoundPath, connect, datagram::native_kind,
    options, zero_copy::ZeroCopy,
};
use crate::{
    channel::{Channel, ChannelExt as _, ChannelImpl, ffi::PollFd, leased_watch},
    hub::{Direction, FdRole},
    sync::ForkMutex,
    sys::{
        FdGuard, HazardGuard, StreamSocket, credentials, datagram, fd_info::FdInfo, file, scm,
        socket,
    },
    transport::fd_slot::FdSlot,
    types::{Feature, Flushed, ReadFlags, Readiness, Shutdown, WriteFlags},
};

/// What goes when the channel is closed, or dropped.
#[derive(Debug)]
#[allow(dead_code)] // it is there to be dropped
pub(super) enum CloseHook {
    Path(BoundPath),
    Other(Box<dyn Any + Send + Sync>),
}

#[derive(Debug, Default)]
pub struct ChannelSocket {
    pub(super) fd: FdSlot,
    /// `SOCK_STREAM` or another type, or 0 for the usual one: what it is to become, and once it
    /// is open, what it is.
    kind: AtomicI32,
    pub(super) zero_copy: OnceLock<Arc<ZeroCopy>>,
    pub(super) tied: ForkMutex<Option<Box<CloseHook>>>,
    /// A listening socket that came from elsewhere may be in use there.
    pub(super) adopted: AtomicBool,
    /// Bytes have no boundaries. Known before the descriptor can be used.
    stream: AtomicBool,
    /// Reads end where descriptors are. Likewise.
    unix: AtomicBool,
    /// Writes, also of what it accepts, can be sent from where they are.
    sends_uncopied: AtomicBool,
}

#[glib::object_subclass]
impl ObjectSubclass for ChannelSocket {
    const NAME: &'static str = "QIOChannelSocket";
    type Type = super::ChannelSocket;
    type ParentType = Channel;
    type Class = QIOChannelSocketClass;
    type Instance = QIOChannelSocket;

    fn class_init(class: &mut Self::Class) {
        let slots = &mut class.parent_class;
        slots.set_native_class_with(true, poll_fd, Some(keep), Some(abort));
    }
}

/// The connection of a process that this one has forked from goes on.
fn abort(channel: &Channel) {
    let Some(this) = channel.downcast_ref::<super::ChannelSocket>() else {
        return;
    };
    let this = this.imp();
    channel.imp().mark_closed();
    if !this.fd.is_inherited()
        && !this.obj().has_feature(Feature::LISTEN)
        && let Ok(fd) = this.fd.get()
    {
        socket::reset(fd.as_fd());
    }
}

fn poll_fd(channel: &Channel, side: Direction) -> Option<PollFd> {
    let this = channel.downcast_ref::<super::ChannelSocket>()?.imp();
    Some(PollFd::Pollable {
        fd: this.fd.shared()?.clone(),
        serves: FdRole {
            both: true,
            side,
            short_read: this.traits().short_read(),
        },
        raw: this.stream.load(Ordering::Relaxed),
    })
}

fn keep(
    channel: &Channel,
    bytes: &glib::Bytes,
    from: usize,
    flags: WriteFlags,
) -> io::Result<usize> {
    let this = channel.downcast_ref::<super::ChannelSocket>();
    let send = |zero_copy: &ZeroCopy, fd: BorrowedFd<'_>| {
        zero_copy.sends.send_owned(fd, bytes, from, flags)
    };
    this.expect("a socket").imp().send_in_place(flags, send)
}

impl ObjectImpl for ChannelSocket {
    fn properties() -> &'static [ParamSpec] {
        static PROPERTIES: LazyLock<Vec<ParamSpec>> = LazyLock::new(|| {
            let mut properties = vec![
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
                glib::ParamSpecEnum::builder_with_default("socket-type", gio::SocketType::Stream)
                    .nick("Socket type")
                    .blurb("Whether it is a stream, or keeps messages apart")
                    .construct_only()
                    .build(),
            ];
            properties.extend(options::properties());
            properties
        });
        &PROPERTIES
    }

    fn signals() -> &'static [Signal] {
        connect::signals()
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
            "socket-type" => obj.socket_type().to_value(),
            name => options::property(&obj, name),
        }
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &ParamSpec) {
        match pspec.name() {
            "socket-type" => {
                let kind = value.get().expect("a type of sockets");
                self.kind.store(native_kind(kind), Ordering::Release);
            }
            name => options::set_property(&self.obj(), name, value),
        }
    }
}

impl ChannelSocket {
    /// In non-blocking mode no call waits, also if another process that shares the description has
    /// changed its mode.
    #[inline]
    pub(super) fn read_flags(&self, flags: ReadFlags) -> ReadFlags {
        match self.obj().is_blocking() {
            true => flags,
            false => flags | ReadFlags::NO_WAIT,
        }
    }

    #[inline]
    pub(super) fn write_flags(&self, flags: WriteFlags) -> WriteFlags {
        match self.obj().is_blocking() {
            true => flags,
            false => flags | WriteFlags::NO_WAIT,
        }
    }

    #[inline(never)]
    fn receive(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        let fd = self.fd.get()?;
        match self.is_message_oriented() {
            true => datagram::receive(fd.as_fd(), iov, fds, flags),
            false => scm::recvmsg(fd.as_fd(), iov, fds, flags),
        }
    }

    #[inline(never)]
    fn send(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        if flags.contains(WriteFlags::ZERO_COPY) {
            return self.send_in_place(flags, |zero_copy, fd| zero_copy.sends.send(fd, iov, flags));
        }
        let fd = self.fd.get()?;
        match self.is_message_oriented() {
            true => datagram::send(fd.as_fd(), iov, fds, flags),
            false => scm::sendmsg(fd.as_fd(), iov, fds, flags),
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
        let flags = self.read_flags(flags);
        if let ([one], None) = (&mut *iov, &fds)
            && let Some(fd) = self.bytes()
        {
            return socket::recv(fd.as_fd(), one, flags);
        }
        self.receive(iov, fds, flags)
    }

    #[inline(always)]
    fn writev(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let flags = self.write_flags(flags);
        if let ([one], [], false) = (iov, fds, flags.contains(WriteFlags::ZERO_COPY))
            && let Some(fd) = self.fd.protect()
        {
            return socket::send(fd.as_fd(), one, flags);
        }
        self.send(iov, fds, flags)
    }

    fn close(&self) -> io::Result<()> {
        // Before the number is free for others: waiters must not look at it any more.
        self.obj().upcast_ref::<Channel>().imp().mark_closed();
        self.linger_until_complete();
        let result = self.fd.close(|fd| {
            if !self.is_foreign_listener() {
                let _ = socket::shutdown(fd, Shutdown::Both);
            }
        });
        let tied = self.tied.lock().take();
        drop(tied);
        result
    }

    fn create_watch(&self, condition: IOCondition) -> glib::Source {
        let fd = self.fd.shared();
        leased_watch(self.obj().upcast_ref(), condition, fd, fd)
    }

    fn set_blocking(&self, enabled: bool) -> io::Result<()> {
        match self.is_own_listener() {
            // The mode is only the channel's.
            true => self.fd.get().map(drop),
            false => self.fd.set_blocking(enabled),
        }
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

    fn flush(&self) -> io::Result<Flushed> {
        match self.zero_copy.get() {
            Some(zero_copy) => zero_copy.sends.finish(self.fd.get()?.as_fd()),
            None => Ok(Flushed::Sent),
        }
    }

    fn credentials(&self) -> io::Result<gio::Credentials> {
        let peer = self.obj().peer()?;
        Ok(credentials::to_gio(peer))
    }
}

fn not_a_socket() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOTSOCK)
}

impl ChannelSocket {
    /// Takes a socket over and finds out what it can do.
    pub(super) fn open(&self, fd: OwnedFd) -> io::Result<()> {
        self.open_from(&mut Some(fd))
    }

    /// As [`open`](Self::open). On failure the descriptor, which must be there, is left where it is.
    pub(super) fn open_from(&self, fd: &mut Option<OwnedFd>) -> io::Result<()> {
        let fd_info = FdInfo::of(fd.as_ref().expect("there is one").as_fd())?;
        let traits = fd_info.socket.ok_or_else(not_a_socket)?;
        self.fill(fd, traits, fd_info.is_blocking)
    }

    /// As [`open`](Self::open), of a socket of this channel's own that listens. It is in non-blocking
    /// mode whatever the channel's mode is: another process that has it may take a connection that
    /// this one has seen.
    pub(super) fn open_listening(&self, fd: OwnedFd) -> io::Result<()> {
        file::set_blocking(fd.as_fd(), false)?;
        let traits = FdInfo::of(fd.as_fd())?.socket;
        self.fill(&mut Some(fd), traits.ok_or_else(not_a_socket)?, true)
    }

    /// Takes a connection over that a listening socket has given: it is like that, and blocking.
    pub(super) fn open_accepted(&self, fd: OwnedFd, from: &Self) -> io::Result<()> {
        self.fill(&mut Some(fd), from.traits(), true)
    }

    /// What it is, but for whether it listens.
    fn traits(&self) -> socket::Traits {
        socket::Traits {
            kind: self.kind(),
            zero_copy: self.sends_uncopied.load(Ordering::Relaxed),
            unix: self.unix.load(Ordering::Relaxed),
            stream: self.stream.load(Ordering::Relaxed),
            listening: false,
        }
    }

    fn fill(
        &self,
        fd: &mut Option<OwnedFd>,
        traits: socket::Traits,
        blocking: bool,
    ) -> io::Result<()> {
        self.fd.fill_from(fd, || {
            self.kind.store(traits.kind, Ordering::Release);
            self.stream.store(traits.stream, Ordering::Relaxed);
            self.unix.store(traits.unix, Ordering::Relaxed);
            self.sends_uncopied
                .store(traits.zero_copy, Ordering::Relaxed);
        })?;
        let mut features = Feature::READ_PEEK;
        features.set(Feature::LISTEN, traits.listening);
        features.set(Feature::FD_PASS, traits.unix && !traits.listening);
        let sends_uncopied = traits.zero_copy && !traits.listening;
        features.set(Feature::WRITE_ZERO_COPY, sends_uncopied);
        let obj = self.obj();
        let channel = obj.upcast_ref::<Channel>();
        match (self.is_message_oriented(), self.fd.shared()) {
            (false, Some(fd)) => {
                let stream = StreamSocket::new(fd.clone());
                channel.imp().stream.get_or_init(|| stream);
            }
            _ => channel.imp().set_message_oriented(true),
        }
        channel.add_features(features);
        channel.set_blocking_state(blocking);
        Ok(())
    }

    /// Takes something along when the channel is closed, or dropped: at once if it is closed already.
    pub(super) fn on_close(&self, tied: CloseHook) {
        let before = self.tied.lock().replace(Box::new(tied));
        drop(before);
        if self.obj().is_closed() {
            let tied = self.tied.lock().take();
            drop(tied);
        }
    }

    /// What it is to become, or is.
    #[inline]
    pub(super) fn kind(&self) -> i32 {
        match self.kind.load(Ordering::Acquire) {
            0 => libc::SOCK_STREAM,
            kind => kind,
        }
    }

    /// The descriptor, if reading it is reading bytes, and not messages: that was known before it could be used.
    #[inline]
    fn bytes(&self) -> Option<HazardGuard<'_>> {
        self.fd.protect().filter(|_| !self.is_message_oriented())
    }

    #[inline]
    pub(super) fn is_message_oriented(&self) -> bool {
        self.kind() != libc::SOCK_STREAM
    }

    /// Ending a listening socket would end it for every process that has it.
    fn is_foreign_listener(&self) -> bool {
        self.adopted.load(Ordering::Acquire) && self.obj().has_feature(Feature::LISTEN)
    }

    fn is_own_listener(&self) -> bool {
        !self.adopted.load(Ordering::Acquire) && self.obj().has_feature(Feature::LISTEN)
    }

    /// The descriptor of a listening socket, to accept from without blocking. The system has no flag
    /// for that: one that came from elsewhere, or that another process has changed, is put in
    /// non-blocking mode, for all that have it.
    pub(super) fn nonblocking_listener(&self) -> io::Result<FdGuard<'_>> {
        let fd = self.fd.get()?;
        file::set_blocking(fd.as_fd(), false)?;
        Ok(fd)
    }

    /// A socket of another kind does not know the option, which is fine.
    fn hint(&self, set: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) {
        if let Ok(fd) = self.fd.get() {
            let _ = set(fd.as_fd());
        }
    }
}
