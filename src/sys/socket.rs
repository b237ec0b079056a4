//! Sockets; messages with descriptors are in [`super::scm`].

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use nix::{
    errno::Errno,
    sys::socket::{self, AddressFamily, SockFlag, SockType},
};
use rustix::net::{RecvFlags, SendFlags};

use super::{address::Native, call, once, poll, retry, transfer};
use crate::types::{ReadFlags, Shutdown, WriteFlags};

/// The `MSG_*` flags of a read.
#[inline]
pub(super) fn receiving(flags: ReadFlags) -> libc::c_int {
    let peek = flags.contains(ReadFlags::PEEK);
    let no_wait = flags.contains(ReadFlags::NO_WAIT);
    (i32::from(peek) * libc::MSG_PEEK) | (i32::from(no_wait) * libc::MSG_DONTWAIT)
}

/// The `MSG_*` flags of a write.
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

/// As [`recv`]. The bytes that it returns are initialized.
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

/// Creates a socket of a family and a type such as `SOCK_STREAM`, close-on-exec and blocking.
pub(super) fn new(family: i32, kind: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed; the result is checked, and has no other owner.
    unsafe {
        let fd = call(|| libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) as isize)?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// Binds a socket to a local address.
pub(super) fn bind(fd: BorrowedFd<'_>, address: &Native) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of a live `Native`.
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
            Err(Errno::EINTR) if !continues_after_eintr(address) => {}
            Err(Errno::EINTR) => {
                while poll::poll(fd.as_raw_fd(), libc::POLLOUT, None, None)? == 0 {}
                take_error(fd.as_fd())?;
                // The error is returned if the signal came before the attempt began.
                if remote_address(fd.as_fd()).is_ok() {
                    return Ok(fd);
                }
            }
            Err(e) => return Err(e.into()),
        }
    }
}

fn connect_once(fd: BorrowedFd<'_>, address: &Native) -> Result<usize, Errno> {
    // SAFETY: the pointer and the length are those of a live `Native`.
    once(|| unsafe { libc::connect(fd.as_raw_fd(), address.as_ptr(), address.len()) as isize })
}

/// Whether an attempt to connect continues after a signal has interrupted the call, which must then
/// not be repeated. Sockets of the other families were waiting for space in the queue of the
/// listening socket, and are not connected.
fn continues_after_eintr(address: &Native) -> bool {
    !matches!(address.family(), libc::AF_UNIX | libc::AF_VSOCK)
}

