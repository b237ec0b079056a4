//! Keys that both ends have already.

use std::{collections::HashMap, io, str, sync::Arc};

use openssl::{
    error::ErrorStack,
    ssl::{ClientHelloResponse, SslContextBuilder, SslRef, SslVersion},
};

use super::source::Source;
use crate::{
    error::invalid,
    layer::tls::shim::{self, OwnKey},
};

/// The most bytes of a name, and of a key, that every OpenSSL takes.
const LONGEST_NAME: usize = 128;
const LONGEST_KEY: usize = 256;

/// Which hash a key is for, where a client uses it with TLS 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, glib::Enum)]
#[enum_type(name = "QIOTlsPskHash")]
#[doc(alias = "QIOTlsPskHash")]
#[repr(i32)]
pub enum TlsPskHash {
    /// SHA-256, which is meant where nothing is said.
    #[default]
    #[enum_value(name = "QIO_TLS_PSK_HASH_SHA256", nick = "sha256")]
    Sha256 = 0,
    /// SHA-384.
    #[enum_value(name = "QIO_TLS_PSK_HASH_SHA384", nick = "sha384")]
    Sha384 = 1,
}

impl TlsPskHash {
    /// The suite that stands for the hash, as it is written on the wire.
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

    /// Those of a list of suites of TLS 1.3 that have this hash.
    pub(super) fn suites_of(self, all: &str) -> String {
        let of = all
            .split(':')
            .filter(|suite| suite.ends_with("SHA384") == (self == Self::Sha384));
        of.collect::<Vec<_>>().join(":")
    }
}

/// Keys by the names of those who have them. Names are bytes without NUL.
#[derive(Clone, Default)]
pub(super) struct Keys(HashMap<Vec<u8>, Vec<u8>>);

impl Keys {
    pub(super) fn add(&mut self, name: &[u8], key: &[u8]) -> Result<(), String> {
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(&0) {
            return Err(format!(
                "a name has 1 to {LONGEST_NAME} bytes, of which none is NUL"
            ));
        }
        if key.is_empty() || key.len() > LONGEST_KEY {
            return Err(format!("a key has 1 to {LONGEST_KEY} bytes"));
        }
        match self.0.insert(name.to_vec(), key.to_vec()) {
            None => Ok(()),
            Some(_) => Err(format!("{} is there twice", printed(name))),
        }
    }

    /// Adds those of a file: `NAME:KEY` in each line, with the key in hexadecimal digits; the name too, if there is
    /// a `#` before it.
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
            None => self.add(name, &key),
            Some(name) => {
                let name = from_hex(name).ok_or("the name after # is not of hexadecimal digits")?;
                self.add(&name, &key)
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one that a client uses: of this name, or else the only one.
    fn into_own(mut self, name: Option<&str>) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let wrong = |reason: String| invalid(&format!("Unable to choose a key: {reason}"));
        match name {
            Some(name) => self
                .0
                .remove_entry(name.as_bytes())
                .ok_or_else(|| wrong(format!("there is none of {}", printed(name.as_bytes())))),
            None if self.0.len() > 1 => Err(wrong(format!(
                "there are {}, and it is not said whose",
                self.0.len()
            ))),
            None => {
                let only = self.0.into_iter().next();
                only.ok_or_else(|| wrong("there is none".to_owned()))
            }
        }
    }

    /// Gives a client its key, in either version of TLS.
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
            // Where the key was not used because of its hash, OpenSSL would take it from here, with another one.
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

    /// Lets a server know them, in either version of TLS. `suites` are those of TLS 1.3 that it may use.
    pub(super) fn find_in(self, context: &mut SslContextBuilder, suites: &str) -> io::Result<()> {
        let keys = Arc::new(self);
        let all = keys.clone();
        shim::find_keys(context, Box::new(move |name| all.0.get(name).cloned()))?;
        let all = keys.clone();
        context.set_psk_server_callback(move |_, name, key_out| {
            match name.and_then(|name| all.0.get(name)) {
                Some(key) if key.len() <= key_out.len() => {
                    key_out[..key.len()].copy_from_slice(key);
                    Ok(key.len())
                }
                _ => Ok(0),
            }
        });
        let [sha256, sha384] =
            [TlsPskHash::Sha256, TlsPskHash::Sha384].map(|hash| hash.suites_of(suites));
        context.set_client_hello_callback(move |ssl, _| {
            // A key goes with one hash, which only the client knows: its proof is as long as the hash. The suite has
            // to have the same one.
            let suites = match keys.hash_for(ssl) {
                Some(TlsPskHash::Sha256) => &sha256,
                Some(TlsPskHash::Sha384) => &sha384,
                None => return Ok(ClientHelloResponse::SUCCESS),
            };
            if !suites.is_empty() {
                ssl.set_ciphersuites(suites)?;
            }
            Ok::<_, ErrorStack>(ClientHelloResponse::SUCCESS)
        });
        Ok(())
    }

    /// The hash of the first key of ours that the client shows.
    fn hash_for(&self, ssl: &mut SslRef) -> Option<TlsPskHash> {
        let shown = shown(shim::shown_keys(ssl))?;
        let (_, proof) = shown
            .into_iter()
            .find(|(name, _)| self.0.contains_key(*name))?;
        TlsPskHash::of_len(proof.len())
    }
}

/// Names with their proofs, of the extension that carries both; `None` where it is not as it should be, which
/// OpenSSL has to say.
fn shown(extension: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (mut names, rest) = prefixed(extension, 2)?;
    let (mut proofs, _) = prefixed(rest, 2)?;
    let mut all = Vec::new();
    while !names.is_empty() {
        let (name, rest) = prefixed(names, 2)?;
        // Four bytes of age.
        names = rest.get(4..)?;
        let (proof, rest) = prefixed(proofs, 1)?;
        proofs = rest;
        all.push((name, proof));
    }
    Some(all)
}

/// Bytes after their number, which has `size` bytes itself, and the rest.
fn prefixed(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(size)?;
    let len = len
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at_checked(len)
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    text.chunks(2).map(byte).collect()
}

fn printed(name: &[u8]) -> String {
    format!("\"{}\"", name.escape_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::shown;

    /// Two names with their ages, and two proofs.
    const SHOWN: &[u8] = b"\0\x11\0\x03one\0\0\0\0\0\x02to\0\0\0\0\0\x05\x02ab\x01c";

    #[test]
    fn names_are_read_with_their_proofs() {
        let expected: [(&[u8], &[u8]); 2] = [(b"one", b"ab"), (b"to", b"c")];
        assert_eq!(shown(SHOWN).expect("whole"), expected);
        assert_eq!(shown(&[]), None);
        for len in 0..SHOWN.len() {
            assert_eq!(shown(&SHOWN[..len]), None, "cut off after {len}");
        }
    }

    proptest! {
        /// They come from whoever connects.
        #[test]
        fn whatever_is_shown_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = shown(&bytes);
        }
    }
}
