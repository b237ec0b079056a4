//! The properties of a connection and of its peer.

use glib::subclass::prelude::*;
use openssl::ssl::NameType;

use super::{ChannelTls, TlsCreds, prepare::requested_name, shim};
use crate::channel::Channel;

impl ChannelTls {
    /// The lower channel.
    ///
    /// # Panics
    ///
    /// If this was not made by one of the constructors.
    #[doc(alias = "qio_channel_tls_get_master")]
    #[must_use]
    pub fn master(&self) -> Channel {
        let connection = self.imp().connection().expect("made by a constructor");
        connection.master().clone()
    }

    /// The credentials of this end.
    ///
    /// # Panics
    ///
    /// As [`master`](Self::master).
    #[doc(alias = "qio_channel_tls_get_creds")]
    #[must_use]
    pub fn creds(&self) -> TlsCreds {
        let connection = self.imp().connection().expect("made by a constructor");
        connection.creds.clone()
    }

    /// The name of the server: of a client the one that was given, of a server the one that its
    /// client has requested (SNI), once that is known. Clients that have an address request none.
    #[doc(alias = "qio_channel_tls_get_hostname")]
    #[must_use]
    pub fn hostname(&self) -> Option<glib::GString> {
        let connection = self.imp().connection().ok()?;
        let requested = || {
            let engine = connection.engine();
            requested_name(engine.ssl().servername(NameType::HOST_NAME)?).map(Into::into)
        };
        // While handlers are called, the connection itself is not here.
        let verified = || connection.peer.hostname().map(Into::into);
        connection
            .hostname
            .clone()
            .or_else(requested)
            .or_else(verified)
    }

    /// Whether the connection is established.
    #[doc(alias = "qio_channel_tls_is_handshake_done")]
    #[must_use]
    pub fn is_handshake_done(&self) -> bool {
        let connection = self.imp().connection();
        connection.is_ok_and(|connection| connection.engine().is_established())
    }

    /// The certificate of the peer, with its issuers as far as they are known. Also after a
    /// handshake that failed because of it. `None` without a TLS backend of GIO.
    #[doc(alias = "qio_channel_tls_get_peer_certificate")]
    #[must_use]
    pub fn peer_certificate(&self) -> Option<gio::TlsCertificate> {
        self.imp().connection().ok()?.peer_certificate()
    }

    /// The version of TLS, once the connection is established.
    #[doc(alias = "qio_channel_tls_get_protocol_version")]
    #[must_use]
    pub fn protocol_version(&self) -> gio::TlsProtocolVersion {
        match self.imp().connection() {
            Ok(connection) => connection.protocol_version(),
            Err(_) => gio::TlsProtocolVersion::Unknown,
        }
    }

    /// The name of the cipher suite (IANA), once the connection is established.
    #[doc(alias = "qio_channel_tls_get_cipher")]
    #[must_use]
    pub fn cipher(&self) -> Option<glib::GString> {
        let engine = self.imp().connection().ok()?.engine();
        let cipher = engine
            .ssl()
            .current_cipher()
            .filter(|_| engine.is_established())?;
        Some(cipher.standard_name().unwrap_or(cipher.name()).into())
    }

    /// How large the key of the cipher is, in bytes, once the connection is established: 32 for
    /// AES-256. For code that checks the strength of the connection, as SASL does, in bits.
    #[doc(alias = "qio_channel_tls_get_key_size")]
    #[must_use]
    pub fn key_size(&self) -> Option<u32> {
        let engine = self.imp().connection().ok()?.engine();
        let cipher = engine
            .ssl()
            .current_cipher()
            .filter(|_| engine.is_established())?;
        u32::try_from(cipher.bits().secret / 8).ok()
    }

    /// The distinguished name of the peer, as RFC 4514 has it, the most specific part first:
    /// `CN=client,O=Example,C=GB`. Characters with a meaning are escaped, so that two names that
    /// differ never look the same.
    ///
    /// `None` until the connection is established, if the peer has presented no certificate, or if
    /// these credentials do not verify it; also for an empty subject.
    #[doc(alias = "qio_channel_tls_get_peer_name")]
    #[must_use]
    pub fn peer_name(&self) -> Option<glib::GString> {
        let connection = self.imp().connection().ok()?;
        let engine = connection.engine();
        if !engine.is_established() || !connection.creds.verifies_peer() {
            return None;
        }
        let certificate = engine.ssl().peer_certificate()?;
        shim::distinguished_name(certificate.subject_name()).map(Into::into)
    }

    /// The protocol that both ends have agreed on, if they have.
    #[doc(alias = "qio_channel_tls_get_alpn_protocol")]
    #[must_use]
    pub fn alpn_protocol(&self) -> Option<glib::GString> {
        let connection = self.imp().connection().ok()?;
        let engine = connection.engine();
        let protocol = engine.ssl().selected_alpn_protocol().map(Into::into);
        let protocol = protocol.or_else(|| connection.peer.alpn())?;
        Some(String::from_utf8_lossy(&protocol).into_owned().into())
    }

    /// Whether a session was resumed: then the peer presented no certificate, and that of the full
    /// handshake counts. With TLS 1.3 also `true` for a pre-shared key of the credentials, with
    /// which there is no certificate at all.
    #[doc(alias = "qio_channel_tls_is_resumed")]
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        let connection = self.imp().connection();
        connection.is_ok_and(|connection| {
            let engine = connection.engine();
            engine.is_established() && engine.ssl().session_reused()
        })
    }
}
