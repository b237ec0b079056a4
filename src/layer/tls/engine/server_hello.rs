//! What a client reads of a ServerHello before OpenSSL does: whether a cipher suite with CBC comes
//! with an extended master secret (RFC 7627). OpenSSL continues without one, and offers no place to
//! refuse it where an alert can still be sent: when the handshake is done, the alert would have to
//! be encrypted.

use std::sync::Arc;

use super::messages::Part;

/// The type of a message of the handshake (RFC 8446, section 4).
const SERVER_HELLO: u8 = 2;

/// Extensions (RFC 7627 and RFC 8446).
const EXTENDED_MASTER_SECRET: u16 = 23;
const SUPPORTED_VERSIONS: u16 = 43;

/// Collects the first ServerHello of a connection, and checks it.
#[derive(Debug)]
pub(super) struct ServerHelloCheck {
    /// The cipher suites that need an extended master secret.
    cbc_suites: Arc<[[u8; 2]]>,
    body: Vec<u8>,
    /// The length of the body, once the header has come.
    len: Option<usize>,
}

impl ServerHelloCheck {
    /// `None` where no cipher suite needs it.
    pub(super) fn new(cbc_suites: Arc<[[u8; 2]]>) -> Option<Self> {
        (!cbc_suites.is_empty()).then(|| Self {
            cbc_suites,
            body: Vec::new(),
            len: None,
        })
    }

    /// Takes the next part of the handshake. Returns whether the ServerHello is to be refused, once
    /// it is complete. Only the first one counts: after a HelloRetryRequest there is TLS 1.3 only.
    pub(super) fn read(&mut self, part: Part<'_>) -> Option<bool> {
        match (part, self.len) {
            (Part::Header { kind, len }, None) if kind == SERVER_HELLO => self.len = Some(len),
            (Part::Body(bytes), Some(len)) => {
                self.body.extend_from_slice(bytes);
                if self.body.len() == len {
                    let selected = suite_without_extended_master_secret(&self.body);
                    return Some(selected.is_some_and(|it| self.cbc_suites.contains(&it)));
                }
            }
            _ => {}
        }
        None
    }
}

/// The cipher suite that a ServerHello of TLS 1.2 selects without an extended master secret. `None`
/// also for what OpenSSL will refuse, as it is malformed.
fn suite_without_extended_master_secret(body: &[u8]) -> Option<[u8; 2]> {
    // Version and random bytes; the session identifier.
    let (len, rest) = body.get(2 + 32..)?.split_first()?;
    let (suite, rest) = rest.get(usize::from(*len)..)?.split_first_chunk()?;
    // The compression method, and the length of the extensions, which may be missing.
    let mut extensions = rest.get(1 + 2..).unwrap_or_default();
    while let Some(([a, b, high, low], rest)) = extensions.split_first_chunk() {
        let kind = u16::from_be_bytes([*a, *b]);
        if kind == EXTENDED_MASTER_SECRET || kind == SUPPORTED_VERSIONS {
            return None;
        }
        extensions = rest.get(usize::from(u16::from_be_bytes([*high, *low]))..)?;
    }
    Some(*suite)
}

#[cfg(test)]
mod tests {
    use super::{Part, SERVER_HELLO, ServerHelloCheck, suite_without_extended_master_secret};

    const CBC: [u8; 2] = [0xc0, 0x13];
    const GCM: [u8; 2] = [0xc0, 0x2f];

    fn hello(suite: [u8; 2], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut list = Vec::new();
        for (kind, data) in extensions {
            list.extend(kind.to_be_bytes());
            list.extend((data.len() as u16).to_be_bytes());
            list.extend(*data);
        }
        let len = (list.len() as u16).to_be_bytes();
        let identifier = [&[3][..], &[9; 3]].concat();
        [
            &[3, 3][..],
            &[7; 32],
            &identifier,
            &suite,
            &[0],
            &len,
            &list,
        ]
        .concat()
    }

    /// The result of a ServerHello that comes in pieces of some size.
    fn is_refused(body: &[u8], size: usize) -> Option<bool> {
        let mut check = ServerHelloCheck::new([CBC].into()).expect("a suite");
        let len = body.len();
        let header = Part::Header {
            kind: SERVER_HELLO,
            len,
        };
        assert_eq!(check.read(header), None);
        body.chunks(size)
            .map(|piece| check.read(Part::Body(piece)))
            .fold(None, Option::or)
    }

    #[test]
    fn cbc_without_extended_master_secret_is_found_in_a_server_hello() {
        let other: (u16, &[u8]) = (0xff01, &[0]);
        let secret: (u16, &[u8]) = (23, &[]);
        let version: (u16, &[u8]) = (43, &[3, 4]);
        for size in [1, 3, 1000] {
            assert_eq!(is_refused(&hello(CBC, &[]), size), Some(true));
            assert_eq!(is_refused(&hello(CBC, &[other]), size), Some(true));
            assert_eq!(is_refused(&hello(CBC, &[other, secret]), size), Some(false));
            assert_eq!(is_refused(&hello(CBC, &[version]), size), Some(false));
            assert_eq!(is_refused(&hello(GCM, &[other]), size), Some(false));
            // Extensions may be left out altogether.
            let whole = hello(CBC, &[]);
            let short = &whole[..whole.len() - 2];
            assert_eq!(is_refused(short, size), Some(true));
        }
    }

    #[test]
    fn a_malformed_server_hello_is_left_to_openssl() {
        let whole = hello(CBC, &[(0xff01, &[0])]);
        for len in 0..whole.len() {
            // Without a panic.
            let _ = suite_without_extended_master_secret(&whole[..len]);
        }
        assert_eq!(suite_without_extended_master_secret(&[255; 40]), None);
    }
}
