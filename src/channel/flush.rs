//! Flushing: sends buffered data and waits for the completion of zero-copy writes.

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll, ready},
};

use gio::prelude::*;
use glib::{IOCondition, subclass::prelude::*};

use super::{
    Channel,
    class::{Transferred, VFuncs},
    poll_io::PollIo,
    transfer::check_ready,
    wait,
};
use crate::{
    coroutine,
    error::{cancelled, closed, would_block},
    hub::Direction,
    types::{Flushed, Readiness},
};

/// Flushes. Blocks this thread, or suspends the coroutine.
pub(super) fn blocking(channel: &Channel) -> io::Result<Flushed> {
    blocking_cancellable(channel, None)
}

/// As [`blocking`], until the cancellable is cancelled. With a cancellable it blocks the thread in
/// a coroutine as well.
pub(crate) fn blocking_cancellable(
    channel: &Channel,
    cancellable: Option<&gio::Cancellable>,
) -> io::Result<Flushed> {
    if cancellable.is_none() && coroutine::in_coroutine() {
        return coroutine::wait_for(future(channel))?;
    }
    let channel_state = &channel.imp().channel_state;
    loop {
        // Before the attempt: another thread may consume the completions that this waits for, and
        // wakes the waiters then.
        let seen = channel_state.wake_epoch();
        if cancellable.is_some_and(|it| it.is_cancelled()) {
            return Err(cancelled());
        }
        let vfuncs = VFuncs::of(channel);
        match vfuncs.flush() {
            Err(e) if would_block(&e) => {}
            result => return result,
        }
        wait::until_cancelled(channel, cancellable, |stop| {
            match vfuncs.wait_fd(IOCondition::OUT) {
                Readiness::Fd(fd, _) if channel_state.has_completions() => channel_state
                    .block_on(fd, IOCondition::ERR, None, seen)
                    .map(drop),
                _ => {
                    // A flush by another thread may end without making the channel writable.
                    let stop = || stop() || channel_state.wake_epoch() != seen;
                    let got = wait::wait_until(channel, IOCondition::OUT, None, &stop)?;
                    check_ready(channel, got)
                }
            }
        })?;
    }
}

/// Flushes, in a future.
pub(super) async fn future(channel: &Channel) -> io::Result<Flushed> {
    let mut attempt = PollIo::new(Direction::Write);
    poll_fn(|cx| poll(channel, &mut attempt, cx)).await
}

/// The same, as a poll function.
pub(super) fn poll(
    channel: &Channel,
    attempt: &mut PollIo,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Flushed>> {
    if !channel.imp().channel_state.has_completions() {
        let flush = || VFuncs::of(channel).flush().map(Transferred::whole);
        return attempt.poll(channel, cx, |_| flush());
    }
    loop {
        match VFuncs::of(channel).flush() {
            Err(e) if would_block(&e) => {}
            result => return Poll::Ready(result),
        }
        let got = ready!(attempt.poll_level(channel, IOCondition::ERR, cx))?;
        if got.contains(IOCondition::NVAL) {
            return Poll::Ready(Err(closed()));
        }
    }
}
