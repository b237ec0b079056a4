//! How much is taken of a peer before it is verified.

/// The type of a record (RFC 8446, section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// The type of a message of the handshake (RFC 8446, section 4).
const CLIENT_HELLO: u8 = 1;

/// The record that refuses a ClientHello: the fatal alert illegal_parameter, which OpenSSL sends
/// for messages that are too long.
pub(super) const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 47];

/// The limit of one handshake. OpenSSL allocates a whole message when it has seen its header: what
/// a ClientHello claims is therefore looked at before. The lengths of all other messages it limits
/// itself.
#[derive(Debug)]
pub(in crate::layer::tls) struct FlightLimit {
    /// The most bytes of a handshake.
    most: usize,
    taken: usize,
    claims: Option<Claims>,
    /// What was too much.
    pub(super) excess: Option<Excess>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// A ClientHello claims to have so many bytes.
    Hello(usize),
    /// All messages together.
    Flight,
}

impl FlightLimit {
    pub(in crate::layer::tls) fn new(most: usize, is_server: bool) -> Self {
        Self {
            most,
            taken: 0,
            claims: is_server.then(Claims::default),
            excess: None,
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// `true` once TLS 1.3 has been negotiated: then change_cipher_spec means nothing.
    pub(super) fn set_tls_1_3(&mut self, is_tls_1_3: bool) {
        if let Some(claims) = &mut self.claims {
            claims.is_tls_1_3 = is_tls_1_3;
        }
    }

    /// Whether OpenSSL may see these bytes, which come next. Not if there has been too much.
    pub(in crate::layer::tls) fn takes(&mut self, bytes: &[u8]) -> bool {
        if self.excess.is_some() {
            return false;
        }
        let longest = self
            .claims
            .as_mut()
            .map_or(0, |claims| claims.longest(bytes));
        self.taken += bytes.len();
        if longest > self.most {
            self.excess = Some(Excess::Hello(longest));
        } else if self.taken > self.most {
            self.excess = Some(Excess::Flight);
        }
        self.excess.is_none()
    }
}

/// Reads the headers of records and of ClientHellos, however these are split.
#[derive(Debug, Default)]
struct Claims {
    record: Header<5>,
    message: Header<4>,
    /// How much is left of the body of the record, and of the message.
    record_left: usize,
    message_left: usize,
    is_handshake: bool,
    is_tls_1_3: bool,
    /// All further messages are encrypted.
    is_over: bool,
}

impl Claims {
    /// The longest ClientHello that begins in these bytes, with its header; or 0.
    fn longest(&mut self, mut bytes: &[u8]) -> usize {
        let mut longest = 0;
        while !bytes.is_empty() && !self.is_over {
            if self.record_left == 0 {
                if let Some([kind, _, _, high, low]) = self.record.fill(&mut bytes) {
                    self.record_left = usize::from(u16::from_be_bytes([high, low]));
                    self.is_handshake = kind == HANDSHAKE;
                    self.is_over = kind == CHANGE_CIPHER_SPEC && !self.is_tls_1_3;
                }
                continue;
            }
            let (mut body, rest) = bytes.split_at(bytes.len().min(self.record_left));
            self.record_left -= body.len();
            bytes = rest;
            while self.is_handshake && !body.is_empty() {
                if self.message_left == 0 {
                    if let Some([kind, a, b, c]) = self.message.fill(&mut body) {
                        self.message_left = u32::from_be_bytes([0, a, b, c]) as usize;
                        if kind == CLIENT_HELLO {
                            longest = longest.max(self.message_left + 4);
                        }
                    }
                    continue;
                }
                let skipped = body.len().min(self.message_left);
                self.message_left -= skipped;
                body = &body[skipped..];
            }
        }
        longest
    }
}

/// The first bytes of something, which may come one by one.
#[derive(Debug)]
struct Header<const N: usize> {
    bytes: [u8; N],
    filled: usize,
}

impl<const N: usize> Default for Header<N> {
    fn default() -> Self {
        Self {
            bytes: [0; N],
            filled: 0,
        }
    }
}

impl<const N: usize> Header<N> {
    /// Takes what is missing. Returns the header when it is complete, and begins with the next one.
    fn fill(&mut self, from: &mut &[u8]) -> Option<[u8; N]> {
        let count = from.len().min(N - self.filled);
        let (taken, rest) = from.split_at(count);
        self.bytes[self.filled..][..count].copy_from_slice(taken);
        self.filled = (self.filled + count) % N;
        *from = rest;
        (self.filled == 0).then_some(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Excess, FlightLimit};

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = (body.len() as u16).to_be_bytes();
        [&[kind, 3, 3][..], &len, body].concat()
    }

    fn hello(len: u32) -> Vec<u8> {
        let [_, a, b, c] = len.to_be_bytes();
        vec![1, a, b, c]
    }

    /// What is too much of these bytes, in pieces of some size.
    fn excess(bytes: &[u8], size: usize) -> Option<Excess> {
        let mut limit = FlightLimit::new(1000, true);
        let all = bytes.chunks(size).all(|piece| limit.takes(piece));
        assert_eq!(all, limit.excess.is_none());
        limit.excess
    }

    #[test]
    fn claims_of_a_client_hello_are_found_however_they_are_split() {
        for size in 1..20 {
            let one = record(22, &hello(5000));
            assert_eq!(excess(&one, size), Some(Excess::Hello(5004)));
            // A record for each byte, with alerts in between.
            let split: Vec<_> = hello(5000)
                .iter()
                .map(|byte| record(22, &[*byte]))
                .collect();
            let split = split.join(&record(21, &[1, 90])[..]);
            assert_eq!(excess(&split, size), Some(Excess::Hello(5004)));
            // Behind another message.
            let second = [&[1, 0, 0, 2, 7, 7][..], &hello(2000)].concat();
            assert_eq!(
                excess(&record(22, &second), size),
                Some(Excess::Hello(2004))
            );
            assert_eq!(excess(&record(22, &hello(900)), size), None);
            // Data that look like one.
            assert_eq!(excess(&record(23, &hello(5000)), size), None);
            // After it all is encrypted.
            let encrypted = [record(20, &[1]), record(22, &hello(5000))].concat();
            assert_eq!(excess(&encrypted, size), None);
        }
    }

    #[test]
    fn all_bytes_count() {
        assert_eq!(excess(&record(23, &[0; 990]), 7), None);
        assert_eq!(excess(&record(23, &[0; 996]), 7), Some(Excess::Flight));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            size in 1..50_usize,
        ) {
            let _ = excess(&bytes, size);
        }
    }
}
