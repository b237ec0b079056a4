//! Sockets without descriptors in the messages; those are in [`super::scm`].

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{self, AddressFamily, SockFlag, SockType},
};
use rustix::net::{RecvFlags, SendFlags};

use super::{address::Native, call, fd_info::ShortRead, once, poll, retry, transfer, zero_copy};
use crate::types::{ReadFlags, Shutdown, WriteFlags};

/// The flags of a message, for a read.
#[inline]
pub(super) fn receiving(flags: ReadFlags) -> libc::c_int {
    let peek = flags.contains(ReadFlags::PEEK);
    let no_wait = flags.contains(ReadFlags::NO_WAIT);
    (i32::from(peek) * libc::MSG_PEEK) | (i32::from(no_wait) * libc::MSG_DONTWAIT)
}

/// The flags of a message, for a write.
#[inline]
pub(super) fn sending(flags: WriteFlags) -> libc::c_int {
    let no_wait = flags.contains(WriteFlags::NO_WAIT);
    libc::MSG_NOSIGNAL | (i32::from(no_wait) * libc::MSG_DONTWAIT)
}

#[inline]
pub(crate) fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], flags: ReadFlags) -> io::Result<usize> {
    let flags = RecvFlags::from_bits_retain(receiving(flags) as u32);
    transfer(|| rustix::net::recv(fd, &mut *buf, flags).map(|(_, count)| count))
}

/// As [`recv`]. What it says to have read is initialised.
#[inline]
pub(crate) fn recv_uninit(
    fd: BorrowedFd<'_>,
    buf: &mut [MaybeUninit<u8>],
    flags: ReadFlags,
) -> io::Result<usize> {
    let flags = RecvFlags::from_bits_retain(receiving(flags) as u32);
    transfer(|| rustix::net::recv(fd, &mut *buf, flags).map(|(_, count)| count))
}

#[inline]
pub(crate) fn send(fd: BorrowedFd<'_>, buf: &[u8], flags: WriteFlags) -> io::Result<usize> {
    let flags = SendFlags::from_bits_retain(sending(flags) as u32);
    transfer(|| rustix::net::send(fd, buf, flags))
}

/// A new socket of a family and a type such as `SOCK_STREAM`, close-on-exec and blocking.
pub(super) fn new(family: i32, kind: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; the result is checked and owned by nothing else.
    unsafe {
        let fd = call(|| libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) as isize)?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Gives a socket its own address.
pub(super) fn bind(fd: BorrowedFd<'_>, address: &Native) -> io::Result<()> {
    // SAFETY: the address holds as many bytes as it says.
    call(|| unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr(), address.len()) as isize })?;
    Ok(())
}

/// Connects a new socket of a type such as `SOCK_STREAM`, blocking.
pub(crate) fn connect(address: &Native, kind: i32) -> io::Result<OwnedFd> {
    connect_fd(new(address.family(), kind)?, address)
}

/// Connects a socket, blocking.
pub(crate) fn connect_fd(fd: OwnedFd, address: &Native) -> io::Result<OwnedFd> {
    loop {
        match connect_once(fd.as_fd(), address) {
            Ok(_) => return Ok(fd),
            Err(Errno::EINTR) if !goes_on_when_interrupted(address) => {}
            Err(Errno::EINTR) => {
                while poll::poll(fd.as_raw_fd(), libc::POLLOUT, None, None)? == 0 {}
                take_error(fd.as_fd())?;
                // Unless the signal came before the attempt began.
                if remote_address(fd.as_fd()).is_ok() {
                    return Ok(fd);
                }
            }
            Err(e) => return Err(e.into()),
        }
    }
}

fn connect_once(fd: BorrowedFd<'_>, address: &Native) -> Result<usize, Errno> {
    // SAFETY: the address holds as many bytes as it says.
    once(|| unsafe { libc::connect(fd.as_raw_fd(), address.as_ptr(), address.len()) as isize })
}

