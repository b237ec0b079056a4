//! The strategy for moving bytes from one channel to another: inside the kernel if both classes
//! expose descriptors whose bytes are their own, else through memory.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use glib::{IOCondition, subclass::prelude::*};

use crate::{
    channel::{
        Channel,
        class::{VFuncs, native::PollFd},
        poll_io::level,
    },
    error::would_block,
    hub::Direction,
    sys::{FdGuard, SharedFd, fd_info::Kind, splice},
    types::Feature,
};

/// The maximum number of bytes per call where a call may move all, so that the count is updated.
const CHUNK: u64 = 16 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// Through memory, by the virtual functions.
    Memory,
    /// From one descriptor to the other, as one of them is a pipe.
    Direct,
    /// Into a pipe of this flow, and out of it.
    Pipe,
    /// From a file on disk, whose position moves.
    File,
}

/// The descriptor of one direction of a channel, if its bytes are those of the channel.
#[derive(Debug)]
struct SideFd {
    fd: Arc<SharedFd>,
    kind: Kind,
}

impl SideFd {
    fn of(channel: &Channel, side: Direction) -> Option<Self> {
        let vfuncs = VFuncs::of(channel);
        let (fd, kind) = match vfuncs.poll_fd(side)? {
            PollFd::Disk(fd) => (fd, Kind::Disk),
            PollFd::Pollable { fd, raw, .. } => (fd, raw?),
        };
        // A derived class that overrides reads and writes may transform the data.
        if !vfuncs.honors_no_wait() {
            return None;
        }
        Some(Self { fd, kind })
    }

    /// Whether a call blocks when the descriptor is not ready.
    fn would_wait(&self, channel: &Channel) -> bool {
        self.kind == Kind::Socket && channel.imp().is_blocking()
    }

    /// Whether a call does not block. Zero-copy completions are ignored: they do not make it ready.
    fn is_ready(&self, channel: &Channel, condition: IOCondition) -> io::Result<bool> {
        let Some(fd) = self.fd.get() else {
            // The next attempt reports the error.
            return Ok(true);
        };
        loop {
            let mut was_completion = false;
            let channel_state = &channel.imp().channel_state;
            let got =
                channel_state.ignore_completions(level(&fd, condition)?, condition, || {
                    was_completion = true;
                    Ok(IOCondition::empty())
                })?;
            if !was_completion {
                return Ok(!got.is_empty());
            }
        }
    }
}

/// Both descriptors.
#[derive(Debug)]
pub(super) struct RawFds {
    source: SideFd,
    target: SideFd,
}

impl RawFds {
    pub(super) fn of(source: &Channel, target: &Channel) -> Option<Self> {
        // The kernel would discard ancillary descriptors.
        if source.imp().features().contains(Feature::FD_PASS) {
            return None;
        }
        Some(Self {
            source: SideFd::of(source, Direction::Read)?,
            target: SideFd::of(target, Direction::Write)?,
        })
    }

    /// Whether the source is readable, or has ended.
    pub(super) fn source_is_ready(&self, source: &Channel) -> io::Result<bool> {
        self.source.is_ready(source, IOCondition::IN)
    }

    /// The best strategy, for callers that may block or must not.
    pub(super) fn strategy(&self, may_block: bool) -> Strategy {
        match (self.source.kind, self.target.kind) {
            (Kind::Disk, Kind::Disk | Kind::Pipe | Kind::Socket) => Strategy::File,
            (Kind::Pipe, Kind::Disk) if may_block => Strategy::Direct,
            (Kind::Pipe, Kind::Pipe | Kind::Socket) | (Kind::Socket, Kind::Pipe) => {
                Strategy::Direct
            }
            (Kind::Socket, Kind::Socket) => Strategy::Pipe,
            _ => Strategy::Memory,
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

    /// Whether a write would block in the kernel.
    pub(super) fn target_would_wait(&self, target: &Channel) -> bool {
        self.target.would_wait(target)
    }

    /// Whether there is nothing to read, and a read would block in the kernel.
    pub(super) fn source_would_wait(&self, source: &Channel) -> io::Result<bool> {
        Ok(self.source.would_wait(source) && !self.source.is_ready(source, IOCondition::IN)?)
    }

    /// Moves bytes from one descriptor to the other.
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

    /// The side that is not ready, if moving would block. `None` if both are ready by now.
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

/// `None` if the kernel does not support the operation for these two descriptors: nothing was moved
/// then, and the virtual functions are used, or return the error.
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
