//! Messages of several buffers, with or without ancillary descriptors (`SCM_RIGHTS`).
//!
//! Small buffers without descriptors are copied into one first: the kernel takes longer to process
//! a list than to copy some thousand bytes.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr, slice,
};

use super::{socket, transfer_raw, vectored::IOV_MAX};
use crate::{
    error::{ChannelError, channel_error},
    types::{ReadFlags, WriteFlags, scatter, total_len},
};

/// The maximum number of descriptors per message.
pub(crate) const MAX_FDS: usize = 253;

/// Space for `MAX_FDS` descriptors and for other ancillary data that an adopted socket may have
/// enabled: credentials, a security label, a pidfd, a time stamp.
const CONTROL_SIZE: usize = MAX_FDS * mem::size_of::<RawFd>() + 1024;

/// A control buffer with the alignment of its headers, on the stack. Only the part that a call
/// writes is initialized.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; CONTROL_SIZE]);

impl Control {
    fn new() -> Self {
        Self([MaybeUninit::uninit(); CONTROL_SIZE])
    }
}

/// Several buffers with at most this many bytes go through [`Gathered`].
const GATHER_MOST: usize = 4096;

/// One buffer on the stack in place of several, for one call.
struct Gathered([MaybeUninit<u8>; GATHER_MOST]);

impl Gathered {
    fn new() -> Self {
        Self([MaybeUninit::uninit(); GATHER_MOST])
    }

