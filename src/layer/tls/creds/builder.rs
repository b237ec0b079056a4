//! How credentials are made: what their user says. `make` does it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use gio::{TlsAuthenticationMode, TlsProtocolVersion, prelude::*};
use glib::subclass::prelude::*;

use super::{TlsCreds, TlsEndpoint, TlsPskHash, key_log::KeyLog, source::Source};
use crate::layer::tls::{secret::Secret, shim};

/// Asked for the password of something.
pub(super) type Password = Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// What GIO calls the versions that there are here.
pub(super) const OLDEST: TlsProtocolVersion = TlsProtocolVersion::Tls12;

/// Credentials that are going to be made. See [`TlsCreds::builder`].
///
/// Nothing is read before [`build`](Self::build).
#[derive(Clone, glib::Boxed)]
#[boxed_type(name = "QIOTlsCredsBuilder")]
#[doc(alias = "QIOTlsCredsBuilder")]
#[doc(alias = "qio_tls_creds_builder_copy")]
#[doc(alias = "qio_tls_creds_builder_free")]
pub struct TlsCredsBuilder {
    pub(super) endpoint: TlsEndpoint,
    pub(super) directory: Option<PathBuf>,
    pub(super) trust: Vec<Source>,
    pub(super) system_trust: bool,
    pub(super) crls: Vec<Source>,
    pub(super) allow_missing_crl: bool,
    /// The certificate, and its key, which may be missing.
    pub(super) identity: Option<(Source, Option<Source>)>,
    pub(super) password: Option<Password>,
    pub(super) psks: Vec<(String, Secret)>,
    pub(super) psk_files: Vec<PathBuf>,
    pub(super) psk_user: Option<String>,
    pub(super) psk_hash: TlsPskHash,
    pub(super) anonymous: bool,
    pub(super) client_certificates: TlsAuthenticationMode,
    pub(super) min_version: TlsProtocolVersion,
    pub(super) max_version: Option<TlsProtocolVersion>,
    pub(super) ciphers: Option<String>,
    pub(super) ciphersuites: Option<String>,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) resumption: bool,
    pub(super) max_handshake_size: Option<usize>,
    pub(super) key_log: Option<KeyLog>,
    pub(super) key_log_file: Option<PathBuf>,
    pub(super) checks: bool,
    /// What a setter of C was given and could not take.
    pub(super) mistake: Option<String>,
}

/// Without what is secret.
impl fmt::Debug for TlsCredsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCredsBuilder")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Certificates.
impl TlsCredsBuilder {
    pub(super) fn new(endpoint: TlsEndpoint) -> Self {
        Self {
            endpoint,
            directory: None,
            trust: Vec::new(),
            system_trust: false,
            crls: Vec::new(),
            allow_missing_crl: false,
            identity: None,
            password: None,
            psks: Vec::new(),
            psk_files: Vec::new(),
            psk_user: None,
            psk_hash: TlsPskHash::default(),
            anonymous: false,
            client_certificates: TlsAuthenticationMode::None,
            min_version: OLDEST,
            max_version: None,
            ciphers: None,
            ciphersuites: None,
            alpn: Vec::new(),
            resumption: true,
            max_handshake_size: None,
            key_log: None,
            key_log_file: None,
            checks: true,
            mistake: None,
        }
    }

