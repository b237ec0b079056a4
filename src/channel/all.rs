//! The loops that go on until everything is read or written.
//!
//! Each is a sequence of steps: a step is one call of a slot. Who runs the steps decides
//! how to wait in between; [`blocking`] is the one who blocks. The caller's buffers
//! are not moved; where a step stopped in the middle of one, the next step gets a short
//! list of what is left, from the stack.

use std::{
    array,
    io::{self, IoSlice, IoSliceMut},
    iter,
    os::fd::{BorrowedFd, OwnedFd},
};

use glib::{IOCondition, subclass::prelude::*};

use super::{Channel, class::Slots, ready};
use crate::{
    error::{ChannelError, channel_error, closed, not_supported, would_block},
    types::{ReadFlags, WriteFlags},
};

/// The most buffers of a step that begins in the middle of one.
const WINDOW: usize = 16;

/// Runs steps until one has the result. Where a step would block, this thread waits.
pub(super) fn blocking<T>(
    channel: &Channel,
    condition: IOCondition,
    mut step: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<T> {
    loop {
        match step() {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => {}
            Err(e) if would_block(&e) => wait_for(channel, condition)?,
            Err(e) => return Err(e),
        }
    }
}

fn wait_for(channel: &Channel, condition: IOCondition) -> io::Result<()> {
    if !ready::wait(channel, condition, None)?.contains(IOCondition::NVAL) {
        Ok(())
    } else if channel.imp().is_closed() {
        Err(closed())
    } else {
        let label = channel.label();
        Err(not_supported(&format!(
            "{label} would block, and nothing tells when it would not"
        )))
    }
}

/// How far a transfer has come.
#[derive(Default)]
struct Cursor {
    buffer: usize,
    /// Bytes done in that buffer.
    offset: usize,
    /// Bytes done in all.
    done: u64,
}

impl Cursor {
    /// Goes on by `count` bytes, and past what has no bytes left.
    fn advance(&mut self, count: usize, lens: impl Fn(usize) -> Option<usize>) {
        self.done += count as u64;
        self.offset += count;
        while let Some(len) = lens(self.buffer).filter(|&len| self.offset >= len) {
            self.offset -= len;
            self.buffer += 1;
        }
    }
}

/// Reading until the buffers are full.
pub(super) struct ReadAll<'a, 'b> {
    iov: &'a mut [IoSliceMut<'b>],
    fds: Option<Received<'a>>,
    /// Where to read, for channels with positions.
    offset: Option<u64>,
    cursor: Cursor,
    /// Something has been read: the end of the file would come too early.
    started: bool,
}

impl<'a, 'b> ReadAll<'a, 'b> {
    pub(super) fn new(iov: &'a mut [IoSliceMut<'b>]) -> Self {
        let mut this = Self {
            iov,
            fds: None,
            offset: None,
            cursor: Cursor::default(),
            started: false,
        };
        this.advance(0);
        this
    }

    pub(super) fn with_fds(self, fds: &'a mut Vec<OwnedFd>) -> Self {
        let fds = Some(Received::new(fds));
        Self { fds, ..self }
    }

    pub(super) fn at(self, offset: u64) -> Self {
        let offset = Some(offset);
        Self { offset, ..self }
    }

    /// Reads until all is read (`true`), or the file has ended before the first byte.
    pub(super) fn run_eof(mut self, channel: &Channel) -> io::Result<bool> {
        blocking(channel, IOCondition::IN, || self.step(channel))
    }

    /// Reads until all is read.
    pub(super) fn run(self, channel: &Channel) -> io::Result<()> {
        match self.run_eof(channel)? {
            true => Ok(()),
            false => Err(truncated()),
        }
    }

    fn step(&mut self, channel: &Channel) -> io::Result<Option<bool>> {
        if self.cursor.buffer < self.iov.len() {
            let fds_before = self.fds.as_ref().map_or(0, Received::count);
            let count = self.read_some(channel)?;
            if count == 0 && self.fds.as_ref().map_or(0, Received::count) == fds_before {
                return match self.started {
                    true => Err(truncated()),
                    false => Ok(Some(false)),
                };
            }
            self.started = true;
            self.advance(count);
            if self.cursor.buffer < self.iov.len() {
                return Ok(None);
            }
        }
        if let Some(fds) = &mut self.fds {
            fds.keep();
        }
        Ok(Some(true))
    }

    fn read_some(&mut self, channel: &Channel) -> io::Result<usize> {
        let Cursor {
            buffer,
            offset,
            done,
        } = self.cursor;
        let fds = self.fds.as_mut();
        match &mut self.iov[buffer..] {
            [current, rest @ ..] if offset > 0 => {
                let mut left = iter::once(&mut current[offset..])
                    .chain(rest.iter_mut().map(|buf| &mut buf[..]));
                let mut window: [_; WINDOW] =
                    array::from_fn(|_| IoSliceMut::new(left.next().unwrap_or_default()));
                read_step(channel, &mut window, fds, self.offset, done)
            }
            left => read_step(channel, left, fds, self.offset, done),
        }
    }

    fn advance(&mut self, count: usize) {
        let iov = &self.iov;
        self.cursor
            .advance(count, |i| iov.get(i).map(|buf| buf.len()));
    }
}

