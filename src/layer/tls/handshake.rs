//! Who shakes hands, and with whom: what the peer has to show, and who else is asked about it.

use std::{
    io, mem,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

use gio::prelude::*;
use glib::{GString, subclass::Signal};
use openssl::{
    ssl::{Ssl, SslRef, SslVersion},
    x509::{X509, verify::X509CheckFlags},
};

use super::{
    ChannelTls, TlsCreds, TlsEndpoint, engine::Stage, failure::of_stack, link::Connection, shim,
    tls_error, verdict,
};
use crate::{
    channel::Channel,
    coroutine,
    error::{cancelled, from_glib_error, invalid, panic_text, with_context},
};

/// The name of the signal.
pub(super) const AUTHORIZE: &str = "authorize-peer";

pub(super) fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<[Signal; 1]> = LazyLock::new(|| {
        [Signal::builder(AUTHORIZE)
            .param_types([gio::TlsCertificate::static_type()])
            .return_type::<bool>()
            .run_last()
            .accumulator(|_, _, welcome| match welcome.get() {
                Ok(true) => ControlFlow::Continue(welcome.clone()),
                _ => ControlFlow::Break(false.to_value()),
            })
            .build()]
    });
    &*SIGNALS
}

/// Calls a handler. GObject's emission is around it: no panic goes through that, nor the end of a coroutine.
pub(super) fn called<R>(handler: impl FnOnce() -> R) -> Option<R> {
    let result = catch_unwind(AssertUnwindSafe(handler));
    result
        .inspect_err(|panic| {
            if !coroutine::is_unwinding() {
                let text = panic_text(&**panic);
                glib::g_critical!("Qio", "A handler of a TLS channel panicked: {}", text);
            }
        })
        .ok()
}

/// A connection of these credentials, with what is asked of its peer.
pub(super) fn prepare(creds: &TlsCreds, hostname: Option<&str>) -> io::Result<Ssl> {
    let failed = |e| of_stack("Unable to begin with TLS", &e);
    let mut ssl = Ssl::new(creds.context()).map_err(failed)?;
    verdict::keep(&mut ssl);
    if creds.endpoint() == TlsEndpoint::Server {
        ssl.set_accept_state();
        return Ok(ssl);
    }
    ssl.set_connect_state();
    let name = hostname.map(|name| name.strip_suffix('.').unwrap_or(name));
    match name.filter(|name| !name.is_empty()) {
        Some(name) => expect(&mut ssl, creds, name)?,
        None if creds.verifies_peer() => {
            return Err(invalid(
                "The certificate of a server is checked for its name: say which",
            ));
        }
        None => {}
    }
    Ok(ssl)
}

/// Asks for the server of this name, or of this address.
fn expect(ssl: &mut SslRef, creds: &TlsCreds, name: &str) -> io::Result<()> {
    if name.contains('\0') {
        return Err(no_name(name));
    }
    let failed = |e| of_stack(&format!("Unable to ask for {name}"), &e);
    // The brackets of an address in a URI are not part of it.
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    // Nor is the interface that leads there.
    let bare = bare.unwrap_or(name);
    let address = bare.split('%').next().unwrap_or(bare);
    let verifies = creds.verifies_peer();
    if verifies {
        ssl.param_mut().set_hostflags(
            X509CheckFlags::NO_PARTIAL_WILDCARDS | X509CheckFlags::NEVER_CHECK_SUBJECT,
        );
    }
    match address.parse() {
        Ok(address) if verifies => ssl.param_mut().set_ip(address).map_err(failed)?,
        Ok(_) => {}
        Err(_) => {
            let name = dns_name(name)?;
            ssl.set_hostname(&name).map_err(failed)?;
            if verifies {
                ssl.param_mut().set_host(&name).map_err(failed)?;
            }
        }
    }
    creds.resume(ssl, name);
    Ok(())
}

/// A name as it is in certificates, and on the wire.
fn dns_name(name: &str) -> io::Result<GString> {
    let ascii = match name.is_ascii() {
        true => Some(name.into()),
        false => glib::hostname_to_ascii(name),
    };
    ascii
        .filter(|name| is_dns_name(name))
        .ok_or_else(|| no_name(name))
}

/// What a client has asked for, if that can be the name of a server.
pub(super) fn asked_name(name: &str) -> Option<&str> {
    Some(name).filter(|name| name.is_ascii() && is_dns_name(name))
}

/// Whether it is made of labels: nothing that a URI may have beside the name, no pattern, and no address, whose last
/// part is a number.
fn is_dns_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let is_label = |label: &str| {
        let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(is_of_it)
    };
    name.split('.').all(is_label)
}

fn no_name(name: &str) -> io::Error {
    let name = name.escape_debug();
    invalid(&format!(
        "\"{name}\" is no name of a server, as the domain name system has them, nor an address"
    ))
}

