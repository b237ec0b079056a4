//! One direction: steps that fill what is held and empty it again, and who runs them.
//!
//! Nothing is read before all that was read is written, so that whoever does not read holds up
//! whoever writes. What is held when a flow is dropped goes back to the source.

use std::{
    future::poll_fn,
    io::{self, IoSlice, IoSliceMut},
    os::fd::AsFd,
    task::Poll,
};

use glib::{IOCondition, subclass::prelude::*};

use super::{
    ByteCounter, by_disk,
    held::{self, Held, Origin},
    route::{Ends, Route, possibly},
    wait_mode::{WaitMode, yield_now},
};
use crate::{
    channel::{
        Channel,
        all::{wait_for, was_empty_message},
        class::VFuncs,
        flush,
        poll_io::{IoFlags, Transferred},
    },
    coroutine,
    error::{closed, not_supported, transfer_error, would_block},
    hub::Direction,
    types::Feature,
};

/// After so many bytes, or steps, a task gives way to others, and to the main loop.
const TURN: u64 = 1024 * 1024;
const STEPS: u32 = 256;

/// Where a read gets as much, a pipe of our own is worth it.
const BULK: usize = 32 * 1024;

/// So often in a row both sides may be ready, and nothing be moved.
const DOUBTS: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Something has been done, or another way is to be tried.
    More,
    /// The source has come to its end.
    End,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Flow<'a> {
    pub(super) source: &'a Channel,
    pub(super) target: &'a Channel,
    /// Bytes that are still to be written.
    pub(super) left: u64,
    moved: u64,
    counters: Vec<ByteCounter>,
    /// Set for a caller whose thread may wait in the system.
    may_block: bool,
    pub(super) ends: Option<Ends>,
    pub(super) route: Route,
    /// There is much to be moved at once.
    is_bulk: bool,
    /// Who was not ready, where bytes go from the one into the other.
    blocked: Direction,
    /// How often both of them were ready after all.
    doubts: u32,
    pub(super) held: Held,
    /// All has been read.
    is_read: bool,
}

