//! Reads and writes of descriptors that are not sockets.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsRawFd, BorrowedFd},
};

use nix::{errno::Errno, sys::uio};

use super::{call, retry, sigpipe::without_sigpipe, transfer_raw};
use crate::types::total_len;

/// The maximum number of buffers per system call.
pub(crate) const IOV_MAX: usize = 1024;

/// The part of a list of buffers that one system call accepts.
fn at_most<T>(iov: &[T]) -> &[T] {
    &iov[..iov.len().min(IOV_MAX)]
}

pub(crate) fn readv(fd: BorrowedFd<'_>, iov: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    if let [one] = iov {
        return Ok(retry(|| nix::unistd::read(fd, one))?);
    }
    let count = iov.len().min(IOV_MAX);
    Ok(retry(|| uio::readv(fd, &mut iov[..count]))?)
}

pub(crate) fn writev(fd: BorrowedFd<'_>, iov: &[IoSlice<'_>]) -> io::Result<usize> {
    if let [one] = iov {
        return Ok(retry(|| nix::unistd::write(fd, one))?);
    }
    Ok(retry(|| uio::writev(fd, at_most(iov)))?)
}

pub(crate) fn preadv(
    fd: BorrowedFd<'_>,
    iov: &mut [IoSliceMut<'_>],
    offset: u64,
) -> io::Result<usize> {
    let offset = signed(offset)?;
    let count = iov.len().min(IOV_MAX);
    Ok(retry(|| uio::preadv(fd, &mut iov[..count], offset))?)
}

pub(crate) fn pwritev(fd: BorrowedFd<'_>, iov: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    let offset = signed(offset)?;
    Ok(retry(|| uio::pwritev(fd, at_most(iov), offset))?)
}

/// Writes to a pipe, with `SIGPIPE` suppressed: see [`without_sigpipe`].
pub(crate) fn writev_without_sigpipe(fd: BorrowedFd<'_>, iov: &[IoSlice<'_>]) -> io::Result<usize> {
    without_sigpipe(total_len(iov), || writev(fd, iov))
}

/// As [`readv`], without blocking, for a file that may have no position. [`lacks_flag`] detects the
/// error if that is not supported.
pub(crate) fn readv_now(fd: BorrowedFd<'_>, iov: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let count = iov.len().min(IOV_MAX) as i32;
    let (number, iov) = (fd.as_raw_fd(), iov.as_ptr().cast());
    // SAFETY: an `IoSliceMut` has the layout of an iovec; the buffers are borrowed mutably.
    transfer_raw(|| unsafe { libc::preadv2(number, iov, count, -1, libc::RWF_NOWAIT) })
}

/// As [`writev_without_sigpipe`], without blocking. See [`readv_now`].
pub(crate) fn writev_now_without_sigpipe(
    fd: BorrowedFd<'_>,
    iov: &[IoSlice<'_>],
) -> io::Result<usize> {
    let some = at_most(iov);
    let (number, array, count) = (fd.as_raw_fd(), some.as_ptr().cast(), some.len() as i32);
    without_sigpipe(total_len(iov), || {
        // SAFETY: an `IoSlice` has the layout of an iovec.
        transfer_raw(|| unsafe { libc::pwritev2(number, array, count, -1, libc::RWF_NOWAIT) })
    })
}

/// Whether [`readv_now`] or [`writev_now_without_sigpipe`] has failed because the file, or the
/// kernel, does not support `RWF_NOWAIT`.
pub(crate) fn lacks_flag(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EOPNOTSUPP | Errno::ENOSYS)
    )
}

/// Moves the position of a descriptor and returns the new one.
pub(crate) fn seek(fd: BorrowedFd<'_>, to: io::SeekFrom) -> io::Result<u64> {
    let (offset, whence) = match to {
        io::SeekFrom::Start(offset) => (signed(offset)?, libc::SEEK_SET),
        io::SeekFrom::Current(offset) => (offset, libc::SEEK_CUR),
        io::SeekFrom::End(offset) => (offset, libc::SEEK_END),
    };
    // SAFETY: no pointers are passed.
    let position = call(|| unsafe { libc::lseek64(fd.as_raw_fd(), offset, whence) as isize })?;
    Ok(position as u64)
}

pub(super) fn signed(offset: u64) -> io::Result<i64> {
    i64::try_from(offset).map_err(|_| Errno::EOVERFLOW.into())
}
