//! Peer credentials.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use glib::subclass::prelude::*;

use super::ChannelSocket;
use crate::{channel::ChannelExt as _, error::with_context, sys::credentials, types::Feature};

/// The peer process of a unix socket, when it connected, listened or made the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerCredentials {
    /// The process; 0 if this process cannot see it, for example from inside a container. The pid
    /// may have been reused: [`ChannelSocket::peer_pidfd`] detects that.
    pub pid: i32,
    /// The user id of the process.
    pub uid: u32,
    /// The group id of the process.
    pub gid: u32,
}

impl ChannelSocket {
    /// Returns the credentials of the peer of a unix socket.
    ///
    /// [`credentials`](crate::ChannelExt::credentials) returns the same as an object of GIO, which
    /// has no group.
    ///
    /// # Errors
    ///
    /// Unsupported for all other sockets; `ENOTCONN` if there is no peer, as for sockets that
    /// listen or are not connected.
    #[doc(alias = "qio_channel_socket_get_peer_credentials")]
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        let peer = self.peer()?;
        Ok(PeerCredentials {
            pid: peer.pid,
            uid: peer.uid,
            gid: peer.gid,
        })
    }

    /// Returns a pidfd of the peer process of a unix socket.
    ///
    /// It refers to the same process while it is open, even if the pid is reused. It is readable
    /// once the process has ended.
    ///
    /// # Errors
    ///
    /// As [`peer_credentials`](Self::peer_credentials); and unsupported before Linux 6.5.
    #[doc(alias = "qio_channel_socket_get_peer_pidfd")]
    pub fn peer_pidfd(&self) -> io::Result<OwnedFd> {
        self.query(credentials::peer_pidfd)
    }

    pub(super) fn peer(&self) -> io::Result<libc::ucred> {
        self.query(credentials::peer)
    }

    fn query<R>(&self, query: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>) -> io::Result<R> {
        let fd = self.imp().fd.get()?;
        let answer = match self.has_feature(Feature::LISTEN) {
            // The kernel would return the credentials of the listening process.
            true => Err(io::Error::from_raw_os_error(libc::ENOTCONN)),
            false => query(fd.as_fd()),
        };
        answer.map_err(|e| with_context(e, "Unable to get the peer credentials"))
    }
}
