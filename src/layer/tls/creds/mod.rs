//! Credentials: certificate, private key, trust anchors and settings of one endpoint. `builder` has
//! the settings; `make` and `protocol` build one OpenSSL context, which never changes. `source`
//! reads certificates and keys, `checks` validates them, `psk` has pre-shared keys, `sessions` the
//! session cache, and `key_log` the NSS key log.

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

/// The endpoint of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, glib::Enum)]
#[enum_type(name = "QIOTlsEndpoint")]
#[doc(alias = "QIOTlsEndpoint")]
#[repr(i32)]
pub enum TlsEndpoint {
    /// The client, which begins the handshake.
    #[default]
    #[enum_value(name = "QIO_TLS_ENDPOINT_CLIENT", nick = "client")]
    Client = 0,
    /// The server.
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
    /// The credentials of one endpoint: certificate, private key, trust anchors, pre-shared keys
    /// and settings. A [`TlsCredsBuilder`] makes them, and they never change; any number of
    /// channels, in any threads, may share them.
    ///
    /// | authentication | |
    /// | --- | --- |
    /// | certificates of X.509 | [`trust_file`](TlsCredsBuilder::trust_file), [`certificate_files`](TlsCredsBuilder::certificate_files), [`directory`](TlsCredsBuilder::directory) and related functions |
    /// | a pre-shared key (PSK) | [`psk`](TlsCredsBuilder::psk), [`psk_file`](TlsCredsBuilder::psk_file) |
    /// | none | [`insecure_anonymous`](TlsCredsBuilder::insecure_anonymous) |
    /// A client without any of these uses the system trust store. Faults of files are reported by
    /// [`build`](TlsCredsBuilder::build), with the name of the file and the reason. An object that
    /// is constructed by its type alone is a client without trust anchors.
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
    /// // The system trust store, and HTTP.
    /// let client = TlsCreds::builder(TlsEndpoint::Client)
    ///     .alpn_protocols(["h2", "http/1.1"])
    ///     .build()?;
    /// assert!(client.verifies_peer());
    ///
    /// // A pre-shared key.
    /// let server = TlsCreds::builder(TlsEndpoint::Server)
    ///     .psk("qemu", *b"an example is no secret")
    ///     .build()?;
    /// assert_eq!(server.endpoint(), TlsEndpoint::Server);
    ///
    /// // Errors name the file, and the reason.
    /// let error = TlsCreds::builder(TlsEndpoint::Server)
    ///     .certificate_files("/nowhere/cert.pem", "/nowhere/key.pem")
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
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
    /// Returns a builder of credentials.
    #[doc(alias = "qio_tls_creds_builder_new")]
    #[must_use]
    pub fn builder(endpoint: TlsEndpoint) -> TlsCredsBuilder {
        TlsCredsBuilder::new(endpoint)
    }

    /// Returns the endpoint that they are for.
    #[doc(alias = "qio_tls_creds_get_endpoint")]
    #[must_use]
    pub fn endpoint(&self) -> TlsEndpoint {
        self.imp().config().endpoint
    }

    /// Returns whether the certificate of the peer is verified, by a client with the name of the
    /// server. `false` for a client with pre-shared keys and no trust anchors, for a server that
    /// requests no certificates, and for anonymous credentials.
    #[doc(alias = "qio_tls_creds_verifies_peer")]
    #[must_use]
    pub fn verifies_peer(&self) -> bool {
        self.imp().config().verifies_peer
    }
}

/// For channels.
impl TlsCreds {
    /// The OpenSSL context.
    pub(crate) fn context(&self) -> &SslContextRef {
        &self.imp().config().context
    }

    /// The policy of verification.
    pub(in crate::layer::tls) fn policy(&self) -> &Policy {
        &self.imp().config().policy
    }

    /// A session that a client can propose to the server of a connection.
    pub(in crate::layer::tls) fn cached_session(
        &self,
        peer: &Peer,
    ) -> Option<(SslSession, Offered)> {
        let key = peer.session_key()?;
        self.imp().config().sessions.take(key.as_bytes())
    }

    /// Whether this is one of the application protocols (ALPN).
    pub(crate) fn offers(&self, protocol: &[u8]) -> bool {
        let protocols = &self.imp().config().alpn;
        protocols.iter().any(|name| name == protocol)
    }

    /// The cipher suites that need an extended master secret.
    pub(in crate::layer::tls) fn cbc_suites(&self) -> Arc<[[u8; 2]]> {
        self.imp().config().cbc_suites.clone()
    }

    /// The most bytes of a handshake that the peer may send.
    pub(crate) fn max_handshake_size(&self) -> usize {
        self.imp().config().max_handshake_size
    }

    /// How many session tickets a server is to send with TLS 1.3.
    pub(crate) fn tickets(&self) -> u8 {
        self.imp().config().tickets
    }

    /// Logs the secrets that OpenSSL has reported in this thread, if key logging is on. Calls user
    /// code: no lock is to be held.
    pub(crate) fn flush_key_log(&self) {
        if let Some(log) = &self.imp().config().key_log {
            log.flush();
        }
    }
}
