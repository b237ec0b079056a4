//! Pending output: ciphertext for the lower channel, and the calls that make it.

use std::{
    io::{self, IoSlice},
    mem,
};

use openssl::ssl::SslVersion;

use super::{TlsState, is_want_read};
use crate::{
    error::not_supported,
    layer::{
        tls::{
            failure::{of_data, of_stack},
            memory_bio::ReadBudget,
            shim,
        },
        wire::{CHUNK, Engine as _, Failure, Progress, Queue},
    },
};

/// The most plaintext of one record.
const RECORD: usize = 16 * 1024;

/// The state of close_notify to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseNotify {
    /// More may be written.
    Due,
    /// Nothing more is written. It is to be encrypted once a handshake message of the peer, of
    /// which a part has come, is complete: OpenSSL sends no alert before.
    Deferred,
    /// It was encrypted, or will never be sent; `alone`: no other output was pending when it was
    /// encrypted.
    Queued { alone: bool },
    /// It has been sent, with all that was before it, or was skipped: nothing more is written.
    Sent { alone: bool },
}

impl CloseNotify {
    fn is_due(self) -> bool {
        self == Self::Due
    }

    pub(super) fn is_sent(self) -> bool {
        matches!(self, Self::Sent { .. })
    }

    pub(super) fn was_alone(self) -> bool {
        matches!(
            self,
            Self::Queued { alone: true } | Self::Sent { alone: true }
        )
    }

    /// It will never be encrypted.
    pub(super) fn skip(&mut self) {
        if matches!(self, Self::Due | Self::Deferred) {
            *self = Self::Queued { alone: false };
        }
    }

    /// It will never be encrypted, if it waits for a handshake message of which no more can come.
    pub(super) fn skip_deferred(&mut self) {
        if *self == Self::Deferred {
            self.skip();
        }
    }

    /// No output is pending.
    pub(super) fn sent(&mut self) {
        if let Self::Queued { alone } = *self {
            *self = Self::Sent { alone };
        }
    }
}

/// The state of the direction to the peer.
#[derive(Debug)]
pub(in crate::layer::tls) struct Output {
    /// Output that the lower channel has not taken, before the output of OpenSSL.
    pub(super) pending: Queue,
    /// Application data is pending, here or in a lower channel that is layered itself.
    pub(super) has_data: bool,
    /// The error of all further writes.
    pub(in crate::layer::tls) error: Option<Failure>,
    pub(super) close_notify: CloseNotify,
    /// How many session tickets the first write sends.
    tickets: u8,
    /// The lower channel is to be shut down when all has been sent.
    pub(in crate::layer::tls) lower_shutdown_due: bool,
}

impl Output {
    pub(super) fn new(tickets: u8) -> Self {
        Self {
            pending: Queue::default(),
            has_data: false,
            error: None,
            close_notify: CloseNotify::Due,
            tickets,
            lower_shutdown_due: false,
        }
    }
}

impl TlsState {
    /// Encrypts a chunk of data, and returns how much. No output may be pending.
    pub(in crate::layer::tls) fn write(
        &mut self,
        iov: &[IoSlice<'_>],
        budget: &mut ReadBudget,
    ) -> io::Result<Progress<usize>> {
        if let Some(over) = &self.output.error {
            return Err(over.again());
        }
        self.begin_call(budget);
        let has_tickets = self.queue_tickets();
        let step = self.encrypt_chunk(iov);
        self.stream.get_ref().end_call(budget);
        if has_tickets && !self.has_input() {
            shim::free_buffers(&mut self.stream);
        }
        step
    }

    fn encrypt_chunk(&mut self, iov: &[IoSlice<'_>]) -> io::Result<Progress<usize>> {
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
                let is_over = self.budget_exhausted();
                return Ok(match total {
                    0 if is_over => Progress::Yield,
                    0 => Progress::WantRead,
                    _ => Progress::Done(total),
                });
            }
        }
        Ok(Progress::Done(total))
    }

    /// Session tickets go with the first data of a server, and not with the end of the handshake: a
    /// client that only sends would not read them, and TCP resets connections that are closed with
    /// input unread, which loses the rest of its data. Returns whether there are some.
    fn queue_tickets(&mut self) -> bool {
        let tickets = mem::take(&mut self.output.tickets);
        let is_spoken = self.ssl().version2() == Some(SslVersion::TLS1_3);
        if tickets == 0 || !is_spoken {
            return false;
        }
        for _ in 0..tickets {
            // Without a ticket, the next handshake is a full one.
            let _ = shim::queue_ticket(&mut self.stream);
        }
        true
    }

