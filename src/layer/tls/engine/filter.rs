//! Limits what OpenSSL receives of a peer before that is verified.

use std::sync::Arc;

use super::{
    messages::{MessageReader, Part},
    server_hello::ServerHelloCheck,
};

/// The type of a message of the handshake (RFC 8446, section 4).
const CLIENT_HELLO: u8 = 1;

/// Limits the bytes of one handshake, and inspects the messages that are not encrypted. OpenSSL
/// allocates a whole message when it has its header: the length that a ClientHello claims is
/// therefore checked before. OpenSSL itself limits the lengths of all other messages.
#[derive(Debug)]
pub(in crate::layer::tls) struct HandshakeFilter {
    /// The most bytes of a handshake.
    most: usize,
    taken: usize,
    /// Of a server, or of a client that checks the ServerHello.
    messages: Option<MessageReader>,
    /// Of a client.
    server_hello: Option<ServerHelloCheck>,
    pub(super) refusal: Option<Refusal>,
}

/// Why OpenSSL does not see more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A ClientHello claims to have so many bytes.
    ClientHello(usize),
    /// All messages together have too many.
    Flight,
    /// A ServerHello selects CBC without an extended master secret.
    NoExtendedMasterSecret,
}

impl Refusal {
    /// The record with the fatal alert. These messages come before anything is encrypted.
    pub(super) fn alert(self) -> Option<[u8; 7]> {
        let description = match self {
            // illegal_parameter, which OpenSSL sends for messages that are too long.
            Self::ClientHello(_) => 47,
            // handshake_failure, by RFC 7627, section 5.2.
            Self::NoExtendedMasterSecret => 40,
            Self::Flight => return None,
        };
        Some([21, 3, 3, 0, 2, 2, description])
    }
}

impl HandshakeFilter {
    /// Of a server.
    pub(in crate::layer::tls) fn server(most: usize) -> Self {
        Self::new(most, true, None)
    }

    /// Of a client; `cbc_suites` are the cipher suites that need an extended master secret.
    pub(in crate::layer::tls) fn client(most: usize, cbc_suites: Arc<[[u8; 2]]>) -> Self {
        let server_hello = ServerHelloCheck::new(cbc_suites);
        Self::new(most, server_hello.is_some(), server_hello)
    }

    fn new(most: usize, has_messages: bool, server_hello: Option<ServerHelloCheck>) -> Self {
        Self {
            most,
            taken: 0,
            messages: has_messages.then(MessageReader::default),
            server_hello,
            refusal: None,
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// To be called before each call of OpenSSL. `true` until an older version has been negotiated,
    /// which is what OpenSSL reports: change_cipher_spec then means nothing.
    pub(super) fn set_tls_1_3(&mut self, is_tls_1_3: bool) {
        if let Some(messages) = &mut self.messages {
            messages.is_tls_1_3 = is_tls_1_3;
        }
    }

    /// Whether OpenSSL may see these bytes, which come next. Not after a refusal.
    pub(in crate::layer::tls) fn takes(&mut self, bytes: &[u8]) -> bool {
        if self.refusal.is_some() {
            return false;
        }
        self.taken += bytes.len();
        self.refusal = self.read_messages(bytes);
        if self.taken > self.most {
            self.refusal.get_or_insert(Refusal::Flight);
        }
        self.refusal.is_none()
    }

    fn read_messages(&mut self, bytes: &[u8]) -> Option<Refusal> {
        let messages = self.messages.as_mut()?;
        let (mut longest, mut checked) = (0, None);
        messages.read(bytes, |part| match (part, &mut self.server_hello) {
            (_, Some(check)) => checked = checked.or_else(|| check.read(part)),
            (Part::Header { kind, len }, None) if kind == CLIENT_HELLO => {
                longest = longest.max(len + 4);
            }
            _ => {}
        });
        if checked.is_some() {
            (self.messages, self.server_hello) = (None, None);
        }
        match checked {
            Some(true) => Some(Refusal::NoExtendedMasterSecret),
            _ => (longest > self.most).then_some(Refusal::ClientHello(longest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{HandshakeFilter, Refusal};

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = (body.len() as u16).to_be_bytes();
        [&[kind, 3, 3][..], &len, body].concat()
    }

    fn hello(len: u32) -> Vec<u8> {
        let [_, a, b, c] = len.to_be_bytes();
        vec![1, a, b, c]
    }

    /// What is refused of these bytes, in pieces of some size.
    fn refusal(bytes: &[u8], size: usize) -> Option<Refusal> {
        let mut filter = HandshakeFilter::server(1000);
        let all = bytes.chunks(size).all(|piece| filter.takes(piece));
        assert_eq!(all, filter.refusal.is_none());
        filter.refusal
    }

    #[test]
    fn claims_of_a_client_hello_are_found_however_they_are_split() {
        for size in 1..20 {
            let one = record(22, &hello(5000));
            assert_eq!(refusal(&one, size), Some(Refusal::ClientHello(5004)));
            // A record for each byte, with alerts in between.
            let split: Vec<_> = hello(5000)
                .iter()
                .map(|byte| record(22, &[*byte]))
                .collect();
            let split = split.join(&record(21, &[1, 90])[..]);
            assert_eq!(refusal(&split, size), Some(Refusal::ClientHello(5004)));
            // Behind another message.
            let second = [&[1, 0, 0, 2, 7, 7][..], &hello(2000)].concat();
            assert_eq!(
                refusal(&record(22, &second), size),
                Some(Refusal::ClientHello(2004))
            );
            assert_eq!(refusal(&record(22, &hello(900)), size), None);
            // Data that look like one.
            assert_eq!(refusal(&record(23, &hello(5000)), size), None);
            // After it all is encrypted.
            let encrypted = [record(20, &[1]), record(22, &hello(5000))].concat();
            assert_eq!(refusal(&encrypted, size), None);
        }
    }

    #[test]
    fn all_bytes_count() {
        assert_eq!(refusal(&record(23, &[0; 990]), 7), None);
        assert_eq!(refusal(&record(23, &[0; 996]), 7), Some(Refusal::Flight));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            size in 1..50_usize,
        ) {
            let _ = refusal(&bytes, size);
        }
    }
}
