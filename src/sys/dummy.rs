//! The dummy file, which takes the place of one that is closed while its number is in use.
//!
//! It is opened early, once for the process: closing needs no free descriptor. It is an epoll
//! instance that watches nothing: it cannot be read from or written to.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags};

use super::{call, retry};
use crate::sync::ProcessMutex;

/// Once it has been opened. A forked child has it too.
static DUMMY: ProcessMutex<Option<OwnedFd>> = ProcessMutex::new(None, |_| ());

/// Opens the dummy file unless that has been done.
///
/// # Errors
///
/// What the system says: `EMFILE`, for example.
pub(crate) fn prepare() -> io::Result<()> {
    let mut dummy = DUMMY.lock();
    if dummy.is_none() {
        *dummy = Some(open()?);
    }
    Ok(())
}

/// Puts the dummy file in the place of an open one: the number stays taken, but what it referred to
/// is closed, except for system calls that are in progress. Those to come fail. Needs no free
/// descriptor after [`prepare`]; without one, the file is closed with its last user.
pub(crate) fn replace(fd: BorrowedFd<'_>) {
    let mut dummy = DUMMY.lock();
    if let Some(stale) = dummy.take_if(|dummy| !is_unused_epoll(dummy)) {
        // The program has closed numbers that are not its own, and may have used this one again.
        let _ = stale.into_raw_fd();
    }
    if dummy.is_none() {
        *dummy = open().ok();
    }
    if let Some(dummy) = &*dummy {
        let (dummy, number) = (dummy.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: both numbers are open, and nothing else closes them during the call.
        let _ = call(|| unsafe { libc::dup3(dummy, number, libc::O_CLOEXEC) as isize });
    }
}

fn open() -> io::Result<OwnedFd> {
    Ok(retry(|| Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC))?.0)
}

fn is_unused_epoll(fd: &OwnedFd) -> bool {
    let mut event = MaybeUninit::<libc::epoll_event>::uninit();
    let (number, event) = (fd.as_raw_fd(), event.as_mut_ptr());
    // SAFETY: there is room for one event; the call does not wait.
    call(|| unsafe { libc::epoll_wait(number, event, 1, 0) as isize }) == Ok(0)
}
