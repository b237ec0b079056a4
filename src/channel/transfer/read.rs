//! Reading until all buffers are full.

use std::{
    array,
    future::poll_fn,
    io::{self, IoSliceMut},
    iter,
    os::fd::OwnedFd,
    sync::Arc,
};

use glib::{IOCondition, subclass::prelude::*};

use super::{Cursor, WINDOW, blocking, poll_steps, truncated, was_empty_message};
use crate::{
    channel::{
        Channel,
        class::{IoFlags, Transferred, VFuncs},
        file_pool,
        poll_io::PollIo,
    },
    coroutine,
    error::invalid,
    hub::Direction,
    sys::SharedFd,
    types::ReadFlags,
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
    pub(in crate::channel) fn run_eof(mut self, channel: &Channel) -> io::Result<bool> {
        self.check_flags()?;
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.run_eof_async(channel))?;
        }
        blocking(channel, IOCondition::IN, || {
            Ok(self.step(channel, IoFlags::plain())?.result)
        })
    }

    /// As [`run_eof`](Self::run_eof), in a future. If that is dropped, bytes that were read are
    /// pushed back.
    pub(in crate::channel) async fn run_eof_async(self, channel: &Channel) -> io::Result<bool> {
        self.check_flags()?;
        let mut guard = CancelGuard {
            transfer: self,
            channel,
            file: file_pool::file(channel, Direction::Read),
        };
        if let Some(file) = guard.file.clone() {
            // Boxed, to keep the futures of all other channels small.
            return Box::pin(guard.finish_by_file_pool(&file)).await;
        }
        let mut attempt = PollIo::new(Direction::Read);
        let transfer = &mut guard.transfer;
        let result =
            poll_fn(|cx| poll_steps(channel, &mut attempt, cx, |how| transfer.step(channel, how)))
                .await;
        guard.disarm();
        result
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

    fn step(&mut self, channel: &Channel, how: IoFlags) -> io::Result<Transferred<Option<bool>>> {
        if self.is_full() {
            return Ok(Transferred::whole(Some(self.keep())));
        }
        let fds_before = self.fds.as_ref().map_or(0, Received::count);
        let Transferred { result, short } = self.read_some(channel, how.read | self.flags)?;
        let result = self.record_read(channel, result, fds_before)?;
        Ok(Transferred { result, short })
    }

    fn is_full(&self) -> bool {
        self.cursor.buffer >= self.iov.len()
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
                    // Only one that fits into the list leaves a message that fits into the buffers
                    // whole.
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
    let vfuncs = VFuncs::of(channel);
    match offset {
        Some(offset) => {
            let count = vfuncs.preadv(iov, offset.saturating_add(done))?;
            Ok(Transferred::whole(count))
        }
        None => vfuncs.try_readv(iov, fds.map(|fds| &mut *fds.list), flags),
    }
}

/// A read that is in progress in a future. Pushes its bytes back when dropped.
struct CancelGuard<'c, 'a, 'b> {
    transfer: ReadAll<'a, 'b>,
    channel: &'c Channel,
    /// The file, if the channel is a file on disk.
    file: Option<Arc<SharedFd>>,
}

impl CancelGuard<'_, '_, '_> {
    /// The read is complete: nothing is pushed back.
    fn disarm(&mut self) {
        self.transfer.started = false;
    }

    async fn finish_by_file_pool(&mut self, file: &Arc<SharedFd>) -> io::Result<bool> {
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
            let space = &mut transfer.iov[buffer][offset..];
            let result = match file_pool::read(self.channel, file, space, at).await {
                Ok(count) => self.transfer.record_read(self.channel, count, 0),
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
            // The file still has the bytes: moving the position back serves later seeks and writes
            // too.
            return file_pool::take_back(file, done);
        }
        let whole = iov[..buffer].iter().map(|buf| &buf[..]);
        let part = iov.get(buffer).map(|buf| &buf[..offset]);
        let bytes: Vec<&[u8]> = whole.chain(part).collect();
        let fds = fds.as_mut().map(Received::take).unwrap_or_default();
        let waiters = &self.channel.imp().waiters;
        waiters.push_back(bytes.into_iter(), fds);
        if self.channel.lower().is_some() {
            self.channel.wake_waiters();
        }
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