    /// Takes everything from a directory as QEMU lays it out:
    ///
    /// | file | |
    /// | --- | --- |
    /// | `ca-cert.pem` | the authorities to trust |
    /// | `ca-crl.pem` | what they have revoked, if it is there |
    /// | `server-cert.pem`, `server-key.pem` | what a server shows |
    /// | `client-cert.pem`, `client-key.pem` | what a client shows, if they are there |
    ///
    /// One of these authorities must have issued the certificate.
    #[doc(alias = "qio_tls_creds_builder_set_directory")]
    #[must_use]
    pub fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.directory = Some(path.as_ref().to_owned());
        self
    }

    /// Trusts the authorities of a PEM file as well. It is enough for a peer to show a chain that
    /// leads to one of them, also where that one is not at the root.
    #[doc(alias = "qio_tls_creds_builder_add_trust_file")]
    #[must_use]
    pub fn trust_file(mut self, path: impl AsRef<Path>) -> Self {
        self.trust.push(Source::File(path.as_ref().to_owned()));
        self
    }

    /// Trusts the authorities of a text in PEM form as well.
    #[doc(alias = "qio_tls_creds_builder_add_trust_pem")]
    #[must_use]
    pub fn trust_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trust.push(Source::memory("certificate", pem));
        self
    }

    /// Trusts an authority as well.
    #[doc(alias = "qio_tls_creds_builder_add_trust")]
    #[must_use]
    pub fn trust(self, authority: &impl IsA<gio::TlsCertificate>) -> Self {
        self.trust_pem(pem_of(authority.as_ref()))
    }

    /// Adds the system trust store. A client without other trust anchors uses it by default, if it
    /// has no key of its own ([`psk`](Self::psk)).
    #[doc(alias = "qio_tls_creds_builder_add_system_trust")]
    #[must_use]
    pub fn system_trust(mut self) -> Self {
        self.system_trust = true;
        self
    }

    /// Adds a certificate revocation list (CRL), a PEM file, which a trusted authority must have
    /// signed. Certificates that are in it are refused, and so are those of its issuer that it
    /// cannot be used for. Where there is any CRL, each certificate of a chain but the trust anchor
    /// needs one of its issuer: [`allow_missing_crl`](Self::allow_missing_crl) changes that.
    #[doc(alias = "qio_tls_creds_builder_add_crl_file")]
    #[must_use]
    pub fn crl_file(mut self, path: impl AsRef<Path>) -> Self {
        self.crls.push(Source::File(path.as_ref().to_owned()));
        self
    }

    /// As [`crl_file`](Self::crl_file), of a text.
    #[doc(alias = "qio_tls_creds_builder_add_crl_pem")]
    #[must_use]
    pub fn crl_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.crls
            .push(Source::memory("list of revoked certificates", pem));
        self
    }

    /// Whether certificates of an issuer that has no CRL here are accepted although others have
    /// one, as if none was revoked. Not the default.
    #[doc(alias = "qio_tls_creds_builder_set_allow_missing_crl")]
    #[must_use]
    pub fn allow_missing_crl(mut self, allow: bool) -> Self {
        self.allow_missing_crl = allow;
        self
    }

    /// Shows a certificate, of a PEM file: first the end's own, then those that lead to an
    /// authority. The file of the key may be the same one. What the certificate forbids is an error
    /// where it is critical, and otherwise up to the peer.
    #[doc(alias = "qio_tls_creds_builder_set_certificate_files")]
    #[must_use]
    pub fn certificate_files(
        mut self,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Self {
        self.identity = Some((
            Source::File(certificate.as_ref().to_owned()),
            Some(Source::File(key.as_ref().to_owned())),
        ));
        self
    }

    /// As [`certificate_files`](Self::certificate_files), of texts.
    #[doc(alias = "qio_tls_creds_builder_set_certificate_pem")]
    #[must_use]
    pub fn certificate_pem(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some((
            Source::memory("certificate", certificate),
            Some(Source::memory("private key", key)),
        ));
        self
    }

    /// Shows a certificate, with its issuers as far as it knows them. It must have a private key
    /// that can be taken out, which one on a token cannot.
    #[doc(alias = "qio_tls_creds_builder_set_certificate")]
    #[must_use]
    pub fn certificate(mut self, certificate: &impl IsA<gio::TlsCertificate>) -> Self {
        let mut next = Some(certificate.as_ref().clone());
        let mut chain = Vec::new();
        while let Some(certificate) = next {
            chain.extend(pem_of(&certificate));
            next = certificate.issuer();
        }
        let key = certificate.as_ref().private_key_pem();
        let key = key.map(|pem| Source::memory("private key", shim::take_text(pem)));
        self.identity = Some((Source::memory("certificate", chain), key));
        self
    }

    /// The password of the private key, if it is locked by one.
    #[doc(alias = "qio_tls_creds_builder_set_password")]
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        let password = Secret::from(password.into());
        self.password = Some(Arc::new(move |_| Some(password.clone())));
        self
    }

    /// Who knows the password of the private key. It is called by [`build`](Self::build), in the
    /// same thread, if the key is locked, with what the key is called: the path of its file.
    /// `None`: unknown. Nothing is asked at a terminal.
    #[doc(alias = "qio_tls_creds_builder_set_password_func")]
    #[must_use]
    pub fn password_from(
        mut self,
        ask: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.password = Some(Arc::new(move |what| ask(what).map(Secret::from)));
        self
    }

    /// Whether a server asks clients for certificates: not at all, as if this is not called; those
    /// that have one, with [`Requested`](TlsAuthenticationMode::Requested); or all. What a client
    /// shows must be good in any case. One that has a key in common with the server shows none.
    #[doc(alias = "qio_tls_creds_builder_set_client_certificates")]
    #[must_use]
    pub fn client_certificates(mut self, mode: TlsAuthenticationMode) -> Self {
        self.client_certificates = mode;
        self
    }

    /// Whether certificates are looked at while credentials are made, as if this is not called.
    /// Without, what is wrong with them comes out when a peer refuses them.
    #[doc(alias = "qio_tls_creds_builder_set_checks")]
    #[must_use]
    pub fn checks(mut self, checks: bool) -> Self {
        self.checks = checks;
        self
    }
}

