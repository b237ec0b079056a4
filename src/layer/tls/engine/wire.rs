//! The TLS state machine as the engine of a [`Wire`](crate::layer::wire::Wire).

use std::{io, mem};

use glib::IOCondition;

use super::{HandshakeState, TlsState};
use crate::{
    error::closed,
    hub::Direction,
    layer::{
        tls::failure::close_timed_out,
        wire::{CHUNK, Engine, Failure, Queue, Tokens, WaitFor},
    },
    types::Shutdown,
};

/// While more output is pending no input is processed, as that may need responses. Writes of this
/// end leave less, so that two ends that only write never wait for each other.
const MAX_PENDING_OUTPUT: usize = 4 * CHUNK;

impl Engine for TlsState {
    fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    fn tokens_mut(&mut self) -> &mut Tokens {
        &mut self.tokens
    }

    fn feed(&mut self, buffer: Vec<u8>, count: usize) {
        match count {
            0 => {
                self.input.ended = true;
                self.output.close_notify.skip_deferred();
            }
            _ => {
                self.stream.get_mut().feed(buffer, count);
                self.input.has_new = true;
            }
        }
    }

    fn has_drained(&mut self) {
        self.input.recheck = false;
    }

    fn fail_receiving(&mut self, error: &io::Error) {
        self.input.error = Some(Failure::of(error));
        self.output.close_notify.skip_deferred();
    }

    fn may_receive_more(&self) -> bool {
        self.is_established() && !self.input.is_over() && self.fatal.is_none()
    }

    fn has_queued_output(&self) -> bool {
        !self.output.pending.is_empty() || !self.stream.get_ref().output.is_empty()
    }

    fn output_over_limit(&self) -> bool {
        self.pending_len() > MAX_PENDING_OUTPUT && !self.input.shut && self.fatal.is_none()
    }

    fn queued_bytes(&self) -> usize {
        self.output.pending.left().len() + self.stream.get_ref().output.left().len()
    }

    /// A peer that is not authorized yet gets none.
    fn take_pending(&mut self) -> Option<Queue> {
        if matches!(self.state, HandshakeState::PerformingStep(_)) {
            return None;
        }
        if self.output.close_notify.is_sent() {
            // Responses to KeyUpdates of a peer that was sent close_notify.
            self.discard();
        }
        if self.output.pending.is_empty() {
            self.output.pending = mem::take(&mut self.stream.get_mut().output);
        }
        if self.output.pending.is_empty() {
            self.output.close_notify.sent();
            return None;
        }
        Some(mem::take(&mut self.output.pending))
    }

    fn restore_pending(&mut self, left: Queue) {
        self.output.pending = left;
    }

    fn break_sending(&mut self, error: &io::Error) {
        self.discard();
        self.output.close_notify.skip();
        self.output.error = Some(Failure::of(error));
    }

    fn take_end(&mut self) -> bool {
        self.output.has_data &= self.has_pending_output();
        self.output.close_notify.is_sent() && mem::take(&mut self.output.lower_shutdown_due)
    }

    fn only_end_left(&self) -> bool {
        self.output.close_notify.was_alone() && self.input.close_notify
    }

    fn is_open(&self) -> bool {
        self.is_established()
    }

    fn has_pending_data(&self) -> bool {
        self.output.has_data
    }

    fn send_end(&mut self) {
        if self.is_handshaking() {
            self.queue_cancellation();
            self.fail(closed());
        }
        self.send_close_notify();
    }

    fn shut(&mut self, how: Shutdown) {
        if self.is_established() {
            if how.writes() {
                self.send_close_notify();
                self.output.lower_shutdown_due = true;
            }
            if how.reads() {
                self.input.shut = true;
                self.output.close_notify.skip_deferred();
            }
        } else if !matches!(self.state, HandshakeState::Failed(_)) {
            if how.writes() {
                self.queue_cancellation();
                self.end_writing();
                self.output.lower_shutdown_due = true;
            }
            self.fail_handshake(closed());
        }
    }

    fn close(&mut self) {
        if !matches!(
            self.state,
            HandshakeState::Established | HandshakeState::Failed(_)
        ) {
            self.state = HandshakeState::Failed(Failure::of(&closed()));
        }
        self.end_writing();
    }

    fn close_timed_out() -> io::Error {
        close_timed_out()
    }

    fn needs(&mut self, side: Direction) -> WaitFor {
        match &self.state {
            HandshakeState::Initial | HandshakeState::Failed(_) => return WaitFor::Nothing,
            // The end of the step wakes all waiters.
            HandshakeState::PerformingStep(_) => {
                self.waiting_step = true;
                return WaitFor::Below(IOCondition::empty());
            }
            HandshakeState::Handshaking if self.input.has_new => return WaitFor::Nothing,
            HandshakeState::Handshaking => return WaitFor::exchange(self),
            HandshakeState::Established => {}
        }
        match side {
            Direction::Read if self.output_over_limit() => WaitFor::write(self),
            Direction::Read if self.has_answer() => WaitFor::Nothing,
            // Nothing is encrypted, and no error reported, while output is pending.
            Direction::Write if self.has_pending_output() => WaitFor::write(self),
            Direction::Write if self.defers_close_notify() && !self.input.has_new => {
                WaitFor::exchange(self)
            }
            Direction::Write if self.output.error.is_some() => WaitFor::Nothing,
            Direction::Write if self.is_past_handshake() => WaitFor::write(self),
            Direction::Write if self.input.has_new => WaitFor::Nothing,
            _ => WaitFor::exchange(self),
        }
    }

    /// Also reading in a handshake, so that idle half-open handshakes need no watch. After a failed
    /// handshake only pending output waits.
    fn needs_same_direction_only(&self, side: Direction) -> bool {
        match side {
            Direction::Read => {
                (self.is_past_handshake() || self.is_handshaking())
                    && !self.has_pending_output()
                    && !self.input.has_new
                    && !self.input.recheck
            }
            Direction::Write => self.is_past_handshake() || self.failure().is_some(),
        }
    }
}
