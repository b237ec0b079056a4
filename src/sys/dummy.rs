//! The dummy file, which replaces one that is closed while its number is in use.
//!
//! It is opened early, once per process, so that closing needs no free descriptor. It is an epoll
//! instance without registrations, which cannot be read or written.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags};

use super::{call, retry};
use crate::sync::ProcessMutex;

/// The dummy file once it is open. A forked child inherits it.
static DUMMY: ProcessMutex<Option<OwnedFd>> = ProcessMutex::new(None, |_| ());

/// Opens the dummy file unless it is open.
///
/// # Errors
///
/// The error of the system call, such as `EMFILE`.
pub(crate) fn prepare() -> io::Result<()> {
    let mut dummy = DUMMY.lock();
    if dummy.is_none() {
        *dummy = Some(open()?);
    }
    Ok(())
}

/// Replaces an open file by the dummy file: the number stays in use, but the file it referred to is
/// closed, except for system calls in progress. Later ones fail. Needs no free descriptor after
/// [`prepare`]; without a dummy file, the file is closed when its last user ends.
pub(crate) fn replace(fd: BorrowedFd<'_>) {
    let mut dummy = DUMMY.lock();
    if let Some(stale) = dummy.take_if(|dummy| !is_unused_epoll(dummy)) {
        // The program has closed a number that it does not own, and may have reused this one.
        let _ = stale.into_raw_fd();
    }
    if dummy.is_none() {
        *dummy = open().ok();
    }
    if let Some(dummy) = &*dummy {
        let (dummy, number) = (dummy.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: both numbers are open, and no other code closes them during the call.
        let _ = call(|| unsafe { libc::dup3(dummy, number, libc::O_CLOEXEC) as isize });
    }
}

fn open() -> io::Result<OwnedFd> {
    Ok(retry(|| Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC))?.0)
}

fn is_unused_epoll(fd: &OwnedFd) -> bool {
    let mut event = MaybeUninit::<libc::epoll_event>::uninit();
    let (number, event) = (fd.as_raw_fd(), event.as_mut_ptr());
    // SAFETY: `event` has space for one event; the timeout is zero.
    call(|| unsafe { libc::epoll_wait(number, event, 1, 0) as isize }) == Ok(0)
}