fn read_step(
    channel: &Channel,
    iov: &mut [IoSliceMut<'_>],
    fds: Option<&mut Received<'_>>,
    offset: Option<u64>,
    done: u64,
) -> io::Result<usize> {
    let slots = Slots::of(channel);
    match offset {
        Some(offset) => slots.preadv(iov, offset.saturating_add(done)),
        None => slots.readv(iov, fds.map(|fds| &mut *fds.list), ReadFlags::empty()),
    }
}

fn truncated() -> io::Error {
    channel_error(
        ChannelError::Truncated,
        "Unexpected end-of-file before all data were read",
    )
}

/// Descriptors that belong to the caller only once everything has been read: on any
/// error those that have come are closed.
struct Received<'a> {
    list: &'a mut Vec<OwnedFd>,
    /// How many of them were the caller's before.
    before: usize,
}

impl<'a> Received<'a> {
    fn new(list: &'a mut Vec<OwnedFd>) -> Self {
        let before = list.len();
        Self { list, before }
    }

    fn count(&self) -> usize {
        self.list.len()
    }

    fn keep(&mut self) {
        self.before = self.list.len();
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        self.list.truncate(self.before);
    }
}

/// Writing until the buffers are written.
pub(super) struct WriteAll<'a> {
    iov: &'a [IoSlice<'a>],
    /// Not yet sent: they go with the first byte, and never again.
    fds: &'a [BorrowedFd<'a>],
    /// Where to write, for channels with positions.
    offset: Option<u64>,
    flags: WriteFlags,
    cursor: Cursor,
}

impl<'a> WriteAll<'a> {
    pub(super) fn new(iov: &'a [IoSlice<'a>]) -> Self {
        let mut this = Self {
            iov,
            fds: &[],
            offset: None,
            flags: WriteFlags::empty(),
            cursor: Cursor::default(),
        };
        this.advance(0);
        this
    }

    pub(super) fn with_fds(self, fds: &'a [BorrowedFd<'a>]) -> Self {
        Self { fds, ..self }
    }

    pub(super) fn with_flags(self, flags: WriteFlags) -> Self {
        Self { flags, ..self }
    }

    pub(super) fn at(self, offset: u64) -> Self {
        let offset = Some(offset);
        Self { offset, ..self }
    }

    /// Writes until all is written.
    pub(super) fn run(mut self, channel: &Channel) -> io::Result<()> {
        blocking(channel, IOCondition::OUT, || self.step(channel))
    }

    fn step(&mut self, channel: &Channel) -> io::Result<Option<()>> {
        let Cursor {
            buffer,
            offset,
            done,
        } = self.cursor;
        let left = &self.iov[buffer..];
        if left.is_empty() && self.fds.is_empty() {
            return Ok(Some(()));
        }
        let count = match left {
            [current, rest @ ..] if offset > 0 => {
                let mut left =
                    iter::once(&current[offset..]).chain(rest.iter().map(|buf| &buf[..]));
                let window: [_; WINDOW] =
                    array::from_fn(|_| IoSlice::new(left.next().unwrap_or_default()));
                self.write_step(channel, &window, done)?
            }
            left => self.write_step(channel, left, done)?,
        };
        self.fds = &[];
        self.advance(count);
        Ok((self.cursor.buffer == self.iov.len()).then_some(()))
    }

    fn write_step(&self, channel: &Channel, iov: &[IoSlice<'_>], done: u64) -> io::Result<usize> {
        let slots = Slots::of(channel);
        match self.offset {
            Some(offset) => slots.pwritev(iov, offset.saturating_add(done)),
            None => slots.writev(iov, self.fds, self.flags),
        }
    }

    fn advance(&mut self, count: usize) {
        let iov = self.iov;
        self.cursor
            .advance(count, |i| iov.get(i).map(|buf| buf.len()));
    }
}
