//! What layers with a state machine in memory have in common: bytes move between that *engine* and
//! the lower channel.
//!
//! # Tokens
//!
//! Output must reach the lower channel in the order in which the engine made it, and the engine
//! must get input in the order of its arrival. Therefore at most one thread has
//! [`Receiving`](tokens::Receiving), and at most one has [`Sending`](tokens::Sending). A thread
//! that does not get a token gets would-block, and is woken when the token is released.
//!
//! # Locking
//!
//! The mutex of the engine protects its state alone. It is not locked during a call of the lower
//! channel, nor of anything else that is not the engine.
//!
//! # Pending output
//!
//! In non-blocking mode a write may leave output. The next read, write, wait or flush sends it, or
//! the task in `background_flush`.

mod background_flush;
mod background_task;
mod close;
mod failure;
mod functions;
mod queue;
mod tokens;
mod waiting;

pub(super) use background_task::BackgroundTask;
pub(super) use failure::Failure;
pub(super) use functions::{layer_functions, until_done};
pub(super) use queue::{CHUNK, Queue, give_buffer, take_buffer};
pub(super) use tokens::Tokens;
pub(super) use waiting::{WaitFor, below, poll_fd, state, watch};

use std::{
    fmt,
    io::{self, IoSlice},
    sync::MutexGuard,
};

use glib::{IOCondition, prelude::*};

use self::{
    background_flush::BackgroundFlush,
    tokens::{Receiving, Sending},
};
use super::lower::LowerCloseWaker;
use crate::{
    channel::{Channel, ChannelExt as _, class::VFuncs, lower_io, observed},
    error::{is_disconnected, would_block},
    hub::Direction,
    observe,
    sync::ForkMutex,
    types::{Feature, ReadFlags, Readiness, Shutdown, WriteFlags},
};

/// The most buffers of a payload that is sent in place.
pub(super) const IN_PLACE_BUFFERS: usize = 8;

/// The first bytes of several buffers.
pub(super) fn first_bytes<'a>(
    iov: &'a [IoSlice<'_>],
    most: usize,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    let mut left = most;
    iov.iter().map(move |buf| {
        let (bytes, _) = buf.split_at(buf.len().min(left));
        left -= bytes.len();
        bytes
    })
}

/// The result of one call of an engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress<T> {
    Done(T),
    /// More bytes of the lower channel are needed.
    WantRead,
    /// The budget of this call is used up, and more input is buffered.
    Yield,
}

/// The state machine of a layer. Nothing in it waits, or calls a channel. Its default replaces it
/// in a forked child, if another thread of the parent had it locked.
pub(super) trait Engine: fmt::Debug + Default + Send + 'static {
    fn tokens(&self) -> &Tokens;

    fn tokens_mut(&mut self) -> &mut Tokens;

    /// Adds the result of a read of the lower channel: the first bytes of a buffer, none at
    /// end-of-file.
    fn feed(&mut self, buffer: Vec<u8>, count: usize);

    /// A read of the lower channel has met would-block.
    fn has_drained(&mut self);

    /// Reading from the lower channel has failed.
    fn fail_receiving(&mut self, error: &io::Error);

    /// Whether the peer may have sent input that was not read.
    fn may_receive_more(&self) -> bool;

    /// Whether output is pending that no thread is sending.
    fn has_queued_output(&self) -> bool;

    /// Whether there is output that the lower channel has not taken.
    fn has_pending_output(&self) -> bool {
        self.tokens().is_sending() || self.has_queued_output()
    }

    /// Whether so much output is pending that no input is processed: the peer forces responses, and
    /// does not read them.
    fn output_over_limit(&self) -> bool;

    /// The number of bytes of the output that no thread is sending, as far as it is encoded.
    fn queued_bytes(&self) -> usize;

    /// Takes the pending output that may be sent now, for the holder of the token.
    fn take_pending(&mut self) -> Option<Queue>;

    /// Restores output that could not be sent yet.
    fn restore_pending(&mut self, left: Queue);

    /// Records an error of the lower channel: no more can be sent.
    fn break_sending(&mut self, error: &io::Error);

    /// All output has been sent. Returns whether the lower channel is to be shut down now.
    fn take_end(&mut self) -> bool;

    /// Whether nothing may be pending but the end of writing, and that of the peer has come: it may
    /// have disconnected, and no data is lost by that.
    fn only_end_left(&self) -> bool;

    /// Whether the connection is established.
    fn is_open(&self) -> bool;

    /// Whether application data is pending, and not only responses to the peer.
    fn has_pending_data(&self) -> bool;

    /// Queues the end of writing; nothing is written after that.
    fn send_end(&mut self);

    /// Ends one direction, or both, and a handshake under way.
    fn shut(&mut self, how: Shutdown);

    /// Ends the handshake, and writing.
    fn close(&mut self);

    /// The error of a close whose time has elapsed.
    fn close_timed_out() -> io::Error;

    /// Returns what a direction waits for.
    fn needs(&mut self, side: Direction) -> WaitFor;

    /// Whether a direction needs the same direction of the lower channel, and nothing else.
    fn is_plain(&self, side: Direction) -> bool;
}

