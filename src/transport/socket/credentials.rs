//! Who is at the other end.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use glib::subclass::prelude::*;

use super::ChannelSocket;
use crate::{channel::ChannelExt as _, error::with_context, sys::credentials, types::Feature};

/// The process at the other end of a unix socket, as it was when it connected, listened, or made
/// the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerCredentials {
    /// The process; 0 if this process cannot see it, from inside a container for example. Another
    /// process may have the number by now: [`ChannelSocket::peer_pidfd`] tells them apart.
    pub pid: i32,
    /// The user it ran as.
    pub uid: u32,
    /// The group it ran as.
    pub gid: u32,
}

impl ChannelSocket {
    /// Who is at the other end of a unix socket.
    /// [`credentials`](crate::ChannelExt::credentials) tells the same by an object of GIO's, which
    /// has no group.
    ///
    /// # Errors
    ///
    /// Unsupported for all other sockets; `ENOTCONN` if there is no other end, as for sockets that
    /// listen or receive datagrams from anybody.
    #[doc(alias = "qio_channel_socket_get_peer_credentials")]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        let peer = self.peer()?;
        Ok(PeerCredentials {
            pid: peer.pid,
            uid: peer.uid,
            gid: peer.gid,
        })
    }

    /// The process at the other end of a unix socket, as a descriptor that refers to it for as long
    /// as it is open, whatever becomes of the number. It is readable once the process has ended.
    ///
    /// # Errors
    ///
    /// As [`peer_credentials`](Self::peer_credentials); and unsupported before Linux 6.5.
    #[doc(alias = "qio_channel_socket_get_peer_pidfd")]
    pub fn peer_pidfd(&self) -> io::Result<OwnedFd> {
        self.ask(credentials::peer_pidfd)
    }

    pub(super) fn peer(&self) -> io::Result<libc::ucred> {
        self.ask(credentials::peer)
    }

    fn ask<R>(&self, ask: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
        let fd = self.imp().fd.get()?;
        let answer = match self.has_feature(Feature::LISTEN) {
            // The system would tell who listens.
            true => Err(io::Error::from_raw_os_error(libc::ENOTCONN)),
            false => ask(fd.as_fd()),
        };
        answer.map_err(|e| with_context(e, "Unable to tell who is at the other end"))
    }
}
