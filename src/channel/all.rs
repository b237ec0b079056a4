//! The loops that go on until everything is read or written.
//!
//! Each is a sequence of steps: a step is one call of a slot. Who runs the steps decides
//! how to wait in between: [`blocking`] blocks, [`poll_steps`] is for futures, and so for
//! coroutines. The caller's buffers are not moved; where a step stopped in the middle of
//! one, the next step gets a short list of what is left, from the stack.

use std::{
    array,
    future::poll_fn,
    io::{self, IoSlice, IoSliceMut},
    iter,
    os::fd::{BorrowedFd, OwnedFd},
    sync::Arc,
    task::{Context, Poll, ready},
};

use glib::{IOCondition, subclass::prelude::*};

use super::{
    Channel,
    class::VFuncs,
    disk,
    poll_io::{self, IoFlags, PollIo, Transferred, cannot_wait_error},
    ready,
};
use crate::{
    coroutine,
    error::{ChannelError, channel_error, closed, invalid, would_block},
    hub::Direction,
    sys::SharedFd,
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

/// Waits in this thread until another try is worth it.
pub(crate) fn wait_for(channel: &Channel, condition: IOCondition) -> io::Result<()> {
    if !ready::wait(channel, condition, None)?.contains(IOCondition::NVAL) {
        Ok(())
    } else if channel.imp().is_closed() || channel.base().imp().is_closed() {
        Err(closed())
    } else {
        Err(cannot_wait_error(channel))
    }
}

/// Runs steps until one has the result. Where a step would block, the task waits.
fn poll_steps<T>(
    channel: &Channel,
    attempt: &mut PollIo,
    cx: &mut Context<'_>,
    mut step: impl FnMut(IoFlags) -> io::Result<Transferred<Option<T>>>,
) -> Poll<io::Result<T>> {
    loop {
        if let Some(result) = ready!(attempt.poll(channel, cx, &mut step))? {
            return Poll::Ready(Ok(result));
        }
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
    flags: ReadFlags,
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
            flags: ReadFlags::empty(),
            cursor: Cursor::default(),
            started: false,
        };
        this.advance(0);
        this
    }

    /// Also reads file descriptors, if there is a place for them.
    pub(super) fn with_fds(self, fds: Option<&'a mut Vec<OwnedFd>>) -> Self {
        let fds = fds.map(Received::new);
        Self { fds, ..self }
    }

    pub(super) fn with_flags(self, flags: ReadFlags) -> Self {
        Self { flags, ..self }
    }

    pub(super) fn at(self, offset: u64) -> Self {
        let offset = Some(offset);
        Self { offset, ..self }
    }

    /// Reads until all is read (`true`), or the file has ended before the first byte.
    pub(super) fn run_eof(mut self, channel: &Channel) -> io::Result<bool> {
        self.check_flags()?;
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.run_eof_async(channel))?;
        }
        blocking(channel, IOCondition::IN, || {
            Ok(self.step(channel, IoFlags::plain())?.result)
        })
    }

    /// As [`run_eof`](Self::run_eof), in a future. If that is dropped, what has been read
    /// goes back to the channel.
    pub(super) async fn run_eof_async(self, channel: &Channel) -> io::Result<bool> {
        self.check_flags()?;
        let mut undo = CancelGuard {
            transfer: self,
            channel,
            file: disk::file(channel, Direction::Read),
        };
        if let Some(file) = undo.file.clone() {
            // Apart, not to make the futures of all others larger.
            return Box::pin(undo.finish_by_disk(&file)).await;
        }
        let mut attempt = PollIo::new(Direction::Read);
        let transfer = &mut undo.transfer;
        let result =
            poll_fn(|cx| poll_steps(channel, &mut attempt, cx, |how| transfer.step(channel, how)))
                .await;
        undo.disarm();
        result
    }

    /// As [`run_eof_async`](Self::run_eof_async), until all is read.
    pub(super) async fn run_async(self, channel: &Channel) -> io::Result<()> {
        match self.run_eof_async(channel).await? {
            true => Ok(()),
            false => Err(truncated()),
        }
    }

    /// Reads until all is read.
    pub(super) fn run(self, channel: &Channel) -> io::Result<()> {
        match self.run_eof(channel)? {
            true => Ok(()),
            false => Err(truncated()),
        }
    }

    fn check_flags(&self) -> io::Result<()> {
        match self.flags.contains(ReadFlags::PEEK) {
            true => Err(invalid(
                "A peek leaves the data in the channel: it cannot go on until all buffers are full",
            )),
            false => Ok(()),
        }
    }

    fn step(&mut self, channel: &Channel, how: IoFlags) -> io::Result<Transferred<Option<bool>>> {
        if self.is_full() {
            return Ok(Transferred::whole(Some(self.keep())));
        }
        let fds_before = self.fds.as_ref().map_or(0, Received::count);
        let Transferred { result, short } = self.read_some(channel, how.read | self.flags)?;
        let result = self.took(channel, result, fds_before)?;
        Ok(Transferred { result, short })
    }

    fn is_full(&self) -> bool {
        self.cursor.buffer >= self.iov.len()
    }

    /// Goes on after a read.
    fn took(
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
        Ok(self.is_full().then(|| self.keep()))
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
                let mut left = iter::once(&mut current[offset..])
                    .chain(rest.iter_mut().map(|buf| &mut buf[..]));
                if many && channel.imp().is_message_oriented() {
                    // A message that fits into what is left must fit into the list.
                    let mut left: Vec<_> = left.map(IoSliceMut::new).collect();
                    return read_step(channel, &mut left, fds, self.offset, done, flags);
                }
                let mut window: [_; WINDOW] =
                    array::from_fn(|_| IoSliceMut::new(left.next().unwrap_or_default()));
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
    let slots = VFuncs::of(channel);
    match offset {
        Some(offset) => {
            let count = slots.preadv(iov, offset.saturating_add(done))?;
            Ok(Transferred::whole(count))
        }
        None => slots.try_readv(iov, fds.map(|fds| &mut *fds.list), flags),
    }
}

