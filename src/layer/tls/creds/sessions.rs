//! TLS session cache, of clients and of servers. A session, and those that are made of it, live no
//! longer than a day after the full handshake, and no longer than the certificates that were
//! verified then. A server has its sessions here, and sends identifiers only: there is no key that
//! would decrypt what was recorded, and the certificates of the full handshake are there to be
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

/// How many a client keeps; the oldest go first.
const MOST: usize = 256;

/// How many of one server: one that gives away many does not make those of others go.
const MOST_OF_ONE: usize = 8;

/// How many a server keeps.
const MOST_OF_SERVER: usize = 1024;

/// The cache of a server's context.
static SESSIONS: LazyLock<Option<Index<SslContext, Arc<Sessions>>>> =
    LazyLock::new(|| SslContext::new_ex_index().ok());

/// Whether the server of a connection has a session of this identifier, which tickets of TLS 1.3
/// are as well.
pub(super) fn has_session(ssl: &SslRef, id: &[u8]) -> bool {
    let sessions = SESSIONS.and_then(|index| ssl.ssl_context().ex_data(index));
    sessions.is_some_and(|sessions| sessions.lock().iter().any(|it| it.key == id))
}

/// The sessions of one context; the newest comes last.
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
                this.put(key.as_bytes(), session, offered, MOST);
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
                this.put(&key, session, offered, MOST_OF_SERVER);
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
        let mut theirs = (0..all.len()).filter(|&at| all[at].key == key);
        let their_oldest = theirs.next();
        match their_oldest {
            Some(oldest) if theirs.count() + 1 >= MOST_OF_ONE => _ = all.remove(oldest),
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
