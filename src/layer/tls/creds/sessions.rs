//! The sessions that servers have given a client.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use openssl::{
    ex_data::Index,
    ssl::{
        Ssl, SslContextBuilder, SslRef, SslSession, SslSessionCacheMode, SslSessionRef, SslVersion,
    },
};

use crate::layer::tls::shim;

/// How many are kept; the oldest go first.
const MOST: usize = 256;

/// How many of one server: one that gives away many does not make those of others go.
const MOST_OF_ONE: usize = 8;

/// What a connection of a client calls its server.
static NAME: LazyLock<Option<Index<Ssl, String>>> = LazyLock::new(|| Ssl::new_ex_index().ok());

/// The sessions of one context, each with the name of its server; the newest comes last.
#[derive(Default)]
pub(super) struct Sessions(Mutex<VecDeque<(String, SslSession)>>);

impl Sessions {
    /// Keeps what servers give to the connections of a context.
    pub(super) fn keep(self: &Arc<Self>, context: &mut SslContextBuilder) {
        context
            .set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let this = self.clone();
        context.set_new_session_callback(move |ssl, session| {
            let name = NAME.and_then(|index| ssl.ex_data(index).cloned());
            if let Some(name) = name {
                this.put(&name, session);
            }
        });
    }

    pub(super) fn put(&self, name: &str, session: SslSession) {
        let mut all = self.lock();
        let mut theirs = (0..all.len()).filter(|&at| all[at].0 == name);
        let their_oldest = theirs.next();
        match their_oldest {
            Some(oldest) if theirs.count() + 1 >= MOST_OF_ONE => _ = all.remove(oldest),
            _ if all.len() == MOST => _ = all.pop_front(),
            _ => {}
        }
        all.push_back((name.to_owned(), session));
    }

    pub(super) fn take(&self, name: &str) -> Option<SslSession> {
        let mut all = self.lock();
        let at = all.iter().rposition(|(of, _)| of == name)?;
        let reusable = all[at].1.protocol_version() != SslVersion::TLS1_3;
        match reusable {
            true => Some(SslSessionRef::to_owned(&all[at].1)),
            false => all.remove(at).map(|(_, session)| session),
        }
    }

    pub(super) fn resume(&self, ssl: &mut SslRef, name: &str) {
        if let Some(index) = *NAME {
            ssl.set_ex_data(index, name.to_owned());
        }
        if let Some(session) = self.take(name) {
            // Without it, the handshake is a full one.
            let _ = shim::set_session(ssl, &session);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, SslSession)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.lock().iter().map(|(name, _)| name))
            .finish()
    }
}