/// A read that is under way in a future.
struct CancelGuard<'c, 'a, 'b> {
    transfer: ReadAll<'a, 'b>,
    channel: &'c Channel,
    /// Where the channel is a file on disk.
    file: Option<Arc<SharedFd>>,
}

impl CancelGuard<'_, '_, '_> {
    /// Nothing goes back: the read has come to its end.
    fn disarm(&mut self) {
        self.transfer.started = false;
    }

    async fn finish_by_disk(&mut self, file: &Arc<SharedFd>) -> io::Result<bool> {
        loop {
            let transfer = &mut self.transfer;
            if transfer.is_full() {
                self.disarm();
                return Ok(true);
            }
            let Cursor {
                buffer,
                offset,
                done,
            } = transfer.cursor;
            let at = transfer.offset.map(|at| at.saturating_add(done));
            let room = &mut transfer.iov[buffer][offset..];
            let result = match disk::read(self.channel, file, room, at).await {
                Ok(count) => self.transfer.took(self.channel, count, 0),
                Err(e) => Err(e),
            };
            match result {
                Ok(None) => {}
                Ok(Some(result)) => {
                    self.disarm();
                    return Ok(result);
                }
                Err(e) => {
                    self.disarm();
                    return Err(e);
                }
            }
        }
    }
}

impl Drop for CancelGuard<'_, '_, '_> {
    fn drop(&mut self) {
        let ReadAll {
            iov,
            fds,
            offset,
            cursor,
            started,
            ..
        } = &mut self.transfer;
        if !*started || offset.is_some() {
            return;
        }
        let Cursor {
            buffer,
            offset,
            done,
        } = *cursor;
        if let Some(file) = &self.file {
            // It still has what was read: what is sought or written next knows of its position.
            return disk::take_back(file, done);
        }
        let whole = iov[..buffer].iter().map(|buf| &buf[..]);
        let part = iov.get(buffer).map(|buf| &buf[..offset]);
        let bytes: Vec<&[u8]> = whole.chain(part).collect();
        let fds = fds.as_mut().map(Received::take).unwrap_or_default();
        let waiters = &self.channel.imp().waiters;
        waiters.take_back(bytes.into_iter(), fds);
        if self.channel.below().is_some() {
            self.channel.wake_waiters();
        }
    }
}

