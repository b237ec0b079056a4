//! Ciphertext on its way to the lower channel, and what makes it.

use std::{
    io::{self, IoSlice},
    mem,
};

use openssl::{error::ErrorStack, ssl::SslVersion};

use super::{Stage, Step, TlsState, is_starving};
use crate::{
    error::not_supported,
    layer::tls::{
        failure::{Failure, of_data, of_stack},
        pipes::{CHUNK, Queue},
        shim,
    },
};

/// The most plaintext of one record.
const RECORD: usize = 16 * 1024;

/// How much may be unsent while more is read, which may need answers. What this end does of its own
/// leaves less, so that two of them never wait for each other to read.
const MOST_UNSENT: usize = 4 * CHUNK;

/// How far the end of the direction to the peer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseNotify {
    /// More may be written.
    Due,
    /// It was encrypted, or will never be sent; `alone`: when it was encrypted, nothing else was
    /// unsent.
    Queued { alone: bool },
    /// It has been sent, with all that was before it.
    Sent { alone: bool },
}

impl CloseNotify {
    fn is_due(self) -> bool {
        self == Self::Due
    }

    fn is_sent(self) -> bool {
        matches!(self, Self::Sent { .. })
    }

    fn was_alone(self) -> bool {
        matches!(
            self,
            Self::Queued { alone: true } | Self::Sent { alone: true }
        )
    }

    /// It will not be encrypted any more.
    fn skip(&mut self) {
        if self.is_due() {
            *self = Self::Queued { alone: false };
        }
    }

    /// Nothing is unsent.
    fn sent(&mut self) {
        if let Self::Queued { alone } = *self {
            *self = Self::Sent { alone };
        }
    }
}

/// The state of the direction to the peer.
#[derive(Debug)]
pub(in crate::layer::tls) struct Output {
    /// What the lower channel has not taken, before the output of OpenSSL.
    pub(super) pending: Queue,
    /// Data of the user is in it, or behind it, or is held by a lower channel that is a layer
    /// itself.
    has_data: bool,
    /// Nothing can be written any more.
    pub(in crate::layer::tls) error: Option<Failure>,
    close_notify: CloseNotify,
    /// Session tickets that the first write sends.
    tickets: u8,
    /// The lower channel is to be shut down when all has been sent.
    pub(in crate::layer::tls) shut_lower: bool,
}

impl Output {
    pub(super) fn new(tickets: u8) -> Self {
        Self {
            pending: Queue::default(),
            has_data: false,
            error: None,
            close_notify: CloseNotify::Due,
            tickets,
            shut_lower: false,
        }
    }
}