impl<'a> Flow<'a> {
    /// Of at most `count` bytes.
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
            ends: Ends::of(source, target),
            route: Route::Memory,
            is_bulk: false,
            blocked: Direction::Read,
            doubts: 0,
            held: Held::default(),
            is_read: false,
        }
    }

    /// Moves all and returns how many bytes that were, blocking, or in the coroutine that runs.
    pub(super) fn run(mut self) -> io::Result<u64> {
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.run_async(WaitMode::default()))?;
        }
        self.may_block = true;
        let result = self.block();
        self.finish(result)
    }

    fn block(&mut self) -> io::Result<()> {
        self.choose();
        while self.left > 0 {
            match self.step(self.turn(), IoFlags::plain()) {
                Ok(Transferred {
                    result: Progress::End,
                    ..
                }) => break,
                Ok(_) => {}
                Err(e) if would_block(&e) => {
                    let side = self.turn();
                    wait_for(self.channel(side), side.condition())?;
                }
                Err(e) => return Err(e),
            }
        }
        self.is_read = true;
        if self.target.below().is_some() {
            flush::blocking(self.target)?;
        }
        Ok(())
    }

    /// As [`run`](Self::run), in a future.
    pub(super) async fn run_async(mut self, manner: WaitMode<'_>) -> io::Result<u64> {
        let result = self.steps(manner).await;
        self.finish(result)
    }

    async fn steps(&mut self, manner: WaitMode<'_>) -> io::Result<()> {
        self.choose();
        let mut attempts = [Direction::Read, Direction::Write].map(|side| manner.attempt(side));
        let mut hung_up = manner.attempt(Direction::Write);
        let (mut turn_ends, mut steps) = (TURN, 0);
        while self.left > 0 {
            steps += 1;
            let progress = match by_disk::is_next(self) {
                // Apart, not to make the futures of all others larger.
                true => Box::pin(by_disk::step(self)).await?,
                false => {
                    let side = self.turn();
                    let (channel, target) = (self.channel(side), self.target);
                    let attempt = &mut attempts[side as usize];
                    poll_fn(|cx| {
                        let polled = attempt.poll(channel, cx, |how| self.step(side, how));
                        match polled {
                            Poll::Pending
                                if side == Direction::Read && manner.ends_with(target) =>
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
            if self.moved >= turn_ends || steps == STEPS {
                (turn_ends, steps) = (self.moved.saturating_add(TURN), 0);
                yield_now().await;
            }
        }
        self.is_read = true;
        if self.target.below().is_some() {
            // A layer may hold something.
            let (target, attempt) = (self.target, &mut attempts[Direction::Write as usize]);
            poll_fn(|cx| flush::poll(target, attempt, cx)).await?;
        }
        Ok(())
    }

    fn choose(&mut self) {
        let ends = self.ends.as_ref();
        self.route = ends.map_or(Route::Memory, |ends| ends.route(self.may_block));
    }

    /// Moves on by the slots.
    pub(super) fn by_memory(&mut self) -> Progress {
        self.route = Route::Memory;
        Progress::More
    }

    /// What the next step needs to be ready.
    fn turn(&self) -> Direction {
        if !self.held.is_empty() {
            return Direction::Write;
        }
        match self.route {
            Route::Direct | Route::File if !self.has_unread() => self.blocked,
            _ => Direction::Read,
        }
    }

    fn channel(&self, side: Direction) -> &'a Channel {
        match side {
            Direction::Read => self.source,
            Direction::Write => self.target,
        }
    }

    pub(super) fn has_unread(&self) -> bool {
        self.source.imp().waiters.unread.is_readable()
    }

    fn step(&mut self, side: Direction, how: IoFlags) -> io::Result<Transferred<Progress>> {
        match side {
            Direction::Read => self.fill(how),
            Direction::Write if self.held.is_empty() => self.pass(side).map(Transferred::whole),
            Direction::Write => self.empty(how).map(Transferred::whole),
        }
    }

    fn fill(&mut self, how: IoFlags) -> io::Result<Transferred<Progress>> {
        match self.route {
            // It goes before what the descriptor has.
            _ if self.has_unread() => self.fill_memory(how),
            Route::Direct | Route::File => self.pass(Direction::Read).map(Transferred::whole),
            Route::Pipe if self.is_bulk => self.fill_pipe().map(Transferred::whole),
            Route::Pipe | Route::Memory => self.fill_memory(how),
        }
    }

    fn fill_memory(&mut self, how: IoFlags) -> io::Result<Transferred<Progress>> {
        let origin = held::origin(self.source);
        let mut fds = Vec::new();
        let passes_fds = self.source.imp().features().contains(Feature::FD_PASS);
        let most = self.most_to_read();
        let room = self.held.room(most);
        let Transferred { result, short } = VFuncs::of(self.source).try_readv(
            &mut [IoSliceMut::new(room)],
            passes_fds.then_some(&mut fds),
            how.read,
        )?;
        if !fds.is_empty() {
            held::give_back_with_fds(self.source, &room[..result], fds);
            return Err(not_supported(
                "File descriptors came along, and only bytes can be moved",
            ));
        }
        let result = self.filled(result, origin)?;
        Ok(Transferred { result, short })
    }

    /// How many bytes a read may take. What does not fit of a message would be lost: it is held, and
    /// goes back to the source.
    fn most_to_read(&self) -> u64 {
        match self.source.imp().is_message_oriented() {
            true => u64::MAX,
            false => self.left,
        }
    }

    /// So many bytes have been read into memory.
    pub(super) fn filled(&mut self, count: usize, origin: Origin) -> io::Result<Progress> {
        if count == 0 {
            return match was_empty_message(self.source)? {
                true => Ok(Progress::More),
                false => self.end(),
            };
        }
        self.held.filled(count, origin);
        self.is_bulk |= count >= BULK;
        Ok(Progress::More)
    }

    fn end(&self) -> io::Result<Progress> {
        match self.source.imp().is_closed() {
            // Who was reading meanwhile is told that nothing comes any more.
            true => Err(closed()),
            false => Ok(Progress::End),
        }
    }

    fn fill_pipe(&mut self) -> io::Result<Progress> {
        let Some(ends) = &self.ends else {
            return Ok(self.by_memory());
        };
        if !self.may_block {
            if ends.target_would_wait(self.target) {
                return Ok(self.by_memory());
            }
            if ends.source_would_wait(self.source)? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let moved = match (ends.source_fd(), self.held.pipe()) {
            (Some(fd), Some(pipe)) => possibly(pipe.fill(fd.as_fd(), None, self.left))?,
            _ => None,
        };
        match moved {
            // The kernel stops like that at urgent data of TCP too.
            Some(0) => Ok(self.by_memory()),
            Some(count) => {
                self.held.piped(count, Origin::Stream);
                Ok(Progress::More)
            }
            None => Ok(self.by_memory()),
        }
    }

    /// Moves bytes from the source into the target; `side` is who was not ready the last time.
    fn pass(&mut self, side: Direction) -> io::Result<Progress> {
        let Some(ends) = &self.ends else {
            return Ok(self.by_memory());
        };
        let waits = !self.may_block && ends.target_would_wait(self.target);
        if waits {
            return Ok(self.by_memory());
        }
        let passed = match !self.may_block && ends.source_would_wait(self.source)? {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => ends.pass(self.left),
        };
        match passed {
            // The end is where nothing can be read: not all files report it otherwise, and the kernel
            // stops like that at urgent data of TCP too.
            Ok(Some(0)) => Ok(self.by_memory()),
            Ok(Some(count)) => {
                self.doubts = 0;
                self.count(count);
                Ok(Progress::More)
            }
            Ok(None) => Ok(self.by_memory()),
            Err(e) if would_block(&e) => match ends.blocked(self.source, self.target)? {
                Some(blocked) if blocked == side => Err(e),
                Some(blocked) => {
                    self.blocked = blocked;
                    Ok(Progress::More)
                }
                // Whichever it was is ready by now; unless the kernel knows of something else.
                None if self.doubts == DOUBTS => Ok(self.by_memory()),
                None => {
                    self.doubts += 1;
                    Ok(Progress::More)
                }
            },
            Err(e) => Err(e),
        }
    }

    /// Writes what is held.
    fn empty(&mut self, how: IoFlags) -> io::Result<Progress> {
        let Some((pipe, piped)) = self.held.in_pipe() else {
            let data = IoSlice::new(self.to_write());
            let count = VFuncs::of(self.target).writev(&[data], &[], how.write)?;
            return self.wrote(count);
        };
        let ends = self.ends.as_ref();
        let ends = ends.filter(|ends| self.may_block || !ends.target_would_wait(self.target));
        let moved = match ends.and_then(Ends::target_fd) {
            Some(fd) => possibly(pipe.drain(fd.as_fd(), piped))?,
            None => None,
        };
        if let Some(count @ 1..) = moved {
            return self.wrote(count);
        }
        self.held.spill()?;
        Ok(self.by_memory())
    }

    /// What is held in memory, as far as it is to be moved.
    pub(super) fn to_write(&self) -> &[u8] {
        let data = self.held.in_memory();
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        &data[..data.len().min(most)]
    }

    /// So many of the bytes that are held have been written.
    pub(super) fn wrote(&mut self, count: usize) -> io::Result<Progress> {
        self.count(count);
        self.held.wrote(count)?;
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
                // Whatever the system says of a connection that we have ended.
                let is_truncated = !is_closed && self.failed_to_read(&e);
                let reason = if is_closed { closed() } else { e };
                let (from, to) = (self.source.label(), self.target.label());
                let action = format!("Unable to move data from {from} to {to} after {moved} bytes");
                Err(transfer_error(reason, action, moved, is_truncated))
            }
        }
    }

    /// Whether an error is of the source. Of a call that does both a broken pipe is the target's, and
    /// everything is where the source cannot fail.
    fn failed_to_read(&self, e: &io::Error) -> bool {
        if self.is_read || !self.held.is_empty() {
            return false;
        }
        let passes = matches!(self.route, Route::Direct | Route::File) && !self.has_unread();
        let may_fail = self.ends.as_ref().is_none_or(Ends::source_may_fail);
        !passes || may_fail && e.kind() != io::ErrorKind::BrokenPipe
    }
}

impl Drop for Flow<'_> {
    fn drop(&mut self) {
        self.held.give_back(self.source);
    }
}
