//! Pre-shared keys (PSK).

use std::{
    collections::HashMap,
    io, str,
    sync::{Arc, LazyLock},
};

use openssl::{
    ex_data::Index,
    rand::rand_bytes,
    sha::Sha256,
    ssl::{Ssl, SslContextBuilder, SslRef, SslVersion},
};

use super::{protocol::OnClientHello, sessions, source::Source};
use crate::{
    error::invalid,
    layer::tls::{
        secret::Secret,
        shim::{self, OwnKey},
    },
};

/// The most bytes of an identity, and of a key, that all versions of OpenSSL accept.
const LONGEST_NAME: usize = 128;
const LONGEST_KEY: usize = 256;

/// The fewest bytes of a key that resists an exhaustive search.
const SHORTEST_KEY: usize = 16;

/// The hash that the key of a client is for, with TLS 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, glib::Enum)]
#[enum_type(name = "QIOTlsPskHash")]
#[doc(alias = "QIOTlsPskHash")]
#[repr(i32)]
pub enum TlsPskHash {
    /// SHA-256, the default.
    #[default]
    #[enum_value(name = "QIO_TLS_PSK_HASH_SHA256", nick = "sha256")]
    Sha256 = 0,
    /// SHA-384.
    #[enum_value(name = "QIO_TLS_PSK_HASH_SHA384", nick = "sha384")]
    Sha384 = 1,
}

impl TlsPskHash {
    /// A cipher suite with the hash, as on the wire.
    fn suite(self) -> [u8; 2] {
        match self {
            Self::Sha256 => [0x13, 0x01],
            Self::Sha384 => [0x13, 0x02],
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    fn of_len(len: usize) -> Option<Self> {
        let all = [Self::Sha256, Self::Sha384];
        all.into_iter().find(|hash| hash.len() == len)
    }

    /// The cipher suites of a list that have this hash.
    pub(super) fn suites_of(self, all: &str) -> String {
        let of = all
            .split(':')
            .filter(|suite| suite.ends_with("SHA384") == (self == Self::Sha384));
        of.collect::<Vec<_>>().join(":")
    }
}

/// Keys by their identities, which are bytes without NUL.
#[derive(Default)]
pub(super) struct Keys(HashMap<Vec<u8>, Secret>);

impl Keys {
    pub(super) fn add(&mut self, name: &[u8], key: Secret) -> Result<(), String> {
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(&0) {
            return Err(format!(
                "a name has 1 to {LONGEST_NAME} bytes, of which none is NUL"
            ));
        }
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(format!("a key has 1 to {LONGEST_KEY} bytes"));
        }
        if key.len() < SHORTEST_KEY {
            glib::g_warning!(
                "Qio",
                "The pre-shared key of {} has {} bytes, and should have {} at least: a recorded handshake is \
                 enough to try all shorter ones",
                printed(name),
                key.len(),
                SHORTEST_KEY
            );
        }
        match self.0.insert(name.to_vec(), key) {
            None => Ok(()),
            Some(_) => Err(format!("{} is there twice", printed(name))),
        }
    }

    /// Adds those of a file: `NAME:KEY` in each line, with the key in hexadecimal digits, and the
    /// name as well after a `#`.
    pub(super) fn load(&mut self, file: &Source) -> io::Result<()> {
        let bytes = file.secret()?;
        let mut any = false;
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            any = true;
            self.add_line(line)
                .map_err(|reason| file.wrong(&format!("line {}: {reason}", number + 1)))?;
        }
        match any {
            true => Ok(()),
            false => Err(file.wrong("it is empty")),
        }
    }

