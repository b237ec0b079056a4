//! Reading and writing descriptors that are not sockets.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use nix::{errno::Errno, sys::uio};

use super::retry;
use crate::types::total_len;

/// The most buffers that one system call takes.
pub(crate) const IOV_MAX: usize = 1024;

/// The part of a list of buffers that one system call takes.
fn at_most<T>(iov: &[T]) -> &[T] {
    &iov[..iov.len().min(IOV_MAX)]
}

pub(crate) fn readv(fd: BorrowedFd<'_>, iov: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    if let [one] = iov {
        return retry(|| nix::unistd::read(fd, one));
    }
    let count = iov.len().min(IOV_MAX);
    retry(|| uio::readv(fd, &mut iov[..count]))
}

pub(crate) fn writev(fd: BorrowedFd<'_>, iov: &[IoSlice<'_>]) -> io::Result<usize> {
    if let [one] = iov {
        return retry(|| nix::unistd::write(fd, one));
    }
    retry(|| uio::writev(fd, at_most(iov)))
}

pub(crate) fn preadv(
    fd: BorrowedFd<'_>,
    iov: &mut [IoSliceMut<'_>],
    offset: u64,
) -> io::Result<usize> {
    let offset = signed(offset)?;
    let count = iov.len().min(IOV_MAX);
    retry(|| uio::preadv(fd, &mut iov[..count], offset))
}

pub(crate) fn pwritev(fd: BorrowedFd<'_>, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    let offset = signed(offset)?;
    retry(|| uio::pwritev(fd, at_most(iov), offset))
}

/// Writes to a pipe, where a dead reader raises `SIGPIPE`: the signal is held back
/// from this thread for the length of the call and taken away if the call raised
/// it. Nothing changes for the process or for other threads.
pub(crate) fn writev_quietly(fd: BorrowedFd<'_>, iov: &[IoSlice<'_>]) -> io::Result<usize> {
    let held = HeldSigpipe::new();
    let result = writev(fd, iov);
    // A reader that died in the middle raises it too: the call returns what it had written.
    if !matches!(&result, Ok(count) if *count == total_len(iov)) {
        held.take_away();
    }
    result
}

/// `SIGPIPE` blocked in this thread.
struct HeldSigpipe {
    sigpipe: libc::sigset_t,
    previous: libc::sigset_t,
    /// It was pending before: then it is somebody else's and stays.
    pending: bool,
}

impl HeldSigpipe {
    fn new() -> Self {
        let mut sigpipe = MaybeUninit::uninit();
        let mut pending = MaybeUninit::uninit();
        let mut previous = MaybeUninit::uninit();
        // SAFETY: each set is initialised by the first call that gets it, and none of
        // these calls can fail with valid pointers.
        unsafe {
            libc::sigemptyset(sigpipe.as_mut_ptr());
            libc::sigaddset(sigpipe.as_mut_ptr(), libc::SIGPIPE);
            libc::pthread_sigmask(libc::SIG_BLOCK, sigpipe.as_ptr(), previous.as_mut_ptr());
            let previous = previous.assume_init();
            // It can only be pending where it was blocked before.
            let pending = libc::sigismember(&previous, libc::SIGPIPE) == 1 && {
                libc::sigpending(pending.as_mut_ptr());
                libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1
            };
            Self {
                sigpipe: sigpipe.assume_init(),
                previous,
                pending,
            }
        }
    }

    fn take_away(&self) {
        if self.pending {
            return;
        }
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the set and the time are initialised; no information is asked back.
        while unsafe { libc::sigtimedwait(&self.sigpipe, ptr::null_mut(), &now) } == -1
            && Errno::last() == Errno::EINTR
        {}
    }
}

impl Drop for HeldSigpipe {
    fn drop(&mut self) {
        // SAFETY: `previous` is the mask that `new` read.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.previous, ptr::null_mut());
        }
    }
}

/// Moves the position of a descriptor and returns the new one.
pub(crate) fn seek(fd: BorrowedFd<'_>, to: io::SeekFrom) -> io::Result<u64> {
    let (offset, whence) = match to {
        io::SeekFrom::Start(offset) => (signed(offset)?, libc::SEEK_SET),
        io::SeekFrom::Current(offset) => (offset, libc::SEEK_CUR),
        io::SeekFrom::End(offset) => (offset, libc::SEEK_END),
    };
    // SAFETY: lseek touches no memory of ours.
    let position = unsafe { libc::lseek64(fd.as_raw_fd(), offset, whence) };
    u64::try_from(position).map_err(|_| io::Error::last_os_error())
}

fn signed(offset: u64) -> io::Result<i64> {
    i64::try_from(offset).map_err(|_| Errno::EOVERFLOW.into())
}
