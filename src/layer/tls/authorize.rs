//! Authorization of peers: its certificate is verified, and signals are emitted, in the middle of
//! the handshake, where OpenSSL sends an alert to a rejected peer. No lock is held while handlers
//! run: the `SSL` is taken out of the channel for such a step
//! ([`TlsState::take_stream`](super::engine::TlsState::take_stream)).

use std::{
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

use gio::TlsCertificateFlags;
use glib::{
    SignalHandlerId,
    prelude::*,
    subclass::{Signal, SignalId, prelude::*},
};
use openssl::{
    error::ErrorStack,
    ssl::SslRef,
    x509::{X509, X509StoreContextRef, X509VerifyResult},
};

use super::{
    ChannelTls,
    peer::{Offered, Peer},
    shim,
    verify::Policy,
};
use crate::{
    coroutine,
    error::{from_glib_error, panic_text},
};

/// The names of the signals.
pub(super) const AUTHORIZE: &str = "authorize-peer";
pub(super) const ACCEPT: &str = "accept-certificate";

/// Why a peer is rejected.
const REJECTED: &str = "peer certificate rejected by authorize-peer handler";
const NO_BACKEND: &str =
    "handlers need a GIO TLS backend (glib-networking) to represent the peer certificate";

pub(super) fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<[Signal; 2]> = LazyLock::new(|| {
        [
            Signal::builder(AUTHORIZE)
                .param_types([gio::TlsCertificate::static_type()])
                .return_type::<bool>()
                .run_last()
                // All handlers must accept.
                .accumulator(|_, _, answer| match answer.get() {
                    Ok(true) => ControlFlow::Continue(answer.clone()),
                    _ => ControlFlow::Break(false.to_value()),
                })
                .build(),
            Signal::builder(ACCEPT)
                .param_types([
                    gio::TlsCertificate::static_type(),
                    TlsCertificateFlags::static_type(),
                ])
                .return_type::<bool>()
                .run_last()
                // One that accepts is enough.
                .accumulator(|_, _, answer| match answer.get() {
                    Ok(true) => ControlFlow::Break(answer.clone()),
                    _ => ControlFlow::Continue(false.to_value()),
                })
                .build(),
        ]
    });
    &*SIGNALS
}

/// Calls a handler. No panic, and no unwinding of a coroutine, crosses the emission by GObject.
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

/// Whether a signal has handlers. Blocked ones count: without their answer the peer is rejected.
pub(super) fn has_handler(tls: &ChannelTls, signal: &str) -> bool {
    let id = SignalId::lookup(signal, ChannelTls::static_type());
    id.is_some_and(|id| glib::signal::signal_has_handler_pending(tls, id, None, true))
}

/// Emits a signal, and returns its accumulated value.
fn emit(tls: &ChannelTls, signal: &str, arguments: &[&dyn ToValue]) -> bool {
    let answer = tls.emit_by_name::<bool>(signal, arguments);
    // Errors that handlers have left in this thread are not those of this connection.
    drop(ErrorStack::get());
    answer && !coroutine::is_unwinding()
}

/// Calls the handlers of `authorize-peer`, if there are any. Returns why the peer is rejected.
fn authorize(tls: &ChannelTls, chain: &[X509]) -> Result<(), &'static str> {
    if chain.is_empty() || !has_handler(tls, AUTHORIZE) {
        return Ok(());
    }
    let certificate = certificate(chain).map_err(|_| NO_BACKEND)?;
    match emit(tls, AUTHORIZE, &[&certificate]) {
        true => Ok(()),
        false => Err(REJECTED),
    }
}

/// Verifies the certificate of a peer in a handshake, and calls the handlers. Returns whether the
/// handshake continues.
pub(super) fn verify_peer(
    policy: &Policy,
    ssl: &SslRef,
    context: &mut X509StoreContextRef,
) -> bool {
    let peer = Peer::of(ssl);
    let tls = peer.and_then(|peer| peer.channel());
    let decides = tls.as_ref().filter(|tls| has_handler(tls, ACCEPT));
    let mut found = policy.verify(ssl, context, decides.is_some());
    if !found.errors.is_empty()
        && let Some(other) = policy.other_path(ssl, &shim::presented(context), &found)
    {
        found = other;
        context.set_error(X509VerifyResult::OK);
    }
    let Some(peer) = peer else {
        return found.errors.is_empty();
    };
    peer.set_presented(ssl, found.chain.clone(), found.errors);
    if let Some((error, reason)) = found.first {
        let accepted = decides.is_some_and(|tls| match certificate(&found.chain) {
            Ok(certificate) => emit(tls, ACCEPT, &[&certificate, &found.errors]),
            Err(_) => false,
        });
        if !accepted {
            peer.reject(reason);
            context.set_error(error);
            return false;
        }
    }
    if let Some(tls) = tls
        && let Err(reason) = authorize(&tls, &found.chain)
    {
        peer.reject(reason.to_owned());
        context.set_error(shim::cert_rejected());
        return false;
    }
    true
}

