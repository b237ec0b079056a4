//! The peer of a connection: its certificates, their errors, and the session that it may resume. It
//! is in the application data of the `SSL`, where OpenSSL's callbacks find it, and has a lock of
//! its own, so that handlers can read it in the middle of a handshake.

use std::{
    sync::{Arc, LazyLock, OnceLock},
    time::{Duration, SystemTime},
};

use gio::TlsCertificateFlags;
use openssl::{
    ex_data::Index,
    ssl::{NameType, Ssl, SslRef},
    x509::X509,
};

use super::{ChannelTls, prepare::requested_name, verify_error};
use crate::sync::ForkMutex;

static PEER: LazyLock<Option<Index<Ssl, Arc<Peer>>>> = LazyLock::new(|| Ssl::new_ex_index().ok());

#[derive(Debug, Default)]
pub(super) struct Peer {
    /// The key of the client's sessions with this server.
    session_key: Option<String>,
    /// The channel that emits the signals.
    channel: OnceLock<glib::WeakRef<ChannelTls>>,
    state: ForkMutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The current step of the handshake may emit signals: no lock is held.
    may_emit: bool,
    /// The leaf first.
    chain: Vec<X509>,
    /// The peer has presented the chain in this handshake.
    is_presented: bool,
    errors: Option<TlsCertificateFlags>,
    /// Why the peer is rejected.
    reason: Option<String>,
    /// The session that may be resumed; in the end the one that was.
    offered: Option<Offered>,
    /// Its ClientHello lacks the extension of RFC 7627.
    lacks_extended_master_secret: bool,
    hostname: Option<String>,
    alpn: Option<Vec<u8>>,
}

/// A session that the connection may resume.
#[derive(Debug, Clone)]
pub(super) struct Offered {
    pub(super) chain: Vec<X509>,
    pub(super) expiry: SystemTime,
}

impl Peer {
    /// Creates the record of a new connection, and stores it as `ex_data` of the `SSL`.
    pub(super) fn attach(ssl: &mut SslRef, session_key: Option<&str>) -> Arc<Self> {
        let peer = Arc::new(Self {
            session_key: session_key.map(Into::into),
            ..Self::default()
        });
        if let Some(index) = *PEER {
            ssl.set_ex_data(index, peer.clone());
        }
        peer
    }

    /// Returns that of a connection; `None` for one without a channel.
    pub(super) fn of(ssl: &SslRef) -> Option<&Arc<Self>> {
        ssl.ex_data((*PEER)?)
    }

    pub(super) fn session_key(&self) -> Option<&str> {
        self.session_key.as_deref()
    }

    pub(super) fn set_channel(&self, channel: glib::WeakRef<ChannelTls>) {
        self.channel.set(channel).expect("set once");
    }

    /// The channel, if it may emit signals.
    pub(super) fn channel(&self) -> Option<ChannelTls> {
        match self.state.lock().may_emit {
            true => self.channel.get()?.upgrade(),
            false => None,
        }
    }

    pub(super) fn set_may_emit(&self, may_emit: bool) {
        self.state.lock().may_emit = may_emit;
    }

    pub(super) fn chain(&self) -> Vec<X509> {
        self.state.lock().chain.clone()
    }

    /// Records the presented chain and its errors.
    pub(super) fn set_presented(
        &self,
        ssl: &SslRef,
        chain: Vec<X509>,
        errors: TlsCertificateFlags,
    ) {
        let mut state = self.state.lock();
        state.is_presented = true;
        state.errors = Some(errors);
        Self::show(&mut state, ssl, chain);
    }

    /// Makes the chain of a proposed session visible to handlers. It is not authenticated until the
    /// session is resumed.
    pub(super) fn set_proposed(&self, ssl: &SslRef, chain: Vec<X509>) {
        Self::show(&mut self.state.lock(), ssl, chain);
    }

    fn show(state: &mut State, ssl: &SslRef, chain: Vec<X509>) {
        state.chain = chain;
        let name = ssl.servername(NameType::HOST_NAME);
        state.hostname = name.and_then(requested_name).map(Into::into);
        state.alpn = ssl.selected_alpn_protocol().map(Into::into);
    }

    pub(super) fn errors(&self) -> TlsCertificateFlags {
        let errors = self.state.lock().errors;
        errors.unwrap_or_else(TlsCertificateFlags::empty)
    }

    /// The name of the server that the client has requested, as of the verification.
    pub(super) fn hostname(&self) -> Option<String> {
        self.state.lock().hostname.clone()
    }

    pub(super) fn alpn(&self) -> Option<Vec<u8>> {
        self.state.lock().alpn.clone()
    }

    /// Records why the peer is rejected: the first reason counts.
    pub(super) fn reject(&self, reason: String) {
        self.state.lock().reason.get_or_insert(reason);
    }

    pub(super) fn reason(&self) -> Option<String> {
        self.state.lock().reason.clone()
    }

    pub(super) fn set_lacks_extended_master_secret(&self) {
        self.state.lock().lacks_extended_master_secret = true;
    }

    pub(super) fn lacks_extended_master_secret(&self) -> bool {
        self.state.lock().lacks_extended_master_secret
    }

    pub(super) fn offer(&self, offered: Offered) {
        self.state.lock().offered = Some(offered);
    }

    /// Completes the handshake: the chain is that of the resumed session; that of a session that
    /// was not resumed is discarded. OpenSSL reports resumption also where it has passed over the
    /// session and used a pre-shared key, whose session has no certificate.
    pub(super) fn settle(&self, ssl: &SslRef) {
        let leaf = ssl.peer_certificate();
        let mut state = self.state.lock();
        let is_resumed =
            |offered: &Offered| ssl.session_reused() && offered.chain.first() == leaf.as_ref();
        state.offered = state.offered.take().filter(is_resumed);
        match &state.offered {
            Some(offered) => state.chain = offered.chain.clone(),
            None if !state.is_presented => state.chain.clear(),
            None => {}
        }
    }

    /// The chain and the expiry of a new session of the connection; `None` if it must not be
    /// resumed, as a handler has accepted a certificate that does not verify.
    pub(super) fn session(&self, resumed: bool, longest: u64) -> Option<Offered> {
        let state = self.state.lock();
        if resumed {
            return state.offered.clone();
        }
        if state.errors.is_some_and(|errors| !errors.is_empty()) {
            return None;
        }
        let chain = match state.is_presented {
            true => state.chain.clone(),
            false => Vec::new(),
        };
        let left = verify_error::seconds_left(chain.iter().map(AsRef::as_ref), longest);
        let expiry = SystemTime::now() + Duration::from_secs(left);
        Some(Offered { chain, expiry })
    }
}
