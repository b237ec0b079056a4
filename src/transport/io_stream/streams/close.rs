//! Closing: of one half, and of the streams.

use std::{
    io,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use gio::prelude::*;

use super::{
    Streams,
    state::{Call, CloseState, Received, Shut},
    without_signal,
};
use crate::{
    channel::{blocking, class::PoolRef},
    error::io_error,
    hub::Direction,
    types::Shutdown,
};

/// How long a close in a thread of the pool waits for a write in progress.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

impl Streams {
    /// Closes one half, or both, behind the calls in progress. Does not wait for that: flushing
    /// does, and reports an error.
    pub(in crate::transport::io_stream) fn shut_down(
        self: &Arc<Self>,
        how: Shutdown,
    ) -> io::Result<()> {
        self.state.lock().check()?;
        if how.reads() && self.input.is_some() {
            self.shut(Direction::Read);
        }
        if how.writes() && self.output.is_some() {
            self.shut(Direction::Write);
        }
        self.channel_state.wake();
        Ok(())
    }

    fn shut(self: &Arc<Self>, side: Direction) {
        let mut state = self.state.lock();
        if state.side(side).shut != Shut::No || !matches!(state.close, CloseState::Open) {
            return;
        }
        if side == Direction::Read {
            state.received = Received::Nothing;
        }
        let half = state.side(side);
        let running = half.call.as_ref();
        let Some(running) = running else {
            half.shut = Shut::Done;
            half.call = Some(Call::in_pool());
            drop(state);
            return self.in_pool(move |this| this.close_half(side));
        };
        let cancellable = running.cancellable();
        half.shut = Shut::Requested;
        drop(state);
        if let (Direction::Read, Some(cancellable)) = (side, cancellable) {
            cancellable.cancel();
        }
    }

    /// Makes the next close send nothing.
    pub(in crate::transport::io_stream) fn abort(&self) {
        self.is_aborted.store(true, Ordering::Release);
    }

    /// Closes the streams: by this thread if it may wait and no call is in progress, else by a
    /// thread of the pool, or behind the calls in progress, of which a read is cancelled. Of these
    /// only a thread of the pool awaits the end.
    pub(in crate::transport::io_stream) fn close(
        self: &Arc<Self>,
        may_wait: bool,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        if !state.is_usable || !matches!(state.close, CloseState::Open) {
            return Ok(());
        }
        state.close = CloseState::Requested;
        state.received = Received::Nothing;
        let failed = state.output_error.take();
        let is_aborted = self.is_aborted.load(Ordering::Acquire);
        let calls = [&state.read.call, &state.write.call].into_iter().flatten();
        let ends = |call: &&Call| is_aborted || !call.has_accepted;
        let cancelled: Vec<_> = calls.filter(ends).filter_map(Call::cancellable).collect();
        let is_idle = state.begin_close();
        let is_inherited = [&state.read.call, &state.write.call]
            .into_iter()
            .flatten()
            .any(Call::is_stuck);
        drop(state);
        cancelled.iter().for_each(|call| call.cancel());
        let closed = match is_idle {
            true if may_wait => {
                self.close_all();
                self.close_result(Duration::ZERO)
            }
            true => {
                self.in_pool(Self::close_all);
                Ok(())
            }
            false if blocking::in_pool_thread() && !is_inherited => {
                self.close_result(CLOSE_TIMEOUT)
            }
            false => Ok(()),
        };
        // Of a write that was still in progress.
        let failed = failed.or_else(|| self.state.lock().output_error.take());
        failed.map_or(Ok(()), Err).and(closed)
    }

    /// Ends the use of the streams without closing them: what is read is wanted no more.
    pub(in crate::transport::io_stream) fn abandon(&self) {
        let state = self.state.lock();
        let call = state.read.call.as_ref();
        let cancellable = call.and_then(Call::cancellable);
        drop(state);
        if let Some(cancellable) = cancellable {
            cancellable.cancel();
        }
    }

    /// Waits until the streams have been closed, and returns the result of that.
    fn close_result(&self, timeout: Duration) -> io::Result<()> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state.lock();
        loop {
            if let CloseState::Done(result) = &mut state.close {
                return result.take().unwrap_or(Ok(()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && state.write.call.is_none() {
                // A read ignores its cancellable.
                return Ok(());
            }
            if left.is_zero() {
                return Err(io_error(
                    gio::IOErrorEnum::TimedOut,
                    "Unable to close the stream: a write is still in progress",
                ));
            }
            let waited = self.closed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn close_half(self: &Arc<Self>, side: Direction) {
        self.enter_pool(side);
        let cancellable = self.close_cancellable();
        let cancellable = cancellable.as_deref();
        let result = match side {
            Direction::Read => self.input.as_ref().map(|half| half.close(cancellable)),
            Direction::Write => self.close_output(cancellable),
        };
        if let Some(whole) = &self.whole {
            whole.shut_down_socket(side);
        }
        self.end(side, true, |state| {
            if let (Direction::Write, Some(Err(e))) = (side, result) {
                state.output_error.get_or_insert(e);
            }
        });
    }

    fn close_output(&self, cancellable: Option<&gio::Cancellable>) -> Option<io::Result<()>> {
        let output = self.output.as_ref()?;
        Some(without_signal(|| output.close(cancellable)))
    }

    pub(super) fn close_all(self: &Arc<Self>) {
        let cancellable = self.close_cancellable();
        let cancellable = cancellable.as_deref();
        let result = match &self.whole {
            // Closing flushes.
            Some(whole) => without_signal(|| whole.close(cancellable)),
            None => {
                let output = self.close_output(cancellable);
                let input = self.input.as_ref().map(|half| half.close(cancellable));
                output.unwrap_or(Ok(())).and(input.unwrap_or(Ok(())))
            }
        };
        self.state.lock().close = CloseState::Done(Some(result));
        self.closed.notify_all();
    }

    /// A cancellable for closing, with which nothing is sent, if the channel was aborted.
    fn close_cancellable(&self) -> Option<PoolRef<gio::Cancellable>> {
        self.is_aborted.load(Ordering::Acquire).then(|| {
            let cancellable = PoolRef::new(gio::Cancellable::new());
            cancellable.cancel();
            cancellable
        })
    }
}
