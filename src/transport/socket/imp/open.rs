//! Opening a socket channel: its descriptor and its features.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::Ordering,
};

use glib::{prelude::*, subclass::prelude::*};

use super::ChannelSocket;
use crate::{
    channel::Channel,
    sys::{
        StreamSocket,
        address::Native,
        fd_info::FdInfo,
        file,
        socket_info::{self, Traits},
    },
    types::Feature,
};

fn not_a_socket() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOTSOCK)
}

impl ChannelSocket {
    /// Takes ownership of a socket and determines its features.
    pub(in crate::transport::socket) fn open(&self, fd: OwnedFd) -> io::Result<()> {
        self.open_from(&mut Some(fd))
    }

    /// As [`open`](Self::open). On failure the descriptor, which must be there, stays in `fd`.
    pub(in crate::transport::socket) fn open_from(
        &self,
        fd: &mut Option<OwnedFd>,
    ) -> io::Result<()> {
        let fd_info = FdInfo::of(fd.as_ref().expect("there is one").as_fd())?;
        let traits = fd_info.socket.ok_or_else(not_a_socket)?;
        self.fill(fd, traits, fd_info.is_blocking)
    }

    /// As [`open`](Self::open), for a listening socket that this channel has created. It is in
    /// non-blocking mode whatever the channel's mode is: another process that shares it may accept
    /// a connection that this one has polled.
    pub(in crate::transport::socket) fn open_listening(&self, fd: OwnedFd) -> io::Result<()> {
        file::set_nonblocking(fd.as_fd(), true)?;
        let traits = FdInfo::of(fd.as_fd())?.socket;
        self.fill(&mut Some(fd), traits.ok_or_else(not_a_socket)?, true)
    }

    /// Takes ownership of an accepted connection: it has the traits of the listening socket, and is
    /// blocking.
    pub(in crate::transport::socket) fn open_accepted(
        &self,
        fd: OwnedFd,
        peer: &Native,
        from: &Self,
    ) -> io::Result<()> {
        if let Some(bytes) = peer.ip_bytes() {
            self.accepted_from.get_or_init(|| bytes);
        }
        let features = self.record(&mut Some(fd), from.traits())?;
        // The channel is new: nothing is notified of its properties.
        self.obj()
            .upcast_ref::<Channel>()
            .set_first_features(features);
        Ok(())
    }

    /// As [`open`](Self::open), for a blocking socket of this family and type that was just
    /// created.
    pub(in crate::transport::socket) fn open_created(
        &self,
        fd: OwnedFd,
        (domain, kind): (i32, i32),
    ) -> io::Result<()> {
        let traits = socket_info::traits_of_new(fd.as_fd(), domain, kind)?;
        self.fill(&mut Some(fd), traits, true)
    }

    /// The traits, except whether it listens.
    pub(super) fn traits(&self) -> Traits {
        Traits {
            kind: self.kind(),
            zero_copy: self.sends_uncopied.load(Ordering::Relaxed),
            unix: self.unix.load(Ordering::Relaxed),
            stream: self.stream.load(Ordering::Relaxed),
            listening: false,
        }
    }

    fn fill(&self, fd: &mut Option<OwnedFd>, traits: Traits, blocking: bool) -> io::Result<()> {
        let features = self.record(fd, traits)?;
        let obj = self.obj();
        let channel = obj.upcast_ref::<Channel>();
        channel.add_features(features);
        channel.set_blocking_state(blocking);
        Ok(())
    }

    /// Takes ownership of a socket of these traits. Returns the features of the channel.
    fn record(&self, fd: &mut Option<OwnedFd>, traits: Traits) -> io::Result<Feature> {
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
        Ok(features)
    }
}