/// Keys that both ends have already, and no proof at all.
impl TlsCredsBuilder {
    /// Adds a pre-shared key (PSK): a client uses it, under this name; a server knows it, beside
    /// others. A key of less than 16 bytes is worth a warning: whatever has recorded a handshake
    /// can try all of them.
    ///
    /// A server treats an identity that it does not know as a wrong key: with TLS 1.3, if it has no
    /// certificate. The key is overwritten when the credentials, and the builder, are gone.
    #[doc(alias = "qio_tls_creds_builder_add_psk")]
    #[must_use]
    pub fn psk(mut self, name: &str, key: impl Into<Vec<u8>>) -> Self {
        self.psks.push((name.to_owned(), Secret::from(key.into())));
        self
    }

    /// Has the keys of a file, which may be more than one, in the form of GnuTLS: `NAME:KEY` in
    /// each line, with the key in hexadecimal digits, as `psktool` makes it.
    #[doc(alias = "qio_tls_creds_builder_add_psk_file")]
    #[must_use]
    pub fn psk_file(mut self, path: impl AsRef<Path>) -> Self {
        self.psk_files.push(path.as_ref().to_owned());
        self
    }

    /// Under which name a client has its key, where there are several.
    #[doc(alias = "qio_tls_creds_builder_set_psk_user")]
    #[must_use]
    pub fn psk_user(mut self, name: &str) -> Self {
        self.psk_user = Some(name.to_owned());
        self
    }

    /// Which hash the key of a client is for, with TLS 1.3; SHA-256 if this is not called. A server
    /// finds it out.
    #[doc(alias = "qio_tls_creds_builder_set_psk_hash")]
    #[must_use]
    pub fn psk_hash(mut self, hash: TlsPskHash) -> Self {
        self.psk_hash = hash;
        self
    }

    /// Disables authentication in both directions: the data is encrypted, but the peer may be
    /// **anybody who is in the way**. Only for networks that are safe without TLS, with peers that
    /// can do nothing else. TLS 1.2, and no certificates or keys beside it.
    #[doc(alias = "qio_tls_creds_builder_set_insecure_anonymous")]
    #[must_use]
    pub fn insecure_anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}

/// The protocol.
impl TlsCredsBuilder {
    /// The oldest version that is spoken: TLS 1.2, if this is not called, or 1.3.
    #[doc(alias = "qio_tls_creds_builder_set_min_version")]
    #[must_use]
    pub fn min_version(mut self, version: TlsProtocolVersion) -> Self {
        self.min_version = version;
        self
    }

    /// The newest version that is spoken; what OpenSSL has if this is not called.
    #[doc(alias = "qio_tls_creds_builder_set_max_version")]
    #[must_use]
    pub fn max_version(mut self, version: TlsProtocolVersion) -> Self {
        self.max_version = Some(version);
        self
    }

    /// The ciphers for TLS 1.2, in OpenSSL's words, as `ECDHE+AESGCM`. Those that prove nothing, or
    /// hide nothing, are never among them.
    #[doc(alias = "qio_tls_creds_builder_set_ciphers")]
    #[must_use]
    pub fn ciphers(mut self, list: &str) -> Self {
        self.ciphers = Some(list.to_owned());
        self
    }

    /// The suites for TLS 1.3, by their names, with colons between them, as
    /// `TLS_AES_128_GCM_SHA256`.
    #[doc(alias = "qio_tls_creds_builder_set_ciphersuites")]
    #[must_use]
    pub fn ciphersuites(mut self, list: &str) -> Self {
        self.ciphersuites = Some(list.to_owned());
        self
    }

