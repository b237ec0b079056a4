//! The builder of credentials: its settings. `make` builds.

mod protocol;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use gio::{TlsAuthenticationMode, TlsProtocolVersion, prelude::*};
use glib::subclass::prelude::*;

use super::{TlsCreds, TlsEndpoint, TlsPskHash, key_log::KeyLog, source::Source};
use crate::layer::tls::{secret::Secret, shim};

/// Returns the password of a private key, by the name of its source.
pub(super) type Password = Arc<dyn Fn(&str) -> Option<Secret> + Send + Sync>;

/// The oldest protocol version.
pub(super) const OLDEST: TlsProtocolVersion = TlsProtocolVersion::Tls12;

/// A builder of TLS credentials. See [`TlsCreds::builder`].
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
    pub(super) verify_on_load: bool,
    /// The first invalid argument of a setter from C.
    pub(super) invalid_argument: Option<String>,
}

/// Without secrets.
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
            verify_on_load: true,
            invalid_argument: None,
        }
    }

    /// Loads all credentials from a directory in QEMU's layout:
    ///
    /// | file | |
    /// | --- | --- |
    /// | `ca-cert.pem` | trusted certificate authorities (CAs) |
    /// | `ca-crl.pem` | their certificate revocation lists (CRLs), optional |
    /// | `server-cert.pem`, `server-key.pem` | certificate chain and private key of a server |
    /// | `client-cert.pem`, `client-key.pem` | the same of a client, optional |
    ///
    /// One of these authorities must have issued the certificate.
    #[doc(alias = "qio_tls_creds_builder_set_directory")]
    #[must_use]
    pub fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.directory = Some(path.as_ref().to_owned());
        self
    }

    /// Adds the certificates of a PEM file to the trust anchors. An intermediate certificate is a
    /// trust anchor as well: a chain need not lead to a root.
    #[doc(alias = "qio_tls_creds_builder_add_trust_file")]
    #[must_use]
    pub fn trust_file(mut self, path: impl AsRef<Path>) -> Self {
        self.trust.push(Source::File(path.as_ref().to_owned()));
        self
    }

    /// Adds certificates in PEM form to the trust anchors.
    #[doc(alias = "qio_tls_creds_builder_add_trust_pem")]
    #[must_use]
    pub fn trust_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trust.push(Source::memory("certificate", pem));
        self
    }

    /// Adds a certificate to the trust anchors.
    #[doc(alias = "qio_tls_creds_builder_add_trust")]
    #[must_use]
    pub fn trust(self, authority: &impl IsA<gio::TlsCertificate>) -> Self {
        self.trust_pem(pem_of(authority.as_ref()))
    }

    /// Adds the system trust store. A client without other trust anchors uses it by default, if it
    /// has no pre-shared key ([`psk`](Self::psk)).
    #[doc(alias = "qio_tls_creds_builder_add_system_trust")]
    #[must_use]
    pub fn system_trust(mut self) -> Self {
        self.system_trust = true;
        self
    }

    /// Adds a certificate revocation list (CRL), a PEM file, which a trusted authority must have
    /// signed. Certificates in it are refused, and so are all of its issuer if it cannot be used.
    /// Where there is any CRL, each certificate of a chain but the trust anchor needs one of its
    /// issuer: [`allow_missing_crl`](Self::allow_missing_crl) changes that.
    #[doc(alias = "qio_tls_creds_builder_add_crl_file")]
    #[must_use]
    pub fn crl_file(mut self, path: impl AsRef<Path>) -> Self {
        self.crls.push(Source::File(path.as_ref().to_owned()));
        self
    }

    /// As [`crl_file`](Self::crl_file), in PEM form in memory.
    #[doc(alias = "qio_tls_creds_builder_add_crl_pem")]
    #[must_use]
    pub fn crl_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.crls
            .push(Source::memory("certificate revocation list", pem));
        self
    }

    /// Sets whether certificates of an issuer without a CRL are accepted where other issuers have
    /// one. Default: `false`.
    #[doc(alias = "qio_tls_creds_builder_set_allow_missing_crl")]
    #[must_use]
    pub fn allow_missing_crl(mut self, allow: bool) -> Self {
        self.allow_missing_crl = allow;
        self
    }

    /// Sets the certificate chain, from a PEM file with the leaf first, and its private key. Both
    /// may be in one file. A key usage that does not allow this endpoint is an error of
    /// [`build`](Self::build) if it is critical; otherwise the peer decides.
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

    /// As [`certificate_files`](Self::certificate_files), in PEM form in memory.
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

    /// Sets the certificate, with the issuers that it has as an object, and its private key. The
    /// key must be exportable, which one on a token is not.
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

    /// Sets the password of an encrypted private key.
    #[doc(alias = "qio_tls_creds_builder_set_password")]
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        let password = Secret::from(password.into());
        self.password = Some(Arc::new(move |_| Some(password.clone())));
        self
    }

    /// Sets a function that returns the password of an encrypted private key, or `None`.
    /// [`build`](Self::build) calls it, in its thread, with the path of the key. There is never a
    /// prompt at the terminal.
    #[doc(alias = "qio_tls_creds_builder_set_password_func")]
    #[must_use]
    pub fn password_func(
        mut self,
        func: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.password = Some(Arc::new(move |path| func(path).map(Secret::from)));
        self
    }

    /// Sets whether a server requests certificates from clients. With
    /// [`Requested`](TlsAuthenticationMode::Requested) a client may present none. A certificate
    /// that is presented must verify in any case. Clients with a pre-shared key present none.
    /// Default: [`None`](TlsAuthenticationMode::None).
    #[doc(alias = "qio_tls_creds_builder_set_client_certificates")]
    #[must_use]
    pub fn client_certificates(mut self, mode: TlsAuthenticationMode) -> Self {
        self.client_certificates = mode;
        self
    }

    /// Sets whether [`build`](Self::build) checks the certificates. Without checks faults appear
    /// when a peer refuses them. Default: `true`.
    #[doc(alias = "qio_tls_creds_builder_set_checks")]
    #[must_use]
    pub fn verify_on_load(mut self, verify: bool) -> Self {
        self.verify_on_load = verify;
        self
    }
}

impl TlsCredsBuilder {
    /// Makes [`build`](Self::build) fail, as a setter had an invalid argument: without it, the
    /// credentials might not be as intended. The first one counts.
    #[cfg(feature = "capi")]
    pub(crate) fn with_invalid_argument(mut self, setter: &str, expected: &str) -> Self {
        self.invalid_argument
            .get_or_insert_with(|| format!("{setter}: '{expected}' failed"));
        self
    }

    /// Loads and checks all files, and returns the credentials. Blocks while files are read.
    ///
    /// Unless [`verify_on_load`](Self::verify_on_load) is `false`: all certificates must be valid
    /// now, at least one trust anchor of each file a CA certificate, and the own certificate usable
    /// for the endpoint and no CA certificate, unless it is self-signed; in a
    /// [`directory`](Self::directory) its chain must lead to one of the CAs there. The private key
    /// must match in any case.
    ///
    /// # Errors
    /// Those of the system for files. [`TlsError::BadCertificate`](gio::TlsError::BadCertificate)
    /// or [`BadCertificatePassword`](gio::TlsError::BadCertificatePassword) for contents, with the
    /// name of the file and the reason. [`InvalidInput`](io::ErrorKind::InvalidInput) for settings
    /// that are missing, or exclude each other.
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
