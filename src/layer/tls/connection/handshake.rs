//! The steps of a handshake, and its result.

use std::{io, mem};

use glib::prelude::*;
use openssl::ssl::{SslStream, SslVersion};

use super::Connection;
use crate::{
    channel::{Channel, observed},
    coroutine,
    error::{cancelled, would_block},
    hub::Direction,
    layer::{
        tls::{
            ChannelTls,
            authorize::{ACCEPT, AUTHORIZE, certificate, has_handler, may_resume},
            engine::HandshakeState,
            failure::{authorization_pending, of_stack},
            memory_bio::{MemoryBio, ReadBudget},
            shim, tls_error,
        },
        wire::Progress,
    },
    log,
};

impl Connection {
    /// Continues the handshake, if it is not done. Would-block where the peer has to send something
    /// first. The error of a failed one is reported to every caller.
    pub(in crate::layer::tls) fn do_handshake(&self, channel: &Channel) -> io::Result<()> {
        let mut budget = ReadBudget::default();
        loop {
            match &self.engine().state {
                HandshakeState::Established => return Ok(()),
                HandshakeState::Failed(failure) => return Err(failure.again()),
                _ => {}
            }
            let step = self.step_handshake(channel, &mut budget);
            if !matches!(step, Ok(Progress::Done(()))) {
                self.creds.flush_key_log();
            }
            match step {
                // Which flushes the key log as well.
                Ok(Progress::Done(())) => self.finish_handshake(channel),
                Ok(Progress::Yield) => {
                    self.wire.try_flush(channel);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(Progress::WantRead) => {
                    self.wire.try_flush(channel);
                    match self.wire.receive(channel) {
                        Err(e) if would_block(&e) => return Err(e),
                        // A failure is what OpenSSL gets next.
                        _ if !self.engine().is_established() => {}
                        // Another thread has completed the handshake: this was data, or the end.
                        _ => channel.wake_waiters_for(Direction::Read),
                    }
                }
                Err(e) if would_block(&e) => return Err(e),
                Err(e) => {
                    // The alert, as far as the lower channel takes it.
                    self.wire.try_flush(channel);
                    log::failure(channel, &e, failed);
                    self.release_permit();
                    channel.wake_waiters();
                    return Err(e);
                }
            }
        }
    }

    /// Whether a step of the handshake may emit signals.
    fn may_emit(&self, channel: &Channel) -> bool {
        let tls = channel.downcast_ref::<ChannelTls>();
        self.creds.verifies_peer()
            && tls.is_some_and(|tls| has_handler(tls, AUTHORIZE) || has_handler(tls, ACCEPT))
    }

    /// Continues a handshake that is not done. After `Done`,
    /// [`finish_handshake`](Self::finish_handshake) is next.
    pub(in crate::layer::tls) fn step_handshake(
        &self,
        channel: &Channel,
        budget: &mut ReadBudget,
    ) -> io::Result<Progress<()>> {
        let may_emit = self.may_emit(channel);
        let mut engine = self.engine();
        let is_first = match &engine.state {
            HandshakeState::Failed(failure) => return Err(failure.again()),
            HandshakeState::PerformingStep(_) => {
                engine.waiting_step = true;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            // Another thread has completed it.
            HandshakeState::Established => return Ok(Progress::Done(())),
            stage => matches!(stage, HandshakeState::Initial),
        };
        if !may_emit {
            if is_first {
                self.propose_session(engine.stream());
            }
            return engine.do_handshake(budget);
        }
        let mut stream = engine.take_stream(budget).map_err(|e| {
            let error = of_stack("Unable to continue the handshake", &e);
            engine.fail(error)
        })?;
        drop(engine);
        self.peer.set_may_emit(true);
        if is_first {
            self.propose_session(&mut stream);
        }
        let result = stream.do_handshake();
        stream.get_ref().end_call(budget);
        self.peer.set_may_emit(false);
        let mut engine = self.engine();
        let step = engine.put_back(stream, result);
        let step = match step {
            // Of the coroutine that a handler has waited in.
            Err(_) if coroutine::is_unwinding() => Err(engine.fail_handshake(cancelled())),
            step => step,
        };
        let missed = mem::take(&mut engine.waiting_step);
        drop(engine);
        if missed {
            channel.wake_waiters();
        }
        step
    }

    /// Proposes a cached session, before the first step of a handshake.
    fn propose_session(&self, stream: &mut SslStream<MemoryBio>) {
        if let Some((session, offered)) = self.creds.cached_session(&self.peer)
            && may_resume(stream.ssl(), self.creds.policy(), offered)
        {
            // Without it, the handshake is a full one.
            let _ = shim::set_session(stream, &session);
        }
    }

    /// The handshake is done: opens the connection.
    pub(in crate::layer::tls) fn finish_handshake(&self, channel: &Channel) {
        let mut outcome = Outcome {
            connection: self,
            channel,
            // Of a key log function that panics.
            result: Err(cancelled()),
        };
        self.creds.flush_key_log();
        outcome.result = self.check_alpn();
    }

    /// Checks that a server has selected a protocol that it was offered, for versions of OpenSSL
    /// that do not. Others have refused it with an alert.
    fn check_alpn(&self) -> io::Result<()> {
        let engine = self.engine();
        let ssl = engine.ssl();
        let selected = ssl.selected_alpn_protocol().filter(|_| !ssl.is_server());
        match selected.is_none_or(|name| self.creds.offers(name)) {
            true => Ok(()),
            false => Err(tls_error(
                gio::TlsError::Handshake,
                "the server has selected a protocol (ALPN) that was not offered",
            )),
        }
    }

    pub(in crate::layer::tls) fn protocol_version(&self) -> gio::TlsProtocolVersion {
        let engine = self.engine();
        match engine.ssl().version2() {
            _ if !engine.is_established() => gio::TlsProtocolVersion::Unknown,
            Some(SslVersion::TLS1_2) => gio::TlsProtocolVersion::Tls12,
            Some(SslVersion::TLS1_3) => gio::TlsProtocolVersion::Tls13,
            _ => gio::TlsProtocolVersion::Unknown,
        }
    }

    /// The certificate of the peer, with its issuers.
    pub(in crate::layer::tls) fn peer_certificate(&self) -> Option<gio::TlsCertificate> {
        certificate(&self.peer.chain()).ok()
    }

    /// Releases the permit of the listener if the handshake is over.
    pub(in crate::layer::tls) fn release_permit(&self) {
        let is_over = matches!(
            self.engine().state,
            HandshakeState::Established | HandshakeState::Failed(_)
        );
        let permit = match is_over {
            true => self.permit.lock().take(),
            false => None,
        };
        drop(permit);
    }

    /// Fails a handshake that takes long, while others wait for a permit.
    pub(in crate::layer::tls) fn abort_handshake(&self, channel: &Channel) {
        let mut engine = self.engine();
        let is_over = matches!(
            engine.state,
            HandshakeState::Established | HandshakeState::Failed(_)
        );
        if !is_over {
            engine.abort();
        }
        drop(engine);
        if !is_over {
            // The alert, as far as the lower channel takes it.
            self.wire.try_flush(channel);
        }
        self.release_permit();
        channel.wake_waiters();
    }

    /// Fails if this thread or coroutine runs a handler of this handshake: it would wait for
    /// itself.
    pub(in crate::layer::tls) fn may_wait(&self) -> io::Result<()> {
        match self.engine().state {
            HandshakeState::PerformingStep(handler) if handler.is_current() => {
                Err(authorization_pending())
            }
            _ => Ok(()),
        }
    }
}

/// The event of a failed handshake.
fn failed() -> String {
    "TLS handshake has failed".to_owned()
}

/// The result of a handshake, which is reported when this is dropped.
struct Outcome<'a> {
    connection: &'a Connection,
    channel: &'a Channel,
    result: io::Result<()>,
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        let mut engine = self.connection.engine();
        // Another thread may have closed the channel meanwhile.
        let counts = matches!(engine.state, HandshakeState::PerformingStep(_));
        let result = mem::replace(&mut self.result, Ok(()));
        let opened = counts && result.is_ok();
        if let Err(e) = result.as_ref()
            && counts
        {
            log::failure(self.channel, e, failed);
        }
        match result {
            Ok(()) if counts => {
                self.connection.peer.settle(engine.ssl());
                engine.state = HandshakeState::Established;
            }
            Err(reason) if counts => {
                engine.fail_handshake(reason);
                // Only an accepted peer has a verified certificate and sessions.
                engine.discard();
            }
            _ => {}
        }
        drop(engine);
        self.connection.release_permit();
        // Also those that wait for the other direction.
        self.channel.wake_waiters();
        observed::layer(self.channel);
        if opened {
            log::event(self.channel, || {
                let engine = self.connection.engine();
                let (version, cipher) = (engine.ssl().version_str(), engine.ssl().current_cipher());
                let cipher = cipher.map_or("no cipher", |cipher| cipher.name());
                format!("TLS handshake is done: {version}, {cipher}")
            });
            self.channel.notify("handshake-done");
        }
    }
}
