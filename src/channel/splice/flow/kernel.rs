//! The steps of a flow that move bytes inside the kernel.

use std::{
    io::{self, IoSlice},
    os::fd::AsFd,
};

use super::{Flow, Progress};
use crate::{
    channel::{
        class::{IoFlags, VFuncs},
        observed,
        splice::{
            buffer::Origin,
            strategy::{RawFds, possibly},
        },
    },
    error::would_block,
    hub::Direction,
};

/// How often in a row both sides may be ready without a byte being moved.
const MAX_FUTILE: u32 = 16;

impl Flow<'_> {
    pub(super) fn fill_pipe(&mut self) -> io::Result<Progress> {
        let Some(raw_fds) = &self.raw_fds else {
            return Ok(self.by_memory());
        };
        if !self.may_block {
            if raw_fds.target_would_wait(self.target) {
                return Ok(self.by_memory());
            }
            if raw_fds.source_would_wait(self.source)? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let filled = match (raw_fds.source_fd(), self.buffer.pipe()) {
            (Some(fd), Some(pipe)) => possibly(pipe.fill(fd.as_fd(), None, self.left)),
            _ => Ok(None),
        };
        let filled = match filled {
            // Data has come by now, or the kernel waits for something else: it may fail like that
            // at urgent data of TCP too, and no event would follow.
            Err(e) if would_block(&e) && raw_fds.source_is_ready(self.source)? => {
                return Ok(self.moved_nothing());
            }
            filled => filled?,
        };
        match filled {
            // The kernel returns 0 also at urgent data of TCP.
            Some(0) => Ok(self.by_memory()),
            Some(count) => {
                self.futile = 0;
                observed::moved(self.source, Direction::Read, count);
                self.buffer.piped(count, Origin::Stream);
                Ok(Progress::More)
            }
            None => Ok(self.by_memory()),
        }
    }

    /// Moves bytes from the source to the target; `side` is the one that was not ready the last
    /// time.
    pub(super) fn pass(&mut self, side: Direction) -> io::Result<Progress> {
        let Some(raw_fds) = &self.raw_fds else {
            return Ok(self.by_memory());
        };
        let waits = !self.may_block && raw_fds.target_would_wait(self.target);
        if waits {
            return Ok(self.by_memory());
        }
        let passed = match !self.may_block && raw_fds.source_would_wait(self.source)? {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => raw_fds.pass(self.left),
        };
        match passed {
            // End-of-file is read as 0 bytes: not all files report it otherwise, and the kernel
            // returns 0 also at urgent data of TCP.
            Ok(Some(0)) => Ok(self.by_memory()),
            Ok(Some(count)) => {
                self.futile = 0;
                observed::moved(self.source, Direction::Read, count);
                observed::moved(self.target, Direction::Write, count);
                self.count(count);
                Ok(Progress::More)
            }
            Ok(None) => Ok(self.by_memory()),
            Err(e) if would_block(&e) => match raw_fds.blocked(self.source, self.target)? {
                Some(blocked) if blocked == side => Err(e),
                Some(blocked) => {
                    self.blocked = blocked;
                    Ok(Progress::More)
                }
                // That side is ready by now, unless the kernel waits for something else.
                None => Ok(self.moved_nothing()),
            },
            Err(e) => Err(e),
        }
    }

    /// The step after one that moved nothing although both sides are ready.
    fn moved_nothing(&mut self) -> Progress {
        self.futile += 1;
        match self.futile > MAX_FUTILE {
            true => {
                self.futile = 0;
                self.by_memory()
            }
            false => Progress::More,
        }
    }

    /// Writes buffered bytes.
    pub(super) fn empty(&mut self, how: IoFlags) -> io::Result<Progress> {
        let Some((pipe, piped)) = self.buffer.in_pipe() else {
            let data = IoSlice::new(self.to_write());
            let count = VFuncs::of(self.target).writev(&[data], &[], how.write)?;
            return self.record_write(count);
        };
        let raw_fds = self.raw_fds.as_ref();
        let raw_fds =
            raw_fds.filter(|raw_fds| self.may_block || !raw_fds.target_would_wait(self.target));
        let moved = match raw_fds.and_then(RawFds::target_fd) {
            Some(fd) => possibly(pipe.drain(fd.as_fd(), piped))?,
            None => None,
        };
        if let Some(count @ 1..) = moved {
            observed::moved(self.target, Direction::Write, count);
            return self.record_write(count);
        }
        self.buffer.spill()?;
        Ok(self.by_memory())
    }
}
