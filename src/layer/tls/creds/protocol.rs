//! Builds credentials: protocol versions, groups, cipher suites, ALPN, sessions, key log.

use std::{io, sync::Arc};

use gio::TlsProtocolVersion;
use openssl::{
    error::ErrorStack,
    rand::rand_bytes,
    ssl::{
        AlpnError, ClientHelloResponse, SslContextBuilder, SslOptions, SslRef, SslSessionCacheMode,
        SslVersion,
    },
};

use super::{
    TlsEndpoint,
    builder::{OLDEST, TlsCredsBuilder},
    key_log::{self, KeyLog},
    sessions::Sessions,
};
use crate::{
    error::{invalid, with_context},
    layer::tls::{peer::Peer, reason, shim, verify::Policy},
};

/// The groups of the key exchange, in order of preference, and a post-quantum hybrid.
const GROUPS: &str = "X25519:P-256:X448:P-384:P-521";
const HYBRID_GROUP: &str = "X25519MLKEM768";

/// Cipher list of TLS 1.2 with certificates: ephemeral keys, AEAD first. The others (CBC) need an
/// extended master secret: see `require_extended_master_secret`.
const CERTIFICATE_CIPHERS: &str = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:ECDHE+AES:@SECLEVEL=2";

/// Cipher list of TLS 1.2 with pre-shared keys: forward secrecy first.
const PSK_CIPHERS: &str =
    "kECDHEPSK+CHACHA20:kDHEPSK+AESGCM:kDHEPSK+CHACHA20:kECDHEPSK:kDHEPSK:kPSK:!3DES:!RC4";

/// Cipher list of anonymous peers with TLS 1.2: security level 0 alone has them.
const ANONYMOUS_CIPHERS: &str =
    "ADH-AES256-GCM-SHA384:ADH-AES128-GCM-SHA256:AECDH-AES256-SHA:AECDH-AES128-SHA:@SECLEVEL=0";

/// Suites without authentication or encryption are never negotiated.
const NEVER: &str = ":!aNULL:!eNULL";

/// A suite with a message authentication code of its own is no AEAD suite.
const NO_CBC: &str = ":!MD5:!SHA1:!SHA256:!SHA384";

/// Cipher suites of TLS 1.3: OpenSSL's default.
const SUITES: &str = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";

/// How many session tickets a server sends with TLS 1.3, as OpenSSL does: each is used once.
const TICKETS: u8 = 2;

/// How long after a full handshake a session may be resumed, in seconds: a day.
pub(super) const LONGEST_SESSION: u64 = 24 * 60 * 60;

/// The default limits of the bytes of a handshake from a client, and from a server.
const MAX_HANDSHAKE_OF_CLIENT: usize = 32 * 1024;
const MAX_HANDSHAKE_OF_SERVER: usize = 128 * 1024;

/// The minimum of the limit: less than any handshake needs.
pub(super) const FEWEST_OF_HANDSHAKE: usize = 1024;

/// A step of a server's ClientHello callback, before anything is selected.
pub(super) type OnClientHello = Box<dyn Fn(&mut SslRef) -> Result<(), ErrorStack> + Send + Sync>;