    fn add_line(&mut self, line: &[u8]) -> Result<(), String> {
        // A name may have colons, but no key has.
        let colon = line.iter().rposition(|byte| *byte == b':');
        let colon = colon.ok_or("expected a name, a colon and a key")?;
        let (name, key) = (&line[..colon], &line[colon + 1..]);
        let key = from_hex(key).ok_or("the key is not of hexadecimal digits, two for each byte")?;
        match name.strip_prefix(b"#") {
            None => self.add(name, key),
            Some(name) => {
                let name = from_hex(name).ok_or("the name after # is not of hexadecimal digits")?;
                self.add(&name, key)
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that a client uses: of this identity, or else the only one.
    fn into_own(mut self, name: Option<&str>) -> io::Result<(Vec<u8>, Secret)> {
        let wrong = |reason: String| invalid(&format!("Unable to choose a key: {reason}"));
        match name {
            Some(name) => self
                .0
                .remove_entry(name.as_bytes())
                .ok_or_else(|| wrong(format!("there is none of {}", printed(name.as_bytes())))),
            None if self.0.len() > 1 => Err(wrong(format!(
                "there are {}, and no identity is selected",
                self.0.len()
            ))),
            None => {
                let only = self.0.into_iter().next();
                only.ok_or_else(|| wrong("there is none".to_owned()))
            }
        }
    }

    /// Sets the key of a client, for both versions of TLS.
    pub(super) fn use_in(
        self,
        context: &mut SslContextBuilder,
        name: Option<&str>,
        hash: TlsPskHash,
    ) -> io::Result<()> {
        let (name, key) = self.into_own(name)?;
        let own = OwnKey {
            name: name.clone(),
            key: key.clone(),
            suite: hash.suite(),
            hash_len: hash.len(),
        };
        shim::use_key(context, own)?;
        context.set_psk_client_callback(move |ssl, _, name_out, key_out| {
            // The name ends in NUL.
            let fits = name.len() < name_out.len() && key.len() <= key_out.len();
            // If the hash did not fit, OpenSSL would call this next, and use the key with another
            // one.
            let is_refused = ssl.version2() == Some(SslVersion::TLS1_3);
            if is_refused || !fits {
                return Ok(0);
            }
            name_out[..name.len()].copy_from_slice(&name);
            name_out[name.len()] = 0;
            key_out[..key.len()].copy_from_slice(&key);
            Ok(key.len())
        });
        Ok(())
    }

    /// Sets the callbacks by which a server finds keys, for both versions of TLS, and returns a
    /// step of its ClientHello callback. `suites` are its cipher suites of TLS 1.3. A server
    /// without a certificate treats unknown identities as wrong keys: see [`ServerKeys`].
    pub(super) fn find_in(
        self,
        context: &mut SslContextBuilder,
        suites: &str,
        psk_only: bool,
    ) -> io::Result<OnClientHello> {
        let keys = Arc::new(ServerKeys::new(self, psk_only)?);
        let all = keys.clone();
        shim::find_keys(context, Box::new(move |ssl, name| all.find(ssl, name)))?;
        let all = keys.clone();
        context.set_psk_server_callback(move |ssl, name, key_out| {
            // With TLS 1.3 the other callback has answered.
            let is_older = ssl.version2() != Some(SslVersion::TLS1_3);
            match name
                .filter(|_| is_older)
                .map(|name| all.key_or_simulated(name))
            {
                Some(key) if key.len() <= key_out.len() => {
                    key_out[..key.len()].copy_from_slice(&key);
                    Ok(key.len())
                }
                _ => Ok(0),
            }
        });
        let [sha256, sha384] =
            [TlsPskHash::Sha256, TlsPskHash::Sha384].map(|hash| hash.suites_of(suites));
        Ok(Box::new(move |ssl| {
            // A key is for one hash, which the length of the client's binder shows. The cipher
            // suite must have the same one.
            let suites = match keys.hash_for(ssl) {
                Some(TlsPskHash::Sha256) => &sha256,
                Some(TlsPskHash::Sha384) => &sha384,
                None => return Ok(()),
            };
            match suites.is_empty() {
                true => Ok(()),
                false => ssl.set_ciphersuites(suites),
            }
        }))
    }
}

/// Set for a connection whose client offers no known identity.
static OFFERS_NO_KNOWN: LazyLock<Option<Index<Ssl, ()>>> =
    LazyLock::new(|| Ssl::new_ex_index().ok());

/// The keys of a server. Peers cannot enumerate identities: an unknown one has a random key, so
/// that it fails as a wrong key does (RFC 8446, appendix E.6; RFC 4279, section 2). With TLS 1.3
/// that holds for servers without a certificate; others continue with a handshake by certificate.
struct ServerKeys {
    keys: Keys,
    simulation_seed: Secret,
    hides_in_tls_1_3: bool,
}

impl ServerKeys {
    fn new(keys: Keys, psk_only: bool) -> io::Result<Self> {
        let mut seed = vec![0; 32];
        rand_bytes(&mut seed)?;
        Ok(Self {
            keys,
            simulation_seed: seed.into(),
            hides_in_tls_1_3: psk_only,
        })
    }

    /// The key of TLS 1.3 for an identity, which may also be a session ticket.
    fn find(&self, ssl: &SslRef, name: &[u8]) -> Option<Secret> {
        let has_no_known = OFFERS_NO_KNOWN.is_some_and(|index| ssl.ex_data(index).is_some());
        match self.hides_in_tls_1_3 && has_no_known && !is_session(ssl, name) {
            true => Some(self.key_or_simulated(name)),
            false => self.keys.0.get(name).cloned(),
        }
    }

    fn key_or_simulated(&self, name: &[u8]) -> Secret {
        // Also if it is not used, so that it takes the same time.
        let mut hash = Sha256::new();
        hash.update(&self.simulation_seed);
        hash.update(name);
        let simulated = Secret::from(hash.finish().to_vec());
        self.keys.0.get(name).cloned().unwrap_or(simulated)
    }

    /// The hash of the first known key that the client offers, or else of the first one.
    fn hash_for(&self, ssl: &mut SslRef) -> Option<TlsPskHash> {
        let extension = shim::offered_psks(ssl).to_vec();
        let offered = identities(&extension)?;
        let known = offered
            .iter()
            .find(|(name, _)| self.keys.0.contains_key(*name));
        let unknown = || offered.iter().find(|(name, _)| !is_session(ssl, name));
        let len = match known {
            Some((_, proof)) => proof.len(),
            None if self.hides_in_tls_1_3 => unknown()?.1.len(),
            None => return None,
        };
        if known.is_none()
            && let Some(index) = *OFFERS_NO_KNOWN
        {
            ssl.set_ex_data(index, ());
        }
        TlsPskHash::of_len(len)
    }
}

/// Whether an identity is a session ticket: an encrypted one, which is longer than any identity, or
/// the identifier of a cached session.
fn is_session(ssl: &SslRef, identity: &[u8]) -> bool {
    identity.len() > LONGEST_NAME || sessions::has_session(ssl, identity)
}

/// Identities with their binders, of a pre_shared_key extension; `None` if it is malformed, which
/// OpenSSL reports.
fn identities(extension: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (mut names, rest) = prefixed(extension, 2)?;
    let (mut proofs, _) = prefixed(rest, 2)?;
    let mut all = Vec::new();
    while !names.is_empty() {
        let (name, rest) = prefixed(names, 2)?;
        // The obfuscated ticket age.
        names = rest.get(4..)?;
        let (proof, rest) = prefixed(proofs, 1)?;
        proofs = rest;
        all.push((name, proof));
    }
    Some(all)
}

/// A vector with a length of `size` bytes, and the rest.
fn prefixed(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(size)?;
    let len = len
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(len)
}

fn from_hex(text: &[u8]) -> Option<Secret> {
    if !text.len().is_multiple_of(2) || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = Secret::with_capacity(text.len() / 2);
    for pair in text.chunks(2) {
        bytes.push(u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?);
    }
    Some(bytes)
}

fn printed(name: &[u8]) -> String {
    format!("\"{}\"", name.escape_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::identities;

    /// Two identities with their ages, and two binders.
    const EXTENSION: &[u8] = b"\0\x11\0\x03one\0\0\0\0\0\x02to\0\0\0\0\0\x05\x02ab\x01c";

    #[test]
    fn identities_are_read_with_their_binders() {
        let expected: [(&[u8], &[u8]); 2] = [(b"one", b"ab"), (b"to", b"c")];
        assert_eq!(identities(EXTENSION).expect("whole"), expected);
        assert_eq!(identities(&[]), None);
        for len in 0..EXTENSION.len() {
            assert_eq!(identities(&EXTENSION[..len]), None, "cut off after {len}");
        }
    }

    proptest! {
        /// Any peer may send them.
        #[test]
        fn any_extension_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = identities(&bytes);
        }
    }
}
