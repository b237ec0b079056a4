//! Credentials: whom one end of a connection trusts, and what it has to show.
//!
//! `builder` takes down what their user says; `make` makes one context of OpenSSL of it, which does not change any
//! more; `source` is where certificates and keys are read, `checks` whether they are any good, `psk` what needs
//! no certificates; `sessions` are those that a client can go on with, and `key_log` gives keys away.

mod builder;
mod checks;
mod imp;
mod key_log;
mod make;
mod psk;
mod sessions;
mod source;
#[cfg(test)]
mod tests;

pub use builder::TlsCredsBuilder;
pub use psk::TlsPskHash;

use glib::subclass::prelude::*;
use openssl::ssl::{SslContextRef, SslRef, SslSession};

use crate::channel::ffi::derived_class;

/// Which end of a connection something is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, glib::Enum)]
#[enum_type(name = "QIOTlsEndpoint")]
#[doc(alias = "QIOTlsEndpoint")]
#[repr(i32)]
pub enum TlsEndpoint {
    /// The end that begins the handshake.
    #[default]
    #[enum_value(name = "QIO_TLS_ENDPOINT_CLIENT", nick = "client")]
    Client = 0,
    /// The end that answers.
    #[enum_value(name = "QIO_TLS_ENDPOINT_SERVER", nick = "server")]
    Server = 1,
}

derived_class!(
    TlsCreds,
    imp::TlsCreds,
    TlsCredsImpl: glib::subclass::object::ObjectImpl,
    QIOTlsCreds: gobject_sys::GObject,
    QIOTlsCredsClass: gobject_sys::GObjectClass
);

glib::wrapper! {
    /// What one end of a TLS connection has to show, and whom it trusts.
    #[doc(alias = "QIOTlsCreds")]
    pub struct TlsCreds(ObjectSubclass<imp::TlsCreds>);
}

static_assertions::assert_impl_all!(TlsCreds: Send, Sync);

impl TlsCreds {
    /// Begins to make credentials.
    #[must_use]
    pub fn builder(endpoint: TlsEndpoint) -> TlsCredsBuilder {
        TlsCredsBuilder::new(endpoint)
    }

    /// Which end they are for.
    #[must_use]
    pub fn endpoint(&self) -> TlsEndpoint {
        self.imp().made().endpoint
    }

    /// Whether the peer has to show a certificate that is verified, if it shows one at all.
    #[must_use]
    pub fn verifies_peer(&self) -> bool {
        self.imp().made().verifies_peer
    }

    /// All of it, as OpenSSL wants it.
    pub(crate) fn context(&self) -> &SslContextRef {
        &self.imp().made().context
    }

    /// A session with the server of this name, to go on with. One of TLS 1.3 is given once.
    pub(crate) fn session_for(&self, name: &str) -> Option<SslSession> {
        self.imp().made().sessions.take(name)
    }

    /// Keeps a session with the server of this name.
    pub(crate) fn remember(&self, name: &str, session: SslSession) {
        self.imp().made().sessions.put(name, session);
    }

    /// Lets a connection of a client go on with a session with the server of this name, if there is one, and keeps
    /// those that the server gives it. Called once, before the handshake.
    pub(crate) fn resume(&self, ssl: &mut SslRef, name: &str) {
        self.imp().made().sessions.resume(ssl, name);
    }
}
