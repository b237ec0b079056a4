//! Builds credentials: certificates, trust anchors and keys of one OpenSSL context. `protocol` has
//! versions, cipher suites and sessions.

use std::{fs, io, path::Path, sync::Arc};

use gio::TlsAuthenticationMode;
use openssl::{
    error::ErrorStack,
    ssl::{SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslVerifyMode},
    x509::{
        X509, X509Crl,
        store::{X509Store, X509StoreBuilder},
        verify::X509VerifyFlags,
    },
};

use super::{
    TlsEndpoint,
    builder::TlsCredsBuilder,
    checks,
    imp::Config,
    key_log::Sink,
    protocol::{FEWEST_OF_HANDSHAKE, OnClientHello},
    psk::Keys,
    sessions::Sessions,
    source::Source,
};
use crate::{
    error::invalid,
    layer::tls::{authorize, reason, shim, verify::Policy},
};

/// The trust anchors.
#[derive(Default)]
struct Trust {
    /// The source of the CAs that must have issued the own certificate.
    issuers: Option<Source>,
    authorities: Vec<X509>,
    crls: Vec<X509Crl>,
    system: bool,
}

impl TlsCredsBuilder {
    /// The configuration of an object that was constructed by its type alone.
    pub(super) fn without_trust_anchors() -> io::Result<Config> {
        let builder = Self::new(TlsEndpoint::Client);
        builder.make_with(&Trust::default())
    }

    pub(super) fn make(mut self) -> io::Result<Config> {
        let directory = self.directory.take();
        let issuers = directory.map(|directory| self.take_directory(&directory));
        self.check_settings()?;
        let trust = self.load_trust(issuers)?;
        self.make_with(&trust)
    }

