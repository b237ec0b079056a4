//! Credentials: whom one end of a connection trusts, and what it has to show.
//!
//! `builder` takes down what their user says; `make` and `protocol` make one context of OpenSSL of
//! it, which does not change any more; `source` is where certificates and keys are read, `checks`
//! whether they are any good, `psk` what needs no certificates; `sessions` is the session cache,
//! and `key_log` gives keys away.

mod builder;
mod checks;
mod imp;
mod key_log;
mod make;
mod protocol;
mod psk;
mod sessions;
mod source;
#[cfg(test)]
mod tests;

pub use builder::TlsCredsBuilder;
pub use psk::TlsPskHash;

use std::sync::Arc;

use glib::subclass::prelude::*;
use openssl::ssl::{SslContextRef, SslSession};

use crate::{
    channel::ffi::derived_class,
    layer::tls::{
        peer::{Offered, Peer},
        verify::Policy,
    },
};

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
    /// What one end of a TLS connection has to show, and whom it trusts. Made by a
    /// [`TlsCredsBuilder`], and not changed any more; any number of channels, in any threads, may
    /// have the same.
    ///
    /// | a peer proves who it is by | |
    /// | --- | --- |
    /// | certificates of X.509 | [`trust_file`](TlsCredsBuilder::trust_file), [`certificate_files`](TlsCredsBuilder::certificate_files), [`directory`](TlsCredsBuilder::directory) and their kin |
    /// | a key that both ends have | [`psk`](TlsCredsBuilder::psk), [`psk_file`](TlsCredsBuilder::psk_file) |
    /// | nothing | [`insecure_anonymous`](TlsCredsBuilder::insecure_anonymous) |
    ///
    /// A client without any of it trusts whom the system trusts. Mistakes come out here, with the
    /// name of the file and the reason, and not when a peer hangs up. An object that is made by its
    /// type alone is a client that trusts no authority.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `endpoint` | [`TlsEndpoint`] | readable: [`endpoint`](Self::endpoint) |
    /// | `verifies-peer` | boolean | readable: [`verifies_peer`](Self::verifies_peer) |
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::{TlsCreds, TlsEndpoint};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// // Trusts whom the system trusts, and speaks HTTP.
    /// let client = TlsCreds::builder(TlsEndpoint::Client)
    ///     .alpn_protocols(["h2", "http/1.1"])
    ///     .build()?;
    /// assert!(client.verifies_peer());
    ///
    /// // A key that was brought to both ends in another way.
    /// let server = TlsCreds::builder(TlsEndpoint::Server)
    ///     .psk("qemu", *b"an example is no secret")
    ///     .build()?;
    /// assert_eq!(server.endpoint(), TlsEndpoint::Server);
    ///
    /// // What is wrong has a name, and a reason.
    /// let mistake = TlsCreds::builder(TlsEndpoint::Server)
    ///     .certificate_files("/nowhere/cert.pem", "/nowhere/key.pem")
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(
    ///     mistake.to_string(),
    ///     "Unable to load /nowhere/cert.pem: No such file or directory"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOTlsCreds")]
    pub struct TlsCreds(ObjectSubclass<imp::TlsCreds>);
}

static_assertions::assert_impl_all!(TlsCreds: Send, Sync);

impl TlsCreds {
    /// Begins to make credentials.
    #[doc(alias = "qio_tls_creds_builder_new")]
    #[must_use]
    pub fn builder(endpoint: TlsEndpoint) -> TlsCredsBuilder {
        TlsCredsBuilder::new(endpoint)
    }

    /// Which end they are for.
    #[doc(alias = "qio_tls_creds_get_endpoint")]
    #[must_use]
    pub fn endpoint(&self) -> TlsEndpoint {
        self.imp().made().endpoint
    }

    /// Whether a certificate that the peer shows is verified: by a client also that it is for the
    /// name of the server. Not where a client has only a key in common with the server, which
    /// proves who it is in another way; nor where a server requests no certificates, nor with
    /// anonymous credentials.
    #[doc(alias = "qio_tls_creds_verifies_peer")]
    #[must_use]
    pub fn verifies_peer(&self) -> bool {
        self.imp().made().verifies_peer
    }
}

/// What channels read of them.
impl TlsCreds {
    /// All of it, as OpenSSL wants it.
    pub(crate) fn context(&self) -> &SslContextRef {
        &self.imp().made().context
    }

    /// What is decided of peers.
    pub(in crate::layer::tls) fn policy(&self) -> &Policy {
        &self.imp().made().policy
    }

    /// A session that a client can propose to the server of a connection.
    pub(in crate::layer::tls) fn cached_session(
        &self,
        peer: &Peer,
    ) -> Option<(SslSession, Offered)> {
        let key = peer.session_key()?;
        self.imp().made().sessions.take(key.as_bytes())
    }

    /// Whether this is one of the protocols (ALPN).
    pub(crate) fn offers(&self, protocol: &[u8]) -> bool {
        let protocols = &self.imp().made().alpn;
        protocols.iter().any(|name| name == protocol)
    }

    /// The cipher suites that need an extended master secret.
    pub(in crate::layer::tls) fn cbc_suites(&self) -> Arc<[[u8; 2]]> {
        self.imp().made().cbc_suites.clone()
    }

    /// The most bytes of a handshake that are taken of the peer.
    pub(crate) fn max_handshake_size(&self) -> usize {
        self.imp().made().max_handshake_size
    }

    /// How many session tickets a server is to send with TLS 1.3.
    pub(crate) fn tickets(&self) -> u8 {
        self.imp().made().tickets
    }

    /// Logs the secrets that OpenSSL has reported in this thread, if key logging is on. Calls user
    /// code: no lock is to be held.
    pub(crate) fn flush_key_log(&self) {
        if let Some(log) = &self.imp().made().key_log {
            log.take_noted();
        }
    }
}
