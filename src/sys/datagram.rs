//! Message-oriented sockets: datagrams and sequenced packets.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
    ptr,
};

use super::{address::Native, poll::has_hung_up, scm, socket, transfer_raw, vectored::IOV_MAX};
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
    let size = or_end(fd, || match &mut fds {
        Some(fds) if !peek => scm::receive_with_fds(fd, &mut message, fds, how),
        _ => scm::receive_message(fd, &mut message, how),
    })?;
    let Some(size) = size else {
        return Ok(0);
    };
    let fitted = check_fits(size, capacity, message.msg_flags, flags);
    if let (Err(_), Some(fds)) = (&fitted, fds) {
        fds.truncate(before);
    }
    fitted
}

/// `None` if there is no message, and none can come any more: a datagram socket that was shut down
/// fails with `EAGAIN`. The second attempt receives messages that came after the first one, and
/// before the shutdown.
fn or_end(
    fd: BorrowedFd<'_>,
    mut receive: impl FnMut() -> io::Result<usize>,
) -> io::Result<Option<usize>> {
    match receive() {
        Err(e) if would_block(&e) && has_hung_up(fd.as_raw_fd())? => {}
        size => return size.map(Some),
    }
    match receive() {
        Err(e) if would_block(&e) => Ok(None),
        size => size.map(Some),
    }
}

/// The number of bytes in the buffers. A truncated message is an error, unless the call only peeks.
/// Some types of sockets report that by `msg_flags` alone, and not the size of the message.
fn check_fits(size: usize, capacity: usize, msg_flags: i32, flags: ReadFlags) -> io::Result<usize> {
    let is_truncated = size > capacity || msg_flags & libc::MSG_TRUNC != 0;
    match is_truncated && !flags.contains(ReadFlags::PEEK) {
        true => Err(too_large(size, capacity)),
        false => Ok(size.min(capacity)),
    }
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
    let Some(size) = or_end(fd, || scm::receive_message(fd, &mut message, how))? else {
        return Ok((0, None));
    };
    let count = check_fits(size, capacity, message.msg_flags, flags)?;
    // SAFETY: `len` points to the length in `from`, to which there is no other reference.
    unsafe { *len = message.msg_namelen };
    Ok((count, from.is_named().then_some(from)))
}

/// Whether a message-oriented socket from which a read has returned 0 is at end-of-file: no message
/// can come any more, and none is queued that has data. What cannot be polled as a socket has ended
/// when it has hung up.
pub(crate) fn has_ended(fd: RawFd) -> io::Result<bool> {
    Ok(has_hung_up(fd)? && !is_message_queued(fd))
}

/// Whether a message with data is queued, or for a datagram socket any message. The hang-up of a
/// sequence of packets is reported while packets of the peer are queued, and a peek cannot
/// distinguish an empty packet from the end.
fn is_message_queued(fd: RawFd) -> bool {
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: an empty buffer may be NULL.
    let peeked = transfer_raw(|| unsafe { libc::recv(fd, ptr::null_mut(), 0, flags) });
    match peeked {
        Ok(0) => is_datagram_socket(fd) || socket::unread_of(fd).is_ok_and(|count| count > 0),
        Ok(_) => true,
        Err(_) => false,
    }
}

fn is_datagram_socket(fd: RawFd) -> bool {
    socket::option_of(fd, libc::SOL_SOCKET, libc::SO_TYPE) == Ok(libc::SOCK_DGRAM)
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
    let mut message = scm::message(ptr::null(), 0);
    let how = socket::receiving(flags | ReadFlags::PEEK) | libc::MSG_TRUNC;
    scm::receive_message(fd, &mut message, how)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Shutdown;

    /// As a read between whose system calls the peer sends a message and ends.
    fn receive_while(kind: i32, end: impl FnOnce(BorrowedFd<'_>, OwnedFd)) -> Option<usize> {
        let (ours, theirs) = socket::pair(kind).expect("a socketpair");
        let mut end = Some((end, theirs));
        let received = or_end(ours.as_fd(), || {
            let received = socket::recv(ours.as_fd(), &mut [0; 8], ReadFlags::NO_WAIT);
            if let Some((end, theirs)) = end.take() {
                socket::send(theirs.as_fd(), b"data", WriteFlags::empty()).expect("sent");
                end(ours.as_fd(), theirs);
            }
            received
        });
        received.expect("no error")
    }

    #[test]
    fn a_message_that_is_sent_before_the_peer_closes_is_not_end_of_file() {
        let close = |_: BorrowedFd<'_>, theirs| drop(theirs);
        assert_eq!(receive_while(libc::SOCK_SEQPACKET, close), Some(4));
        let shut_down = |ours: BorrowedFd<'_>, _| {
            socket::shutdown(ours, Shutdown::Read).expect("shut down");
        };
        assert_eq!(receive_while(libc::SOCK_DGRAM, shut_down), Some(4));
    }

    #[test]
    fn a_datagram_socket_that_was_shut_down_is_at_end_of_file_without_messages() {
        let (ours, _theirs) = socket::pair(libc::SOCK_DGRAM).expect("a socketpair");
        let receive = || {
            or_end(ours.as_fd(), || {
                socket::recv(ours.as_fd(), &mut [0; 8], ReadFlags::NO_WAIT)
            })
        };
        assert!(would_block(&receive().expect_err("none yet")));
        socket::shutdown(ours.as_fd(), Shutdown::Read).expect("shut down");
        assert_eq!(receive().expect("the end"), None);
    }

    #[test]
    fn a_message_that_msg_trunc_alone_reports_as_truncated_is_an_error() {
        let (none, peek) = (ReadFlags::empty(), ReadFlags::PEEK);
        for (size, msg_flags) in [(4, libc::MSG_TRUNC), (5, libc::MSG_TRUNC), (5, 0)] {
            check_fits(size, 4, msg_flags, none).expect_err("truncated");
            assert_eq!(check_fits(size, 4, msg_flags, peek).expect("a peek"), 4);
        }
        assert_eq!(check_fits(4, 4, 0, none).expect("it fits"), 4);
    }
}
