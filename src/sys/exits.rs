//! The ends of processes, as an epoll instance reports them for pidfds.

use std::{
    io,
    mem::ManuallyDrop,
    os::fd::{AsRawFd, BorrowedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::{call, retry};
use crate::sync::Creator;

/// The most ends that one call takes.
const MOST: usize = 16;

/// An epoll instance that reports each pidfd once.
///
/// A pidfd leaves it by being closed, and need not be removed. A key that is reported for a
/// duplicate later means nothing to the caller, which uses each key once.
#[derive(Debug)]
pub(crate) struct Exits {
    /// Open unless `is_closed`, which only a forked child sets. That uses it for nothing else.
    epoll: ManuallyDrop<Epoll>,
    is_closed: AtomicBool,
    creator: Creator,
}

impl Exits {
    /// # Errors
    ///
    /// Those of epoll_create1(2): `EMFILE`, for example.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = retry(|| Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC))?;
        Ok(Self {
            epoll: ManuallyDrop::new(epoll),
            is_closed: AtomicBool::new(false),
            creator: Creator::default(),
        })
    }

    /// Reports `key` when the process has ended.
    pub(crate) fn add(&self, pidfd: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT;
        Ok(retry(|| {
            self.epoll()?.add(pidfd, EpollEvent::new(flags, key))
        })?)
    }

    /// Waits until a process has ended, and calls `f` with the key of each that has.
    pub(crate) fn wait(&self, f: impl FnMut(u64)) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); MOST];
        let count = retry(|| self.epoll()?.wait(&mut events, EpollTimeout::NONE))?;
        events[..count].iter().map(EpollEvent::data).for_each(f);
        Ok(())
    }

    fn epoll(&self) -> nix::Result<&Epoll> {
        match self.creator.is_parent() {
            true => Err(nix::errno::Errno::EBADF),
            false => Ok(&self.epoll),
        }
    }

    /// In a forked child, closes the instance, which the child shares with its parent. Elsewhere
    /// does nothing.
    pub(crate) fn close_if_inherited(&self) {
        if self.creator.is_parent() && !self.is_closed.swap(true, Ordering::AcqRel) {
            // SAFETY: the number is open, as `is_closed` was not set, and by that it is never used
            // again.
            let _ = call(|| unsafe { libc::close(self.epoll.0.as_raw_fd()) as isize });
        }
    }
}

impl Drop for Exits {
    fn drop(&mut self) {
        if !*self.is_closed.get_mut() {
            // SAFETY: it is open, and nothing has a reference to it any more.
            unsafe { ManuallyDrop::drop(&mut self.epoll) };
        }
    }
}
