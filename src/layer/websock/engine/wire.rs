//! The WebSocket state machine as the engine of a [`Wire`](crate::layer::wire::Wire).

use std::{io, mem};

use super::{Stage, WebsockState};
use crate::{
    error::{closed, io_error},
    hub::Direction,
    layer::wire::{Engine, Failure, Queue, Tokens, WaitFor, give_buffer},
    types::Shutdown,
};

impl WebsockState {
    /// Whether what the peer sends is discarded.
    pub(super) fn discards_input(&self) -> bool {
        self.failure.is_some() || self.peer_close().is_some()
    }

    /// Whether the lower channel is to be shut down once all has been sent: after a failed opening
    /// handshake, and by the server after the closing handshake, so that TIME_WAIT of TCP is at its
    /// end (RFC 6455, section 7.1.1).
    pub(in crate::layer::websock) fn has_end(&self) -> bool {
        let is_over = match &self.stage {
            Stage::Failed(_) => true,
            _ => {
                self.frames_out.has_sent_close()
                    && (!self.role.is_client() || self.failure.is_some())
                    && self.discards_input()
            }
        };
        is_over && self.frames_out.lower_shutdown_due
    }
}

impl Engine for WebsockState {
    fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    fn tokens_mut(&mut self) -> &mut Tokens {
        &mut self.tokens
    }

    fn feed(&mut self, buffer: Vec<u8>, count: usize) {
        self.has_received();
        match count {
            0 => self.input.ended = true,
            _ if self.discards_input() => {
                self.frames_in.spend(count);
                give_buffer(buffer);
            }
            _ => {
                self.input.bytes.feed(buffer, count);
                self.input.has_new = true;
            }
        }
    }

    fn take_destination(&mut self) -> Option<(Queue, usize)> {
        self.take_message()
    }

    fn restore_destination(&mut self, destination: Queue, count: usize) {
        self.restore_message(destination, count);
    }

    fn has_drained(&mut self) {
        self.input.recheck = false;
    }

    fn fail_receiving(&mut self, error: &io::Error) {
        self.input.error = Some(Failure::of(error));
    }

    /// Not before the handshake is done: the lower channel may be used on its own again.
    fn may_receive_more(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::Failed(_))
            && !self.input.ended
            && self.input.error.is_none()
    }

    fn has_queued_output(&self) -> bool {
        !self.frames_out.is_empty()
    }

    fn queued_bytes(&self) -> usize {
        self.frames_out.pending.left().len()
    }

    fn output_over_limit(&self) -> bool {
        // Responses to the peer are one pong and one close frame.
        false
    }

    fn take_pending(&mut self) -> Option<Queue> {
        if let Err(e) = self.frames_out.encode(&self.role) {
            // No masking key: nothing can be sent any more.
            self.break_sending(&e);
        }
        if self.frames_out.pending.is_empty() {
            self.frames_out.sent();
            return None;
        }
        Some(mem::take(&mut self.frames_out.pending))
    }

    fn restore_pending(&mut self, mut left: Queue) {
        left.push(self.frames_out.pending.left());
        self.frames_out.pending = left;
    }

    fn break_sending(&mut self, error: &io::Error) {
        self.frames_out.discard();
        self.frames_out.error = Some(Failure::of(error));
    }

    fn take_end(&mut self) -> bool {
        self.frames_out.has_data &= self.has_pending_output();
        let has_end = self.has_end();
        self.frames_out.lower_shutdown_due &= !has_end;
        has_end
    }

    fn only_end_left(&self) -> bool {
        self.peer_close().is_some() && !self.frames_out.has_data
    }

    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    fn has_pending_data(&self) -> bool {
        self.frames_out.has_data
    }

    fn send_end(&mut self) {
        self.send_close(self.close_code, "");
    }

    fn shut(&mut self, how: Shutdown) {
        if self.is_open() {
            if how.writes() {
                self.send_end();
            }
            self.input.shut |= how.reads();
        } else if !matches!(self.stage, Stage::Failed(_)) {
            self.fail_opening(&closed());
        }
    }

    fn close(&mut self) {
        if !matches!(self.stage, Stage::Open | Stage::Failed(_)) {
            self.stage = Stage::Failed(Failure::of(&closed()));
        }
        self.frames_out.end();
    }

    fn close_timed_out() -> io::Error {
        io_error(
            gio::IOErrorEnum::TimedOut,
            "Channel was closed before the close frame, and all before it, could be sent",
        )
    }

    fn needs(&mut self, side: Direction) -> WaitFor {
        match (&self.stage, side) {
            (Stage::Initial | Stage::Decide, _) => WaitFor::Nothing,
            (Stage::Request | Stage::Response, _) if self.input.has_new => WaitFor::Nothing,
            (Stage::Request | Stage::Response, _) => WaitFor::exchange(self),
            (Stage::Open | Stage::Failed(_), Direction::Read) if self.has_answer() => {
                WaitFor::Nothing
            }
            (Stage::Open | Stage::Failed(_), Direction::Read) => WaitFor::exchange(self),
            (Stage::Open | Stage::Failed(_), Direction::Write) if self.has_pending_output() => {
                WaitFor::write(self)
            }
            (Stage::Open | Stage::Failed(_), Direction::Write)
                if self.frames_out.error.is_some() =>
            {
                WaitFor::Nothing
            }
            (Stage::Open | Stage::Failed(_), Direction::Write) => WaitFor::write(self),
        }
    }

    fn needs_same_direction_only(&self, side: Direction) -> bool {
        match (&self.stage, side) {
            (Stage::Open | Stage::Request | Stage::Response, Direction::Read) => {
                !self.has_pending_output() && !self.has_answer() && !self.input.recheck
            }
            (_, Direction::Read) => false,
            (Stage::Open | Stage::Failed(_), Direction::Write) => {
                self.frames_out.error.is_none() || self.has_pending_output()
            }
            (_, Direction::Write) => false,
        }
    }
}
