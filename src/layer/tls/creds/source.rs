//! Sources of certificates and keys: files, and memory.

use std::{borrow::Cow, fmt, fs, io, ops::Deref, os::unix::fs::MetadataExt as _, path::PathBuf};

use gio::TlsError;
use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    x509::{X509, X509Crl},
};

use super::builder::Password;
use crate::{
    error::with_context,
    layer::tls::{reason, secret::Secret, shim, tls_error},
};

/// All users may read or write it, or the group may write it.
const OPEN_TO_OTHERS: u32 = 0o026;

/// The end of the line before any kind of private key.
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";

/// The most bytes of a private key in PEM form; its file may have more.
const LONGEST_KEY: usize = 16 * 1024;

/// A file, or memory.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    /// With its label.
    Memory(&'static str, Secret),
}

/// The contents of a source, which are overwritten when this is dropped.
pub(super) enum Contents<'a> {
    Read(Secret),
    InMemory(&'a [u8]),
}

impl Deref for Contents<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::InMemory(bytes) => bytes,
        }
    }
}

/// The label in messages.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory(name, _) => write!(f, "the {name} in memory"),
        }
    }
}

impl Source {
    pub(super) fn memory(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::Memory(name, Secret::from(bytes.into()))
    }

    /// An error of the contents.
    pub(super) fn wrong(&self, reason: &str) -> io::Error {
        self.error(TlsError::BadCertificate, reason)
    }

    fn error(&self, code: TlsError, reason: &str) -> io::Error {
        tls_error(code, &format!("Unable to use {self}: {reason}"))
    }

    /// Reads the contents.
    fn read(&self) -> io::Result<Contents<'_>> {
        let bytes = match self {
            Self::File(path) => Contents::Read(
                Secret::read(path)
                    .map_err(|e| with_context(e, format!("Unable to load {self}")))?,
            ),
            Self::Memory(_, bytes) => Contents::InMemory(bytes),
        };
        match bytes.trim_ascii().is_empty() {
            false => Ok(bytes),
            true => Err(self.wrong("it is empty")),
        }
    }

    /// As [`read`](Self::read), for contents that may be in PEM form.
    fn pem(&self) -> io::Result<Contents<'_>> {
        Ok(without_byte_order_marks(self.read()?))
    }

    /// The same for a secret. A file that other users may read is logged as a warning.
    pub(super) fn secret(&self) -> io::Result<Contents<'_>> {
        let bytes = self.read()?;
        self.warn_if_open();
        Ok(bytes)
    }

    fn warn_if_open(&self) {
        if let Self::File(path) = self
            && let Ok(about) = fs::metadata(path)
            && about.mode() & OPEN_TO_OTHERS != 0
        {
            glib::g_warning!(
                "Qio",
                "{} has permissions that are too open for a secret: its mode is {:o}",
                self,
                about.mode() & 0o7777
            );
        }
    }

    /// Reads at least one certificate.
    pub(super) fn certificates(&self) -> io::Result<Vec<X509>> {
        let pem = self.pem()?;
        let found = X509::stack_from_pem(&pem);
        if !starts_of(&pem, PRIVATE_KEY).is_empty() {
            cleanse_freed(&pem);
        }
        let found = found.map_err(|e| self.unreadable("certificate", &pem, &e))?;
        match found.is_empty() {
            false => Ok(found),
            true => Err(self.lacks("certificate", &pem)),
        }
    }

    /// Reads at least one CRL.
    pub(super) fn crls(&self) -> io::Result<Vec<X509Crl>> {
        let pem = self.pem()?;
        let starts = starts_of(&pem, b"-----BEGIN X509 CRL-----");
        if starts.is_empty() {
            return Err(self.lacks("certificate revocation list", &pem));
        }
        let parse = |start: usize| {
            let read = X509Crl::from_pem(&pem[start..]);
            read.map_err(|e| self.unreadable("certificate revocation list", &pem, &e))
        };
        starts.into_iter().map(parse).collect()
    }

    /// Reads a private key, with the password if it is encrypted.
    pub(super) fn key(&self, password: Option<&Password>) -> io::Result<PKey<Private>> {
        let pem = self.pem()?;
        let (mut is_encrypted, mut given) = (false, None);
        let key = PKey::private_key_from_pem_callback(&pem, |place| {
            is_encrypted = true;
            given = password.and_then(|func| func(&self.to_string()));
            let given = given.as_deref().unwrap_or_default();
            // A truncated password would be another one.
            let fits = given.len() <= place.len();
            let len = if fits { given.len() } else { 0 };
            place[..len].copy_from_slice(&given[..len]);
            Ok(len)
        });
        cleanse_freed(&pem);
        let refused = |reason| Err(self.error(TlsError::BadCertificatePassword, reason));
        match key {
            Ok(key) => {
                self.warn_if_open();
                Ok(key)
            }
            Err(_) if is_encrypted && given.is_none() => {
                refused("the private key is encrypted and no password was given")
            }
            Err(_) if is_encrypted => refused("the private key is encrypted with another password"),
            Err(e) => Err(match label(&pem) {
                Some(label) if label.ends_with("PRIVATE KEY") => {
                    self.unreadable("private key", &pem, &e)
                }
                _ => self.lacks("private key", &pem),
            }),
        }
    }

    fn unreadable(&self, expected: &str, pem: &[u8], e: &ErrorStack) -> io::Error {
        self.wrong(&match misplaced(pem) {
            Some(found) => format!("expected a {expected} in PEM form, found {found}"),
            None => format!("the {expected} is damaged: {}", reason(e)),
        })
    }

    /// The error of contents that are something else.
    fn lacks(&self, expected: &str, pem: &[u8]) -> io::Error {
        let found = match (misplaced(pem), label(pem)) {
            (Some(found), _) => found,
            (None, Some(label)) => format!("a {}", label.to_ascii_lowercase()),
            (None, None) if pem.starts_with(b"\xff\xfe") || pem.starts_with(b"\xfe\xff") => {
                "text in UTF-16".to_owned()
            }
            (None, None) => "no line -----BEGIN".to_owned(),
        };
        self.wrong(&format!("expected a {expected} in PEM form, found {found}"))
    }
}

