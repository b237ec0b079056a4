//! Retrying system calls: the only place that repeats a call after EINTR.

use std::io;

use nix::errno::Errno;

/// Makes a call that transfers data.
#[inline]
pub(super) fn transfer(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
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

/// As [`transfer`], for a function of the C library, which returns -1 and sets `errno`.
#[inline]
pub(super) fn transfer_raw(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    transfer(|| {
        usize::try_from(call()).map_err(|_| rustix::io::Errno::from_raw_os_error(Errno::last_raw()))
    })
}

/// Makes a call of a function of `nix`.
#[inline]
pub(super) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Makes a call of a function of the C library, which returns -1 and sets `errno`.
#[inline]
pub(super) fn call(mut call: impl FnMut() -> isize) -> Result<usize, Errno> {
    retry(|| once(&mut call))
}

/// As [`call`], for a call that must not be repeated: the caller handles `EINTR`.
#[inline]
pub(super) fn once(call: impl FnOnce() -> isize) -> Result<usize, Errno> {
    usize::try_from(call()).map_err(|_| Errno::last())
}
