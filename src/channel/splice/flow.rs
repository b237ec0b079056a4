//! A flow: moves bytes in one direction, by steps that fill and empty a transfer buffer.
//!
//! Nothing is read before all buffered bytes are written, which gives back-pressure: a target that
//! does not read slows the source down. Bytes that are buffered when a flow is dropped are pushed
//! back to the source.

mod file;
mod kernel;

use std::{
    future::poll_fn,
    io::{self, IoSliceMut},
    task::Poll,
};

use glib::{IOCondition, subclass::prelude::*};

use super::{
    ByteCounter,
    buffer::{self, Origin, TransferBuffer},
    strategy::{RawFds, Strategy},
    wait_mode::WaitMode,
};
use crate::{
    channel::{
        Channel,
        class::{IoFlags, Transferred, VFuncs},
        flush, observed,
        transfer::{wait_for, was_empty_message},
    },
    coroutine,
    error::{closed, not_supported, transfer_error, would_block},
    hub::{self, Direction},
    types::Feature,
};

/// After so many bytes, or steps, a task yields to others, and to the main loop.
const YIELD_BYTES: u64 = 1024 * 1024;
const YIELD_STEPS: u32 = 256;

/// If a read returns at least this much, a pipe is worthwhile.
const BULK: usize = 32 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Progress was made, or another strategy is to be tried.
    More,
    /// End-of-file of the source.
    End,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Flow<'a> {
    pub(super) source: &'a Channel,
    pub(super) target: &'a Channel,
    /// The number of bytes that are still to be written.
    pub(super) left: u64,
    moved: u64,
    counters: Vec<ByteCounter>,
    /// Set for a caller whose thread may block in a system call.
    may_block: bool,
    pub(super) raw_fds: Option<RawFds>,
    pub(super) strategy: Strategy,
    /// Whether much can be moved at once.
    is_bulk: bool,
    /// The side that was not ready, if bytes are moved directly.
    blocked: Direction,
    /// How often both sides were ready in a row.
    futile: u32,
    pub(super) buffer: TransferBuffer,
    /// End-of-file was read, or `count` bytes.
    is_read: bool,
}

impl<'a> Flow<'a> {
    /// A flow of at most `count` bytes.
    pub(super) fn new(
        source: &'a Channel,
        target: &'a Channel,
        count: Option<u64>,
        counters: Vec<ByteCounter>,
    ) -> Self {
        Self {
            source,
            target,
            left: count.unwrap_or(u64::MAX),
            moved: 0,
            counters,
            may_block: false,
            raw_fds: RawFds::of(source, target),
            strategy: Strategy::Memory,
            is_bulk: false,
            blocked: Direction::Read,
            futile: 0,
            buffer: TransferBuffer::default(),
            is_read: false,
        }
    }