    /// The protocols to speak over TLS, the best one first. A client offers them; a server takes
    /// the first that the client offers too, and refuses one that offers others only. Default:
    /// none, and a server accepts any offer.
    #[doc(alias = "qio_tls_creds_builder_set_alpn_protocols")]
    #[must_use]
    pub fn alpn_protocols<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        let protocols = protocols.into_iter();
        self.alpn = protocols.map(|name| name.as_ref().to_vec()).collect();
        self
    }

    /// Whether a later connection may go on where an earlier one was, with fewer round trips, as if
    /// this is not called. Credentials keep what they need for it in memory, and their clients do
    /// so by the names of the servers.
    #[doc(alias = "qio_tls_creds_builder_set_resumption")]
    #[must_use]
    pub fn resumption(mut self, resumption: bool) -> Self {
        self.resumption = resumption;
        self
    }

    /// The most bytes that a peer may send before it is verified; if this is not called, 32 KiB for
    /// a server, and 128 KiB for a client. A handshake with more fails, so that memory for peers
    /// that prove nothing is limited. At least 1024; clients with long chains of certificates, or
    /// large post-quantum signatures, may need more than the default.
    #[doc(alias = "qio_tls_creds_builder_set_max_handshake_size")]
    #[must_use]
    pub fn max_handshake_size(mut self, bytes: usize) -> Self {
        self.max_handshake_size = Some(bytes);
        self
    }

    /// Logs the secrets of all connections, line by line, in the NSS key log format, which
    /// Wireshark reads. **Whatever has them reads everything.** Called in the thread of the
    /// handshake, and must return soon.
    #[doc(alias = "qio_tls_creds_builder_set_key_log_func")]
    #[must_use]
    pub fn key_log(mut self, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.key_log = Some(Arc::new(log));
        self
    }

    /// As [`key_log`](Self::key_log), to the end of a file, which only its owner can read if it is
    /// made.
    #[doc(alias = "qio_tls_creds_builder_set_key_log_file")]
    #[must_use]
    pub fn key_log_file(mut self, path: impl AsRef<Path>) -> Self {
        self.key_log_file = Some(path.as_ref().to_owned());
        self
    }

    /// As [`key_log_file`](Self::key_log_file), with the file that the environment variable
    /// `SSLKEYLOGFILE` names, if it is set. It is not looked at otherwise, nor in a program that
    /// runs with other rights than its caller's.
    #[doc(alias = "qio_tls_creds_builder_set_key_log_from_environment")]
    #[must_use]
    pub fn key_log_from_environment(mut self) -> Self {
        self.key_log_file = shim::secure_env(c"SSLKEYLOGFILE").map(PathBuf::from);
        self
    }

    /// Makes [`build`](Self::build) fail: a setter was called with what it cannot take, and without
    /// that credentials may be other ones than were meant. The first mistake counts.
    #[cfg(feature = "capi")]
    pub(crate) fn mistaken(mut self, setter: &str, expected: &str) -> Self {
        self.mistake
            .get_or_insert_with(|| format!("{setter}: '{expected}' failed"));
        self
    }

    /// Reads what there is to read, looks whether it is good, and makes credentials of it. Blocks
    /// while files are read.
    ///
    /// Unless [`checks`](Self::checks) are off: certificates must be valid now, and of the right
    /// kind. The authorities to trust are authorities, at least one of each file; what an end shows
    /// may be used for that end, and is no authority, unless it has signed itself; and in a
    /// [`directory`](Self::directory), the authorities there have signed it. A private key must
    /// always match.
    ///
    /// # Errors
    ///
    /// What the system says of a file; or what is wrong with which file, or with what is in memory:
    /// [`TlsError::BadCertificate`](gio::TlsError::BadCertificate), or
    /// [`BadCertificatePassword`](gio::TlsError::BadCertificatePassword). What is missing, or does
    /// not go together, is [`InvalidInput`](io::ErrorKind::InvalidInput).
    #[doc(alias = "qio_tls_creds_builder_build")]
    pub fn build(self) -> io::Result<TlsCreds> {
        let made = self.make()?;
        let creds: TlsCreds = glib::Object::new();
        creds.imp().set(made);
        Ok(creds)
    }
}

fn pem_of(certificate: &gio::TlsCertificate) -> Vec<u8> {
    let pem = certificate.certificate_pem();
    pem.map(|pem| pem.as_bytes().to_vec()).unwrap_or_default()
}
