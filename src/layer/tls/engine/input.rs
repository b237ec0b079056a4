//! Ciphertext from the lower channel.

use std::io;

use openssl::ssl::ShutdownState;

use super::TlsState;
use crate::layer::tls::failure::Failure;

/// The state of the direction from the peer.
#[derive(Debug, Default)]
pub(in crate::layer::tls) struct Input {
    /// The lower stream has ended.
    pub(super) ended: bool,
    /// Nothing more can be read from the lower channel.
    pub(super) error: Option<Failure>,
    /// Ciphertext has come that OpenSSL has not seen.
    pub(in crate::layer::tls) has_new: bool,
    /// A caller has stopped before it read from the lower channel, which may have had data all the
    /// time: a wait has to look first.
    pub(in crate::layer::tls) recheck: bool,
    /// The peer has sent close_notify.
    pub(super) close_notify: bool,
    /// Readers have been woken to wait until less is unsent.
    pub(in crate::layer::tls) waits_for_output: bool,
    /// Reading was shut down.
    pub(in crate::layer::tls) shut: bool,
}

impl Input {
    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.close_notify || self.ended || self.error.is_some()
    }
}

impl TlsState {
    /// Whether OpenSSL would certainly want more ciphertext: the call into it is expensive.
    pub(super) fn has_nothing(&mut self) -> bool {
        let is_over = self.stream.get_shutdown().contains(ShutdownState::RECEIVED);
        !self.input.has_new && !is_over && !self.has_input() && self.ssl().pending() == 0
    }

    pub(super) fn has_input(&self) -> bool {
        !self.stream.get_ref().input.is_empty()
    }

    /// Takes in what the lower channel had.
    pub(in crate::layer::tls) fn feed(&mut self, buffer: Vec<u8>, count: usize) {
        match count {
            0 => self.input.ended = true,
            _ => {
                self.stream.get_mut().feed(buffer, count);
                self.input.has_new = true;
            }
        }
    }

    /// Whether the peer may have sent something that was not read.
    pub(in crate::layer::tls) fn may_receive_more(&self) -> bool {
        self.is_open() && !self.input.is_over() && self.fatal.is_none()
    }

    /// Reading from the lower channel has failed.
    pub(in crate::layer::tls) fn fail_receiving(&mut self, error: &io::Error) {
        self.input.error = Some(Failure::of(error));
    }

    /// Whether a read returns without more ciphertext.
    pub(in crate::layer::tls) fn has_answer(&self) -> bool {
        self.input.shut
            || self.input.is_over()
            || self.fatal.is_some()
            || self.input.has_new
            || self.ssl().pending() > 0
            || self.stream.get_ref().has_record()
    }
}
