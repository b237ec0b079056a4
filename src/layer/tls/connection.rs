//! Moves ciphertext between the TLS state machine and the lower channel.
//!
//! # Tokens
//!
//! Records must reach the lower channel in the order in which OpenSSL made them, and OpenSSL must
//! see input in the order of its arrival. Therefore at most one thread has [`Receiving`], and at
//! most one has [`Sending`]. A thread that does not get a token gets would-block, and is woken when
//! the token is released.
//!
//! # Locking
//!
//! The mutex of `engine` protects OpenSSL's state alone. It is not locked during a call of the
//! lower channel, the emission of a signal, or a key-log callback.
//!
//! # Pending output
//!
//! In non-blocking mode a write may leave ciphertext. The next read, write, wait or flush sends it,
//! or the task in `background_flush`. While more than 256 KiB are pending no input is processed.

mod close;
mod handshake;
mod tokens;

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem,
    sync::{Arc, MutexGuard},
};

use glib::IOCondition;

use self::tokens::{Receiving, Sending};
use super::{
    background_flush::BackgroundFlush,
    creds::TlsCreds,
    engine::{Progress, TlsState},
    memory_bio::{CHUNK, give_buffer, take_buffer},
    peer::Peer,
};
use crate::{
    channel::{Channel, ChannelExt as _, class::VFuncs, handshakes::HandshakePermit, lower_io},
    error::{is_disconnected, would_block},
    hub::Direction,
    layer::lower_close::LowerCloseWaker,
    sync::ForkMutex,
    types::{Feature, ReadFlags, Readiness, Shutdown},
};

/// The state of a channel since its construction: nothing changes but what has a lock.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) engine: ForkMutex<TlsState>,
    pub(super) peer: Arc<Peer>,
    /// The lower channel.
    pub(super) lower: LowerCloseWaker,
    pub(super) creds: TlsCreds,
    pub(super) hostname: Option<glib::GString>,
    pub(super) background_flush: ForkMutex<Option<BackgroundFlush>>,
    /// Counts the handshake, where the listener that has accepted the lower channel limits them.
    pub(super) permit: ForkMutex<Option<Box<dyn HandshakePermit>>>,
}