/// Starts to connect a new socket, without blocking. Returns whether it is connected already; else
/// [`take_error`] returns the result, once the socket is writable.
pub(crate) fn start_connecting(address: &Native, kind: i32) -> io::Result<(OwnedFd, bool)> {
    let fd = new(address.family(), kind | libc::SOCK_NONBLOCK)?;
    loop {
        match connect_once(fd.as_fd(), address) {
            // A signal has interrupted the first call, and the second finds the connection made.
            Ok(_) | Err(Errno::EISCONN) => return Ok((fd, true)),
            Err(Errno::EINPROGRESS | Errno::EALREADY) => return Ok((fd, false)),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Returns and clears the pending error of a socket (SO_ERROR).
pub(crate) fn take_error(fd: BorrowedFd<'_>) -> io::Result<()> {
    match option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// How many failed connections in a row are skipped before that is an error: a seccomp filter that
/// refuses every call must not cause an endless loop.
const FAILED_CONNECTIONS: usize = 100;

/// Accepts one connection, blocking, whatever the mode is, with the address of the peer.
/// Connections that have failed in the queue are skipped.
pub(crate) fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Native)> {
    let mut failed = 0;
    loop {
        let (number, mut peer) = (fd.as_raw_fd(), Native::empty());
        let (address, len) = peer.as_out();
        // SAFETY: the pointers are to the storage and the length of `peer`, which outlives the
        // call.
        let accepted =
            call(|| unsafe { libc::accept4(number, address, len, libc::SOCK_CLOEXEC) as _ });
        match accepted {
            // SAFETY: the call has created the descriptor, which has no other owner.
            Ok(fd) => return Ok((unsafe { OwnedFd::from_raw_fd(fd as i32) }, peer)),
            Err(e) if is_of_connection(e) && failed < FAILED_CONNECTIONS => failed += 1,
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether accept(2) has reported the failure of one connection, after which the caller is to try
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

/// Creates a pair of connected unix sockets of a type such as `SOCK_STREAM`.
pub(crate) fn pair(kind: i32) -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SockType::try_from(kind)?;
    let flags = SockFlag::SOCK_CLOEXEC;
    Ok(retry(|| {
        socket::socketpair(AddressFamily::Unix, kind, None, flags)
    })?)
}

/// Resets a TCP connection at once. Has no effect on other sockets.
pub(crate) fn reset(fd: BorrowedFd<'_>) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // With SO_LINGER zero, for the close, if another thread keeps connect(2) from disconnecting.
    let _ = retry(|| socket::setsockopt(&fd, socket::sockopt::Linger, &linger));
    if is_tcp(fd) {
        // SAFETY: an all-zero address is a valid one, of the family AF_UNSPEC.
        let unspec: libc::sockaddr = unsafe { std::mem::zeroed() };
        let (number, len) = (fd.as_raw_fd(), size_of_val(&unspec) as libc::socklen_t);
        // SAFETY: `unspec` outlives the call, and `len` is its size.
        let _ = call(|| unsafe { libc::connect(number, &unspec, len) as isize });
    }
}

/// Whether a close may wait until the data has been sent: `SO_LINGER` with a time.
pub(crate) fn lingers(fd: BorrowedFd<'_>) -> bool {
    let linger = retry(|| socket::getsockopt(&fd, socket::sockopt::Linger));
    linger.map_or(true, |linger| linger.l_onoff != 0 && linger.l_linger != 0)
}

/// Whether a TCP connection has data that the peer's system has not acknowledged. Other sockets do
/// not report it.
pub(crate) fn has_unacknowledged(fd: BorrowedFd<'_>) -> bool {
    unacknowledged(fd).is_some_and(|count| count > 0)
}

/// The number of bytes of a TCP connection that the peer's system has not acknowledged. `None` for
/// other sockets.
pub(crate) fn unacknowledged(fd: BorrowedFd<'_>) -> Option<usize> {
    if !is_tcp(fd) {
        return None;
    }
    let (number, mut count) = (fd.as_raw_fd(), 0_i32);
    // SAFETY: the request, which is SIOCOUTQ for a socket, writes one `int`, which outlives the
    // call.
    let result = call(|| unsafe { libc::ioctl(number, libc::TIOCOUTQ, &raw mut count) as isize });
    result.ok().and_then(|_| usize::try_from(count).ok())
}

/// The number of bytes that a stream socket has received, and that were not read.
pub(crate) fn unread(fd: BorrowedFd<'_>) -> io::Result<usize> {
    unread_of(fd.as_raw_fd())
}

/// As [`unread`], by number. For a sequence of packets, the number of bytes in all its packets.
pub(super) fn unread_of(number: RawFd) -> io::Result<usize> {
    let mut count = 0_i32;
    // SAFETY: the request, which is SIOCINQ for a socket, writes one `int`, which outlives the
    // call.
    call(|| unsafe { libc::ioctl(number, libc::FIONREAD, &raw mut count) as isize })?;
    Ok(usize::try_from(count).unwrap_or(0))
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

/// Sends each write at once (`true`), or lets the kernel merge small ones.
pub(crate) fn set_nodelay(fd: BorrowedFd<'_>, enabled: bool) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, enabled.into())
}

/// Holds written data back (`true`) or sends what was held back.
pub(crate) fn set_cork(fd: BorrowedFd<'_>, enabled: bool) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_CORK, enabled.into())
}

pub(super) fn option(fd: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    Ok(option_of(fd.as_raw_fd(), level, name)?)
}

/// As [`option`], by number.
pub(super) fn option_of(number: RawFd, level: i32, name: i32) -> Result<i32, Errno> {
    let mut value: i32 = 0;
    let mut len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the value and its length live through the call and match.
    call(|| unsafe {
        libc::getsockopt(number, level, name, (&raw mut value).cast(), &mut len) as isize
    })?;
    Ok(value)
}

pub(super) fn set_option(fd: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the value outlives the call and has the given length.
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

/// The kernel's constant for a type; 0 for the default.
pub(crate) fn native_kind(kind: gio::SocketType) -> i32 {
    match kind {
        gio::SocketType::Stream => libc::SOCK_STREAM,
        gio::SocketType::Datagram => libc::SOCK_DGRAM,
        gio::SocketType::Seqpacket => libc::SOCK_SEQPACKET,
        _ => 0,
    }
}
