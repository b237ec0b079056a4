//! Ciphertext from the lower channel.

use openssl::ssl::ShutdownState;

use super::TlsState;
use crate::layer::wire::Failure;

/// The state of the direction from the peer.
#[derive(Debug, Default)]
pub(in crate::layer::tls) struct Input {
    /// The lower stream has ended.
    pub(super) ended: bool,
    /// Nothing more can be read from the lower channel.
    pub(super) error: Option<Failure>,
    /// There is ciphertext that OpenSSL has not processed.
    pub(in crate::layer::tls) has_new: bool,
    /// A read returned before it met would-block at the lower channel (budget used up, or output
    /// over the limit), which may still have data: waiters must poll it, and not wait for the next
    /// edge.
    pub(in crate::layer::tls) recheck: bool,
    /// The peer has sent close_notify.
    pub(super) close_notify: bool,
    /// Readers have been woken, to wait until less output is pending.
    pub(in crate::layer::tls) waits_for_output: bool,
    /// Reading was shut down by this end.
    pub(in crate::layer::tls) shut: bool,
}

impl Input {
    /// Whether no more input will come.
    pub(super) fn is_over(&self) -> bool {
        self.close_notify || self.ended || self.error.is_some()
    }
}

impl TlsState {
    /// Whether OpenSSL would return `WANT_READ` for certain: the call is expensive.
    pub(super) fn has_nothing(&mut self) -> bool {
        let is_over = self.stream.get_shutdown().contains(ShutdownState::RECEIVED);
        !self.input.has_new && !is_over && !self.has_input() && self.ssl().pending() == 0
    }

    pub(super) fn has_input(&self) -> bool {
        !self.stream.get_ref().input.is_empty()
    }

    /// Whether a read returns without more ciphertext from the lower channel.
    pub(in crate::layer::tls) fn has_answer(&self) -> bool {
        self.input.shut
            || self.input.is_over()
            || self.fatal.is_some()
            || self.input.has_new
            || self.ssl().pending() > 0
            || self.stream.get_ref().has_record()
    }
}
