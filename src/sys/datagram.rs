//! Message-oriented sockets: datagrams and sequenced packets.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use super::{address::Native, poll::has_hung_up, scm, socket, vectored::IOV_MAX};
use crate::{
    error::{io_error, would_block},
    types::{ReadFlags, WriteFlags, scatter, total_len, zeros},
};

/// Creates a datagram socket with a local address, or of the family of a remote one. At least one
/// of them must be given.
pub(crate) fn open(local: Option<&Native>, remote: Option<&Native>) -> io::Result<OwnedFd> {
    let family = remote.or(local).map_or(libc::AF_UNSPEC, Native::family);
    let fd = socket::new(family, libc::SOCK_DGRAM)?;
    if let Some(local) = local {
        socket::bind(fd.as_fd(), local)?;
    }
    Ok(fd)
}

/// Receives one message, with its descriptors as [`scm::recvmsg`] does. A truncated message is an
/// error, and its descriptors are closed, unless the call only peeks. Returns 0 for an empty
/// message, and after receiving has been shut down.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    iov: &mut [IoSliceMut<'_>],
    mut fds: Option<&mut Vec<OwnedFd>>,
    flags: ReadFlags,
) -> io::Result<usize> {
    if iov.len() > IOV_MAX {
        let mut whole = zeros(total_len(iov))?;
        let count = receive(fd, &mut [IoSliceMut::new(&mut whole)], fds, flags)?;
        return Ok(scatter(&whole[..count], iov));
    }
    let capacity = total_len(iov);
    let peek = flags.contains(ReadFlags::PEEK);
    let before = fds.as_ref().map_or(0, |fds| fds.len());
    let mut message = scm::message(iov.as_mut_ptr().cast(), iov.len());
    // With MSG_TRUNC the result is the size of the message, even if the buffer is smaller.
    let how = socket::receiving(flags) | libc::MSG_TRUNC;
    let size = match &mut fds {
        Some(fds) if !peek => scm::receive_with_fds(fd, &mut message, fds, how),
        _ => scm::receive_message(fd, &mut message, how),
    };
    let size = match size {
        // A datagram socket that was shut down returns EAGAIN.
        Err(e) if would_block(&e) && has_hung_up(fd.as_raw_fd())? => 0,
        size => size?,
    };
    if !peek && (size > capacity || message.msg_flags & libc::MSG_TRUNC != 0) {
        if let Some(fds) = fds {
            fds.truncate(before);
        }
        return Err(too_large(size, capacity));
    }
    Ok(size.min(capacity))
}

fn too_large(size: usize, capacity: usize) -> io::Error {
    let message = match size > capacity {
        true => format!("Message of {size} bytes does not fit into {capacity}: message truncated"),
        // This type of socket does not report the size.
        false => format!("Message does not fit into {capacity} bytes: message truncated"),
    };
    io_error(gio::IOErrorEnum::MessageTooLarge, &message)
}

/// As [`receive`], without descriptors. Returns also the address of the sender, if it has one.
pub(crate) fn receive_from(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    flags: ReadFlags,
) -> io::Result<(usize, Option<Native>)> {
    let mut from = Native::empty();
    let (name, len) = from.as_out();
    let capacity = buf.len();
    let mut iov = [IoSliceMut::new(buf)];
    let mut message = scm::message(iov.as_mut_ptr().cast(), 1);
    message.msg_name = name.cast();
    // SAFETY: `len` points to the length of `from`, which outlives the call.
    message.msg_namelen = unsafe { *len };
    let how = socket::receiving(flags) | libc::MSG_TRUNC;
    let size = match scm::receive_message(fd, &mut message, how) {
        Err(e) if would_block(&e) && has_hung_up(fd.as_raw_fd())? => return Ok((0, None)),
        size => size?,
    };
    if !flags.contains(ReadFlags::PEEK) && size > capacity {
        return Err(too_large(size, capacity));
    }
    // SAFETY: `len` points to the length in `from`, to which there is no other reference.
    unsafe { *len = message.msg_namelen };
    Ok((size.min(capacity), from.is_named().then_some(from)))
}

/// Sends one message to an address. The message may be empty.
pub(crate) fn send_to(
    fd: BorrowedFd<'_>,
    buf: &[u8],
    to: &Native,
    flags: WriteFlags,
) -> io::Result<usize> {
    let iov = [IoSlice::new(buf)];
    let mut message = scm::message(iov.as_ptr().cast(), 1);
    message.msg_name = to.as_ptr().cast_mut().cast();
    message.msg_namelen = to.len();
    scm::send_message(fd, &message, socket::sending(flags))
}

/// Sends several buffers as one message.
pub(crate) fn send(
    fd: BorrowedFd<'_>,
    iov: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    flags: WriteFlags,
) -> io::Result<usize> {
    if iov.len() <= IOV_MAX {
        return scm::sendmsg(fd, iov, fds, flags);
    }
    let mut whole = Vec::new();
    whole
        .try_reserve_exact(total_len(iov))
        .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    iov.iter().for_each(|buf| whole.extend_from_slice(buf));
    scm::sendmsg(fd, &[IoSlice::new(&whole)], fds, flags)
}

/// The size of the next message, which is not consumed.
pub(crate) fn next_size(fd: BorrowedFd<'_>, flags: ReadFlags) -> io::Result<usize> {
    let mut message = scm::message(std::ptr::null(), 0);
    let how = socket::receiving(flags | ReadFlags::PEEK) | libc::MSG_TRUNC;
    scm::receive_message(fd, &mut message, how)
}
