//! System calls: the only room that talks to the kernel.
//!
//! Functions here take and give `std`'s types, retry `EINTR`, return system errors
//! as [`std::io::Error::from_raw_os_error`], and know nothing of channels.
#![allow(unsafe_code)]

pub(crate) mod address;
pub(crate) mod file;
mod hazard;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod scm;
mod shared_fd;
pub(crate) mod socket;
pub(crate) mod vectored;

pub(crate) use shared_fd::{FdGuard, FdLease, SharedFd};

use std::io;

use nix::errno::Errno;

/// Runs a raw transfer of data again for as long as a signal interrupts it. Would-block is the
/// plain kind, which costs nothing to make and little to recognise.
#[inline]
fn transfer(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        match Errno::last_raw() {
            libc::EAGAIN => return Err(io::ErrorKind::WouldBlock.into()),
            libc::EINTR => {}
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Runs a system call again for as long as a signal interrupts it.
#[inline]
fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result.map_err(Into::into),
        }
    }
}

/// The result of a raw system call that returns -1 and sets `errno`.
#[inline]
fn checked(result: isize) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| Errno::last())
}
