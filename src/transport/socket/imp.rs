//! The virtual functions of a socket: system calls on its descriptor.

mod open;

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
    QIOChannelSocket, QIOChannelSocketClass, bound_path::BoundPath, connect, options,
    zero_copy::ZeroCopy,
};
use crate::{
    channel::{Channel, ChannelExt as _, ChannelImpl, class::native::PollFd, leased_watch},
    hub::{Direction, FdRole},
    sync::ForkMutex,
    sys::{FdGuard, HazardGuard, credentials, datagram, fd_info::Kind, file, scm, socket},
    transport::fd_slot::FdSlot,
    types::{Feature, Flushed, ReadFlags, Readiness, Shutdown, WriteFlags},
};

/// Dropped when the channel is closed, or dropped.
#[derive(Debug)]
#[allow(dead_code)] // it is there to be dropped
pub(super) enum CloseHook {
    Path(BoundPath),
    Other(Box<dyn Any + Send + Sync>),
}

#[derive(Debug, Default)]
pub struct ChannelSocket {
    pub(super) fd: FdSlot,
    /// `SOCK_STREAM` or another type, or 0 for the default: that of the socket, or before it is
    /// open, the one it will have.
    kind: AtomicI32,
    pub(super) zero_copy: OnceLock<Arc<ZeroCopy>>,
    pub(super) tied: ForkMutex<Option<Box<CloseHook>>>,
    /// Whether it is an adopted listening socket, which other processes may use.
    pub(super) adopted: AtomicBool,
    /// Whether it has no message boundaries. Set before the descriptor can be used.
    stream: AtomicBool,
    /// Whether reads end at ancillary descriptors. Set before the descriptor can be used.
    pub(super) unix: AtomicBool,
    /// Whether zero-copy writes are supported, on it or on the connections that it accepts.
    sends_uncopied: AtomicBool,
    /// The address of the peer, of a connection over IP that was accepted.
    pub(super) accepted_from: OnceLock<Box<[u8]>>,
}

#[glib::object_subclass]
impl ObjectSubclass for ChannelSocket {
    const NAME: &'static str = "QIOChannelSocket";
    type Type = super::ChannelSocket;
    type ParentType = Channel;
    type Class = QIOChannelSocketClass;
    type Instance = QIOChannelSocket;

    /// GLib adds the interface of `GSocketAddress` under the lock that it holds in `class_init`:
    /// the properties would wait for a thread that registers the type then, and that for the lock.
    fn type_init(_: &mut glib::subclass::types::InitializingType<Self>) {
        gio::SocketAddress::static_type();
    }

    fn class_init(class: &mut Self::Class) {
        let slots = &mut class.parent_class;
        slots.set_native_class_with(true, poll_fd, Some(keep), Some(abort), Some(closes_at_once));
    }
}

/// A connection of the process that this one was forked from is not affected.
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

/// The kernel waits only for a socket that lingers, or for devices that send without a copy.
fn closes_at_once(channel: &Channel) -> bool {
    let Some(this) = channel.downcast_ref::<super::ChannelSocket>() else {
        return false;
    };
    let this = this.imp();
    this.zero_copy.get().is_none() && this.fd.get().is_ok_and(|fd| !socket::lingers(fd.as_fd()))
}

