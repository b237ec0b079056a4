//! The steps of a handshake.

use std::{io, mem};

use gio::TlsError;
use openssl::{
    error::ErrorStack,
    ssl::{Ssl, SslStream, SslVersion},
};

use super::{HandshakeState, TlsState, alert::Alert, filter::Refusal, is_want_read};
use crate::{
    coroutine::Execution,
    layer::{
        tls::{
            failure::{
                NO_EXTENDED_MASTER_SECRET, closed_in_handshake, handshake_failed, of_handshake,
                too_slow,
            },
            memory_bio::{MemoryBio, ReadBudget},
            shim, tls_error,
        },
        wire::{Engine as _, Failure, Progress},
    },
};

impl TlsState {
    /// Whether a handshake has not ended, and has no pending output: if it has begun, it waits for
    /// input alone.
    pub(in crate::layer::tls) fn expects_input(&self) -> bool {
        matches!(
            self.state,
            HandshakeState::Initial | HandshakeState::Handshaking
        ) && !self.has_pending_output()
    }

    pub(in crate::layer::tls) fn is_handshaking(&self) -> bool {
        matches!(self.state, HandshakeState::Handshaking)
    }

    /// The error of the handshake, if it has failed.
    pub(in crate::layer::tls) fn failure(&self) -> Option<&Failure> {
        match &self.state {
            HandshakeState::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Continues the handshake. After `Done` the result is to be set.
    pub(in crate::layer::tls) fn do_handshake(
        &mut self,
        budget: &mut ReadBudget,
    ) -> io::Result<Progress<()>> {
        self.begin_call(budget);
        self.begin_step();
        let result = self.stream.do_handshake();
        self.stream.get_ref().end_call(budget);
        self.handshake_step(result)
    }

    fn begin_step(&mut self) {
        self.input.has_new = false;
        let is_tls_1_3 = self.ssl().version2() == Some(SslVersion::TLS1_3);
        if let Some(filter) = &mut self.stream.get_mut().filter {
            filter.set_tls_1_3(is_tls_1_3);
        }
    }

    /// Takes the `SSL` out for a step of the handshake, so that no lock is held while signals are
    /// emitted. An unused one replaces it.
    pub(in crate::layer::tls) fn take_stream(
        &mut self,
        budget: &ReadBudget,
    ) -> Result<SslStream<MemoryBio>, ErrorStack> {
        let replacement = Ssl::new(self.ssl().ssl_context())?;
        let replacement = SslStream::new(replacement, MemoryBio::default())?;
        self.begin_call(budget);
        self.begin_step();
        self.state = HandshakeState::PerformingStep(Execution::current());
        Ok(mem::replace(&mut self.stream, replacement))
    }

    /// Puts the `SSL` back, with the result of the step.
    pub(in crate::layer::tls) fn put_back(
        &mut self,
        stream: SslStream<MemoryBio>,
        result: Result<(), openssl::ssl::Error>,
    ) -> io::Result<Progress<()>> {
        let replacement = mem::replace(&mut self.stream, stream);
        // Another thread may have received something meanwhile.
        let received = &replacement.get_ref().input;
        if !received.is_empty() {
            self.stream.get_mut().input.push(received.left());
        }
        if let HandshakeState::Failed(failure) = &self.state {
            // A handler, or another thread, has closed the channel.
            let error = failure.again();
            self.discard();
            return Err(error);
        }
        self.handshake_step(result)
    }

    fn handshake_step(
        &mut self,
        result: Result<(), openssl::ssl::Error>,
    ) -> io::Result<Progress<()>> {
        self.state = HandshakeState::Handshaking;
        if let Some(reason) = self.refusal() {
            return Err(self.fail_handshake(reason));
        }
        match result {
            Ok(()) => {
                self.stream.get_mut().filter = None;
                if !self.has_input() {
                    shim::free_buffers(&mut self.stream);
                }
                self.state = HandshakeState::PerformingStep(Execution::current());
                Ok(Progress::Done(()))
            }
            Err(e) if is_want_read(&e) && self.budget_exhausted() => Ok(Progress::Yield),
            Err(e) if is_want_read(&e) => match self.input_error() {
                None => Ok(Progress::WantRead),
                Some(reason) => Err(self.fail_handshake(reason)),
            },
            Err(e) => {
                let error = of_handshake(&self.peer, self.ssl(), &e);
                Err(self.fail(error))
            }
        }
    }

    /// The reason for which no more input of this handshake is passed to OpenSSL. Queues the alert,
    /// if there is one.
    fn refusal(&mut self) -> Option<io::Error> {
        let bio = self.stream.get_mut();
        let filter = bio.filter.as_ref()?;
        let (most, refusal) = (filter.most(), filter.refusal?);
        if let Some(alert) = refusal.alert() {
            bio.output.push(&alert.record());
        }
        let reason = match refusal {
            Refusal::ClientHello(len) => {
                format!("its ClientHello has {len} bytes, and at most {most} are taken")
            }
            Refusal::Flight => format!("it sends more than {most} bytes before it is verified"),
            Refusal::NoExtendedMasterSecret => NO_EXTENDED_MASTER_SECRET.to_owned(),
        };
        Some(tls_error(TlsError::Handshake, &reason))
    }

    /// The error of the lower channel during a handshake.
    fn input_error(&self) -> Option<io::Error> {
        match &self.input.error {
            Some(error) => Some(error.again()),
            None => self.input.ended.then(closed_in_handshake),
        }
    }

    /// Records the failure of the handshake, and returns it.
    pub(in crate::layer::tls) fn fail(&mut self, error: io::Error) -> io::Error {
        self.state = HandshakeState::Failed(Failure::of(&error));
        error
    }

    pub(in crate::layer::tls) fn fail_handshake(&mut self, reason: io::Error) -> io::Error {
        let error = handshake_failed(&self.peer, reason);
        self.fail(error)
    }

    /// Fails a handshake that takes long, while others wait for a permit.
    pub(in crate::layer::tls) fn abort(&mut self) {
        if !self.queue_alerts(&[Alert::InternalError]) {
            self.discard();
        }
        self.fail_handshake(too_slow());
    }

    /// Queues the alerts of a handshake that this end cancels, if it has begun.
    pub(super) fn queue_cancellation(&mut self) {
        if self.is_handshaking() {
            self.queue_alerts(&[Alert::UserCanceled, Alert::CloseNotify]);
        }
    }

    /// Queues alerts during the handshake, unless this end encrypts its output already: OpenSSL
    /// has no function for alerts. Returns whether it did.
    fn queue_alerts(&mut self, alerts: &[Alert]) -> bool {
        // A part of a record may have been sent.
        let may_send = !self.has_pending_output() && !self.encrypts_output();
        for alert in alerts.iter().filter(|_| may_send) {
            self.stream.get_mut().output.push(&alert.record());
        }
        may_send
    }

    /// Whether what this end sends is encrypted. `true` also while the `SSL` is taken out.
    fn encrypts_output(&self) -> bool {
        let is_tls_1_3 = self.ssl().version2() == Some(SslVersion::TLS1_3);
        let filter = self.stream.get_ref().filter.as_ref();
        filter.is_none_or(|filter| filter.sent.are_encrypted(is_tls_1_3))
    }
}