impl Connection {
    /// The hands are shaken: asks whether the peer is welcome, and opens the connection if so.
    pub(super) fn authorize_peer(&self, channel: &Channel) {
        let mut verdict = Verdict {
            link: self,
            channel,
            // Of a coroutine that ends while others are asked.
            result: Err(cancelled()),
        };
        self.creds.flush_key_log();
        verdict.result = self.ask_about_peer(channel);
    }

    fn ask_about_peer(&self, channel: &Channel) -> io::Result<()> {
        self.check_cipher()?;
        let tls = channel.downcast_ref::<ChannelTls>();
        let Some(tls) = tls.filter(|_| self.creds.verifies_peer()) else {
            return Ok(());
        };
        let asked = glib::subclass::SignalId::lookup(AUTHORIZE, ChannelTls::static_type());
        // Blocked handlers as well: without their answer, the answer is no.
        let listens =
            asked.is_some_and(|id| glib::signal::signal_has_handler_pending(tls, id, None, true));
        let Some(chain) = self.chain().filter(|_| listens) else {
            return Ok(());
        };
        let shown = certificate(&chain).map_err(|e| {
            with_context(
                e,
                "nobody can be asked about the certificate, for which GIO needs a TLS backend",
            )
        })?;
        let welcome = tls.emit_by_name::<bool>(AUTHORIZE, &[&shown]);
        if coroutine::is_unwinding() {
            return Err(coroutine::dropped());
        }
        match welcome {
            true => Ok(()),
            false => Err(tls_error(
                gio::TlsError::BadCertificate,
                "the certificate is valid, but not welcome",
            )),
        }
    }

    /// Ciphers that encrypt after they have authenticated need an extended master secret.
    fn check_cipher(&self) -> io::Result<()> {
        let engine = self.engine();
        let ssl = engine.ssl();
        let needs_secret = ssl.version2() == Some(SslVersion::TLS1_2)
            && ssl
                .current_cipher()
                .is_some_and(|it| !it.description().contains("Mac=AEAD"));
        match needs_secret && !shim::has_extended_secret(ssl) {
            true => Err(tls_error(
                gio::TlsError::Handshake,
                "the peer has no extended master secret, without which CBC ciphers are not safe",
            )),
            false => Ok(()),
        }
    }

    /// The certificate of the peer, and those that it was issued by.
    fn chain(&self) -> Option<Vec<X509>> {
        let engine = self.engine();
        let ssl = engine.ssl();
        // As far as it was verified just now, which is all that is left of one that was refused; a session that
        // went on has but the certificate.
        let verified = ssl.verified_chain();
        let first = || Some(verified?.get(0)?.to_owned());
        let own = ssl.peer_certificate().or_else(first)?;
        let mut chain = vec![own];
        let more = verified.or(ssl.peer_cert_chain());
        let more = more.into_iter().flatten().map(ToOwned::to_owned);
        let own = chain[0].to_der().ok();
        chain.extend(more.filter(|it| it.to_der().ok() != own));
        Some(chain)
    }

    /// The certificate of the peer, with its issuers.
    pub(super) fn peer_certificate(&self) -> Option<gio::TlsCertificate> {
        certificate(&self.chain()?).ok()
    }

    pub(super) fn protocol_version(&self) -> gio::TlsProtocolVersion {
        let engine = self.engine();
        match engine.ssl().version2() {
            _ if !engine.is_open() => gio::TlsProtocolVersion::Unknown,
            Some(SslVersion::TLS1_2) => gio::TlsProtocolVersion::Tls12,
            Some(SslVersion::TLS1_3) => gio::TlsProtocolVersion::Tls13,
            _ => gio::TlsProtocolVersion::Unknown,
        }
    }
}

/// What comes of asking about a peer, told when this is dropped.
struct Verdict<'a> {
    link: &'a Connection,
    channel: &'a Channel,
    result: io::Result<()>,
}

impl Drop for Verdict<'_> {
    fn drop(&mut self) {
        let mut engine = self.link.engine();
        // Somebody may have closed the channel meanwhile.
        let counts = matches!(engine.stage, Stage::Judging(_));
        let verdict = mem::replace(&mut self.result, Ok(()));
        let opened = counts && verdict.is_ok();
        match verdict {
            Ok(()) if counts => engine.stage = Stage::Open,
            Err(reason) if counts => {
                engine.fail_handshake(reason);
                // What is proved by it, and sessions, are for those who are welcome.
                engine.discard();
            }
            _ => {}
        }
        drop(engine);
        self.link.release_permit();
        // Also those who have waited for the other direction.
        self.channel.wake_waiters();
        if opened {
            self.channel.notify("handshake-done");
        }
    }
}

fn certificate(chain: &[X509]) -> io::Result<gio::TlsCertificate> {
    let mut text = Vec::new();
    for one in chain {
        text.extend(one.to_pem()?);
    }
    let text = String::from_utf8_lossy(&text);
    gio::TlsCertificate::from_pem(&text).map_err(from_glib_error)
}
