//! Writing until all buffers are written.

use std::{
    io::{self, IoSlice},
    iter,
    os::fd::BorrowedFd,
    sync::Arc,
};

use super::{Cursor, Transfer, finish_writing, run, run_async, window};
use crate::{
    channel::{
        Channel,
        class::{IoFlags, Transferred, VFuncs},
        file_pool,
    },
    hub::Direction,
    sys::SharedFd,
    types::WriteFlags,
};

/// Writes until the buffers are written.
pub(in crate::channel) struct WriteAll<'a> {
    iov: &'a [IoSlice<'a>],
    /// Not yet sent: they are passed once, with the first byte.
    fds: &'a [BorrowedFd<'a>],
    /// The offset to write to, for positional writes.
    offset: Option<u64>,
    flags: WriteFlags,
    /// The bytes that own the only buffer, if a reference to them can be held.
    owner: Option<&'a glib::Bytes>,
    cursor: Cursor,
}

impl<'a> WriteAll<'a> {
    pub(in crate::channel) fn new(iov: &'a [IoSlice<'a>]) -> Self {
        let mut this = Self {
            iov,
            fds: &[],
            offset: None,
            flags: WriteFlags::empty(),
            owner: None,
            cursor: Cursor::default(),
        };
        this.advance(0);
        this
    }

    /// Sets the owner of the only buffer.
    pub(in crate::channel) fn owned_by(self, bytes: &'a glib::Bytes) -> Self {
        let owner = Some(bytes);
        Self { owner, ..self }
    }

    pub(in crate::channel) fn with_fds(self, fds: &'a [BorrowedFd<'a>]) -> Self {
        Self { fds, ..self }
    }

    pub(in crate::channel) fn with_flags(self, flags: WriteFlags) -> Self {
        Self { flags, ..self }
    }

    pub(in crate::channel) fn at(self, offset: u64) -> Self {
        let offset = Some(offset);
        Self { offset, ..self }
    }

    /// Writes until all is written.
    pub(in crate::channel) fn run(self, channel: &Channel) -> io::Result<()> {
        run(self, channel)
    }

    /// As [`run`](Self::run), in a future. If that is dropped, bytes that were written stay
    /// written.
    pub(in crate::channel) async fn run_async(self, channel: &Channel) -> io::Result<()> {
        run_async(self, channel).await
    }

    fn write_step(
        &self,
        channel: &Channel,
        iov: &[IoSlice<'_>],
        done: u64,
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let vfuncs = VFuncs::of(channel);
        let flags = self.flags | flags;
        match (self.offset, self.owner) {
            (Some(offset), _) => vfuncs.pwritev(iov, offset.saturating_add(done)),
            // The size of a buffer in memory fits `usize`.
            (_, Some(bytes)) => vfuncs.write_owned(bytes, done as usize, self.fds, flags),
            _ => vfuncs.writev(iov, self.fds, flags),
        }
    }

    fn advance(&mut self, count: usize) {
        let iov = self.iov;
        self.cursor
            .advance(count, |i| iov.get(i).map(|buf| buf.len()));
    }
}

impl Transfer for WriteAll<'_> {
    const DIRECTION: Direction = Direction::Write;
    type Output = ();

    fn step(&mut self, channel: &Channel, how: IoFlags) -> io::Result<Transferred<Option<()>>> {
        let Cursor {
            buffer,
            offset,
            done,
        } = self.cursor;
        let left = &self.iov[buffer..];
        if left.is_empty() && self.fds.is_empty() {
            return finish_writing(channel).map(|()| Transferred::whole(Some(())));
        }
        let count = match left {
            [current, rest @ ..] if offset > 0 => {
                let left = iter::once(&current[offset..]).chain(rest.iter().map(|buf| &buf[..]));
                self.write_step(channel, &window(left, IoSlice::new), done, how.write)?
            }
            left => self.write_step(channel, left, done, how.write)?,
        };
        self.fds = &[];
        self.advance(count);
        let result = match self.is_complete() {
            true => Some(finish_writing(channel)?),
            false => None,
        };
        Ok(Transferred::whole(result))
    }

    fn is_complete(&self) -> bool {
        self.cursor.buffer == self.iov.len()
    }

    fn is_bytes_only(&self) -> bool {
        self.fds.is_empty() && !self.flags.contains(WriteFlags::ZERO_COPY)
    }

    async fn file_step(
        &mut self,
        channel: &Channel,
        file: &Arc<SharedFd>,
    ) -> io::Result<Option<()>> {
        let Some(current) = self.iov.get(self.cursor.buffer) else {
            return Ok(Some(()));
        };
        let Cursor { offset, done, .. } = self.cursor;
        let at = self.offset.map(|at| at.saturating_add(done));
        let count = file_pool::write(channel, file, &current[offset..], at).await?;
        self.advance(count);
        Ok(None)
    }

    /// Bytes that were written stay written.
    fn cancel(&mut self, _: &Channel, _: Option<&Arc<SharedFd>>) {}
}
