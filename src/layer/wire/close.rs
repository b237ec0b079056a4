//! Shutting down and closing: the end of writing, pending output, and input that TCP must not find
//! unread.

use std::{
    io,
    time::{Duration, Instant},
};

use glib::{IOCondition, subclass::prelude::*};

use super::{CHUNK, Engine, Layer, Wire, give_buffer, take_buffer};
use crate::{
    channel::{Channel, ChannelExt as _, ChannelWatchExt as _, blocking, lower_io},
    coroutine,
    error::{errno, io_error, to_glib_error, would_block},
    types::{Feature, Shutdown},
};

/// The first and the longest interval between two checks for acknowledgments.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Data that was written will not be sent.
fn unsent() -> io::Error {
    io_error(
        gio::IOErrorEnum::BrokenPipe,
        "Channel was closed before all that was written could be sent",
    )
}

/// Whether this is the error of closing with data [unsent].
fn is_unsent(error: &io::Error) -> bool {
    errno(error).is_none() && to_glib_error(error).matches(gio::IOErrorEnum::BrokenPipe)
}

impl<E: Engine> Wire<E> {
    /// Ends one direction, or both. A handshake under way fails.
    pub(in crate::layer) fn shutdown<L: Layer<Engine = E>>(
        &self,
        channel: &Channel,
        how: Shutdown,
    ) -> io::Result<()> {
        self.engine().shut(how);
        let sent = match self.flush(channel) {
            Err(e) if would_block(&e) => {
                self.flush_later::<L>(channel);
                Ok(())
            }
            result => result,
        };
        if how.reads() && self.lower().has_feature(Feature::SHUTDOWN) {
            self.lower().shutdown(Shutdown::Read)?;
        }
        channel.wake_waiters();
        sent
    }

    /// Sends the end of writing, as far as that does not block.
    pub(in crate::layer) fn try_send_end(&self, channel: &Channel) -> io::Result<()> {
        let is_open = self.engine().is_open();
        let sent = match self.flush(channel) {
            // No data has been written yet that could be lost.
            Err(_) if !is_open => Ok(()),
            // Responses to the peer.
            Err(e) if would_block(&e) && !self.engine().has_pending_data() => Ok(()),
            result => result,
        };
        if sent.is_ok() {
            self.engine().send_end();
            // A failure to send it is no error: the peer may have disconnected.
            self.try_flush(channel);
        }
        if self.engine().may_receive_more() {
            // With input unread, TCP discards what it has not sent yet.
            let _ = self.discard_input();
        }
        self.engine().close();
        self.end_background_flush();
        sent
    }

    /// For callers that may block: sends pending output and the end of writing, for at most this
    /// time.
    fn linger(&self, channel: &Channel, timeout: Duration) -> io::Result<()> {
        let deadline = Instant::now() + timeout;
        let flush = || match self.flush_until(channel, deadline) {
            Err(e) if would_block(&e) => Err(E::close_timed_out()),
            result => result,
        };
        flush()?;
        self.engine().send_end();
        match flush() {
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Err(e),
            // A failure to send the end itself is no error: the peer may have disconnected.
            Err(_) => Ok(()),
            Ok(()) => {
                self.discard_input_until(deadline);
                Ok(())
            }
        }
    }

    /// Sends the end of writing, in blocking mode for at most this time, else as far as that does
    /// not block, and closes the lower channel.
    pub(in crate::layer) fn close(&self, channel: &Channel, timeout: Duration) -> io::Result<()> {
        let may_wait = (channel.is_blocking() || blocking::in_pool_thread())
            && !coroutine::in_coroutine()
            && self.engine().is_open();
        let lingered = match may_wait {
            true => self.linger(channel, timeout),
            false => Ok(()),
        };
        let sent = match self.try_send_end(channel) {
            Err(e) if would_block(&e) => lingered.and(Err(unsent())),
            result => lingered.and(result),
        };
        // Before waiters see that the lower channel is closed.
        channel.imp().mark_closed();
        let closed = match self.lower().close() {
            // All but the end of writing had left the lower channel before: see `try_send_end`.
            Err(e) if sent.is_ok() && self.lower().is_layered() && is_unsent(&e) => Ok(()),
            closed => closed,
        };
        channel.wake_waiters();
        sent.and(closed)
    }

    /// Sends pending output, for callers that may block. Would-block at the deadline.
    fn flush_until(&self, channel: &Channel, deadline: Instant) -> io::Result<()> {
        loop {
            match self.flush(channel) {
                Err(e) if would_block(&e) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(e);
                    }
                    // The next attempt reports what the wait reports.
                    let _ = channel.wait_timeout(IOCondition::OUT, left);
                }
                result => return result,
            }
        }
    }

    /// Reads and discards what the peer still sends, until its system has acknowledged all data or
    /// has ended, or until `deadline`: a TCP connection that is closed with input unread, or that
    /// gets some afterwards, such as session tickets, is reset, and what is unacknowledged is lost
    /// (RFC 9112, section 9.6).
    fn discard_input_until(&self, deadline: Instant) {
        let mut pause = SHORTEST_PAUSE;
        while self.engine().may_receive_more() && lower_io::has_unacknowledged(self.lower()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.discard_input().is_err_and(|e| !would_block(&e)) {
                return;
            }
            // There is no event for an acknowledgment.
            let _ = self.lower().wait_timeout(IOCondition::IN, left.min(pause));
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Reads once from the lower channel, and discards it. An end-of-file is an error.
    fn discard_input(&self) -> io::Result<()> {
        let mut buffer = take_buffer();
        buffer.resize(CHUNK, 0);
        let result = lower_io::read(self.lower(), &mut buffer);
        give_buffer(buffer);
        match result? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
