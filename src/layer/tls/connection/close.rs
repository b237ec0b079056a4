//! Shutting down and closing: close_notify and pending output.

use std::{
    io,
    time::{Duration, Instant},
};

use glib::subclass::prelude::*;

use super::Connection;
use crate::{
    channel::{Channel, ChannelExt as _, blocking},
    coroutine,
    error::{closed, would_block},
    layer::{
        tls::{
            engine::HandshakeState,
            failure::{close_timed_out, is_unsent, unsent},
        },
        wire::Engine as _,
    },
    types::{Feature, Shutdown},
};

/// How long `close` waits in blocking mode for a peer that does not read.
const LINGER: Duration = Duration::from_secs(5);

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
        let sent = match self.wire.flush(channel) {
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
        let sent = match self.wire.flush(channel) {
            // No data has been written yet that could be lost.
            Err(_) if !is_open => Ok(()),
            // Responses to the peer, session tickets and KeyUpdates.
            Err(e) if would_block(&e) && !self.engine().has_pending_data() => Ok(()),
            result => result,
        };
        if sent.is_ok() {
            self.engine().send_close_notify();
            // A failure to send close_notify is no error: the peer may have disconnected.
            self.wire.try_flush(channel);
        }
        if self.engine().may_receive_more() {
            // With session tickets unread, TCP discards what it has not sent yet.
            let _ = self.wire.discard_input();
        }
        self.engine().close();
        self.release_permit();
        self.wire.end_background_flush();
        sent
    }

    /// For callers that may block: sends pending output and close_notify, for at most [`LINGER`].
    fn linger(&self, channel: &Channel) -> io::Result<()> {
        let deadline = Instant::now() + LINGER;
        let flush = || match self.wire.flush_until(channel, deadline) {
            Err(e) if would_block(&e) => Err(close_timed_out()),
            result => result,
        };
        flush()?;
        self.engine().send_close_notify();
        match flush() {
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Err(e),
            // A failure to send close_notify itself is no error: the peer may have disconnected.
            Err(_) => Ok(()),
            Ok(()) => {
                self.wire.discard_input_until(deadline);
                Ok(())
            }
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