/// A class of channels with an engine.
pub(super) trait Layer: IsA<Channel> + IsA<glib::Object> + Send + Sync {
    type Engine: Engine;

    /// `None` for an object without a lower channel, and in a forked child.
    fn wire(&self) -> Option<&Wire<Self::Engine>>;
}

/// An engine and its lower channel.
#[derive(Debug)]
pub(super) struct Wire<E> {
    engine: ForkMutex<E>,
    lower: LowerCloseWaker,
    background_flush: ForkMutex<Option<BackgroundFlush>>,
}

impl<E: Engine> Wire<E> {
    pub(super) fn new(engine: E, lower: LowerCloseWaker) -> Self {
        Self {
            engine: ForkMutex::new(engine),
            lower,
            background_flush: ForkMutex::default(),
        }
    }

    pub(super) fn engine(&self) -> MutexGuard<'_, E> {
        self.engine.lock()
    }

    /// The lower channel.
    pub(super) fn lower(&self) -> &Channel {
        self.lower.lower()
    }

    /// Reads from the lower channel once, and feeds the engine.
    pub(super) fn receive(&self, channel: &Channel) -> io::Result<()> {
        let Some(token) = Receiving::acquire(self, channel) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let mut buffer = take_buffer();
        // Only what is new is zeroed.
        buffer.resize(CHUNK, 0);
        let result = lower_io::read(self.lower(), &mut buffer);
        let mut engine = self.engine();
        let result = match result {
            Ok(count) => {
                engine.feed(buffer, count);
                Ok(())
            }
            Err(e) => {
                give_buffer(buffer);
                match would_block(&e) {
                    true => engine.has_drained(),
                    false => engine.fail_receiving(&e),
                }
                Err(e)
            }
        };
        drop(engine);
        drop(token);
        if result.as_ref().is_err_and(|e| !would_block(e)) {
            // A lower channel may report it but once.
            channel.wake_waiters();
        }
        result
    }

    /// Sends pending output. Would-block if the lower channel does not take it all, or another
    /// thread has the token.
    pub(super) fn flush(&self, channel: &Channel) -> io::Result<()> {
        let result = self.send_pending(channel);
        if observe::is_observed() {
            observed::layer(channel);
        }
        result
    }

    fn send_pending(&self, channel: &Channel) -> io::Result<()> {
        loop {
            let Some(mut token) = Sending::acquire(self, channel)? else {
                return self.finish_writing();
            };
            let sent = lower_io::write(self.lower(), token.queue.left());
            match sent {
                Ok(count) => token.queue.take(count),
                Err(e) if would_block(&e) => return Err(e),
                Err(e) => self.fail_sending(channel, token, e)?,
            }
        }
    }

    /// Writing to the lower channel has failed.
    fn fail_sending(
        &self,
        channel: &Channel,
        mut token: Sending<'_, E>,
        error: io::Error,
    ) -> io::Result<()> {
        token.queue.clear();
        if is_disconnected(&error) && self.engine().only_end_left() {
            return Ok(());
        }
        self.engine().break_sending(&error);
        drop(token);
        // A lower channel may report it but once.
        channel.wake_waiters();
        Err(error)
    }

    /// Encodes output by a step of the engine, and writes it and the first bytes of a payload at
    /// once. What the lower channel does not take of these is copied, and is pending. `None` if
    /// other output is pending.
    pub(super) fn send_in_place<T>(
        &self,
        channel: &Channel,
        payload: &[IoSlice<'_>],
        len: usize,
        step: impl FnOnce(&mut E) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let Some((result, mut token)) = Sending::begin(self, channel, step)? else {
            return Ok(None);
        };
        let mut iov = [IoSlice::new(&[]); IN_PLACE_BUFFERS + 1];
        iov[0] = IoSlice::new(token.queue.left());
        for (place, bytes) in iov[1..].iter_mut().zip(first_bytes(payload, len)) {
            *place = IoSlice::new(bytes);
        }
        let mut left = &mut iov[..=payload.len()];
        match lower_io::writev(self.lower(), left, &[], WriteFlags::empty()) {
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(e) if would_block(&e) => {}
            Err(e) => return self.fail_sending(channel, token, e).map(|()| Some(result)),
        }
        let mut rest = Queue::default();
        left.iter().for_each(|bytes| rest.push(bytes));
        token.queue = rest;
        Ok(Some(result))
    }

    /// As [`flush`](Self::flush), for callers that have another result: the next write reports an
    /// error.
    pub(super) fn try_flush(&self, channel: &Channel) {
        let _ = self.flush(channel);
    }

    /// Sends what the peer waits for, for callers that have another result: now, or by a task of
    /// the current context.
    pub(super) fn send_answer<L: Layer<Engine = E>>(&self, channel: &Channel) {
        if let Err(e) = self.flush(channel)
            && would_block(&e)
        {
            self.flush_later::<L>(channel);
        }
    }

    /// Sends what a write has left: later, or before this returns, whatever the mode of the channel
    /// is by then, as the data has been taken. `check` fails where a wait would never end.
    pub(super) fn end_write<L: Layer<Engine = E>>(
        &self,
        channel: &Channel,
        no_wait: bool,
        check: impl Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        if no_wait {
            self.flush_later::<L>(channel);
            return Ok(());
        }
        let may_wait = || check().map(|()| true);
        until_done(channel, IOCondition::OUT, may_wait, || self.flush(channel))
    }

    /// Whether a read would not find more in the lower channel, by its flags. The lower channel may
    /// have buffered input itself.
    pub(super) fn has_no_event(&self, flags: ReadFlags) -> bool {
        flags.contains(ReadFlags::NO_EVENT)
            && self.lower().lower().is_none()
            && !self.lower().has_pushback()
    }

    /// Whether the lower channel is a layered channel with buffered input, for which there is no
    /// event: waiters of this channel may wait for the descriptor of the bottom channel.
    pub(super) fn lower_has_more(&self) -> bool {
        self.lower().lower().is_some()
            && VFuncs::of(self.lower()).wait_fd(IOCondition::IN) == Readiness::Now
    }

    /// All output has been written to the lower channel: flushes that if it is layered itself, and
    /// shuts it down after the end of writing.
    fn finish_writing(&self) -> io::Result<()> {
        if self.lower().is_layered() {
            VFuncs::of(self.lower()).flush()?;
        }
        let is_over = self.engine().take_end();
        if !is_over || !self.lower().has_feature(Feature::SHUTDOWN) {
            return Ok(());
        }
        match self.lower().shutdown(Shutdown::Write) {
            Err(e) if is_disconnected(&e) && self.engine().only_end_left() => Ok(()),
            result => result,
        }
    }
}
