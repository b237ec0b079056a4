//! The records of a handshake, and its messages as far as they are not encrypted.

/// Content types of records (RFC 8446, section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// The length of the header of a record.
pub(super) const RECORD_HEADER: usize = 5;

/// A part of a record, or of a handshake message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A header: the type (RFC 8446, sections 4 and 5.1), and the length of the body.
    Header { kind: u8, len: usize },
    /// The next bytes of the body.
    Body(&'a [u8]),
}

/// Reads something that consists of a header and a body, however these are split.
#[derive(Debug)]
struct Framing<const N: usize> {
    header: [u8; N],
    filled: usize,
    /// How much is left of the body.
    left: usize,
}

impl<const N: usize> Default for Framing<N> {
    fn default() -> Self {
        Self {
            header: [0; N],
            filled: 0,
            left: 0,
        }
    }
}

impl<const N: usize> Framing<N> {
    /// Takes the next part of these bytes, if one is complete. `parse` returns the type and the
    /// length of a header.
    fn next<'a>(
        &mut self,
        bytes: &mut &'a [u8],
        parse: impl FnOnce([u8; N]) -> (u8, usize),
    ) -> Option<Part<'a>> {
        if self.left > 0 {
            let (body, rest) = bytes.split_at(bytes.len().min(self.left));
            self.left -= body.len();
            *bytes = rest;
            return (!body.is_empty()).then_some(Part::Body(body));
        }
        let (taken, rest) = bytes.split_at(bytes.len().min(N - self.filled));
        self.header[self.filled..][..taken.len()].copy_from_slice(taken);
        self.filled = (self.filled + taken.len()) % N;
        *bytes = rest;
        if self.filled > 0 || taken.is_empty() {
            return None;
        }
        let (kind, len) = parse(self.header);
        self.left = len;
        Some(Part::Header { kind, len })
    }
}

/// Reads the headers of records.
#[derive(Debug, Default)]
pub(super) struct RecordReader(Framing<RECORD_HEADER>);

impl RecordReader {
    /// Takes the next part of a record from these bytes, which come next.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Part<'a>> {
        self.0.next(bytes, |[kind, _, _, high, low]| {
            (kind, usize::from(u16::from_be_bytes([high, low])))
        })
    }
}

/// Reads the headers of handshake messages.
#[derive(Debug, Default)]
pub(super) struct MessageReader {
    message: Framing<4>,
    is_handshake: bool,
    /// No older version than TLS 1.3 has been negotiated: change_cipher_spec means nothing.
    pub(super) is_tls_1_3: bool,
    /// All further messages are encrypted.
    is_over: bool,
}

impl MessageReader {
    /// Calls `f` for each part of a message in this part of a record, which comes next.
    pub(super) fn read(&mut self, record: Part<'_>, mut f: impl FnMut(Part<'_>)) {
        match record {
            Part::Header { kind, .. } => {
                self.is_handshake = kind == HANDSHAKE;
                self.is_over |= kind == CHANGE_CIPHER_SPEC && !self.is_tls_1_3;
            }
            Part::Body(mut bytes) if self.is_handshake && !self.is_over => {
                let header =
                    |[kind, a, b, c]: [u8; 4]| (kind, u32::from_be_bytes([0, a, b, c]) as usize);
                while let Some(part) = self.message.next(&mut bytes, header) {
                    f(part);
                }
            }
            Part::Body(_) => {}
        }
    }
}

/// Whether this end encrypts what it sends, by the records that it has sent.
#[derive(Debug, Default)]
pub(in crate::layer::tls) struct SentRecords {
    records: RecordReader,
    change_cipher_spec: bool,
    application_data: bool,
}

impl SentRecords {
    /// To be called with all bytes that OpenSSL writes.
    pub(in crate::layer::tls) fn add(&mut self, mut bytes: &[u8]) {
        while let Some(part) = self.records.next(&mut bytes) {
            if let Part::Header { kind, .. } = part {
                self.change_cipher_spec |= kind == CHANGE_CIPHER_SPEC;
                self.application_data |= kind == APPLICATION_DATA;
            }
        }
    }

    /// With TLS 1.3 change_cipher_spec means nothing, and encrypted records have the type of
    /// application data.
    pub(super) fn are_encrypted(&self, is_tls_1_3: bool) -> bool {
        self.application_data || self.change_cipher_spec && !is_tls_1_3
    }
}
