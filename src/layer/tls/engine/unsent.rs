//! Ciphertext on its way to the channel below.

use std::{io, mem};

use super::{Stage, TlsState};
use crate::layer::tls::{
    failure::Failure,
    pipes::{CHUNK, Queue},
};

/// How much may be unsent while more is read, which may need answers. What this end does of its own leaves less, so
/// that two of them never wait for each other to read.
const MOST_UNSENT: usize = 4 * CHUNK;

impl TlsState {
    /// Whether there is ciphertext that the channel below has not taken.
    pub(in crate::layer::tls) fn has_unsent(&self) -> bool {
        self.sending || self.has_left()
    }

    /// The same, and nobody is sending it.
    pub(in crate::layer::tls) fn has_left(&self) -> bool {
        !self.unsent.is_empty() || !self.stream.get_ref().output.is_empty()
    }

    /// Whether so much is unsent that nothing is read before it has gone: the peer has us answer, and does not
    /// listen.
    pub(in crate::layer::tls) fn output_over_limit(&self) -> bool {
        self.count_unsent() > MOST_UNSENT && !self.read_shut && self.dead.is_none()
    }

    pub(super) fn count_unsent(&self) -> usize {
        self.unsent.left().len() + self.stream.get_ref().output.left().len()
    }

    /// What is to be sent next, for whoever is allowed to send. A peer that is not welcome yet gets nothing.
    pub(in crate::layer::tls) fn take_unsent(&mut self) -> Option<Queue> {
        if matches!(self.stage, Stage::Judging(_)) {
            return None;
        }
        if self.close_notify_sent {
            // Answers to the peer's new keys, which is not to listen any more.
            self.discard();
        }
        if self.unsent.is_empty() {
            self.unsent = mem::take(&mut self.stream.get_mut().output);
        }
        self.close_notify_sent |= self.close_notify_queued && self.unsent.is_empty();
        (!self.unsent.is_empty()).then(|| mem::take(&mut self.unsent))
    }

    /// Whether the channel below is to be shut down now.
    pub(in crate::layer::tls) fn take_end(&mut self) -> bool {
        self.close_notify_sent && mem::take(&mut self.shut_below)
    }

    /// Whether all that may be unsent is the goodbye, and the peer has said its own: it may have gone, and nothing is
    /// lost by that.
    pub(in crate::layer::tls) fn only_close_notify_left(&self) -> bool {
        self.only_close_notify_left && self.close_notify_received
    }

    /// Takes back what could not be sent yet.
    pub(in crate::layer::tls) fn keep_unsent(&mut self, left: Queue) {
        self.unsent = left;
    }

    /// Nothing more can be sent to the channel below.
    pub(in crate::layer::tls) fn break_sending(&mut self, error: &io::Error) {
        self.discard();
        self.close_notify_queued = true;
        self.write_over = Some(Failure::of(error));
    }

    /// Nobody is to get what is unsent.
    pub(in crate::layer::tls) fn discard(&mut self) {
        self.unsent.clear();
        self.stream.get_mut().output.clear();
    }
}
