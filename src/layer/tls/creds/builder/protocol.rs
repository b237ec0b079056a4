//! Settings of keys and of the protocol.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use gio::TlsProtocolVersion;

use super::{TlsCredsBuilder, TlsPskHash};
use crate::layer::tls::{secret::Secret, shim};

/// Pre-shared keys, and anonymous connections.
impl TlsCredsBuilder {
    /// Adds a pre-shared key (PSK) with its identity: a client uses it, a server accepts it, in
    /// addition to others. A key of less than 16 bytes is logged as a warning: a recorded handshake
    /// is enough to try all of them. A server treats an unknown identity as a wrong key, with TLS
    /// 1.3 only if it has no certificate. The key is overwritten when credentials and builder are
    /// dropped.
    #[doc(alias = "qio_tls_creds_builder_add_psk")]
    #[must_use]
    pub fn psk(mut self, name: &str, key: impl Into<Vec<u8>>) -> Self {
        self.psks.push((name.to_owned(), Secret::from(key.into())));
        self
    }

    /// Adds the pre-shared keys of a file in the format of GnuTLS (`psktool`): a line `NAME:KEY`
    /// each, with the key in hexadecimal digits.
    #[doc(alias = "qio_tls_creds_builder_add_psk_file")]
    #[must_use]
    pub fn psk_file(mut self, path: impl AsRef<Path>) -> Self {
        self.psk_files.push(path.as_ref().to_owned());
        self
    }

    /// Sets the identity that a client uses, if it has several keys.
    #[doc(alias = "qio_tls_creds_builder_set_psk_user")]
    #[must_use]
    pub fn psk_user(mut self, name: &str) -> Self {
        self.psk_user = Some(name.to_owned());
        self
    }

    /// Sets the hash that the key of a client is for, with TLS 1.3. A server derives it from the
    /// ClientHello. Default: SHA-256.
    #[doc(alias = "qio_tls_creds_builder_set_psk_hash")]
    #[must_use]
    pub fn psk_hash(mut self, hash: TlsPskHash) -> Self {
        self.psk_hash = hash;
        self
    }

    /// Disables authentication in both directions: the data is encrypted, but the peer may be
    /// **any machine on the path**. Only for networks that are safe without TLS, with peers that
    /// support nothing else. TLS 1.2 only, without certificates or keys.
    #[doc(alias = "qio_tls_creds_builder_set_insecure_anonymous")]
    #[must_use]
    pub fn insecure_anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}

/// The protocol.
impl TlsCredsBuilder {
    /// Sets the minimum protocol version, TLS 1.2 or 1.3. Default: TLS 1.2.
    #[doc(alias = "qio_tls_creds_builder_set_min_version")]
    #[must_use]
    pub fn min_version(mut self, version: TlsProtocolVersion) -> Self {
        self.min_version = version;
        self
    }

    /// Sets the maximum protocol version. Default: that of OpenSSL.
    #[doc(alias = "qio_tls_creds_builder_set_max_version")]
    #[must_use]
    pub fn max_version(mut self, version: TlsProtocolVersion) -> Self {
        self.max_version = Some(version);
        self
    }

    /// Sets the cipher list of TLS 1.2, in OpenSSL's syntax, for example `ECDHE+AESGCM`.
    /// `!aNULL:!eNULL` is always appended, except with
    /// [`insecure_anonymous`](Self::insecure_anonymous). Suites with CBC are used only with
    /// extended master secret (RFC 7627).
    #[doc(alias = "qio_tls_creds_builder_set_ciphers")]
    #[must_use]
    pub fn ciphers(mut self, list: &str) -> Self {
        self.ciphers = Some(list.to_owned());
        self
    }

    /// Sets the cipher suites of TLS 1.3, separated by colons, for example
    /// `TLS_AES_128_GCM_SHA256`.
    #[doc(alias = "qio_tls_creds_builder_set_ciphersuites")]
    #[must_use]
    pub fn ciphersuites(mut self, list: &str) -> Self {
        self.ciphersuites = Some(list.to_owned());
        self
    }

    /// Sets the application protocols (ALPN), in order of preference. A client offers them; a
    /// server selects its first one that the client offers, and refuses clients that offer others
    /// only, by the alert `no_application_protocol`. Default: none, and a server ignores offers.
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

    /// Sets whether sessions are resumed, which takes fewer round trips. Credentials cache sessions
    /// in memory, those of a client by the name of the server. Default: `true`.
    #[doc(alias = "qio_tls_creds_builder_set_resumption")]
    #[must_use]
    pub fn resumption(mut self, resumption: bool) -> Self {
        self.resumption = resumption;
        self
    }

    /// Sets the most bytes that a peer may send before it is verified, at least 1024. A handshake
    /// with more fails, with an alert, which limits the memory that unverified peers use. Long
    /// certificate chains or post-quantum signatures of clients may need more than the default.
    /// Default: 32 KiB of a client, 128 KiB of a server.
    #[doc(alias = "qio_tls_creds_builder_set_max_handshake_size")]
    #[must_use]
    pub fn max_handshake_size(mut self, bytes: usize) -> Self {
        self.max_handshake_size = Some(bytes);
        self
    }

    /// Calls `log` with the secrets of all connections, line by line, in the NSS key log format,
    /// which Wireshark reads. **The secrets decrypt all data.** Called in the thread of the
    /// handshake; must not block.
    #[doc(alias = "qio_tls_creds_builder_set_key_log_func")]
    #[must_use]
    pub fn key_log(mut self, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.key_log = Some(Arc::new(log));
        self
    }

    /// As [`key_log`](Self::key_log), appended to a file, which is created with mode 0600.
    #[doc(alias = "qio_tls_creds_builder_set_key_log_file")]
    #[must_use]
    pub fn key_log_file(mut self, path: impl AsRef<Path>) -> Self {
        self.key_log_file = Some(path.as_ref().to_owned());
        self
    }

    /// As [`key_log_file`](Self::key_log_file), with the file that the environment variable
    /// `SSLKEYLOGFILE` names; without the variable, and in a set-user-ID program, nothing changes.
    /// The variable is not read otherwise.
    #[doc(alias = "qio_tls_creds_builder_set_key_log_from_environment")]
    #[must_use]
    pub fn key_log_from_environment(self) -> Self {
        match shim::secure_env(c"SSLKEYLOGFILE") {
            Some(path) => self.key_log_file(PathBuf::from(path)),
            None => self,
        }
    }
}
