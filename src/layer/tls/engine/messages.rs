//! The messages of a handshake, as far as they are not encrypted.

/// Content types of records (RFC 8446, section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// A part of a handshake message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A header: the type (RFC 8446, section 4), and the length of the body.
    Header { kind: u8, len: usize },
    /// The next bytes of the body.
    Body(&'a [u8]),
}

/// Reads the headers of records and of handshake messages, however these are split.
#[derive(Debug, Default)]
pub(super) struct MessageReader {
    record: Header<5>,
    message: Header<4>,
    /// How much is left of the body of the record, and of the message.
    record_left: usize,
    message_left: usize,
    is_handshake: bool,
    /// No older version than TLS 1.3 has been negotiated: change_cipher_spec means nothing.
    pub(super) is_tls_1_3: bool,
    /// All further messages are encrypted.
    is_over: bool,
}

impl MessageReader {
    /// Calls `f` for each part of a message in these bytes, which come next.
    pub(super) fn read(&mut self, mut bytes: &[u8], mut f: impl FnMut(Part<'_>)) {
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
                        let len = u32::from_be_bytes([0, a, b, c]) as usize;
                        self.message_left = len;
                        f(Part::Header { kind, len });
                    }
                    continue;
                }
                let (part, left) = body.split_at(body.len().min(self.message_left));
                self.message_left -= part.len();
                f(Part::Body(part));
                body = left;
            }
        }
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
