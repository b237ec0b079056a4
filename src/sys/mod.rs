//! System calls: the only room that talks to the kernel.
//!
//! Functions here take and give `std`'s types, retry `EINTR`, return system errors
//! as [`std::io::Error::from_raw_os_error`], and know nothing of channels.
#![allow(unsafe_code)]

pub(crate) mod address;
pub(crate) mod credentials;
pub(crate) mod datagram;
pub(crate) mod epoll;
pub(crate) mod file;
mod fork;
mod hazard;
pub(crate) mod inherited;
pub(crate) mod listen;
mod lock;
pub(crate) mod options;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod scm;
mod shared_fd;
mod sigpipe;
pub(crate) mod socket;
pub(crate) mod splice;
pub(crate) mod vectored;
pub(crate) mod zero_copy;

pub(crate) use lock::lock;
pub(crate) use shared_fd::{FdGuard, FdLease, Noted, SharedFd};

use std::io;

use nix::errno::Errno;

/// Runs a transfer of data again for as long as a signal interrupts it.
#[inline]
fn transfer(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    match call() {
        Ok(count) => Ok(count),
        Err(rustix::io::Errno::INTR) => transfer_again(call),
        Err(e) => Err(e.into()),
    }
}

#[cold]
#[inline(never)]
fn transfer_again(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map_err(Into::into),
        }
    }
}

/// The same for the C library's functions, which return -1 and set `errno`.
#[inline]
fn transfer_raw(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    transfer(|| {
        usize::try_from(call()).map_err(|_| rustix::io::Errno::from_raw_os_error(Errno::last_raw()))
    })
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