fn poll_fd(channel: &Channel, side: Direction) -> Option<PollFd> {
    let this = channel.downcast_ref::<super::ChannelSocket>()?.imp();
    Some(PollFd::Pollable {
        fd: this.fd.shared()?.clone(),
        role: FdRole {
            both: true,
            side,
            short_read: this.traits().short_read(),
        },
        raw: (this.stream.load(Ordering::Relaxed)).then_some(Kind::Socket),
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
                    .blurb("The local address")
                    .read_only()
                    .build(),
                glib::ParamSpecObject::builder::<gio::SocketAddress>("remote-address")
                    .nick("Remote address")
                    .blurb("The address of the peer, if there is one")
                    .read_only()
                    .build(),
                glib::ParamSpecEnum::builder_with_default("socket-type", gio::SocketType::Stream)
                    .nick("Socket type")
                    .blurb("The type of the socket: stream or message-oriented")
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
        obj.upcast_ref::<Channel>()
            .set_first_features(Feature::SHUTDOWN);
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
            // Not a construct property: setting its default took a fifth of an accept.
            "socket-type" => match self.fd.check_unopened() {
                Ok(()) => {
                    let kind = socket::native_kind(value.get().expect("a type of sockets"));
                    self.kind.store(kind, Ordering::Release);
                }
                Err(e) => glib::g_warning!("Qio", "Unable to set \"socket-type\": {}", e),
            },
            name => options::set_property(&self.obj(), name, value),
        }
    }
}

impl ChannelSocket {
    /// In non-blocking mode no call blocks, even if another process that shares the description has
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
        match self.is_message_oriented() {
            true => self.send_message(flags, |fd, flags| datagram::send(fd, iov, fds, flags)),
            false => scm::sendmsg(self.fd.get()?.as_fd(), iov, fds, flags),
        }
    }
}

impl ChannelImpl for ChannelSocket {
    // Inlined into the trampoline, as `recv` is into this: after a system call every frame costs.
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
            && !self.waits_for_peer()
            && let Some(fd) = self.fd.protect()
        {
            return socket::send(fd.as_fd(), one, flags);
        }
        self.send(iov, fds, flags)
    }

    fn close(&self) -> io::Result<()> {
        // Before the number can be reused: waiters must not poll it any more.
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
            // The mode is one of the channel only.
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
            None => Ok(Flushed::ZeroCopy),
        }
    }

    fn credentials(&self) -> io::Result<gio::Credentials> {
        let peer = self.obj().peer()?;
        Ok(credentials::to_gio(peer))
    }
}

impl ChannelSocket {
    /// Adds an object that is dropped when the channel is closed, or dropped: at once if it is
    /// closed already.
    pub(super) fn on_close(&self, tied: CloseHook) {
        let before = self.tied.lock().replace(Box::new(tied));
        drop(before);
        if self.obj().is_closed() {
            let tied = self.tied.lock().take();
            drop(tied);
        }
    }

    /// The type of the socket, or before it is open, the one it will have.
    #[inline]
    pub(super) fn kind(&self) -> i32 {
        match self.kind.load(Ordering::Acquire) {
            0 => libc::SOCK_STREAM,
            kind => kind,
        }
    }

    /// The descriptor, if it has no message boundaries: that was determined before it could be
    /// used.
    #[inline]
    fn bytes(&self) -> Option<HazardGuard<'_>> {
        self.fd.protect().filter(|_| !self.is_message_oriented())
    }

    #[inline]
    pub(super) fn is_message_oriented(&self) -> bool {
        self.kind() != libc::SOCK_STREAM
    }

    /// Shutting down a listening socket would affect every process that shares it.
    fn is_foreign_listener(&self) -> bool {
        self.adopted.load(Ordering::Acquire) && self.obj().has_feature(Feature::LISTEN)
    }

    fn is_own_listener(&self) -> bool {
        !self.adopted.load(Ordering::Acquire) && self.obj().has_feature(Feature::LISTEN)
    }

    /// The descriptor of a listening socket, to accept from without blocking. accept4(2) has no
    /// flag for that: an adopted one, or one that another process has changed, is put in
    /// non-blocking mode, for all that share it.
    pub(super) fn nonblocking_listener(&self) -> io::Result<FdGuard<'_>> {
        let fd = self.fd.get()?;
        file::set_nonblocking(fd.as_fd(), true)?;
        Ok(fd)
    }

    /// A socket of another type does not support the option, which is no error.
    fn hint(&self, set: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) {
        if let Ok(fd) = self.fd.get() {
            let _ = set(fd.as_fd());
        }
    }
}