    /// Moves all bytes and returns their number; blocks, or suspends the running coroutine.
    pub(super) fn run(mut self) -> io::Result<u64> {
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.run_async(WaitMode::default()))?;
        }
        self.may_block = true;
        let source = self.source;
        let result = observed::call(source, "a splice", || self.block());
        self.finish(result)
    }

    fn block(&mut self) -> io::Result<()> {
        self.choose_strategy()?;
        while self.left > 0 {
            match self.step(self.next_side(), IoFlags::plain()) {
                Ok(Transferred {
                    result: Progress::End,
                    ..
                }) => break,
                Ok(_) => {}
                Err(e) if would_block(&e) => {
                    let side = self.next_side();
                    wait_for(self.channel(side), side.condition())?;
                }
                Err(e) => return Err(e),
            }
        }
        self.is_read = true;
        if self.target.is_layered() {
            flush::blocking(self.target)?;
        }
        Ok(())
    }

    /// As [`run`](Self::run), in a future.
    pub(super) async fn run_async(mut self, wait_mode: WaitMode<'_>) -> io::Result<u64> {
        let result = self.steps(wait_mode).await;
        self.finish(result)
    }

    async fn steps(&mut self, wait_mode: WaitMode<'_>) -> io::Result<()> {
        self.choose_strategy()?;
        let mut attempts = [Direction::Read, Direction::Write].map(|side| wait_mode.poll_io(side));
        let mut hung_up = wait_mode.poll_io(Direction::Write);
        let (mut yield_at, mut steps) = (YIELD_BYTES, 0);
        while self.left > 0 {
            steps += 1;
            let progress = match file::is_next(self) {
                // Boxed, to keep the futures of all other channels small.
                true => Box::pin(file::step(self)).await?,
                false => {
                    let side = self.next_side();
                    let (channel, target) = (self.channel(side), self.target);
                    let attempt = &mut attempts[side as usize];
                    poll_fn(|cx| {
                        let polled = attempt.poll(channel, cx, |how| self.step(side, how));
                        match polled {
                            Poll::Pending
                                if side == Direction::Read && wait_mode.ends_with(target) =>
                            {
                                let end = IOCondition::HUP | IOCondition::ERR;
                                let ended = hung_up.poll_level(target, end, cx);
                                ended.map(|ended| ended.map(|_| Progress::End))
                            }
                            polled => polled,
                        }
                    })
                    .await?
                }
            };
            if progress == Progress::End {
                break;
            }
            if self.moved >= yield_at || steps == YIELD_STEPS {
                (yield_at, steps) = (self.moved.saturating_add(YIELD_BYTES), 0);
                hub::yield_now().await;
            }
        }
        self.is_read = true;
        if self.target.is_layered() {
            // A layered channel may have pending output.
            let (target, attempt) = (self.target, &mut attempts[Direction::Write as usize]);
            poll_fn(|cx| flush::poll(target, attempt, cx)).await?;
        }
        Ok(())
    }

    fn choose_strategy(&mut self) -> io::Result<()> {
        // The system calls write at the position of the descriptor.
        self.target.take_back_pushback()?;
        let raw_fds = self.raw_fds.as_ref();
        self.strategy =
            raw_fds.map_or(Strategy::Memory, |raw_fds| raw_fds.strategy(self.may_block));
        Ok(())
    }

    /// Continues by the virtual functions.
    pub(super) fn by_memory(&mut self) -> Progress {
        self.strategy = Strategy::Memory;
        Progress::More
    }

    /// The side that must be ready for the next step.
    fn next_side(&self) -> Direction {
        if !self.buffer.is_empty() {
            return Direction::Write;
        }
        match self.strategy {
            Strategy::Direct | Strategy::File if !self.has_pushback() => self.blocked,
            _ => Direction::Read,
        }
    }

    fn channel(&self, side: Direction) -> &'a Channel {
        match side {
            Direction::Read => self.source,
            Direction::Write => self.target,
        }
    }

    pub(super) fn has_pushback(&self) -> bool {
        self.source.imp().channel_state.pushback.is_readable()
    }

    fn step(&mut self, side: Direction, how: IoFlags) -> io::Result<Transferred<Progress>> {
        match side {
            Direction::Read => self.fill(how),
            Direction::Write if self.buffer.is_empty() => self.pass(side).map(Transferred::whole),
            Direction::Write => self.empty(how).map(Transferred::whole),
        }
    }

    fn fill(&mut self, how: IoFlags) -> io::Result<Transferred<Progress>> {
        match self.strategy {
            // It precedes the data of the descriptor.
            _ if self.has_pushback() => self.fill_memory(how),
            Strategy::Direct | Strategy::File => self.pass(Direction::Read).map(Transferred::whole),
            Strategy::Pipe if self.is_bulk => self.fill_pipe().map(Transferred::whole),
            Strategy::Pipe | Strategy::Memory => self.fill_memory(how),
        }
    }

    fn fill_memory(&mut self, how: IoFlags) -> io::Result<Transferred<Progress>> {
        let origin = buffer::origin(self.source);
        let mut fds = Vec::new();
        let passes_fds = self.source.imp().features().contains(Feature::FD_PASS);
        let most = self.most_to_read();
        let space = self.buffer.space(most);
        let Transferred { result, short } = VFuncs::of(self.source).try_readv(
            &mut [IoSliceMut::new(space)],
            passes_fds.then_some(&mut fds),
            how.read,
        )?;
        if !fds.is_empty() {
            buffer::push_back_with_fds(self.source, &space[..result], fds);
            return Err(not_supported(
                "File descriptors were received, and only bytes can be moved",
            ));
        }
        let result = self.record_read(result, origin)?;
        Ok(Transferred { result, short })
    }

    /// The maximum number of bytes of a read. The part of a message that does not fit would be
    /// lost: it is buffered, and pushed back to the source.
    fn most_to_read(&self) -> u64 {
        match self.source.imp().is_message_oriented() {
            true => u64::MAX,
            false => self.left,
        }
    }

    /// Records bytes that were read into memory.
    pub(super) fn record_read(&mut self, count: usize, origin: Origin) -> io::Result<Progress> {
        if count == 0 {
            return match was_empty_message(self.source)? {
                true => Ok(Progress::More),
                false => self.end(),
            };
        }
        self.buffer.record_read(count, origin);
        self.is_bulk |= count >= BULK;
        Ok(Progress::More)
    }

    fn end(&self) -> io::Result<Progress> {
        match self.source.imp().is_closed() {
            // A reader of a closed channel gets an error, not end-of-file.
            true => Err(closed()),
            false => Ok(Progress::End),
        }
    }

    /// The bytes that are buffered in memory, up to the count to be moved.
    pub(super) fn to_write(&self) -> &[u8] {
        let data = self.buffer.in_memory();
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        &data[..data.len().min(most)]
    }

    /// Records that buffered bytes were written.
    pub(super) fn record_write(&mut self, count: usize) -> io::Result<Progress> {
        self.count(count);
        self.buffer.record_write(count)?;
        Ok(Progress::More)
    }

    pub(super) fn count(&mut self, count: usize) {
        let count = count as u64;
        self.left -= count;
        self.moved += count;
        self.counters.iter().for_each(|counter| counter.add(count));
    }

    fn finish(self, result: io::Result<()>) -> io::Result<u64> {
        let moved = self.moved;
        match result {
            Ok(()) => Ok(moved),
            Err(e) => {
                let is_closed = [self.source, self.target]
                    .iter()
                    .any(|channel| channel.imp().is_closed());
                // The system's error is one of a connection that this side has closed.
                let is_truncated = !is_closed && self.failed_to_read(&e);
                let reason = if is_closed { closed() } else { e };
                let (from, to) = (self.source.label(), self.target.label());
                let action = format!("Unable to move data from {from} to {to} after {moved} bytes");
                Err(transfer_error(reason, action, moved, is_truncated))
            }
        }
    }

    /// Whether an error is one of the source. For a call that reads and writes, a broken pipe is an
    /// error of the target, and so is every error if the source cannot fail.
    fn failed_to_read(&self, e: &io::Error) -> bool {
        if self.is_read || !self.buffer.is_empty() {
            return false;
        }
        let passes =
            matches!(self.strategy, Strategy::Direct | Strategy::File) && !self.has_pushback();
        let may_fail = self.raw_fds.as_ref().is_none_or(RawFds::source_may_fail);
        !passes || may_fail && e.kind() != io::ErrorKind::BrokenPipe
    }
}

impl Drop for Flow<'_> {
    fn drop(&mut self) {
        self.buffer.push_back_to(self.source);
    }
}
