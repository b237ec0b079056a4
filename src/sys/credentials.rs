//! Who is at the other end of a unix socket.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use nix::errno::Errno;

use super::{call, socket};
use crate::error::not_supported;

/// The process that connected, or listened, or made the pair, as it was at that time.
pub(crate) fn peer(fd: BorrowedFd<'_>) -> io::Result<libc::ucred> {
    check_is_unix(fd)?;
    let mut peer = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the credentials and their length live through the call and agree.
    call(|| unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &mut len,
        ) as isize
    })?;
    match peer.uid {
        // Of nobody: there is no peer, or none that the system knows.
        u32::MAX => Err(Errno::ENOTCONN.into()),
        _ => Ok(peer),
    }
}

/// The same for GLib.
pub(crate) fn to_gio(mut peer: libc::ucred) -> gio::Credentials {
    let credentials = gio::Credentials::new();
    // SAFETY: a `ucred` is what the type says, and is copied.
    unsafe {
        credentials.set_native(gio::CredentialsType::LinuxUcred, (&raw mut peer).cast());
    }
    credentials
}

/// The process itself: it stays the same one whatever becomes of its number.
pub(crate) fn peer_pidfd(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    check_is_unix(fd)?;
    match socket::option(fd, libc::SOL_SOCKET, libc::SO_PEERPIDFD) {
        // SAFETY: the call has made the descriptor for us, close-on-exec.
        Ok(pidfd) => Ok(unsafe { OwnedFd::from_raw_fd(pidfd) }),
        Err(e) => Err(match e.raw_os_error() {
            Some(libc::ENOPROTOOPT) => {
                not_supported("This system does not tell peers by descriptors (since Linux 6.5)")
            }
            // Nobody has ever connected.
            Some(libc::ENODATA) => Errno::ENOTCONN.into(),
            _ => e,
        }),
    }
}

fn check_is_unix(fd: BorrowedFd<'_>) -> io::Result<()> {
    match socket::option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? {
        libc::AF_UNIX => Ok(()),
        _ => Err(not_supported(
            "Only unix sockets tell who is at the other end",
        )),
    }
}