impl Connection {
    pub(super) fn engine(&self) -> MutexGuard<'_, TlsState> {
        self.engine.lock()
    }

    pub(super) fn master(&self) -> &Channel {
        self.lower.lower()
    }

    /// Decrypts buffered input, and what the lower channel has. Would-block if that has nothing.
    pub(super) fn read(
        &self,
        channel: &Channel,
        iov: &mut [IoSliceMut<'_>],
        flags: ReadFlags,
    ) -> io::Result<usize> {
        let peek = flags.contains(ReadFlags::PEEK);
        let relaxed = flags.contains(ReadFlags::RELAXED_EOF);
        // The lower channel may have buffered input itself.
        let no_event = flags.contains(ReadFlags::NO_EVENT)
            && self.master().lower().is_none()
            && !self.master().has_pushback();
        self.do_handshake(channel)?;
        let mut received = false;
        loop {
            let (step, answers, leaves, settles) = {
                let mut engine = self.engine();
                if engine.output_over_limit() {
                    drop(engine);
                    self.drain_output(channel)?;
                    continue;
                }
                engine.input.waits_for_output = false;
                let settled = engine.is_settled();
                let step = engine.read(iov, peek, relaxed);
                // A read of the descriptor below has met would-block.
                engine.input.recheck &= !(no_event && matches!(step, Ok(Progress::WantRead)));
                (
                    step,
                    engine.has_queued_output(),
                    received && engine.has_answer(),
                    !settled && engine.is_settled(),
                )
            };
            self.creds.flush_key_log();
            let leaves = leaves || received && self.lower_has_more();
            if settles {
                // Writers have waited for the handshake message that was read.
                channel.wake_waiters();
            } else if leaves {
                // The lower channel does not become readable again for what is buffered here.
                channel.wake_waiters_for(Direction::Read);
            }
            if answers
                && let Err(e) = self.flush(channel)
                && would_block(&e)
            {
                // Also after an error: the peer is to get the alert.
                self.flush_later(channel);
            }
            match step? {
                Progress::Done(count) => return Ok(count),
                Progress::Yield => return Err(io::ErrorKind::WouldBlock.into()),
                Progress::WantRead if no_event => return Err(io::ErrorKind::WouldBlock.into()),
                Progress::WantRead => {
                    self.receive(channel)?;
                    received = true;
                }
            }
        }
    }

    /// Whether the lower channel is a layered channel with buffered input, for which there is no
    /// event: waiters of this channel may wait for the descriptor of the bottom channel.
    fn lower_has_more(&self) -> bool {
        self.master().lower().is_some()
            && VFuncs::of(self.master()).wait_fd(IOCondition::IN) == Readiness::Now
    }

    /// Sends pending output that is over the limit. Would-block as long as it is.
    fn drain_output(&self, channel: &Channel) -> io::Result<()> {
        let Err(e) = self.flush(channel) else {
            return Ok(());
        };
        let mut engine = self.engine();
        if !would_block(&e) || !engine.output_over_limit() {
            return Ok(());
        }
        engine.input.recheck = true;
        let is_first = !mem::replace(&mut engine.input.waits_for_output, true);
        drop(engine);
        if is_first {
            // They wait for input, and have to wait for the output.
            channel.wake_waiters();
        }
        self.flush_later(channel);
        Err(e)
    }

    /// Encrypts a chunk and sends what the lower channel takes of it; the rest stays pending.
    /// Would-block as long as output is pending.
    pub(super) fn write(&self, channel: &Channel, iov: &[IoSlice<'_>]) -> io::Result<usize> {
        self.do_handshake(channel)?;
        loop {
            let step = {
                let mut engine = self.engine();
                match engine.has_pending_output() {
                    true => None,
                    false => Some(engine.write(iov)?),
                }
            };
            self.creds.flush_key_log();
            match step {
                None => self.flush(channel)?,
                Some(Progress::Done(count)) => {
                    return match self.flush(channel) {
                        Err(e) if !would_block(&e) => Err(e),
                        _ => Ok(count),
                    };
                }
                Some(Progress::WantRead) => {
                    self.try_flush(channel);
                    self.receive(channel)?;
                    // There may be data in it.
                    channel.wake_waiters_for(Direction::Read);
                }
                Some(Progress::Yield) => {
                    self.try_flush(channel);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
        }
    }

    /// Reads ciphertext once, and feeds the engine.
    fn receive(&self, channel: &Channel) -> io::Result<()> {
        let Some(token) = Receiving::acquire(self, channel) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let mut buffer = take_buffer();
        // Only what is new is zeroed.
        buffer.resize(CHUNK, 0);
        let result = lower_io::read(self.master(), &mut buffer);
        let mut engine = self.engine();
        let result = match result {
            Ok(count) => {
                engine.feed(buffer, count);
                Ok(())
            }
            Err(e) => {
                give_buffer(buffer);
                match would_block(&e) {
                    true => engine.input.recheck = false,
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
        loop {
            let Some(mut token) = Sending::acquire(self, channel)? else {
                return self.finish_writing();
            };
            let sent = lower_io::write(self.master(), token.queue.left());
            match sent {
                Ok(count) => token.queue.take(count),
                Err(e) if would_block(&e) => return Err(e),
                Err(e) if is_disconnected(&e) && self.engine().only_close_notify_left() => {
                    token.queue.clear();
                }
                Err(e) => {
                    self.engine().break_sending(&e);
                    token.queue.clear();
                    drop(token);
                    // A lower channel may report it but once.
                    channel.wake_waiters();
                    return Err(e);
                }
            }
        }
    }

    /// As [`flush`](Self::flush), for callers that have another result: the next write reports an
    /// error.
    pub(super) fn try_flush(&self, channel: &Channel) {
        let _ = self.flush(channel);
    }

    /// All output has been written to the lower channel: flushes that if it is layered itself, and
    /// shuts it down after the end of writing.
    fn finish_writing(&self) -> io::Result<()> {
        if self.master().lower().is_some() {
            VFuncs::of(self.master()).flush()?;
        }
        let is_over = self.engine().take_end();
        if !is_over || !self.master().has_feature(Feature::SHUTDOWN) {
            return Ok(());
        }
        match self.master().shutdown(Shutdown::Write) {
            Err(e) if is_disconnected(&e) && self.engine().only_close_notify_left() => Ok(()),
            result => result,
        }
    }
}
