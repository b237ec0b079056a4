//! Limits what OpenSSL receives of a peer before that is verified.

use std::sync::Arc;

use super::{
    alert::Alert,
    messages::{MessageReader, Part, RECORD_HEADER, RecordReader, SentRecords},
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
    records: RecordReader,
    /// Of a server, or of a client that checks the ServerHello.
    messages: Option<MessageReader>,
    /// Of a client.
    server_hello: Option<ServerHelloCheck>,
    pub(super) refusal: Option<Refusal>,
    pub(in crate::layer::tls) sent: SentRecords,
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
    /// The alert that OpenSSL does not send itself.
    pub(super) fn alert(self) -> Option<Alert> {
        match self {
            // Which OpenSSL sends for messages that are too long.
            Self::ClientHello(_) => Some(Alert::IllegalParameter),
            // RFC 7627, section 5.2.
            Self::NoExtendedMasterSecret => Some(Alert::HandshakeFailure),
            // OpenSSL sends record_overflow for the header that it sees: see `takes`.
            Self::Flight => None,
        }
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
            records: RecordReader::default(),
            messages: has_messages.then(MessageReader::default),
            server_hello,
            refusal: None,
            sent: SentRecords::default(),
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
    ///
    /// A record that exceeds the limit is refused by its header, whose length is replaced by one
    /// that no record has: OpenSSL then sends the alert record_overflow, encrypted if need be. It
    /// has no function for that.
    pub(in crate::layer::tls) fn takes(&mut self, bytes: &mut [u8]) -> bool {
        if self.refusal.is_some() {
            return false;
        }
        let mut left = &bytes[..];
        while let Some(part) = self.records.next(&mut left) {
            self.refusal = self.read_messages(part);
            if self.refusal.is_some() {
                return false;
            }
            if let Part::Header { len, .. } = part {
                self.taken += RECORD_HEADER + len;
            }
            if self.taken > self.most {
                self.refusal = Some(Refusal::Flight);
                let end = bytes.len() - left.len();
                // OpenSSL waits for more, and no alert is sent, if half of the length came before.
                bytes[end.saturating_sub(2)..end].fill(u8::MAX);
                return true;
            }
        }
        true
    }

    fn read_messages(&mut self, record: Part<'_>) -> Option<Refusal> {
        let messages = self.messages.as_mut()?;
        let (mut longest, mut checked) = (0, None);
        messages.read(record, |part| match (part, &mut self.server_hello) {
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
        let mut bytes = bytes.to_vec();
        let all = bytes.chunks_mut(size).all(|piece| filter.takes(piece));
        assert!(all || filter.refusal.is_some());
        assert!(filter.refusal.is_none() || !filter.takes(&mut []));
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

    #[test]
    fn a_record_over_the_limit_gets_a_length_that_no_record_has() {
        for size in [5, 6, 100] {
            let mut filter = HandshakeFilter::server(1000);
            let mut bytes = [record(22, &[0; 90]), record(23, &[0; 996])].concat();
            for piece in bytes.chunks_mut(size) {
                filter.takes(piece);
            }
            assert_eq!(
                bytes[..100],
                [&[22, 3, 3, 0, 90, 0][..], &[0; 89], &[23, 3, 3, 255, 255]].concat(),
                "{size}"
            );
        }
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
