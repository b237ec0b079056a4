//! The properties of a connection and of its peer.

use glib::subclass::prelude::*;
use openssl::ssl::NameType;

use super::{ChannelTls, TlsCreds, handshake::asked_name, shim};
use crate::channel::Channel;

impl ChannelTls {
    /// The channel below.
    ///
    /// # Panics
    ///
    /// If this was not made by one of the constructors.
    #[doc(alias = "qio_channel_tls_get_master")]
    #[must_use]
    pub fn master(&self) -> Channel {
        let link = self.imp().link().expect("made by a constructor");
        link.master.clone()
    }

    /// What this end has to show, and whom it trusts.
    ///
    /// # Panics
    ///
    /// As [`master`](Self::master).
    #[doc(alias = "qio_channel_tls_get_creds")]
    #[must_use]
    pub fn creds(&self) -> TlsCreds {
        let link = self.imp().link().expect("made by a constructor");
        link.creds.clone()
    }

    /// The server that a client asks for. Of a server: what its client has asked for, once that is
    /// known; not where the client has an address only.
    #[doc(alias = "qio_channel_tls_get_hostname")]
    #[must_use]
    pub fn hostname(&self) -> Option<glib::GString> {
        let link = self.imp().link().ok()?;
        let asked = || {
            let engine = link.engine();
            asked_name(engine.ssl().servername(NameType::HOST_NAME)?).map(Into::into)
        };
        // While handlers are called, the connection itself is not here.
        let verified = || link.peer.hostname().map(Into::into);
        link.hostname.clone().or_else(asked).or_else(verified)
    }

    /// Whether the connection is established.
    #[doc(alias = "qio_channel_tls_is_handshake_done")]
    #[must_use]
    pub fn is_handshake_done(&self) -> bool {
        let link = self.imp().link();
        link.is_ok_and(|link| link.engine().is_open())
    }

    /// What the peer has shown, with its issuers as far as they are known. Also of a handshake that
    /// has failed over it. `None` without a TLS backend of GIO's.
    #[doc(alias = "qio_channel_tls_get_peer_certificate")]
    #[must_use]
    pub fn peer_certificate(&self) -> Option<gio::TlsCertificate> {
        self.imp().link().ok()?.peer_certificate()
    }

    /// The version of TLS, once the connection is established.
    #[doc(alias = "qio_channel_tls_get_protocol_version")]
    #[must_use]
    pub fn protocol_version(&self) -> gio::TlsProtocolVersion {
        match self.imp().link() {
            Ok(link) => link.protocol_version(),
            Err(_) => gio::TlsProtocolVersion::Unknown,
        }
    }

    /// The name of the cipher suite, as the standards have it, once the connection is established.
    #[doc(alias = "qio_channel_tls_get_cipher")]
    #[must_use]
    pub fn cipher(&self) -> Option<glib::GString> {
        let engine = self.imp().link().ok()?.engine();
        let cipher = engine.ssl().current_cipher().filter(|_| engine.is_open())?;
        Some(cipher.standard_name().unwrap_or(cipher.name()).into())
    }

    /// How large the key of the cipher is, in bytes, once the connection is established: 32 for
    /// AES-256. For code that looks at the strength of the connection, as SASL does, in bits.
    #[doc(alias = "qio_channel_tls_get_key_size")]
    #[must_use]
    pub fn key_size(&self) -> Option<u32> {
        let engine = self.imp().link().ok()?.engine();
        let cipher = engine.ssl().current_cipher().filter(|_| engine.is_open())?;
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
        let link = self.imp().link().ok()?;
        let engine = link.engine();
        if !engine.is_open() || !link.creds.verifies_peer() {
            return None;
        }
        let certificate = engine.ssl().peer_certificate()?;
        shim::distinguished_name(certificate.subject_name()).map(Into::into)
    }

    /// The protocol that both ends have agreed on, if they have.
    #[doc(alias = "qio_channel_tls_get_alpn_protocol")]
    #[must_use]
    pub fn alpn_protocol(&self) -> Option<glib::GString> {
        let link = self.imp().link().ok()?;
        let engine = link.engine();
        let protocol = engine.ssl().selected_alpn_protocol().map(Into::into);
        let protocol = protocol.or_else(|| link.peer.alpn())?;
        Some(String::from_utf8_lossy(&protocol).into_owned().into())
    }

    /// Whether an earlier session goes on: then no certificate was shown, and that of the first
    /// time counts.
    #[doc(alias = "qio_channel_tls_is_resumed")]
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        let link = self.imp().link();
        link.is_ok_and(|link| {
            let engine = link.engine();
            engine.is_open() && engine.ssl().session_reused()
        })
    }
}
