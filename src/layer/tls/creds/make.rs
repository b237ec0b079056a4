//! Making credentials: one context of OpenSSL, as their user wants it.

use std::{io, path::Path, sync::Arc};

use gio::{TlsAuthenticationMode, TlsProtocolVersion};
use openssl::{
    error::ErrorStack,
    rand::rand_bytes,
    ssl::{
        AlpnError, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions,
        SslSessionCacheMode, SslVerifyMode, SslVersion,
    },
    x509::{
        X509, X509Crl, X509StoreContextRef, X509VerifyResult,
        store::{X509Store, X509StoreBuilder},
        verify::X509VerifyFlags,
    },
};

use super::{
    TlsEndpoint,
    builder::{OLDEST, TlsCredsBuilder},
    checks,
    imp::Made,
    sessions::Sessions,
    source::Source,
};
use crate::{
    error::invalid,
    layer::tls::{reason, shim},
};

/// For TLS 1.2, with keys that both ends have: first what keeps old connections secret if the key gets out.
const PSK_CIPHERS: &str =
    "kECDHEPSK+CHACHA20:kDHEPSK+AESGCM:kDHEPSK+CHACHA20:kECDHEPSK:kDHEPSK:kPSK:!3DES:!RC4";

/// For TLS 1.2, with nothing. Only the lowest level of security has them.
const ANONYMOUS_CIPHERS: &str =
    "ADH-AES256-GCM-SHA384:ADH-AES128-GCM-SHA256:AECDH-AES256-SHA:AECDH-AES128-SHA:@SECLEVEL=0";

/// What proves nothing or hides nothing is not to be had by mistake.
const NEVER: &str = ":!aNULL:!eNULL";

/// Those of TLS 1.3, as OpenSSL has them if it is told nothing.
const SUITES: &str = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/// How many sessions a server keeps itself; with most clients it does not have to.
const SERVER_SESSIONS: i32 = 1024;

/// Whom to believe.
#[derive(Default)]
struct Trust {
    /// Where the authorities are that must vouch for what this end shows.
    vouches: Option<Source>,
    authorities: Vec<X509>,
    crls: Vec<X509Crl>,
    system: bool,
}

impl TlsCredsBuilder {
    /// What an object has that was made by its type alone.
    pub(super) fn trusting_nobody() -> io::Result<Made> {
        let builder = Self::new(TlsEndpoint::Client);
        builder.make_with(&Trust::default())
    }

    pub(super) fn make(mut self) -> io::Result<Made> {
        let directory = self.directory.take();
        let vouches = directory.map(|directory| self.take_directory(&directory));
        self.is_possible()?;
        let trust = self.load_trust(vouches)?;
        self.make_with(&trust)
    }

    /// Adds what is in a directory of QEMU's layout, and returns whose authorities have to vouch for it.
    fn take_directory(&mut self, directory: &Path) -> Source {
        let file = |name: &str| Source::File(directory.join(name));
        let is_there = |name: &str| directory.join(name).exists();
        let authorities = file("ca-cert.pem");
        self.trust.push(authorities.clone());
        if is_there("ca-crl.pem") {
            self.crls.push(file("ca-crl.pem"));
        }
        let (certificate, key) = match self.endpoint {
            TlsEndpoint::Client => ("client-cert.pem", "client-key.pem"),
            TlsEndpoint::Server => ("server-cert.pem", "server-key.pem"),
        };
        // A client need not have one. Where half of it is there, the other half is missed.
        if self.endpoint == TlsEndpoint::Server || is_there(certificate) || is_there(key) {
            self.identity = Some((file(certificate), Some(file(key))));
        }
        authorities
    }

    /// Whether what was said goes together.
    fn is_possible(&self) -> io::Result<()> {
        let has_keys = self.has_keys();
        let wrong = |reason| Err(invalid(&format!("Unable to make credentials: {reason}")));
        if self.anonymous && (has_keys || self.identity.is_some() || self.trusts_somebody()) {
            return wrong("anonymous ones have no certificates and no keys beside");
        }
        let asks = self.client_certificates != TlsAuthenticationMode::None;
        match self.endpoint {
            TlsEndpoint::Server if self.identity.is_none() && !has_keys && !self.anonymous => {
                wrong("a server needs a certificate, or keys in common with its clients")
            }
            TlsEndpoint::Server if asks && !self.trusts_somebody() => {
                wrong("certificates of clients are asked for, but no authority is trusted")
            }
            TlsEndpoint::Client if asks => wrong("only a server asks for certificates of clients"),
            _ => Ok(()),
        }
    }

