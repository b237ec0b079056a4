//! TLS session cache, of clients and of servers. A session, and those that resume it, expire 24
//! hours after the full handshake, and not later than the certificates that were verified then. A
//! server keeps its sessions here, and sends identifiers in place of encrypted tickets: there is no
//! ticket key that would decrypt recorded connections, and the chain of the full handshake can be
//! verified again.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, LazyLock, MutexGuard},
    time::SystemTime,
};

use openssl::{
    ex_data::Index,
    ssl::{
        SslContext, SslContextBuilder, SslRef, SslSession, SslSessionCacheMode, SslSessionRef,
        SslVersion,
    },
};

use super::protocol::LONGEST_SESSION;
use crate::{
    layer::tls::{
        authorize,
        peer::{Offered, Peer},
        shim,
        verify::Policy,
    },
    sync::ForkMutex,
};

/// How many sessions a client keeps; the oldest are removed first.
const MAX_CLIENT_SESSIONS: usize = 256;

/// How many of one server, so that a server that sends many does not displace those of others.
const MAX_OF_SERVER_NAME: usize = 8;

/// How many sessions a server keeps.
const MAX_SERVER_SESSIONS: usize = 1024;

/// The cache of a server's context.
static SESSIONS: LazyLock<Option<Index<SslContext, Arc<Sessions>>>> =
    LazyLock::new(|| SslContext::new_ex_index().ok());

/// Whether the server of a connection has a session of this identifier, which tickets of TLS 1.3
/// are as well.
pub(super) fn has_session(ssl: &SslRef, id: &[u8]) -> bool {
    let sessions = SESSIONS.and_then(|index| ssl.ssl_context().ex_data(index));
    sessions.is_some_and(|sessions| sessions.lock().iter().any(|it| it.key == id))
}

/// The sessions of one context, the newest last.
#[derive(Default)]
pub(super) struct Sessions(ForkMutex<VecDeque<Cached>>);

pub(super) struct Cached {
    /// The name of the server; of a server, the identifier of the session.
    key: Vec<u8>,
    session: SslSession,
    offered: Offered,
}

impl Sessions {
    /// Keeps the sessions that servers send to the connections of a context.
    pub(super) fn keep(self: &Arc<Self>, context: &mut SslContextBuilder) {
        context
            .set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let this = self.clone();
        context.set_new_session_callback(move |ssl, session| {
            let peer = Peer::of(ssl);
            if let Some((key, offered)) = peer.and_then(|peer| {
                let key = peer.session_key()?.to_owned();
                Some((key, peer.session(ssl.session_reused(), LONGEST_SESSION)?))
            }) {
                this.put(key.as_bytes(), session, offered, MAX_CLIENT_SESSIONS);
            }
        });
    }

    /// Keeps the sessions of a server's context, and finds them again: what was verified in the
    /// full handshake has to verify now, and handlers have to accept it.
    pub(super) fn serve(self: &Arc<Self>, context: &mut SslContextBuilder, policy: &Arc<Policy>) {
        context
            .set_session_cache_mode(SslSessionCacheMode::SERVER | SslSessionCacheMode::NO_INTERNAL);
        if let Some(index) = *SESSIONS {
            context.set_ex_data(index, self.clone());
        }
        let this = self.clone();
        context.set_new_session_callback(move |ssl, session| {
            let peer = Peer::of(ssl);
            let offered = peer.and_then(|it| it.session(ssl.session_reused(), LONGEST_SESSION));
            if let Some(offered) = offered {
                let key = session.id().to_vec();
                this.put(&key, session, offered, MAX_SERVER_SESSIONS);
            }
        });
        let (this, policy) = (self.clone(), policy.clone());
        shim::find_sessions(context, move |ssl, key| {
            let (session, offered) = this.take(key)?;
            authorize::may_resume(ssl, &policy, offered).then_some(session)
        });
    }

    pub(super) fn put(&self, key: &[u8], session: SslSession, offered: Offered, most: usize) {
        let mut all = self.lock();
        let mut same_key = (0..all.len()).filter(|&at| all[at].key == key);
        let oldest_of_key = same_key.next();
        match oldest_of_key {
            Some(oldest) if same_key.count() + 1 >= MAX_OF_SERVER_NAME => _ = all.remove(oldest),
            _ if all.len() >= most => _ = all.pop_front(),
            _ => {}
        }
        all.push_back(Cached {
            key: key.to_owned(),
            session,
            offered,
        });
    }

    /// The newest session of this key that has not expired. One of TLS 1.3 is used once.
    pub(super) fn take(&self, key: &[u8]) -> Option<(SslSession, Offered)> {
        let mut all = self.lock();
        let now = SystemTime::now();
        all.retain(|it| it.offered.expiry > now);
        let at = all.iter().rposition(|it| it.key == key)?;
        let reusable = all[at].session.protocol_version() != SslVersion::TLS1_3;
        match reusable {
            true => Some((
                SslSessionRef::to_owned(&all[at].session),
                all[at].offered.clone(),
            )),
            false => all.remove(at).map(|it| (it.session, it.offered)),
        }
    }

    /// Makes all sessions expire now.
    #[cfg(test)]
    pub(super) fn expire(&self) {
        let now = SystemTime::now();
        self.lock()
            .iter_mut()
            .for_each(|it| it.offered.expiry = now);
    }

    /// The expiry of the newest session.
    #[cfg(test)]
    pub(super) fn newest_expiry(&self) -> Option<SystemTime> {
        self.lock().back().map(|it| it.offered.expiry)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Cached>> {
        self.0.lock()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.lock()
                    .iter()
                    .map(|it| it.key.escape_ascii().to_string()),
            )
            .finish()
    }
}
