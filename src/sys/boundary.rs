//! Reading one buffer from a unix stream socket, whose reads end also where descriptors are.
//!
//! A short read has taken all there was, unless it ended at descriptors. `recv` does not report that;
//! `recvmsg` sets `MSG_CTRUNC`. What it says is for the same thread, right after the call: results of
//! virtual functions are numbers, which have no place for it.

use std::{
    cell::Cell,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use super::{scm, socket, transfer_raw};
use crate::types::ReadFlags;

thread_local! {
    /// A read of this thread may have ended early, and no short read has been judged since.
    static ENDED_EARLY: Cell<bool> = const { Cell::new(false) };
}

/// Notes that the read of this thread that comes next, or was just made, may end where there is more.
#[inline]
pub(crate) fn note() {
    ENDED_EARLY.set(true);
}

/// Whether a short read that this thread has just made may have left something.
#[inline]
pub(crate) fn take() -> bool {
    ENDED_EARLY.replace(false)
}

/// Reads once. Descriptors that came along are closed by the system.
#[inline]
pub(crate) fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], flags: ReadFlags) -> io::Result<usize> {
    let iov = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    };
    let mut message = scm::message(&iov, 1);
    let flags = socket::receiving(flags);
    // SAFETY: the message has the one buffer, which is exclusively ours, and no other memory.
    let count = transfer_raw(|| unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, flags) })?;
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        note();
    }
    Ok(count)
}