/// Whether an attempt to connect is still in progress after a signal has interrupted the call, which
/// must then not be made again. Sockets of the other families have only waited for room in the
/// queue of the listening socket, and have not been connected.
fn goes_on_when_interrupted(address: &Native) -> bool {
    !matches!(address.family(), libc::AF_UNIX | libc::AF_VSOCK)
}

/// Connects a new socket, without waiting for the answer: it does not block. Says whether it is
/// connected already; else [`take_error`] tells, once it is ready for writing.
pub(crate) fn start_connecting(address: &Native, kind: i32) -> io::Result<(OwnedFd, bool)> {
    let fd = new(address.family(), kind | libc::SOCK_NONBLOCK)?;
    loop {
        match connect_once(fd.as_fd(), address) {
            // A signal has come between two calls, and the first has connected.
            Ok(_) | Err(Errno::EISCONN) => return Ok((fd, true)),
            Err(Errno::EINPROGRESS | Errno::EALREADY) => return Ok((fd, false)),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// The error that an operation of the kernel's has ended with, if it has; it is told once.
pub(crate) fn take_error(fd: BorrowedFd<'_>) -> io::Result<()> {
    match option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// How many connections in a row may fail before that is an error: a system that refuses every
/// call must not keep it here.
const FAILED_CONNECTIONS: usize = 100;

/// Takes one connection off a listening socket: blocking, whatever that is. Connections that have
/// failed in the queue are passed over.
pub(crate) fn accept(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut failed = 0;
    loop {
        let (number, none) = (fd.as_raw_fd(), std::ptr::null_mut());
        // SAFETY: the peer's address is not asked for.
        let accepted =
            call(|| unsafe { libc::accept4(number, none, none.cast(), libc::SOCK_CLOEXEC) as _ });
        match accepted {
            // SAFETY: the call has made the descriptor, which nothing else owns.
            Ok(fd) => return Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
            Err(e) if is_of_connection(e) && failed < FAILED_CONNECTIONS => failed += 1,
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether accept() reports that a connection has failed, or is forbidden, after which accept(2) says to try
/// again.
fn is_of_connection(e: Errno) -> bool {
    matches!(
        e,
        Errno::ECONNABORTED
            | Errno::EPERM
            | Errno::EPROTO
            | Errno::ENETDOWN
            | Errno::ENETUNREACH
            | Errno::ENONET
            | Errno::EHOSTDOWN
            | Errno::EHOSTUNREACH
            | Errno::ENOPROTOOPT
            | Errno::EOPNOTSUPP
            | Errno::ENOSR
            | Errno::ESOCKTNOSUPPORT
            | Errno::EPROTONOSUPPORT
            | Errno::ETIMEDOUT
    )
}

/// Two connected unix sockets of a type such as `SOCK_STREAM`.
pub(crate) fn pair(kind: i32) -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SockType::try_from(kind)?;
    let flags = SockFlag::SOCK_CLOEXEC;
    Ok(retry(|| {
        socket::socketpair(AddressFamily::Unix, kind, None, flags)
    })?)
}

/// Ends a TCP connection by a reset, at once. Other sockets have none, and stay as they are.
pub(crate) fn reset(fd: BorrowedFd<'_>) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // For closing, where another thread keeps connect(2) from disconnecting.
    let _ = retry(|| socket::setsockopt(&fd, socket::sockopt::Linger, &linger));
    if is_tcp(fd) {
        // SAFETY: an all-zero address is a valid one, of the family AF_UNSPEC.
        let nowhere: libc::sockaddr = unsafe { std::mem::zeroed() };
        let (number, len) = (fd.as_raw_fd(), size_of_val(&nowhere) as libc::socklen_t);
        // SAFETY: the address lives through the call and has that length.
        let _ = call(|| unsafe { libc::connect(number, &nowhere, len) as isize });
    }
}

/// Whether a TCP connection has data that the peer's system has not acknowledged. Other sockets do not report it.
pub(crate) fn has_unacknowledged(fd: BorrowedFd<'_>) -> bool {
    if !is_tcp(fd) {
        return false;
    }
    let (number, mut count) = (fd.as_raw_fd(), 0_i32);
    // SAFETY: the request, which is SIOCOUTQ for a socket, writes one `int`, which lives through the call.
    let asked = call(|| unsafe { libc::ioctl(number, libc::TIOCOUTQ, &raw mut count) as isize });
    asked.is_ok() && count > 0
}

fn is_tcp(fd: BorrowedFd<'_>) -> bool {
    let protocol = option(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL);
    matches!(protocol, Ok(libc::IPPROTO_TCP | libc::IPPROTO_MPTCP))
}

pub(crate) fn shutdown(fd: BorrowedFd<'_>, how: Shutdown) -> io::Result<()> {
    let how = match how {
        Shutdown::Read => socket::Shutdown::Read,
        Shutdown::Write => socket::Shutdown::Write,
        Shutdown::Both => socket::Shutdown::Both,
    };
    Ok(retry(|| socket::shutdown(fd.as_raw_fd(), how))?)
}

type GetName = unsafe extern "C" fn(i32, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn name(fd: BorrowedFd<'_>, get: GetName) -> io::Result<gio::SocketAddress> {
    let mut native = Native::empty();
    let (address, len) = native.as_out();
    // SAFETY: the pointers are to the storage and the length of a live `Native`.
    call(|| unsafe { get(fd.as_raw_fd(), address, len) as isize })?;
    native.to_gio()
}

pub(crate) fn local_address(fd: BorrowedFd<'_>) -> io::Result<gio::SocketAddress> {
    name(fd, libc::getsockname)
}

pub(crate) fn remote_address(fd: BorrowedFd<'_>) -> io::Result<gio::SocketAddress> {
    name(fd, libc::getpeername)
}

/// What a socket is, as far as the features of a channel depend on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    /// `SOCK_STREAM` or another type.
    pub(crate) kind: i32,
    pub(crate) unix: bool,
    /// Bytes without boundaries.
    pub(crate) stream: bool,
    pub(crate) listening: bool,
    /// Writes, its own or those of what it accepts, can be sent from where they are.
    pub(crate) zero_copy: bool,
}

impl Traits {
    /// Reads of a unix socket end where descriptors are.
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

/// Fails with `ENOTSOCK` for anything that is not a socket.
pub(super) fn traits(fd: BorrowedFd<'_>) -> io::Result<Traits> {
    let domain = option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)?;
    let protocol = option(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL)?;
    // Others of this type may keep messages apart, as SCTP does.
    let known = matches!(domain, libc::AF_UNIX | libc::AF_VSOCK)
        || matches!(protocol, libc::IPPROTO_TCP | libc::IPPROTO_MPTCP);
    let kind = option(fd, libc::SOL_SOCKET, libc::SO_TYPE)?;
    let listening = option(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? != 0;
    Ok(Traits {
        kind,
        unix: domain == libc::AF_UNIX,
        stream: kind == libc::SOCK_STREAM && known,
        listening,
        zero_copy: zero_copy::is_known(domain, protocol),
    })
}

/// Sends each write at once (`true`), or lets the kernel merge small ones.
pub(crate) fn set_nodelay(fd: BorrowedFd<'_>, enabled: bool) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, enabled.into())
}

/// Holds written data back (`true`) or sends what was held back.
pub(crate) fn set_cork(fd: BorrowedFd<'_>, enabled: bool) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_CORK, enabled.into())
}

pub(super) fn option(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let mut value: i32 = 0;
    let mut len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the value and its length live through the call and agree.
    call(|| unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &mut len,
        ) as isize
    })?;
    Ok(value)
}

pub(super) fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the value lives through the call and has the length that is told.
    call(|| unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        ) as isize
    })?;
    Ok(())
}