    /// Copies the content of the buffers, in order. It must fit.
    fn copy_from(&mut self, iov: &[IoSlice<'_>]) -> &[u8] {
        let mut filled = 0;
        for buf in iov {
            let place = &mut self.0[filled..filled + buf.len()];
            // SAFETY: `place` is as long as `buf`, and part of this buffer, which `buf` cannot
            // overlap.
            unsafe { ptr::copy_nonoverlapping(buf.as_ptr(), place.as_mut_ptr().cast(), buf.len()) };
            filled += buf.len();
        }
        // SAFETY: the loop has initialized the first `filled` bytes.
        unsafe { self.filled(filled) }
    }

    /// # Safety
    ///
    /// The first `count` bytes must be initialized.
    unsafe fn filled(&self, count: usize) -> &[u8] {
        let filled = &self.0[..count];
        // SAFETY: forwarded: the bytes are initialized; the bounds are checked above.
        unsafe { slice::from_raw_parts(filled.as_ptr().cast(), filled.len()) }
    }
}

pub(super) fn message(iov: *const libc::iovec, count: usize) -> libc::msghdr {
    // SAFETY: all zeros is a valid msghdr: no name, no buffers, no control data.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = iov.cast_mut();
    message.msg_iovlen = count.min(IOV_MAX) as _;
    message
}

/// Sends one message; the descriptors are passed with its first byte.
// Out of line for writes of one buffer; likewise the functions below, which have large buffers on
// the stack.
#[inline(never)]
pub(crate) fn sendmsg(
    fd: BorrowedFd<'_>,
    iov: &[IoSlice<'_>],
    fds: &[BorrowedFd<'_>],
    flags: WriteFlags,
) -> io::Result<usize> {
    if fds.is_empty() && total_len(iov) <= GATHER_MOST {
        return send_gathered(fd, iov, flags);
    }
    let mut message = message(iov.as_ptr().cast(), iov.len());
    match fds {
        [] => send_message(fd, &message, socket::sending(flags)),
        fds => send_with_fds(fd, &mut message, fds, flags),
    }
}

#[inline(never)]
fn send_gathered(fd: BorrowedFd<'_>, iov: &[IoSlice<'_>], flags: WriteFlags) -> io::Result<usize> {
    socket::send(fd, Gathered::new().copy_from(iov), flags)
}

#[inline(never)]
fn send_with_fds(
    fd: BorrowedFd<'_>,
    message: &mut libc::msghdr,
    fds: &[BorrowedFd<'_>],
    flags: WriteFlags,
) -> io::Result<usize> {
    if fds.len() > MAX_FDS {
        return Err(channel_error(
            ChannelError::TooManyFds,
            &format!(
                "Unable to pass {} file descriptors: one message carries at most {MAX_FDS}",
                fds.len()
            ),
        ));
    }
    let mut control = Control::new();
    let payload = mem::size_of_val(fds);
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: `control` is aligned for headers and larger than `MAX_FDS` descriptors need, so that
    // the first header and its data lie within it; a BorrowedFd is `repr(transparent)` over the
    // number, which is what the kernel reads.
    unsafe {
        // Without the padding, which is uninitialized.
        message.msg_controllen = libc::CMSG_LEN(payload as u32) as _;
        let header = libc::CMSG_FIRSTHDR(message);
        ptr::write(
            header,
            libc::cmsghdr {
                cmsg_level: libc::SOL_SOCKET,
                cmsg_type: libc::SCM_RIGHTS,
                cmsg_len: libc::CMSG_LEN(payload as u32) as _,
            },
        );
        ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), payload);
    }
    send_message(fd, message, socket::sending(flags))
}

#[inline]
pub(super) fn send_message(
    fd: BorrowedFd<'_>,
    message: &libc::msghdr,
    flags: libc::c_int,
) -> io::Result<usize> {
    // SAFETY: every pointer in the message is to memory that the caller borrows.
    transfer_raw(|| unsafe { libc::sendmsg(fd.as_raw_fd(), message, flags) })
}

/// Receives one message. Its descriptors are close-on-exec and are added to `fds`; without `fds`
/// the kernel discards them. If some could not be received, the others are closed and it is an
/// error.
#[inline(never)]
pub(crate) fn recvmsg(
    fd: BorrowedFd<'_>,
    iov: &mut [IoSliceMut<'_>],
    fds: Option<&mut Vec<OwnedFd>>,
    flags: ReadFlags,
) -> io::Result<usize> {
    if fds.is_none() && total_len(iov) <= GATHER_MOST {
        return receive_gathered(fd, iov, flags);
    }
    let mut message = message(iov.as_mut_ptr().cast(), iov.len());
    match fds {
        Some(fds) if !flags.contains(ReadFlags::PEEK) => {
            receive_with_fds(fd, &mut message, fds, socket::receiving(flags))
        }
        _ => receive_message(fd, &mut message, socket::receiving(flags)),
    }
}

#[inline]
pub(super) fn receive_message(
    fd: BorrowedFd<'_>,
    message: &mut libc::msghdr,
    flags: libc::c_int,
) -> io::Result<usize> {
    // SAFETY: every pointer in the message is to memory that the caller borrows mutably.
    transfer_raw(|| unsafe { libc::recvmsg(fd.as_raw_fd(), message, flags) })
}

#[inline(never)]
fn receive_gathered(
    fd: BorrowedFd<'_>,
    iov: &mut [IoSliceMut<'_>],
    flags: ReadFlags,
) -> io::Result<usize> {
    let mut gathered = Gathered::new();
    let count = socket::recv_uninit(fd, &mut gathered.0[..total_len(iov)], flags)?;
    // SAFETY: the kernel has initialized the first `count` bytes.
    scatter(unsafe { gathered.filled(count) }, iov);
    Ok(count)
}

#[inline(never)]
pub(super) fn receive_with_fds(
    fd: BorrowedFd<'_>,
    message: &mut libc::msghdr,
    fds: &mut Vec<OwnedFd>,
    flags: libc::c_int,
) -> io::Result<usize> {
    let mut control = Control::new();
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_SIZE as _;
    let count = receive_message(fd, message, flags | libc::MSG_CMSG_CLOEXEC)?;
    let before = fds.len();
    // SAFETY: the call has initialized `message`, whose control data is in `control`.
    unsafe { take_fds(message, fds) };
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        let arrived = fds.len() - before;
        fds.truncate(before);
        return Err(channel_error(
            ChannelError::FdsLost,
            &format!(
                "File descriptors were lost on receipt: {arrived} were received and \
                 closed, the rest exceeds what this process may have open"
            ),
        ));
    }
    Ok(count)
}

/// Takes ownership of every descriptor in the control data of a received message.
///
/// # Safety
///
/// `message` must be as `recvmsg` left it, with its control data still in place, and this may be
/// called once for a message.
unsafe fn take_fds(message: &libc::msghdr, fds: &mut Vec<OwnedFd>) {
    const PIDFD: libc::c_int = 4; // SCM_PIDFD
    // SAFETY: the headers are read as cmsg(3) describes, in control data that the caller promises;
    // the descriptors in SCM_RIGHTS and SCM_PIDFD were created for this process by the call, and
    // have no other owner.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let (level, kind) = ((*header).cmsg_level, (*header).cmsg_type);
            if level == libc::SOL_SOCKET && (kind == libc::SCM_RIGHTS || kind == PIDFD) {
                let bytes =
                    ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
                let data = libc::CMSG_DATA(header).cast::<RawFd>();
                for i in 0..bytes / mem::size_of::<RawFd>() {
                    let number = ptr::read_unaligned(data.add(i));
                    if number < 0 {
                        continue;
                    }
                    let fd = OwnedFd::from_raw_fd(number);
                    if kind == libc::SCM_RIGHTS {
                        fds.push(fd);
                    }
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::IntoRawFd};

    use super::*;

    /// A received message with these control data: level, type and bytes.
    fn with_control(pieces: &[(i32, i32, &[u8])], check: impl FnOnce(&libc::msghdr)) {
        let mut control = Control::new();
        let mut message = message(ptr::null(), 0);
        message.msg_control = control.0.as_mut_ptr().cast();
        let mut at = 0;
        for (level, kind, data) in pieces {
            let (len, data_at) = (data.len() as u32, at + mem::size_of::<libc::cmsghdr>());
            let header = libc::cmsghdr {
                // SAFETY: a calculation without side effects.
                cmsg_len: unsafe { libc::CMSG_LEN(len) } as _,
                cmsg_level: *level,
                cmsg_type: *kind,
            };
            // SAFETY: the slices check the bounds, and their memory has no other reference; the
            // place is aligned, as all pieces are padded.
            unsafe {
                let place = control.0[at..data_at].as_mut_ptr();
                ptr::write(place.cast(), header);
                let place = control.0[data_at..data_at + data.len()].as_mut_ptr();
                ptr::copy_nonoverlapping(data.as_ptr(), place.cast(), data.len());
                at += libc::CMSG_SPACE(len) as usize;
            }
            // Without the padding of the last one, as the kernel does.
            message.msg_controllen = (data_at + data.len()) as _;
        }
        check(&message);
    }

    fn open() -> RawFd {
        File::open("/dev/null").expect("opened").into_raw_fd()
    }

    #[test]
    fn descriptors_are_found_among_other_control_data() {
        let numbers = [open(), open(), open()];
        let bytes: Vec<u8> = numbers.iter().flat_map(|fd| fd.to_ne_bytes()).collect();
        let pidfd = open().to_ne_bytes();
        let absent = (-1i32).to_ne_bytes();
        let pieces: [(i32, i32, &[u8]); 6] = [
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &[7; 12]),
            (libc::SOL_SOCKET, libc::SCM_RIGHTS, &bytes[..4]),
            (libc::SOL_SOCKET, 4, &pidfd),
            (libc::SOL_SOCKET, 4, &absent),
            (libc::SOL_IP, libc::SCM_RIGHTS, &[1, 2, 3]),
            (libc::SOL_SOCKET, libc::SCM_RIGHTS, &bytes[4..]),
        ];
        with_control(&pieces, |message| {
            let mut fds = Vec::new();
            // SAFETY: the control data is in place; the descriptors are open, and have no other
            // owner.
            unsafe { take_fds(message, &mut fds) };
            let found: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
            assert_eq!(found, numbers);
        });
    }

    #[test]
    fn no_control_data_and_empty_ones_have_no_descriptors() {
        let empty: [(i32, i32, &[u8]); 2] = [(libc::SOL_SOCKET, libc::SCM_RIGHTS, &[]); 2];
        for pieces in [&empty[..0], &empty[..1], &empty[..]] {
            with_control(pieces, |message| {
                let mut fds = Vec::new();
                // SAFETY: the control data is in place.
                unsafe { take_fds(message, &mut fds) };
                assert!(fds.is_empty());
            });
        }
    }

    #[test]
    fn gathered_buffers_are_scattered_again() {
        let data: Vec<u8> = (0..=255).cycle().take(GATHER_MOST).collect();
        for cuts in [[0, 0], [1, 1], [0, GATHER_MOST], [100, 3000]] {
            let (first, rest) = data.split_at(cuts[0]);
            let (second, third) = rest.split_at(cuts[1].saturating_sub(cuts[0]));
            let mut gathered = Gathered::new();
            let whole = gathered.copy_from(&[first, second, third].map(IoSlice::new));
            assert_eq!(whole, data);
            let mut places = [vec![0; 10], vec![0; 0], vec![0; GATHER_MOST]];
            let mut iov: Vec<_> = places.iter_mut().map(|it| IoSliceMut::new(it)).collect();
            assert_eq!(scatter(whole, &mut iov), GATHER_MOST);
            assert_eq!(
                [&places[0][..], &places[2][..GATHER_MOST - 10]].concat(),
                data
            );
        }
    }
}
