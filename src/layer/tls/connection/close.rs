//! Shutting down and closing: close_notify, pending output, and input that TCP must not find
//! unread.

use std::{
    io,
    time::{Duration, Instant},
};

use glib::{IOCondition, subclass::prelude::*};

use super::Connection;
use crate::{
    channel::{Channel, ChannelExt as _, ChannelWatchExt as _, blocking, lower_io},
    coroutine,
    error::{closed, would_block},
    layer::tls::{
        engine::HandshakeState,
        failure::{close_timed_out, is_unsent, unsent},
        memory_bio::{CHUNK, give_buffer, take_buffer},
    },
    types::{Feature, Shutdown},
};

/// How long `close` waits in blocking mode for a peer that does not read.
const LINGER: Duration = Duration::from_secs(5);

/// The first and the longest interval between two checks for acknowledgments.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl Connection {
    /// Ends one direction, or both. A handshake under way fails.
    pub(in crate::layer::tls) fn shutdown(
        &self,
        channel: &Channel,
        how: Shutdown,
    ) -> io::Result<()> {
        {
            let mut engine = self.engine();
            if engine.is_established() {
                if how.writes() {
                    engine.send_close_notify();
                    engine.output.shut_lower = true;
                }
                engine.input.shut |= how.reads();
            } else if !matches!(engine.state, HandshakeState::Failed(_)) {
                engine.fail_handshake(closed());
                if how.writes() {
                    engine.end_writing();
                    engine.output.shut_lower = true;
                }
            }
        }
        self.release_permit();
        let sent = match self.flush(channel) {
            Err(e) if would_block(&e) => {
                self.flush_later(channel);
                Ok(())
            }
            result => result,
        };
        if how.reads() && self.master().has_feature(Feature::SHUTDOWN) {
            self.master().shutdown(Shutdown::Read)?;
        }
        channel.wake_waiters();
        sent
    }

    /// Sends close_notify, as far as that does not block.
    pub(in crate::layer::tls) fn leave(&self, channel: &Channel) -> io::Result<()> {
        let is_open = self.engine().is_established();
        let sent = match self.flush(channel) {
            // No data has been written yet that could be lost.
            Err(_) if !is_open => Ok(()),
            // Responses to the peer, session tickets and KeyUpdates.
            Err(e) if would_block(&e) && !self.engine().has_pending_data() => Ok(()),
            result => result,
        };
        if sent.is_ok() {
            self.engine().send_close_notify();
            // A failure to send close_notify is no error: the peer may have disconnected.
            self.try_flush(channel);
        }
        if self.engine().may_receive_more() {
            // With session tickets unread, TCP discards what it has not sent yet.
            let _ = self.discard_input();
        }
        self.engine().close();
        self.release_permit();
        let background_flush = self.background_flush.lock().take();
        drop(background_flush);
        sent
    }

    /// For callers that may block: sends pending output and close_notify, for at most [`LINGER`].
    fn linger(&self, channel: &Channel) -> io::Result<()> {
        let deadline = Instant::now() + LINGER;
        let flush = || loop {
            match self.flush(channel) {
                Err(e) if would_block(&e) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(close_timed_out());
                    }
                    // The next attempt reports what the wait reports.
                    let _ = channel.wait_timeout(IOCondition::OUT, left);
                }
                result => return result,
            }
        };
        flush()?;
        self.engine().send_close_notify();
        match flush() {
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Err(e),
            // A failure to send close_notify itself is no error: the peer may have disconnected.
            Err(_) => Ok(()),
            Ok(()) => {
                self.discard_input_until(deadline);
                Ok(())
            }
        }
    }

    /// Reads and discards what the peer still sends, until its system has acknowledged all data or
    /// has ended, or until `deadline`: a TCP connection that is closed with input unread, or that
    /// gets some afterwards, such as session tickets, is reset, and what is unacknowledged is lost
    /// (RFC 9112, section 9.6).
    fn discard_input_until(&self, deadline: Instant) {
        let mut pause = SHORTEST_PAUSE;
        while self.engine().may_receive_more() && lower_io::has_unacknowledged(self.master()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.discard_input().is_err_and(|e| !would_block(&e)) {
                return;
            }
            // There is no event for an acknowledgment.
            let _ = self.master().wait_timeout(IOCondition::IN, left.min(pause));
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Reads once from the lower channel, and discards it. An end-of-file is an error.
    fn discard_input(&self) -> io::Result<()> {
        let mut buffer = take_buffer();
        buffer.resize(CHUNK, 0);
        let result = lower_io::read(self.master(), &mut buffer);
        give_buffer(buffer);
        match result? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Sends close_notify, in non-blocking mode as far as that does not block, and closes the
    /// lower channel.
    pub(in crate::layer::tls) fn close(&self, channel: &Channel) -> io::Result<()> {
        let may_wait = (channel.is_blocking() || blocking::in_pool_thread())
            && !coroutine::in_coroutine()
            && self.engine().is_established();
        let close_timed_out = match may_wait {
            true => self.linger(channel),
            false => Ok(()),
        };
        let sent = match self.leave(channel) {
            Err(e) if would_block(&e) => close_timed_out.and(Err(unsent())),
            result => close_timed_out.and(result),
        };
        // Before waiters see that the lower channel is closed.
        channel.imp().mark_closed();
        let closed = match self.master().close() {
            // All but close_notify had left the lower channel before: see `leave`.
            Err(e) if sent.is_ok() && self.master().lower().is_some() && is_unsent(&e) => Ok(()),
            closed => closed,
        };
        channel.wake_waiters();
        sent.and(closed)
    }
}
