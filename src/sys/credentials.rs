//! Peer credentials of unix sockets (`SO_PEERCRED`, `SO_PEERPIDFD`).

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use nix::errno::Errno;

use super::{call, socket};
use crate::error::not_supported;

/// The credentials of the process that connected, listened, or created the pair, at that time.
pub(crate) fn peer(fd: BorrowedFd<'_>) -> io::Result<libc::ucred> {
    check_is_unix(fd)?;
    let mut peer = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `peer` and `length` live through the call, and `length` is the size of `peer`.
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
        // No user id: there is no peer, or none that the kernel has recorded.
        u32::MAX => Err(Errno::ENOTCONN.into()),
        _ => Ok(peer),
    }
}

/// Converts credentials to GIO's type.
pub(crate) fn to_gio(mut peer: libc::ucred) -> gio::Credentials {
    let credentials = gio::Credentials::new();
    // SAFETY: `G_CREDENTIALS_TYPE_LINUX_UCRED` takes a `ucred`, which the call copies.
    unsafe {
        credentials.set_native(gio::CredentialsType::LinuxUcred, (&raw mut peer).cast());
    }
    credentials
}

/// A descriptor of the peer process: it cannot refer to another process that gets the same pid.
pub(crate) fn peer_pidfd(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    check_is_unix(fd)?;
    match socket::option(fd, libc::SOL_SOCKET, libc::SO_PEERPIDFD) {
        // SAFETY: the call has created the descriptor for this caller, close-on-exec.
        Ok(pidfd) => Ok(unsafe { OwnedFd::from_raw_fd(pidfd) }),
        Err(e) => Err(match e.raw_os_error() {
            Some(libc::ENOPROTOOPT) => {
                not_supported("The kernel does not support SO_PEERPIDFD (since Linux 6.5)")
            }
            // No peer has ever connected.
            Some(libc::ENODATA) => Errno::ENOTCONN.into(),
            _ => e,
        }),
    }
}

fn check_is_unix(fd: BorrowedFd<'_>) -> io::Result<()> {
    match socket::option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)? {
        libc::AF_UNIX => Ok(()),
        _ => Err(not_supported("Only unix sockets have peer credentials")),
    }
}