/// All is written; a layer may hold some of it, in non-blocking mode, and nobody may come back to it.
#[inline]
pub(super) fn finish_writing(channel: &Channel) -> io::Result<()> {
    match channel.below() {
        Some(_) => VFuncs::of(channel).flush().map(|_| ()),
        None => Ok(()),
    }
}

/// Whether nothing was read because there is a message that has nothing, and not because it is over.
#[cold]
pub(super) fn was_empty_message(channel: &Channel) -> io::Result<bool> {
    Ok(channel.imp().is_message_oriented() && !poll_io::has_ended(channel)?)
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

    fn take(&mut self) -> Vec<OwnedFd> {
        self.list.split_off(self.before)
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
    /// What the one buffer is, if it can be kept.
    kept: Option<&'a glib::Bytes>,
    cursor: Cursor,
}

impl<'a> WriteAll<'a> {
    pub(super) fn new(iov: &'a [IoSlice<'a>]) -> Self {
        let mut this = Self {
            iov,
            fds: &[],
            offset: None,
            flags: WriteFlags::empty(),
            kept: None,
            cursor: Cursor::default(),
        };
        this.advance(0);
        this
    }

    /// The one buffer is that of `bytes`.
    pub(super) fn keeping(self, bytes: &'a glib::Bytes) -> Self {
        let kept = Some(bytes);
        Self { kept, ..self }
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
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.run_async(channel))?;
        }
        blocking(channel, IOCondition::OUT, || {
            self.step(channel, IoFlags::plain())
        })
    }

    /// As [`run`](Self::run), in a future. If that is dropped, what has been written stays so.
    pub(super) async fn run_async(mut self, channel: &Channel) -> io::Result<()> {
        if let Some(file) = disk::file(channel, Direction::Write) {
            return Box::pin(self.run_by_disk(channel, &file)).await;
        }
        let mut attempt = PollIo::new(Direction::Write);
        poll_fn(|cx| {
            poll_steps(channel, &mut attempt, cx, |how| {
                self.step(channel, how).map(Transferred::whole)
            })
        })
        .await
    }

    async fn run_by_disk(&mut self, channel: &Channel, file: &Arc<SharedFd>) -> io::Result<()> {
        while let Some(current) = self.iov.get(self.cursor.buffer) {
            let Cursor { offset, done, .. } = self.cursor;
            let at = self.offset.map(|at| at.saturating_add(done));
            let count = disk::write(channel, file, &current[offset..], at).await?;
            self.advance(count);
        }
        Ok(())
    }

    fn step(&mut self, channel: &Channel, how: IoFlags) -> io::Result<Option<()>> {
        let Cursor {
            buffer,
            offset,
            done,
        } = self.cursor;
        let left = &self.iov[buffer..];
        if left.is_empty() && self.fds.is_empty() {
            return finish_writing(channel).map(Some);
        }
        let count = match left {
            [current, rest @ ..] if offset > 0 => {
                let mut left =
                    iter::once(&current[offset..]).chain(rest.iter().map(|buf| &buf[..]));
                let window: [_; WINDOW] =
                    array::from_fn(|_| IoSlice::new(left.next().unwrap_or_default()));
                self.write_step(channel, &window, done, how.write)?
            }
            left => self.write_step(channel, left, done, how.write)?,
        };
        self.fds = &[];
        self.advance(count);
        match self.cursor.buffer == self.iov.len() {
            true => finish_writing(channel).map(Some),
            false => Ok(None),
        }
    }

    fn write_step(
        &self,
        channel: &Channel,
        iov: &[IoSlice<'_>],
        done: u64,
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let slots = VFuncs::of(channel);
        let flags = self.flags | flags;
        match (self.offset, self.kept) {
            (Some(offset), _) => slots.pwritev(iov, offset.saturating_add(done)),
            // What is in memory has fewer bytes than can be counted.
            (_, Some(bytes)) => slots.write_owned(bytes, done as usize, self.fds, flags),
            _ => slots.writev(iov, self.fds, flags),
        }
    }

    fn advance(&mut self, count: usize) {
        let iov = self.iov;
        self.cursor
            .advance(count, |i| iov.get(i).map(|buf| buf.len()));
    }
}
