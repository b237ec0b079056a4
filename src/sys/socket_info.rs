//! The traits of a socket on which the features of a channel depend.

use std::{io, os::fd::BorrowedFd};

use super::{fd_info::ShortRead, socket::option, zero_copy};

/// The traits of a socket on which the features of a channel depend.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    /// `SOCK_STREAM` or another type.
    pub(crate) kind: i32,
    pub(crate) unix: bool,
    /// Whether it has no message boundaries.
    pub(crate) stream: bool,
    pub(crate) listening: bool,
    /// Whether zero-copy writes are supported, on it or on the connections that it accepts.
    pub(crate) zero_copy: bool,
}

impl Traits {
    /// Reads of a unix socket end at ancillary descriptors.
    pub(crate) fn short_read(&self) -> ShortRead {
        match (self.stream, self.unix) {
            (false, _) => ShortRead::Unknown,
            (true, false) => ShortRead::Drained,
            (true, true) => ShortRead::ProbablyDrained,
        }
    }

    pub(crate) fn is_message_oriented(&self) -> bool {
        self.kind != libc::SOCK_STREAM
    }
}

/// Determines the traits. Fails with `ENOTSOCK` for anything that is not a socket.
pub(super) fn traits(fd: BorrowedFd<'_>) -> io::Result<Traits> {
    let domain = option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)?;
    let kind = option(fd, libc::SOL_SOCKET, libc::SO_TYPE)?;
    let listening = option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? != 0;
    let traits = traits_of_new(fd, domain, kind)?;
    Ok(Traits {
        listening,
        ..traits
    })
}

/// Those of a socket of a known family and type, which does not listen. A program may have been
/// started in such a way that another protocol replaces TCP.
pub(crate) fn traits_of_new(fd: BorrowedFd<'_>, domain: i32, kind: i32) -> io::Result<Traits> {
    // Those of these families have one protocol per type.
    let known_family = matches!(domain, libc::AF_UNIX | libc::AF_VSOCK);
    let protocol = match known_family {
        true => 0,
        false => option(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL)?,
    };
    // Other protocols of this type, such as SCTP, may preserve message boundaries.
    let known = known_family || matches!(protocol, libc::IPPROTO_TCP | libc::IPPROTO_MPTCP);
    Ok(Traits {
        kind,
        unix: domain == libc::AF_UNIX,
        stream: kind == libc::SOCK_STREAM && known,
        listening: false,
        zero_copy: zero_copy::is_known(domain, protocol),
    })
}