/// Whether a session may be resumed: its certificates verify now, and handlers accept them. If not,
/// the handshake is a full one.
pub(super) fn may_resume(ssl: &SslRef, policy: &Policy, offered: Offered) -> bool {
    let verifies = offered.chain.is_empty() || policy.verifies_again(ssl, &offered.chain);
    let Some(peer) = Peer::of(ssl).filter(|_| verifies) else {
        return false;
    };
    if let Some(tls) = peer.channel() {
        peer.set_proposed(ssl, offered.chain.clone());
        if authorize(&tls, &offered.chain).is_err() {
            return false;
        }
    }
    peer.offer(offered);
    true
}

/// A chain as `GTlsCertificate`: the leaf, with its issuers.
pub(super) fn certificate(chain: &[X509]) -> io::Result<gio::TlsCertificate> {
    let mut text = Vec::new();
    for one in chain {
        text.extend(one.to_pem()?);
    }
    let text = String::from_utf8_lossy(&text);
    gio::TlsCertificate::from_pem(&text).map_err(from_glib_error)
}

impl ChannelTls {
    /// Calls `func` in the middle of the handshake, in its thread, with the certificate of the peer
    /// and its issuers, when that has been verified. All handlers have to return `true`; if one
    /// returns `false`, panics, or is blocked, the peer is rejected: the handshake fails with
    /// [`TlsError::BadCertificate`](gio::TlsError::BadCertificate), and the peer gets the alert
    /// bad_certificate.
    ///
    /// Nothing is read or written before, and waiting for that in the handler is an error
    /// ([`Pending`](gio::IOErrorEnum::Pending)). In a coroutine the handler may wait for other
    /// things, such as a directory server; the peer waits meanwhile.
    ///
    /// A session is only resumed if the handlers accept the certificate of its full handshake, for
    /// which they are called before; if they do not, the peer has to present its certificate again.
    /// The peer has not proved then that the session is its own, and may connect without it in the
    /// end: the peer is the one of [`peer_certificate`](Self::peer_certificate) after the
    /// handshake.
    ///
    /// Not called where the peer presents no certificate, nor for credentials that [do not
    /// verify](crate::TlsCreds::verifies_peer). Needs a TLS backend of GIO's (the package
    /// `glib-networking`), without which every peer is rejected.
    pub fn connect_authorize_peer<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self, &gio::TlsCertificate) -> bool + Send + Sync + 'static,
    {
        self.connect_closure(
            AUTHORIZE,
            false,
            glib::RustClosure::new(move |values| {
                let [this, certificate] = values else {
                    unreachable!("the signal has one argument");
                };
                let (this, certificate) = (
                    this.get().expect("a TLS channel"),
                    certificate.get().expect("a certificate"),
                );
                // A handler that panics rejects the peer.
                let answer = called(|| func(&this, &certificate)).unwrap_or(false);
                Some(answer.to_value())
            }),
        )
    }

    /// Calls `func` as [`connect_authorize_peer`](Self::connect_authorize_peer) does, when the
    /// certificate of the peer does *not* verify, with all errors that were found: for "connect
    /// anyway?", and for certificates that are known in advance (pinning, trust on first use). If
    /// one handler returns `true`, the certificate is accepted for this connection alone;
    /// `authorize-peer` is emitted next, and no session of the connection is kept. Otherwise the
    /// handshake fails, and the peer gets an alert.
    ///
    /// As `GTlsConnection::accept-certificate`. **Returning `true` without comparing the
    /// certificate accepts every peer.**
    pub fn connect_accept_certificate<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self, &gio::TlsCertificate, TlsCertificateFlags) -> bool + Send + Sync + 'static,
    {
        self.connect_closure(
            ACCEPT,
            false,
            glib::RustClosure::new(move |values| {
                let [this, certificate, errors] = values else {
                    unreachable!("the signal has two arguments");
                };
                let (this, certificate) = (
                    this.get().expect("a TLS channel"),
                    certificate.get().expect("a certificate"),
                );
                let errors = errors.get().expect("flags");
                let answer = called(|| func(&this, &certificate, errors)).unwrap_or(false);
                Some(answer.to_value())
            }),
        )
    }

    /// The errors of the certificate of the peer: all of them if a handler of
    /// [`accept-certificate`](Self::connect_accept_certificate) is connected, else the first one.
    /// Empty for a certificate that verifies, and before one was presented. Stays after a handshake
    /// that failed because of it.
    #[doc(alias = "qio_channel_tls_get_peer_certificate_errors")]
    #[must_use]
    pub fn peer_certificate_errors(&self) -> TlsCertificateFlags {
        match self.imp().connection() {
            Ok(connection) => connection.peer.errors(),
            Err(_) => TlsCertificateFlags::empty(),
        }
    }
}
