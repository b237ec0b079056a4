//! What a socket fills in of the class: calls of the system on its descriptor.

use std::{
    any::Any,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use glib::{
    IOCondition, ParamSpec,
    prelude::*,
    subclass::{Signal, prelude::*},
};

use super::{QIOChannelSocket, QIOChannelSocketClass, bound_path::BoundPath, connect};
use crate::{
    channel::{Channel, ChannelExt as _, ChannelImpl, ffi::Lent, leased_watch},
    hub::{Serves, ShortRead},
    sys::{file, lock, scm, socket},
    transport::fd_slot::FdSlot,
    types::{Feature, ReadFlags, Readiness, Shutdown, WriteFlags},
};

/// What goes when the channel is closed, or dropped.
#[derive(Debug)]
#[allow(dead_code)] // it is there to be dropped
pub(super) enum Tied {
    Path(BoundPath),
    Other(Box<dyn Any + Send + Sync>),
}

#[derive(Debug, Default)]
pub struct ChannelSocket {
    pub(super) fd: FdSlot,
    pub(super) tied: Mutex<Option<Box<Tied>>>,
    /// A listening socket that came from elsewhere may be in use there.
    pub(super) adopted: AtomicBool,
    /// Bytes have no boundaries. Known before the descriptor can be used.
    stream: AtomicBool,
    /// Reads end where descriptors are. Likewise.
    unix: AtomicBool,
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
                        this.unix.load(Ordering::Relaxed),
                    ) {
                        (false, _) => ShortRead::SaysNothing,
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
            name => unreachable!("no property {name}"),
        }
    }
}

impl ChannelSocket {
    #[inline(never)]
    fn receive(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        scm::recvmsg(self.fd.get()?.as_fd(), iov, fds, flags)
    }

    #[inline(never)]
    fn send(
        &self,
        iov: &[IoSlice<'_>],
        fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        scm::sendmsg(self.fd.get()?.as_fd(), iov, fds, flags)
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
        if let ([one], None) = (&mut *iov, &fds)
            && let Some(fd) = self.fd.noted()
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
        if let ([one], []) = (iov, fds)
            && let Some(fd) = self.fd.noted()
        {
            return socket::send(fd.as_fd(), one, flags);
        }
        self.send(iov, fds, flags)
    }

    fn close(&self) -> io::Result<()> {
        // Before the number is free for others: waiters must not look at it any more.
        self.obj().upcast_ref::<Channel>().imp().mark_closed();
        let result = self.fd.close(|fd| {
            if !self.is_foreign_listener() {
                let _ = socket::shutdown(fd, Shutdown::Both);
            }
        });
        let tied = lock(&self.tied).take();
        drop(tied);
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
        self.fill(fd, traits, blocking)
    }

    /// Takes a connection over that a listening socket has given: it is like that, and blocking.
    pub(super) fn open_accepted(&self, fd: OwnedFd, from: &Self) -> io::Result<()> {
        let traits = socket::Traits {
            unix: from.unix.load(Ordering::Relaxed),
            stream: from.stream.load(Ordering::Relaxed),
            listening: false,
        };
        self.fill(fd, traits, true)
    }

    fn fill(&self, fd: OwnedFd, traits: socket::Traits, blocking: bool) -> io::Result<()> {
        self.fd.fill_after(fd, || {
            self.stream.store(traits.stream, Ordering::Relaxed);
            self.unix.store(traits.unix, Ordering::Relaxed);
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
