//! Client-side TLS session cache. A session, and those that are made of it, live no longer than a day after the full
//! handshake, and no longer than the certificates that were verified then.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, LazyLock, MutexGuard},
    time::{Duration, SystemTime},
};

use openssl::{
    ex_data::Index,
    ssl::{
        Ssl, SslContextBuilder, SslRef, SslSession, SslSessionCacheMode, SslSessionRef, SslVersion,
    },
};

use super::protocol::LONGEST_SESSION;
use crate::{
    layer::tls::{shim, verdict},
    sync::ForkMutex,
};

/// How many are kept; the oldest go first.
const MOST: usize = 256;

/// How many of one server: one that gives away many does not make those of others go.
const MOST_OF_ONE: usize = 8;

/// What a connection of a client calls its server.
static NAME: LazyLock<Option<Index<Ssl, String>>> = LazyLock::new(|| Ssl::new_ex_index().ok());

/// Until when the session that a connection resumes may be used.
static EXPIRY: LazyLock<Option<Index<Ssl, SystemTime>>> =
    LazyLock::new(|| Ssl::new_ex_index().ok());

/// The sessions of one context; the newest comes last.
#[derive(Default)]
pub(super) struct Sessions(ForkMutex<VecDeque<Cached>>);

pub(super) struct Cached {
    /// That of the server.
    name: String,
    session: SslSession,
    expiry: SystemTime,
}

impl Sessions {
    /// Keeps what servers give to the connections of a context.
    pub(super) fn keep(self: &Arc<Self>, context: &mut SslContextBuilder) {
        context
            .set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let this = self.clone();
        context.set_new_session_callback(move |ssl, session| {
            let name = NAME.and_then(|index| ssl.ex_data(index).cloned());
            if let Some(name) = name {
                this.put(&name, session, expiry(ssl));
            }
        });
    }

    pub(super) fn put(&self, name: &str, session: SslSession, expiry: SystemTime) {
        let mut all = self.lock();
        let mut theirs = (0..all.len()).filter(|&at| all[at].name == name);
        let their_oldest = theirs.next();
        match their_oldest {
            Some(oldest) if theirs.count() + 1 >= MOST_OF_ONE => _ = all.remove(oldest),
            _ if all.len() == MOST => _ = all.pop_front(),
            _ => {}
        }
        all.push_back(Cached {
            name: name.to_owned(),
            session,
            expiry,
        });
    }

    pub(super) fn take(&self, name: &str) -> Option<(SslSession, SystemTime)> {
        let mut all = self.lock();
        let now = SystemTime::now();
        all.retain(|it| it.expiry > now);
        let at = all.iter().rposition(|it| it.name == name)?;
        let reusable = all[at].session.protocol_version() != SslVersion::TLS1_3;
        match reusable {
            true => Some((SslSessionRef::to_owned(&all[at].session), all[at].expiry)),
            false => all.remove(at).map(|it| (it.session, it.expiry)),
        }
    }

    pub(super) fn resume(&self, ssl: &mut SslRef, name: &str) {
        if let Some(index) = *NAME {
            ssl.set_ex_data(index, name.to_owned());
        }
        if let Some((session, expiry)) = self.take(name) {
            // Without it, the handshake is a full one.
            let _ = shim::set_session(ssl, &session);
            if let Some(index) = *EXPIRY {
                ssl.set_ex_data(index, expiry);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Cached>> {
        self.0.lock()
    }
}

/// Until when a new session of a connection may be used.
fn expiry(ssl: &SslRef) -> SystemTime {
    let resumed = EXPIRY.and_then(|index| ssl.ex_data(index).copied());
    if let Some(expiry) = resumed.filter(|_| ssl.session_reused()) {
        return expiry;
    }
    let chain = ssl.verified_chain();
    let seconds = verdict::seconds_left(chain.into_iter().flatten(), LONGEST_SESSION);
    SystemTime::now() + Duration::from_secs(seconds)
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.lock().iter().map(|it| &it.name))
            .finish()
    }
}