impl TlsState {
    /// Encrypts a chunk of data, and returns how much. There must be nothing on its way.
    pub(in crate::layer::tls) fn write(&mut self, iov: &[IoSlice<'_>]) -> io::Result<Step<usize>> {
        if let Some(over) = &self.output.error {
            return Err(over.again());
        }
        self.begin_turn();
        let has_tickets = self.queue_tickets();
        let step = self.encrypt_chunk(iov);
        if has_tickets && !self.has_input() {
            shim::free_buffers(&mut self.stream);
        }
        step
    }

    fn encrypt_chunk(&mut self, iov: &[IoSlice<'_>]) -> io::Result<Step<usize>> {
        let mut total = 0;
        let mut merged = Vec::new();
        let mut left = iov.iter().map(|buf| &buf[..]).filter(|buf| !buf.is_empty());
        let mut next = left.next();
        while let Some(data) = next.filter(|_| total < CHUNK) {
            let data = &data[..data.len().min(CHUNK - total)];
            next = left.next();
            // Small buffers share a record.
            let record = match next {
                Some(_) if data.len() < RECORD / 4 => {
                    merged.clear();
                    merged.extend_from_slice(data);
                    let capacity = RECORD.min(CHUNK - total);
                    while let Some(more) = next.filter(|more| merged.len() + more.len() <= capacity)
                    {
                        merged.extend_from_slice(more);
                        next = left.next();
                    }
                    &merged[..]
                }
                _ => data,
            };
            let encrypted = self.encrypt(record)?;
            self.output.has_data |= encrypted > 0;
            total += encrypted;
            if encrypted < record.len() {
                let tired = self.is_tired();
                return Ok(match total {
                    0 if tired => Step::Tired,
                    0 => Step::Starving,
                    _ => Step::Done(total),
                });
            }
        }
        Ok(Step::Done(total))
    }

    /// Session tickets go with the first data of a server, and not at the end of the handshake: a
    /// client that only sends would not read them, and its system would answer what it has left
    /// unread by a reset, in place of the rest of its data. Returns whether there are some.
    fn queue_tickets(&mut self) -> bool {
        let tickets = mem::take(&mut self.output.tickets);
        let is_spoken = self.ssl().version2() == Some(SslVersion::TLS1_3);
        if tickets == 0 || !is_spoken {
            return false;
        }
        for _ in 0..tickets {
            // Without one, the next handshake is a full one.
            if shim::queue_ticket(&mut self.stream).is_err() {
                drop(ErrorStack::get());
            }
        }
        true
    }

    /// Returns how much came before OpenSSL would have to read.
    fn encrypt(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut total = 0;
        while total < data.len() {
            match self.stream.ssl_write(&data[total..]) {
                Ok(count) => total += count,
                Err(e) if is_starving(&e) => break,
                Err(e) => {
                    let error = of_data(&self.peer, &e);
                    return Err(self.break_down(error));
                }
            }
        }
        Ok(total)
    }

    /// Updates the traffic keys: see [`shim::update_keys`].
    pub(in crate::layer::tls) fn update_keys(&mut self, ask: bool) -> io::Result<()> {
        if let Some(over) = &self.output.error {
            return Err(over.again());
        }
        if self.ssl().version2() != Some(SslVersion::TLS1_3) {
            return Err(not_supported("Keys can be updated with TLS 1.3 only"));
        }
        // A write may have left a chunk.
        if self.count_unsent() > 2 * CHUNK {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.begin_turn();
        let failed = |e| of_stack("Unable to update the keys", &e);
        shim::update_keys(&mut self.stream, ask).map_err(failed)?;
        match self.stream.do_handshake() {
            Err(e) if !is_starving(&e) => Err(self.break_down(of_data(&self.peer, &e))),
            _ => Ok(()),
        }
    }

    /// Sends close_notify, once; nothing is written after that.
    pub(in crate::layer::tls) fn send_close_notify(&mut self) {
        if self.output.close_notify.is_due() && self.is_open() && self.output.error.is_none() {
            self.output.close_notify = CloseNotify::Queued {
                alone: !self.has_unsent(),
            };
            self.begin_turn();
            let _ = self.stream.shutdown();
        }
        self.end_writing();
    }

    /// Nothing is written any more, also where no close_notify was sent.
    pub(in crate::layer::tls) fn end_writing(&mut self) {
        self.output.close_notify.skip();
        let over = || Failure::of(&io::Error::from_raw_os_error(libc::EPIPE));
        self.output.error.get_or_insert_with(over);
    }

    /// Whether there is ciphertext that the lower channel has not taken.
    pub(in crate::layer::tls) fn has_unsent(&self) -> bool {
        self.tokens.sending || self.has_left()
    }

    /// The same, and no caller is sending it.
    pub(in crate::layer::tls) fn has_left(&self) -> bool {
        !self.output.pending.is_empty() || !self.stream.get_ref().output.is_empty()
    }

    /// Whether so much is unsent that nothing is read before it has gone: the peer forces
    /// responses, and does not read them.
    pub(in crate::layer::tls) fn output_over_limit(&self) -> bool {
        self.count_unsent() > MOST_UNSENT && !self.input.shut && self.fatal.is_none()
    }

    pub(super) fn count_unsent(&self) -> usize {
        self.output.pending.left().len() + self.stream.get_ref().output.left().len()
    }

    /// What is to be sent next, for the holder of the token. A peer that is not authorized yet gets
    /// nothing.
    pub(in crate::layer::tls) fn take_unsent(&mut self) -> Option<Queue> {
        if matches!(self.stage, Stage::Authorizing(_)) {
            return None;
        }
        if self.output.close_notify.is_sent() {
            // Answers to key updates of the peer, which expects nothing any more.
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

    /// All that there was has been sent. Returns whether the lower channel is to be shut down now.
    pub(in crate::layer::tls) fn take_end(&mut self) -> bool {
        self.output.has_data &= self.has_unsent();
        self.output.close_notify.is_sent() && mem::take(&mut self.output.shut_lower)
    }

    /// Whether close_notify is all that may be unsent, and that of the peer has come: it may have
    /// gone, and nothing is lost by that.
    pub(in crate::layer::tls) fn only_close_notify_left(&self) -> bool {
        self.output.close_notify.was_alone() && self.input.close_notify
    }

    /// Whether data of the user is unsent, and not only what this end has answered or announced.
    pub(in crate::layer::tls) fn has_unsent_data(&self) -> bool {
        self.output.has_data
    }

    /// Takes back what could not be sent yet.
    pub(in crate::layer::tls) fn keep_unsent(&mut self, left: Queue) {
        self.output.pending = left;
    }

    /// Nothing more can be sent to the lower channel.
    pub(in crate::layer::tls) fn break_sending(&mut self, error: &io::Error) {
        self.discard();
        self.output.close_notify.skip();
        self.output.error = Some(Failure::of(error));
    }

    /// Drops what is unsent.
    pub(in crate::layer::tls) fn discard(&mut self) {
        self.output.pending.clear();
        self.stream.get_mut().output.clear();
    }
}