/// After OpenSSL has decoded a private key.
fn cleanse_freed(pem: &[u8]) {
    shim::cleanse_freed(pem.len().min(LONGEST_KEY));
}

/// The reason why OpenSSL does not find the first block, if its line does not begin or end as it
/// must.
fn misplaced(pem: &[u8]) -> Option<String> {
    let begin = *starts_of(pem, BEGIN).first()?;
    let label = label(pem)?;
    let end = begin + BEGIN.len() + label.len() + DASHES.len();
    let why = match (pem[..begin].last(), pem.get(end..)?) {
        (None | Some(b'\n'), [b'\r', after, ..]) if *after != b'\n' => {
            "followed by a carriage return without a line feed"
        }
        (None | Some(b'\n'), _) => return None,
        _ => "not at the beginning of a line",
    };
    Some(format!("-----BEGIN {label}----- {why}"))
}

/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Removes byte order marks where lines begin: OpenSSL ignores one at the beginning of a text, and
/// misses a block behind another one, which files have that were put together.
fn without_byte_order_marks(text: Contents<'_>) -> Contents<'_> {
    if starts_of(&text, BYTE_ORDER_MARK).is_empty() {
        return text;
    }
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    let without = lines.map(|mut line| {
        while let Some(rest) = line.strip_prefix(BYTE_ORDER_MARK) {
            line = rest;
        }
        line
    });
    Contents::Read(Secret::from(without.collect::<Vec<_>>().concat()))
}

/// The begin and the end of the line before a block.
const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

/// The label of the first block of a PEM file.
fn label(pem: &[u8]) -> Option<Cow<'_, str>> {
    let start = *starts_of(pem, BEGIN).first()? + BEGIN.len();
    let rest = &pem[start..];
    let len = starts_of(rest, DASHES).first().copied()?;
    Some(String::from_utf8_lossy(&rest[..len]))
}

/// The positions of one text in another.
fn starts_of(text: &[u8], part: &[u8]) -> Vec<usize> {
    let windows = text.windows(part.len()).enumerate();
    let found = windows.filter(|(_, window)| *window == part);
    found.map(|(at, _)| at).collect()
}