    /// Returns how much was encrypted before `WANT_READ`.
    fn encrypt(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut total = 0;
        while total < data.len() {
            match self.stream.ssl_write(&data[total..]) {
                Ok(count) => total += count,
                Err(e) if is_want_read(&e) => break,
                Err(e) => {
                    let error = of_data(&self.peer, &e);
                    return Err(self.set_fatal(error));
                }
            }
        }
        Ok(total)
    }

    /// Updates the traffic keys: see [`shim::update_keys`].
    pub(in crate::layer::tls) fn update_keys(&mut self, request_peer: bool) -> io::Result<()> {
        if let Some(over) = &self.output.error {
            return Err(over.again());
        }
        if self.ssl().version2() != Some(SslVersion::TLS1_3) {
            return Err(not_supported("Keys can be updated with TLS 1.3 only"));
        }
        // A write may leave one chunk.
        if self.pending_len() > 2 * CHUNK {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.begin_call(&ReadBudget::default());
        let failed = |e| of_stack("Unable to update the keys", &e);
        shim::update_keys(&mut self.stream, request_peer).map_err(failed)?;
        match self.stream.do_handshake() {
            Err(e) if !is_want_read(&e) => Err(self.set_fatal(of_data(&self.peer, &e))),
            _ => Ok(()),
        }
    }

    /// Sends close_notify, once; nothing is written after that. If a part of a handshake message of
    /// the peer has come, it is sent after the rest.
    pub(in crate::layer::tls) fn send_close_notify(&mut self) {
        let may_send = self.is_established() && self.output.error.is_none();
        if self.output.close_notify.is_due() && may_send {
            self.output.close_notify = CloseNotify::Deferred;
            self.queue_close_notify();
            if self.input.shut || !self.may_receive_more() {
                self.output.close_notify.skip_deferred();
            }
        }
        self.fail_writing();
    }

    /// Encrypts a close_notify that was deferred, if it can be.
    pub(super) fn queue_close_notify(&mut self) {
        if self.output.close_notify == CloseNotify::Deferred && self.ssl().is_init_finished() {
            self.output.close_notify = CloseNotify::Queued {
                alone: !self.has_pending_output(),
            };
            self.begin_call(&ReadBudget::default());
            // It fails after a fatal alert alone.
            let _ = self.stream.shutdown();
        }
    }

    /// Completes a handshake message of the peer of which a part has come, and sends close_notify.
    pub(in crate::layer::tls) fn step_close_notify(
        &mut self,
        budget: &mut ReadBudget,
    ) -> io::Result<Progress<()>> {
        let is_sent = !matches!(
            self.output.close_notify,
            CloseNotify::Due | CloseNotify::Deferred
        );
        if is_sent || self.fatal.is_some() || self.is_past_handshake() {
            self.send_close_notify();
            self.queue_close_notify();
            return Ok(Progress::Done(()));
        }
        self.begin_call(budget);
        self.input.has_new = false;
        let result = self.stream.do_handshake();
        self.stream.get_ref().end_call(budget);
        match result {
            Ok(()) => {
                self.input.has_new = self.has_input();
                self.send_close_notify();
                self.queue_close_notify();
                Ok(Progress::Done(()))
            }
            Err(e) if is_want_read(&e) && self.budget_exhausted() => Ok(Progress::Yield),
            // An error after the end of the input.
            Err(e) if is_want_read(&e) => self.without_input(false).map(|_| Progress::WantRead),
            Err(e) => {
                let error = of_data(&self.peer, &e);
                Err(self.set_fatal(error))
            }
        }
    }

    /// Whether close_notify waits for input.
    pub(super) fn defers_close_notify(&self) -> bool {
        self.output.close_notify == CloseNotify::Deferred && self.may_receive_more()
    }

    /// Makes all further writes fail, also where no close_notify was sent.
    pub(in crate::layer::tls) fn end_writing(&mut self) {
        self.output.close_notify.skip();
        self.fail_writing();
    }

    /// The same, but for a close_notify that is deferred.
    fn fail_writing(&mut self) {
        if self.output.close_notify.is_due() {
            self.output.close_notify.skip();
        }
        let over = || Failure::of(&io::Error::from_raw_os_error(libc::EPIPE));
        self.output.error.get_or_insert_with(over);
    }

    /// Whether both directions have ended, and all output is with the lower channel.
    pub(in crate::layer::tls) fn is_over(&self) -> bool {
        !self.output.close_notify.is_due() && !self.may_receive_more() && !self.has_pending_output()
    }

    pub(super) fn pending_len(&self) -> usize {
        self.output.pending.left().len() + self.stream.get_ref().output.left().len()
    }

    /// Discards pending output.
    pub(in crate::layer::tls) fn discard(&mut self) {
        self.output.pending.clear();
        self.stream.get_mut().output.clear();
    }
}
