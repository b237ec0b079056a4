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
mod output;
mod queue;
mod tokens;
mod waiting;

pub(super) use background_task::BackgroundTask;
pub(super) use failure::Failure;
pub(super) use functions::{layer_functions, until_done};
pub(super) use output::Encoded;
pub(super) use queue::{CHUNK, Queue, give_buffer, take_buffer};
pub(super) use tokens::Tokens;
pub(super) use waiting::{WaitFor, below, poll_fd, state, watch};

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    sync::MutexGuard,
};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use self::{background_flush::BackgroundFlush, tokens::Receiving};
use super::lower::LowerCloseWaker;
use crate::{
    channel::{Channel, class::VFuncs, lower_io},
    error::would_block,
    hub::Direction,
    sync::ForkMutex,
    types::{ReadFlags, Readiness, Shutdown},
};

/// The most buffers of a payload that is sent in place.
pub(super) const IN_PLACE_BUFFERS: usize = 8;

/// How much is read at once beyond the destination of an engine: the next header, and little
/// that has to be copied.
const BEHIND: usize = 4096;

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

    /// Takes the queue to which the next read is to append, and how many bytes at most. What is
    /// read beyond that is fed.
    fn take_destination(&mut self) -> Option<(Queue, usize)> {
        None
    }

    /// Restores it, with so many new bytes at its end. Is called before [`feed`](Self::feed).
    fn restore_destination(&mut self, _destination: Queue, _count: usize) {}

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
    fn needs_same_direction_only(&self, side: Direction) -> bool;
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
        self.receive_locked(channel, self.engine()).1
    }

    /// The same for a caller that has the engine locked, which is unlocked for the read.
    pub(super) fn receive_locked<'a>(
        &'a self,
        channel: &Channel,
        mut engine: MutexGuard<'a, E>,
    ) -> (MutexGuard<'a, E>, io::Result<()>) {
        let Some(token) = Receiving::acquire(self, channel, &mut engine) else {
            return (engine, Err(io::ErrorKind::WouldBlock.into()));
        };
        // The rest of a packet that is longer than the buffers would be lost.
        let mut destination = match self.lower().imp().is_message_oriented() {
            true => None,
            false => engine.take_destination(),
        };
        drop(engine);
        let mut buffer = take_buffer();
        // Only what is new is zeroed.
        buffer.resize(CHUNK, 0);
        let result = match &mut destination {
            None => lower_io::read(self.lower(), &mut buffer),
            Some((queue, most)) => {
                let iov = [queue.extend(*most), &mut buffer[..BEHIND]];
                let mut iov = iov.map(IoSliceMut::new);
                lower_io::readv(self.lower(), &mut iov, None, ReadFlags::empty())
            }
        };
        let mut engine = self.engine();
        let mut appended = 0;
        if let Some((mut queue, most)) = destination {
            appended = most.min(*result.as_ref().unwrap_or(&0));
            queue.retract(most - appended);
            engine.restore_destination(queue, appended);
        }
        let result = match result {
            Ok(count) if appended > 0 && count == appended => {
                give_buffer(buffer);
                Ok(())
            }
            Ok(count) => {
                engine.feed(buffer, count - appended);
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
        let missed = token.release(&mut engine);
        // A lower channel may report an error but once.
        if missed || result.as_ref().is_err_and(|e| !would_block(e)) {
            drop(engine);
            channel.wake_waiters();
            engine = self.engine();
        }
        (engine, result)
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
}
