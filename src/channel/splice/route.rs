//! Which way bytes go from one channel to another: inside the kernel where both have poll descriptors whose
//! bytes are their own, else through memory.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use glib::{IOCondition, subclass::prelude::*};

use crate::{
    channel::{Channel, class::VFuncs, ffi::PollFd, poll_io::level},
    error::would_block,
    hub::Direction,
    sys::{
        FdGuard, SharedFd,
        fd_info::{FdInfo, Kind},
        splice,
    },
    types::Feature,
};

/// The most bytes of one call that may take all: the count is told in such steps.
const CHUNK: u64 = 16 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Read into memory, write from there, by the slots.
    Memory,
    /// From the one into the other, as one of them is a pipe.
    Direct,
    /// Into a pipe of our own, and out of it.
    Pipe,
    /// From a file on disk, as a file: its position moves.
    File,
}

/// The descriptor of one direction of a channel, if its bytes are those of the channel.
#[derive(Debug)]
struct End {
    fd: Arc<SharedFd>,
    kind: Kind,
}

impl End {
    fn of(channel: &Channel, side: Direction) -> Option<Self> {
        let slots = VFuncs::of(channel);
        let fd = match slots.lent(side)? {
            PollFd::Disk(fd) => fd,
            PollFd::Pollable { fd, raw: true, .. } => fd,
            PollFd::Pollable { .. } => return None,
        };
        // What reads and writes otherwise than the class that lends has something in between.
        if !slots.honours_no_wait() {
            return None;
        }
        let kind = FdInfo::of(fd.get()?.as_fd()).ok()?.kind;
        Some(Self { fd, kind })
    }

    /// Whether a call would wait, which nothing but the mode of the channel prevents.
    fn would_wait(&self, channel: &Channel) -> bool {
        self.kind == Kind::Socket && channel.imp().is_blocking()
    }

    /// Whether a call would not wait. What the system tells of memory that was written without a copy
    /// does not count: a call would wait all the same.
    fn is_ready(&self, channel: &Channel, condition: IOCondition) -> io::Result<bool> {
        let Some(fd) = self.fd.get() else {
            // The next try tells.
            return Ok(true);
        };
        loop {
            let mut was_note = false;
            let waiters = &channel.imp().waiters;
            let got = waiters.ignore_completions(level(&fd, condition)?, condition, || {
                was_note = true;
                Ok(IOCondition::empty())
            })?;
            if !was_note {
                return Ok(!got.is_empty());
            }
        }
    }
}

/// Both descriptors.
#[derive(Debug)]
pub(super) struct Ends {
    source: End,
    target: End,
}

impl Ends {
    pub(super) fn of(source: &Channel, target: &Channel) -> Option<Self> {
        // The kernel would throw descriptors away that come along.
        if source.imp().features().contains(Feature::FD_PASS) {
            return None;
        }
        Some(Self {
            source: End::of(source, Direction::Read)?,
            target: End::of(target, Direction::Write)?,
        })
    }

    /// The best way, for those who may block or for those who may not.
    pub(super) fn route(&self, may_block: bool) -> Route {
        match (self.source.kind, self.target.kind) {
            (Kind::Disk, Kind::Disk | Kind::Pipe | Kind::Socket) => Route::File,
            (Kind::Pipe, Kind::Disk) if may_block => Route::Direct,
            (Kind::Pipe, Kind::Pipe | Kind::Socket) | (Kind::Socket, Kind::Pipe) => Route::Direct,
            (Kind::Socket, Kind::Socket) => Route::Pipe,
            _ => Route::Memory,
        }
    }

    /// Whether the source may fail while it is open, as connections do, and pipes do not.
    pub(super) fn source_may_fail(&self) -> bool {
        self.source.kind != Kind::Pipe
    }

    pub(super) fn source_fd(&self) -> Option<FdGuard<'_>> {
        self.source.fd.get()
    }

    pub(super) fn target_file(&self) -> Option<&Arc<SharedFd>> {
        (self.target.kind == Kind::Disk).then_some(&self.target.fd)
    }

    pub(super) fn target_fd(&self) -> Option<FdGuard<'_>> {
        self.target.fd.get()
    }

    /// Whether writing would wait in the system.
    pub(super) fn target_would_wait(&self, target: &Channel) -> bool {
        self.target.would_wait(target)
    }

    /// Whether there is nothing to read, and reading would wait in the system.
    pub(super) fn source_would_wait(&self, source: &Channel) -> io::Result<bool> {
        Ok(self.source.would_wait(source) && !self.source.is_ready(source, IOCondition::IN)?)
    }

    /// Moves bytes from the one into the other.
    pub(super) fn pass(&self, count: u64) -> io::Result<Option<usize>> {
        let (Some(from), Some(to)) = (self.source_fd(), self.target_fd()) else {
            return Ok(None);
        };
        let (from, to) = (from.as_fd(), to.as_fd());
        // At most `CHUNK`, which fits.
        let count = count.min(CHUNK) as usize;
        possibly(match (self.source.kind, self.target.kind) {
            (Kind::Disk, Kind::Disk) => splice::copy_file_range(from, to, None, count),
            (Kind::Disk, Kind::Socket) => splice::sendfile(from, to, count),
            _ => splice::splice_without_sigpipe(from, to, count),
        })
    }

    /// Which of the two is not ready, where moving would have to wait for one. `None`: it is not so
    /// any more.
    pub(super) fn blocked(
        &self,
        source: &Channel,
        target: &Channel,
    ) -> io::Result<Option<Direction>> {
        Ok(if !self.source.is_ready(source, IOCondition::IN)? {
            Some(Direction::Read)
        } else if !self.target.is_ready(target, IOCondition::OUT)? {
            Some(Direction::Write)
        } else {
            None
        })
    }
}

/// Copies from file to file, at these offsets.
pub(super) fn copy(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    offsets: (u64, u64),
    count: u64,
) -> io::Result<Option<usize>> {
    let count = count.min(CHUNK) as usize;
    possibly(splice::copy_file_range(from, to, Some(offsets), count))
}

/// `None` where the kernel cannot do this with these two: nothing has been moved then, and the slots
/// can, or say why not.
pub(super) fn possibly(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(e) if would_block(&e) => Err(e),
        Err(e) => match e.raw_os_error() {
            Some(
                libc::EINVAL
                | libc::ENOSYS
                | libc::EOPNOTSUPP
                | libc::EXDEV
                | libc::EBADF
                | libc::EPERM
                | libc::EACCES
                | libc::ETXTBSY
                | libc::EISDIR
                | libc::ESPIPE
                | libc::EOVERFLOW,
            ) => Ok(None),
            _ => Err(e),
        },
    }
}
