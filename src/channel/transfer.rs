//! The loops that continue until all is read or written.
//!
//! Each loop is a sequence of steps, and a step is one call of a virtual function. Both directions
//! are a [`Transfer`], and have one driver for each way to wait: [`run`] blocks, [`run_async`] is a
//! future, and is for coroutines too. The caller's buffers are not copied; where a step stopped in
//! the middle of one, the next step gets a short list of what is left, from the stack.

mod once;
mod read;
mod write;

pub(super) use once::{read_once, write_once};
pub(super) use read::ReadAll;
pub(super) use write::WriteAll;

use std::{
    array,
    future::{Future, poll_fn},
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use gio::prelude::*;
use glib::{IOCondition, subclass::prelude::*};

use super::{
    Channel,
    class::{IoFlags, Transferred, VFuncs},
    file_pool,
    poll_io::{self, PollIo, cannot_wait_error},
    wait,
};
use crate::{
    coroutine,
    error::{ChannelError, cancelled, channel_error, closed, would_block},
    hub::Direction,
    sys::SharedFd,
};

/// The most buffers of a step that begins in the middle of a buffer.
const WINDOW: usize = 16;

/// Data that are moved step by step.
trait Transfer: Send {
    const DIRECTION: Direction;
    type Output: Send;

    /// Moves once. `None`: there is more to move.
    fn step(
        &mut self,
        channel: &Channel,
        how: IoFlags,
    ) -> io::Result<Transferred<Option<Self::Output>>>;

    /// Whether no byte is left to be moved.
    fn is_complete(&self) -> bool;

    /// Whether nothing but bytes is moved, in the usual way: the pool for files can do that.
    fn is_bytes_only(&self) -> bool;

    /// As [`step`](Self::step), for a file on disk, by a thread of the pool.
    fn file_step(
        &mut self,
        channel: &Channel,
        file: &Arc<SharedFd>,
    ) -> impl Future<Output = io::Result<Option<Self::Output>>> + Send;

    /// Called when the future is dropped in between.
    fn cancel(&mut self, channel: &Channel, file: Option<&Arc<SharedFd>>);
}

/// Moves until all is moved, and waits whatever the mode is.
fn run<T: Transfer>(mut transfer: T, channel: &Channel) -> io::Result<T::Output> {
    if coroutine::in_coroutine() {
        return coroutine::wait_for(run_async(transfer, channel))?;
    }
    let condition = match T::DIRECTION {
        Direction::Read => IOCondition::IN,
        Direction::Write => IOCondition::OUT,
    };
    blocking(channel, condition, || {
        Ok(transfer.step(channel, IoFlags::plain())?.result)
    })
}

/// As [`run`], in a future.
async fn run_async<T: Transfer>(transfer: T, channel: &Channel) -> io::Result<T::Output> {
    let file = match transfer.is_bytes_only() {
        true => file_pool::file(channel, T::DIRECTION),
        false => None,
    };
    let mut guard = CancelGuard {
        transfer,
        channel,
        file,
        armed: true,
    };
    let result = match guard.file.clone() {
        // Boxed, to keep the futures of all other channels small.
        Some(file) => Box::pin(by_file_pool(&mut guard.transfer, channel, file)).await,
        None => {
            let mut attempt = PollIo::new(T::DIRECTION);
            let transfer = &mut guard.transfer;
            attempt.assume_ready(transfer.is_complete());
            poll_fn(|cx| poll_steps(channel, &mut attempt, cx, |how| transfer.step(channel, how)))
                .await
        }
    };
    guard.armed = false;
    result
}

async fn by_file_pool<T: Transfer>(
    transfer: &mut T,
    channel: &Channel,
    file: Arc<SharedFd>,
) -> io::Result<T::Output> {
    loop {
        if let Some(result) = transfer.file_step(channel, &file).await? {
            return Ok(result);
        }
    }
}

/// A transfer that is in progress in a future.
struct CancelGuard<'c, T: Transfer> {
    transfer: T,
    channel: &'c Channel,
    /// The file, if the channel is a file on disk.
    file: Option<Arc<SharedFd>>,
    /// Not yet complete.
    armed: bool,
}

impl<T: Transfer> Drop for CancelGuard<'_, T> {
    fn drop(&mut self) {
        if self.armed {
            self.transfer.cancel(self.channel, self.file.as_ref());
        }
    }
}

/// A short list of what is left.
fn window<S: Default, B>(mut left: impl Iterator<Item = S>, buf: fn(S) -> B) -> [B; WINDOW] {
    array::from_fn(|_| buf(left.next().unwrap_or_default()))
}

/// Runs steps until one has the result. Where a step would block, this thread waits, in a coroutine
/// as well.
pub(super) fn blocking<T>(
    channel: &Channel,
    condition: IOCondition,
    step: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<T> {
    blocking_until(channel, condition, None, step)
}

/// As [`blocking`], until the cancellable is cancelled, for single attempts.
pub(crate) fn blocking_cancellable<T>(
    channel: &Channel,
    condition: IOCondition,
    cancellable: Option<&gio::Cancellable>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    blocking_until(channel, condition, cancellable, || attempt().map(Some))
}

fn blocking_until<T>(
    channel: &Channel,
    condition: IOCondition,
    cancellable: Option<&gio::Cancellable>,
    mut step: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<T> {
    loop {
        if cancellable.is_some_and(|it| it.is_cancelled()) {
            return Err(cancelled());
        }
        match step() {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => {}
            Err(e) if would_block(&e) => {
                let got = wait::until_cancelled(channel, cancellable, |stop| {
                    wait::wait_until(channel, condition, None, stop)
                })?;
                check_ready(channel, got)?;
            }
            Err(e) => return Err(e),
        }
    }
}

/// Blocks this thread until another attempt is worthwhile.
pub(crate) fn wait_for(channel: &Channel, condition: IOCondition) -> io::Result<()> {
    check_ready(channel, wait::wait(channel, condition, None)?)
}

/// Fails if a wait has ended because there is nothing to wait for any more.
pub(super) fn check_ready(channel: &Channel, got: IOCondition) -> io::Result<()> {
    if !got.contains(IOCondition::NVAL) {
        Ok(())
    } else if channel.imp().is_closed() || channel.bottom().imp().is_closed() {
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

/// The progress of a transfer.
#[derive(Default)]
struct Cursor {
    buffer: usize,
    /// Bytes transferred in the current buffer.
    offset: usize,
    /// Bytes transferred in total.
    done: u64,
}

impl Cursor {
    /// Advances by `count` bytes, and past buffers that have no bytes left.
    fn advance(&mut self, count: usize, lens: impl Fn(usize) -> Option<usize>) {
        self.done += count as u64;
        self.offset += count;
        while let Some(len) = lens(self.buffer).filter(|&len| self.offset >= len) {
            self.offset -= len;
            self.buffer += 1;
        }
    }
}

/// After all is written in non-blocking mode: a layered channel may still hold pending output, and
/// no later call may send it.
#[inline]
pub(super) fn finish_writing(channel: &Channel) -> io::Result<()> {
    match channel.is_layered() {
        true => VFuncs::of(channel).flush().map(|_| ()),
        false => Ok(()),
    }
}

/// Whether a read returned 0 because of an empty message, and not because of end-of-file.
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