impl TlsCredsBuilder {
    pub(super) fn set_versions(&self, context: &mut SslContextBuilder) -> io::Result<()> {
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
                "Unable to make credentials: TLS 1.3 has no anonymous cipher suites",
            ));
        }
        let newest = if self.anonymous { Some(OLDEST) } else { newest };
        context.set_min_proto_version(Some(known(oldest)?))?;
        context.set_max_proto_version(newest.map(known).transpose()?)?;
        Ok(())
    }

    pub(super) fn most_of_handshake(&self) -> usize {
        self.max_handshake_size.unwrap_or(match self.endpoint {
            TlsEndpoint::Client => MAX_HANDSHAKE_OF_SERVER,
            TlsEndpoint::Server => MAX_HANDSHAKE_OF_CLIENT,
        })
    }

    pub(super) fn tickets(&self) -> u8 {
        match self.endpoint {
            TlsEndpoint::Server if self.resumption => TICKETS,
            _ => 0,
        }
    }

    /// Finite-field Diffie-Hellman costs a server a hundred times what it costs a client. It is
    /// enabled for anonymous peers, and for pre-shared keys, for which TLS 1.2 has no other suite
    /// with AES-GCM.
    pub(super) fn set_groups(&self, context: &mut SslContextBuilder) -> io::Result<()> {
        if self.has_keys() || self.anonymous {
            shim::choose_dh(context)?;
        }
        let hybrid = context.set_groups_list(&format!("{HYBRID_GROUP}:{GROUPS}"));
        if hybrid.is_err() {
            // Older than OpenSSL 3.5.
            context.set_groups_list(GROUPS)?;
        }
        Ok(())
    }

    pub(super) fn set_ciphers(&self, context: &mut SslContextBuilder) -> io::Result<()> {
        let wrong = |list: &str, e: &ErrorStack| {
            invalid(&format!(
                "Unable to use the ciphers \"{list}\": {}",
                reason(e)
            ))
        };
        let (list, complete) = self.cipher_list();
        context
            .set_cipher_list(&complete)
            .map_err(|e| wrong(&list, &e))?;
        let suites = self.suites();
        if suites.is_empty() && self.max_version != Some(OLDEST) {
            return Err(invalid(
                "Unable to make credentials: no suite has the hash that the key is for",
            ));
        }
        if !suites.is_empty() {
            context
                .set_ciphersuites(&suites)
                .map_err(|e| wrong(&suites, &e))?;
        }
        if self.endpoint == TlsEndpoint::Server {
            context.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
        }
        Ok(())
    }

    /// The cipher list of TLS 1.2 as it was set, and as OpenSSL gets it.
    fn cipher_list(&self) -> (String, String) {
        let has_certificates = self.identity.is_some() || self.has_trust_anchors();
        let list = match &self.ciphers {
            Some(list) => list.clone(),
            None if self.anonymous => ANONYMOUS_CIPHERS.to_owned(),
            None if !self.has_keys() => CERTIFICATE_CIPHERS.to_owned(),
            None if has_certificates => format!("{CERTIFICATE_CIPHERS}:{PSK_CIPHERS}"),
            None => PSK_CIPHERS.to_owned(),
        };
        let complete = match self.anonymous {
            true if self.ciphers.is_some() => format!("{list}:@SECLEVEL=0"),
            true => list.clone(),
            false => format!("{list}{NEVER}"),
        };
        (list, complete)
    }

    /// Sets the callback for ClientHellos. Ciphers that encrypt after they have authenticated (CBC)
    /// are only safe with an extended master secret (RFC 7627): a server leaves them out where the
    /// ClientHello has no such extension, so that OpenSSL sends handshake_failure if nothing else
    /// is left. A client refuses the ServerHello (`engine::server_hello`).
    pub(super) fn set_client_hello(
        &self,
        context: &mut SslContextBuilder,
        cbc_suites: &[[u8; 2]],
        find_hash: Option<OnClientHello>,
    ) {
        if self.endpoint == TlsEndpoint::Client || cbc_suites.is_empty() && find_hash.is_none() {
            return;
        }
        let has_cbc = !cbc_suites.is_empty();
        let without_cbc = format!("{}{NO_CBC}", self.cipher_list().1);
        context.set_client_hello_callback(move |ssl, _| {
            if has_cbc && !shim::offers_extended_master_secret(ssl) {
                shim::set_ciphers(ssl, &without_cbc)?;
                if let Some(peer) = Peer::of(ssl) {
                    peer.set_lacks_extended_master_secret();
                }
            }
            if let Some(find_hash) = &find_hash {
                find_hash(ssl)?;
            }
            Ok(ClientHelloResponse::SUCCESS)
        });
    }

    /// The cipher suites of TLS 1.3. The pre-shared key of a client is for one hash: a server that
    /// selected a suite with another one could not use it. Empty if no suite has that hash.
    pub(super) fn suites(&self) -> String {
        let all = self.ciphersuites.as_deref().unwrap_or(SUITES);
        // With trust anchors, a handshake by certificate is possible with any suite.
        let psk_only =
            self.endpoint == TlsEndpoint::Client && self.has_keys() && !self.has_trust_anchors();
        match psk_only {
            true => self.psk_hash.suites_of(all),
            false => all.to_owned(),
        }
    }

    pub(super) fn set_alpn(&self, context: &mut SslContextBuilder) -> io::Result<()> {
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

    /// A server has one certificate, whatever name is requested; the name is available, also of a
    /// resumed session.
    pub(super) fn set_names(&self, context: &mut SslContextBuilder) {
        if self.endpoint == TlsEndpoint::Server {
            context.set_servername_callback(|_, _| Ok(()));
        }
    }

    pub(super) fn set_sessions(
        &self,
        context: &mut SslContextBuilder,
        sessions: &Arc<Sessions>,
        policy: &Arc<Policy>,
    ) -> io::Result<()> {
        // Session tickets of TLS 1.3 go with the first data: see `TlsState::write`.
        context.set_num_tickets(0)?;
        if !self.resumption {
            context.set_session_cache_mode(SslSessionCacheMode::OFF);
            context.set_options(SslOptions::NO_TICKET);
            return Ok(());
        }
        shim::limit_sessions(context, LONGEST_SESSION);
        match self.endpoint {
            TlsEndpoint::Client => sessions.keep(context),
            TlsEndpoint::Server => {
                // Sessions of other servers are not accepted.
                let mut id = [0; 32];
                rand_bytes(&mut id)?;
                context.set_session_id_context(&id)?;
                // Identifiers in place of encrypted tickets, for which one key would decrypt all.
                context.set_options(SslOptions::NO_TICKET);
                sessions.serve(context, policy);
            }
        }
        Ok(())
    }

    /// The callback of the key log, if there is one.
    pub(super) fn key_log_sink(&self) -> io::Result<Option<KeyLog>> {
        let Some(path) = &self.key_log_file else {
            return Ok(self.key_log.clone());
        };
        let file = key_log::to_file(path)
            .map_err(|e| with_context(e, format!("Unable to open {}", path.display())))?;
        Ok(Some(match self.key_log.clone() {
            Some(log) => Arc::new(move |line: &str| {
                log(line);
                file(line);
            }),
            None => file,
        }))
    }
}

/// The names in a ProtocolNameList (RFC 7301).
fn protocols(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = list.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*len))?;
        list = rest;
        Some(name)
    })
}
