//! System calls: the only room that talks to the kernel.
//!
//! Functions here take and give `std`'s types, retry `EINTR`, return system errors
//! as [`std::io::Error::from_raw_os_error`], and know nothing of channels.
#![allow(unsafe_code)]

pub(crate) mod address;
pub(crate) mod epoll;
pub(crate) mod file;
mod fork;
mod hazard;
mod lock;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod scm;
mod shared_fd;
pub(crate) mod socket;
pub(crate) mod vectored;

pub(crate) use lock::lock;
pub(crate) use shared_fd::{FdGuard, FdLease, Noted, SharedFd};

use std::io;

use nix::errno::Errno;

/// Runs a raw transfer of data again for as long as a signal interrupts it.
#[inline]
fn transfer(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    let count = call();
    if count >= 0 {
        return Ok(count as usize);
    }
    match Errno::last_raw() {
        libc::EINTR => transfer_again(call),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

#[cold]
#[inline(never)]
fn transfer_again(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    retry(|| checked(call()))
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