    fn trusts_somebody(&self) -> bool {
        self.system_trust || !self.trust.is_empty()
    }

    fn load_trust(&self, vouches: Option<Source>) -> io::Result<Trust> {
        let is_told_nothing = self.trust.is_empty() && !self.has_keys() && !self.anonymous;
        let mut trust = Trust {
            vouches,
            system: self.system_trust || (self.endpoint == TlsEndpoint::Client && is_told_nothing),
            ..Trust::default()
        };
        for source in &self.trust {
            let found = source.certificates()?;
            if self.checks {
                checks::authorities(source, &found)?;
            }
            trust.authorities.extend(found);
        }
        for source in &self.crls {
            trust.crls.extend(source.crls()?);
        }
        Ok(trust)
    }

    fn make_with(&self, trust: &Trust) -> io::Result<Made> {
        let mut context = SslContext::builder(match self.endpoint {
            TlsEndpoint::Client => SslMethod::tls_client(),
            TlsEndpoint::Server => SslMethod::tls_server(),
        })?;
        // Who writes again what would block has the same bytes, perhaps elsewhere. Who has been believed once
        // does not become somebody else in the middle.
        context.set_mode(SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER);
        context.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_COMPRESSION);
        shim::choose_dh(&mut context)?;
        self.set_versions(&mut context)?;
        self.set_ciphers(&mut context)?;
        self.set_alpn(&mut context)?;
        self.set_identity(&mut context, trust)?;
        let verifies_peer = self.set_trust(&mut context, trust)?;
        self.set_keys(&mut context)?;
        if let Some(log) = self.key_log_sink()? {
            context.set_keylog_callback(move |_, line| log(line));
        }
        let sessions = Arc::<Sessions>::default();
        self.set_sessions(&mut context, &sessions)?;
        Ok(Made {
            endpoint: self.endpoint,
            context: context.build(),
            verifies_peer,
            sessions,
        })
    }

    fn set_versions(&self, context: &mut SslContextBuilder) -> io::Result<()> {
        let known = |version| match version {
            TlsProtocolVersion::Tls12 => Ok(SslVersion::TLS1_2),
            TlsProtocolVersion::Tls13 => Ok(SslVersion::TLS1_3),
            _ => Err(invalid(
                "Unable to make credentials: versions of TLS are 1.2 and 1.3",
            )),
        };
        let (oldest, newest) = (self.min_version, self.max_version);
        if newest.is_some_and(|newest| newest < oldest) {
            return Err(invalid(
                "Unable to make credentials: the newest version of TLS is older than the oldest one",
            ));
        }
        if self.anonymous && oldest > OLDEST {
            return Err(invalid(
                "Unable to make credentials: TLS 1.3 has nothing anonymous",
            ));
        }
        let newest = if self.anonymous { Some(OLDEST) } else { newest };
        context.set_min_proto_version(Some(known(oldest)?))?;
        context.set_max_proto_version(newest.map(known).transpose()?)?;
        Ok(())
    }

    fn set_ciphers(&self, context: &mut SslContextBuilder) -> io::Result<()> {
        let wrong = |list: &str, e: &ErrorStack| {
            invalid(&format!(
                "Unable to use the ciphers \"{list}\": {}",
                reason(e)
            ))
        };
        let has_certificates = self.identity.is_some() || self.trusts_somebody();
        let list = match &self.ciphers {
            Some(list) => list.clone(),
            None if self.anonymous => ANONYMOUS_CIPHERS.to_owned(),
            None if !self.has_keys() => "DEFAULT:!PSK".to_owned(),
            None if has_certificates => format!("DEFAULT:{PSK_CIPHERS}"),
            None => PSK_CIPHERS.to_owned(),
        };
        let complete = match self.anonymous {
            true if self.ciphers.is_some() => format!("{list}:@SECLEVEL=0"),
            true => list.clone(),
            false => format!("{list}{NEVER}"),
        };
        context
            .set_cipher_list(&complete)
            .map_err(|e| wrong(&list, &e))?;
        let suites = self.suites();
        context
            .set_ciphersuites(&suites)
            .map_err(|e| wrong(&suites, &e))?;
        if self.endpoint == TlsEndpoint::Server && self.anonymous {
            context.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
        }
        Ok(())
    }

    fn has_keys(&self) -> bool {
        !self.psks.is_empty() || !self.psk_files.is_empty()
    }

    /// Those of TLS 1.3. The key of a client goes with one hash: a server that chose another suite could not take it.
    fn suites(&self) -> String {
        let all = self.ciphersuites.as_deref().unwrap_or(SUITES);
        let of_key = self.endpoint == TlsEndpoint::Client && self.has_keys();
        let of_key = of_key.then(|| self.psk_hash.suites_of(all));
        match of_key {
            // With a certificate, any other will do as well.
            Some(some) if !some.is_empty() && !self.trusts_somebody() => some,
            _ => all.to_owned(),
        }
    }

    fn set_alpn(&self, context: &mut SslContextBuilder) -> io::Result<()> {
        let mut list = Vec::new();
        for name in &self.alpn {
            let len = u8::try_from(name.len()).ok().filter(|len| *len > 0);
            let len = len.ok_or_else(|| {
                invalid("Unable to use a name of a protocol: it has 1 to 255 bytes")
            })?;
            list.push(len);
            list.extend_from_slice(name);
        }
        if list.is_empty() {
            return Ok(());
        }
        if list.len() > usize::from(u16::MAX) {
            return Err(invalid(
                "Unable to use the names of protocols: they are too many",
            ));
        }
        match self.endpoint {
            TlsEndpoint::Client => context.set_alpn_protos(&list)?,
            TlsEndpoint::Server => {
                let ours = self.alpn.clone();
                context.set_alpn_select_callback(move |_, offered| {
                    let find = |name| protocols(offered).find(|offer| offer == name);
                    ours.iter().find_map(find).ok_or(AlpnError::ALERT_FATAL)
                });
            }
        }
        Ok(())
    }

    fn set_identity(&self, context: &mut SslContextBuilder, trust: &Trust) -> io::Result<()> {
        let Some((source, key)) = &self.identity else {
            return Ok(());
        };
        let key = key.as_ref().ok_or_else(|| {
            source.wrong("there is no private key with it that could be taken out")
        })?;
        let chain = source.certificates()?;
        if self.checks {
            checks::own(source, &chain, self.endpoint)?;
        }
        if let Some(authorities) = &trust.vouches
            && self.checks
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

    /// Returns whether the peer is verified by a certificate.
    fn set_trust(&self, context: &mut SslContextBuilder, trust: &Trust) -> io::Result<bool> {
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
            // Also where a client has a key: a server that has none shows a certificate, which nobody vouches for.
            _ => SslVerifyMode::PEER,
        };
        if trust.crls.is_empty() {
            context.set_verify(mode);
        } else {
            context.set_verify_callback(mode, ignores_lack_of_crl);
        }
        if self.endpoint == TlsEndpoint::Server && mode != SslVerifyMode::NONE {
            for authority in &trust.authorities {
                context.add_client_ca(authority)?;
            }
        }
        let by_key_alone = self.endpoint == TlsEndpoint::Client && self.has_keys();
        Ok(match by_key_alone {
            true => trust.system || !trust.authorities.is_empty(),
            false => mode != SslVerifyMode::NONE,
        })
    }

    fn set_keys(&self, context: &mut SslContextBuilder) -> io::Result<()> {
        let keys = self.keys()?;
        if keys.is_empty() {
            return Ok(());
        }
        match self.endpoint {
            TlsEndpoint::Client => keys.use_in(context, self.psk_user.as_deref(), self.psk_hash),
            TlsEndpoint::Server => keys.find_in(context, &self.suites()),
        }
    }

    fn set_sessions(
        &self,
        context: &mut SslContextBuilder,
        sessions: &Arc<Sessions>,
    ) -> io::Result<()> {
        if !self.resumption {
            context.set_session_cache_mode(SslSessionCacheMode::OFF);
            context.set_options(SslOptions::NO_TICKET);
            context.set_num_tickets(0)?;
            return Ok(());
        }
        match self.endpoint {
            TlsEndpoint::Client => sessions.keep(context),
            TlsEndpoint::Server => {
                // Nobody else's sessions are taken for ours, whatever a client has been told there.
                let mut id = [0; 32];
                rand_bytes(&mut id)?;
                context.set_session_id_context(&id)?;
                context.set_session_cache_mode(SslSessionCacheMode::SERVER);
                context.set_session_cache_size(SERVER_SESSIONS);
            }
        }
        Ok(())
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

/// The names in a list of protocols, as it is on the wire.
fn protocols(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = list.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*len))?;
        list = rest;
        Some(name)
    })
}

/// An authority without a list has revoked nothing.
fn ignores_lack_of_crl(good: bool, context: &mut X509StoreContextRef) -> bool {
    let lacks = !good && context.error().as_raw() == openssl_sys::X509_V_ERR_UNABLE_TO_GET_CRL;
    if lacks {
        context.set_error(X509VerifyResult::OK);
    }
    good || lacks
}