    /// Adds the files of a directory in QEMU's layout, and returns the source of the CAs that must
    /// have issued the own certificate.
    fn take_directory(&mut self, directory: &Path) -> Source {
        let file = |name: &str| Source::File(directory.join(name));
        let is_there = |name: &str| directory.join(name).exists();
        let authorities = file("ca-cert.pem");
        self.trust.push(authorities.clone());
        // Also if it is a dangling symbolic link, or access is denied: loading it reports why.
        let revoked = fs::symlink_metadata(directory.join("ca-crl.pem"));
        if !revoked.is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            self.crls.push(file("ca-crl.pem"));
        }
        let (certificate, key) = match self.endpoint {
            TlsEndpoint::Client => ("client-cert.pem", "client-key.pem"),
            TlsEndpoint::Server => ("server-cert.pem", "server-key.pem"),
        };
        // A client need not have a certificate; but if it has one, or a key, it needs both.
        if self.endpoint == TlsEndpoint::Server || is_there(certificate) || is_there(key) {
            self.identity = Some((file(certificate), Some(file(key))));
        }
        authorities
    }

    /// Whether the settings are complete and do not exclude each other.
    fn check_settings(&self) -> io::Result<()> {
        let has_keys = self.has_keys();
        let wrong = |reason: &str| Err(invalid(&format!("Unable to make credentials: {reason}")));
        if let Some(reason) = &self.invalid_argument {
            return wrong(reason);
        }
        if self.anonymous && (has_keys || self.identity.is_some() || self.has_trust_anchors()) {
            return wrong(
                "anonymous credentials cannot be combined with certificates or pre-shared keys",
            );
        }
        if self.most_of_handshake() < FEWEST_OF_HANDSHAKE {
            return wrong(&format!(
                "a handshake has {FEWEST_OF_HANDSHAKE} bytes and more"
            ));
        }
        let requests_certificates = self.client_certificates != TlsAuthenticationMode::None;
        match self.endpoint {
            TlsEndpoint::Server if self.identity.is_none() && !has_keys && !self.anonymous => {
                wrong("a server needs a certificate or pre-shared keys")
            }
            TlsEndpoint::Server if requests_certificates && !self.has_trust_anchors() => {
                wrong("client certificates are requested, but there are no trust anchors")
            }
            TlsEndpoint::Client if requests_certificates => {
                wrong("only a server requests client certificates")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn has_trust_anchors(&self) -> bool {
        self.system_trust || !self.trust.is_empty()
    }

    fn load_trust(&self, issuers: Option<Source>) -> io::Result<Trust> {
        let is_unconfigured = self.trust.is_empty() && !self.has_keys() && !self.anonymous;
        let mut trust = Trust {
            issuers,
            system: self.system_trust || (self.endpoint == TlsEndpoint::Client && is_unconfigured),
            ..Trust::default()
        };
        for source in &self.trust {
            let found = source.certificates()?;
            if self.verify_on_load {
                checks::authorities(source, &found)?;
            }
            trust.authorities.extend(found);
        }
        trust.authorities = checks::usable(trust.authorities);
        for source in &self.crls {
            let found = source.crls()?;
            checks::crls(source, &found, &trust.authorities, trust.system)?;
            trust.crls.extend(found);
        }
        Ok(trust)
    }

    fn make_with(&self, trust: &Trust) -> io::Result<Config> {
        let mut context = SslContext::builder(match self.endpoint {
            TlsEndpoint::Client => SslMethod::tls_client(),
            TlsEndpoint::Server => SslMethod::tls_server(),
        })?;
        // A write that is repeated after would-block has the same bytes, perhaps elsewhere. An idle
        // connection needs no buffers for records. Renegotiation is disabled: the identity of the
        // peer cannot change.
        let mode = SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS;
        context.set_mode(mode);
        context.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_COMPRESSION);
        shim::limit_certificates(&mut context, self.most_of_handshake());
        self.set_groups(&mut context)?;
        self.set_versions(&mut context)?;
        self.set_ciphers(&mut context)?;
        let cbc_suites: Arc<[_]> = shim::suites_without_aead(&context).into();
        self.set_alpn(&mut context)?;
        self.set_names(&mut context);
        self.set_identity(&mut context, trust)?;
        let policy = Arc::new(self.policy(trust)?);
        let verifies_peer = self.set_trust(&mut context, trust, &policy)?;
        let find_hash = self.set_keys(&mut context)?;
        self.set_client_hello(&mut context, &cbc_suites, find_hash);
        let key_log = self.key_log_sink()?.map(Sink);
        if let Some(log) = &key_log {
            let queue = log.queue();
            context.set_keylog_callback(move |_, line| queue(line));
        }
        let sessions = Arc::<Sessions>::default();
        self.set_sessions(&mut context, &sessions, &policy)?;
        Ok(Config {
            endpoint: self.endpoint,
            context: context.build(),
            verifies_peer,
            max_handshake_size: self.most_of_handshake(),
            tickets: self.tickets(),
            cbc_suites,
            policy,
            alpn: self.alpn.clone(),
            sessions,
            key_log,
        })
    }

    pub(super) fn has_keys(&self) -> bool {
        !self.psks.is_empty() || !self.psk_files.is_empty()
    }

    fn set_identity(&self, context: &mut SslContextBuilder, trust: &Trust) -> io::Result<()> {
        let Some((source, key)) = &self.identity else {
            return Ok(());
        };
        let key = key
            .as_ref()
            .ok_or_else(|| source.wrong("the certificate has no exportable private key"))?;
        let chain = source.certificates()?;
        if self.verify_on_load {
            checks::own(source, &chain, self.endpoint)?;
        }
        if let Some(authorities) = &trust.issuers
            && self.verify_on_load
        {
            let store = store(&trust.authorities, &[], false)?;
            checks::leads_to(source, &chain, &store, authorities)?;
        }
        let (key_source, key) = (key, key.key(self.password.as_ref())?);
        let wrong = |e: ErrorStack| source.wrong(reason(&e));
        if !chain[0].public_key().map_err(wrong)?.public_eq(&key) {
            return Err(source.wrong(&format!("{key_source} does not match")));
        }
        let mut chain = chain.into_iter();
        for certificate in chain.by_ref().take(1) {
            context.set_certificate(&certificate).map_err(wrong)?;
        }
        context.set_private_key(&key).map_err(wrong)?;
        for certificate in chain {
            context.add_extra_chain_cert(certificate).map_err(wrong)?;
        }
        Ok(())
    }

    fn policy(&self, trust: &Trust) -> io::Result<Policy> {
        let issuer = |crl: &X509Crl| crl.issuer_name().to_der();
        let crl_issuers = trust.crls.iter().map(issuer);
        Ok(Policy {
            crl_issuers: crl_issuers.collect::<Result<_, _>>()?,
            allows_missing_crl: self.allow_missing_crl,
        })
    }

    /// Returns whether the peer is verified by a certificate.
    fn set_trust(
        &self,
        context: &mut SslContextBuilder,
        trust: &Trust,
        policy: &Arc<Policy>,
    ) -> io::Result<bool> {
        if self.anonymous {
            context.set_verify(SslVerifyMode::NONE);
            return Ok(false);
        }
        context.set_cert_store(store(&trust.authorities, &trust.crls, trust.system)?);
        let mode = match (self.endpoint, self.client_certificates) {
            (TlsEndpoint::Server, TlsAuthenticationMode::None) => SslVerifyMode::NONE,
            (TlsEndpoint::Server, TlsAuthenticationMode::Required) => {
                SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT
            }
            // Also if a client has a pre-shared key: a server without one presents a certificate,
            // for which there is no trust anchor.
            _ => SslVerifyMode::PEER,
        };
        context.set_verify(mode);
        // Of these checks, the policy passes over omissions.
        let strict = X509VerifyFlags::X509_STRICT;
        context.verify_param_mut().set_flags(strict)?;
        let policy = policy.clone();
        shim::set_peer_verifier(
            context,
            Box::new(move |ssl, context| authorize::verify_peer(&policy, ssl, context)),
        )?;
        if self.endpoint == TlsEndpoint::Server && mode != SslVerifyMode::NONE {
            for authority in &trust.authorities {
                context.add_client_ca(authority)?;
            }
        }
        let psk_only = self.endpoint == TlsEndpoint::Client && self.has_keys();
        Ok(match psk_only {
            true => trust.system || !trust.authorities.is_empty(),
            false => mode != SslVerifyMode::NONE,
        })
    }

    /// All pre-shared keys.
    fn keys(&self) -> io::Result<Keys> {
        let mut keys = Keys::default();
        for (name, key) in &self.psks {
            keys.add(name.as_bytes(), key.clone())
                .map_err(|reason| invalid(&format!("Unable to use a key: {reason}")))?;
        }
        for path in &self.psk_files {
            keys.load(&Source::File(path.clone()))?;
        }
        Ok(keys)
    }

    /// Returns the step of a server's ClientHello callback that selects the hash.
    fn set_keys(&self, context: &mut SslContextBuilder) -> io::Result<Option<OnClientHello>> {
        let keys = self.keys()?;
        if keys.is_empty() {
            return Ok(None);
        }
        match self.endpoint {
            TlsEndpoint::Client => {
                keys.use_in(context, self.psk_user.as_deref(), self.psk_hash)?;
                Ok(None)
            }
            TlsEndpoint::Server => {
                let is_alone = self.identity.is_none();
                keys.find_in(context, &self.suites(), is_alone).map(Some)
            }
        }
    }
}

fn store(authorities: &[X509], crls: &[X509Crl], system: bool) -> io::Result<X509Store> {
    let mut store = X509StoreBuilder::new()?;
    let mut flags = X509VerifyFlags::PARTIAL_CHAIN;
    if system {
        store.set_default_paths()?;
    }
    for authority in authorities {
        store.add_cert(authority.clone())?;
    }
    for crl in crls {
        shim::add_crl(&mut store, crl)?;
        flags |= X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL;
    }
    store.set_flags(flags)?;
    Ok(store.build())
}
