//! Reading until all buffers are full.

use std::{
    io::{self, IoSliceMut},
    iter,
    os::fd::OwnedFd,
    sync::Arc,
};

use glib::subclass::prelude::*;

use super::{Cursor, Transfer, WINDOW, run, run_async, truncated, was_empty_message, window};
use crate::{
    channel::{
        Channel,
        class::{IoFlags, Transferred, VFuncs},
        file_pool,
    },
    error::invalid,
    hub::Direction,
    sys::SharedFd,
    types::ReadFlags,
    watch::Pushback,
};

/// Reads until the buffers are full.
pub(in crate::channel) struct ReadAll<'a, 'b> {
    iov: &'a mut [IoSliceMut<'b>],
    fds: Option<Received<'a>>,
    /// The offset to read from, for positional reads.
    offset: Option<u64>,
    flags: ReadFlags,
    cursor: Cursor,
    /// Whether any byte was read: end-of-file is unexpected from then on.
    started: bool,
}

impl<'a, 'b> ReadAll<'a, 'b> {
    pub(in crate::channel) fn new(iov: &'a mut [IoSliceMut<'b>]) -> Self {
        let mut this = Self {
            iov,
            fds: None,
            offset: None,
            flags: ReadFlags::empty(),
            cursor: Cursor::default(),
            started: false,
        };
        this.advance(0);
        this
    }

    /// Also reads file descriptors, if there is a list for them.
    pub(in crate::channel) fn with_fds(self, fds: Option<&'a mut Vec<OwnedFd>>) -> Self {
        let fds = fds.map(Received::new);
        Self { fds, ..self }
    }

    pub(in crate::channel) fn with_flags(self, flags: ReadFlags) -> Self {
        Self { flags, ..self }
    }

    pub(in crate::channel) fn at(self, offset: u64) -> Self {
        let offset = Some(offset);
        Self { offset, ..self }
    }

    /// Reads until the buffers are full (`true`), or end-of-file before the first byte.
    pub(in crate::channel) fn run_eof(self, channel: &Channel) -> io::Result<bool> {
        self.check_flags()?;
        run(self, channel)
    }

    /// As [`run_eof`](Self::run_eof), in a future. If that is dropped, bytes that were read are
    /// pushed back.
    pub(in crate::channel) async fn run_eof_async(self, channel: &Channel) -> io::Result<bool> {
        self.check_flags()?;
        run_async(self, channel).await
    }

    /// As [`run_eof_async`](Self::run_eof_async); end-of-file is an error.
    pub(in crate::channel) async fn run_async(self, channel: &Channel) -> io::Result<()> {
        match self.run_eof_async(channel).await? {
            true => Ok(()),
            false => Err(truncated()),
        }
    }

    /// Reads until the buffers are full; end-of-file is an error.
    pub(in crate::channel) fn run(self, channel: &Channel) -> io::Result<()> {
        match self.run_eof(channel)? {
            true => Ok(()),
            false => Err(truncated()),
        }
    }

    fn check_flags(&self) -> io::Result<()> {
        match self.flags.contains(ReadFlags::PEEK) {
            true => Err(invalid(
                "A peek leaves the data in the channel: it cannot continue until all buffers are full",
            )),
            false => Ok(()),
        }
    }

    /// Advances after a read.
    fn record_read(
        &mut self,
        channel: &Channel,
        count: usize,
        fds_before: usize,
    ) -> io::Result<Option<bool>> {
        if count == 0 && self.fds.as_ref().map_or(0, Received::count) == fds_before {
            if was_empty_message(channel)? {
                return Ok(None);
            }
            return match self.started {
                true => Err(truncated()),
                false => Ok(Some(false)),
            };
        }
        self.started = true;
        self.advance(count);
        Ok(self.is_complete().then(|| self.keep()))
    }

    fn keep(&mut self) -> bool {
        if let Some(fds) = &mut self.fds {
            fds.keep();
        }
        true
    }

    fn read_some(&mut self, channel: &Channel, flags: ReadFlags) -> io::Result<Transferred<usize>> {
        let Cursor {
            buffer,
            offset,
            done,
        } = self.cursor;
        let fds = self.fds.as_mut();
        match &mut self.iov[buffer..] {
            [current, rest @ ..] if offset > 0 => {
                let many = rest.len() >= WINDOW;
                let left = iter::once(&mut current[offset..])
                    .chain(rest.iter_mut().map(|buf| &mut buf[..]));
                if many && channel.imp().is_message_oriented() {
                    // Only one that fits into the list leaves a message that fits into the buffers
                    // whole.
                    let mut left: Vec<_> = left.map(IoSliceMut::new).collect();
                    return read_step(channel, &mut left, fds, self.offset, done, flags);
                }
                let mut window = window(left, IoSliceMut::new);
                read_step(channel, &mut window, fds, self.offset, done, flags)
            }
            left => read_step(channel, left, fds, self.offset, done, flags),
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
    flags: ReadFlags,
) -> io::Result<Transferred<usize>> {
    let vfuncs = VFuncs::of(channel);
    match offset {
        Some(offset) => {
            let count = vfuncs.preadv(iov, offset.saturating_add(done))?;
            Ok(Transferred::whole(count))
        }
        None => vfuncs.try_readv(iov, fds.map(|fds| &mut *fds.list), flags),
    }
}

impl Transfer for ReadAll<'_, '_> {
    const DIRECTION: Direction = Direction::Read;
    type Output = bool;

    fn step(&mut self, channel: &Channel, how: IoFlags) -> io::Result<Transferred<Option<bool>>> {
        if self.is_complete() {
            return Ok(Transferred::whole(Some(self.keep())));
        }
        let fds_before = self.fds.as_ref().map_or(0, Received::count);
        let Transferred { result, short } = self.read_some(channel, how.read | self.flags)?;
        let result = self.record_read(channel, result, fds_before)?;
        Ok(Transferred { result, short })
    }

    fn is_complete(&self) -> bool {
        self.cursor.buffer >= self.iov.len()
    }

    fn is_bytes_only(&self) -> bool {
        self.fds.is_none()
    }

    async fn file_step(
        &mut self,
        channel: &Channel,
        file: &Arc<SharedFd>,
    ) -> io::Result<Option<bool>> {
        if self.is_complete() {
            return Ok(Some(true));
        }
        let Cursor {
            buffer,
            offset,
            done,
        } = self.cursor;
        let at = self.offset.map(|at| at.saturating_add(done));
        let space = &mut self.iov[buffer][offset..];
        let count = file_pool::read(channel, file, space, at).await?;
        self.record_read(channel, count, 0)
    }

    /// Pushes back the bytes that were read.
    fn cancel(&mut self, channel: &Channel, file: Option<&Arc<SharedFd>>) {
        if !self.started || self.offset.is_some() {
            return;
        }
        let Cursor {
            buffer,
            offset,
            done,
        } = self.cursor;
        if let Some(file) = file {
            // The file still has the bytes: moving the position back serves later seeks and writes
            // too.
            return file_pool::take_back(file, done);
        }
        let whole = self.iov[..buffer].iter().map(|buf| &buf[..]);
        let part = self.iov.get(buffer).map(|buf| &buf[..offset]);
        let fds = self.fds.as_mut().map(Received::take).unwrap_or_default();
        channel.push_back_data(Pushback::copied(whole.chain(part), fds));
    }
}

/// Descriptors that the caller gets only once all is read. On any error received ones are closed.
struct Received<'a> {
    list: &'a mut Vec<OwnedFd>,
    /// The number of descriptors that the caller had before.
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

    fn take(&mut self) -> Vec<OwnedFd> {
        self.list.split_off(self.before)
    }
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        self.list.truncate(self.before);
    }
}
