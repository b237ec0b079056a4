//! Where a line or a frame ends.

use std::{io, ops::Range};

use gio::IOErrorEnum;

use super::Framing;
use crate::error::{ChannelError, channel_error, invalid, io_error};

/// What the bytes at the front of a channel are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// An item: where its content is, and how many bytes it takes.
    Item { content: Range<usize>, len: usize },
    /// The beginning of an item, or nothing: at least so many bytes more are needed.
    Needs(usize),
}

/// Finds the end of the next item.
pub(super) trait Decoder {
    /// Examines the bytes at the front of the channel. Called again when there are more: those
    /// that it has seen are the same then.
    fn decode(&mut self, bytes: &[u8]) -> io::Result<Decoded>;

    /// What the bytes are, at end-of-file. `None`: there is no item. An item in which the end
    /// comes too early is an error.
    fn decode_end(&mut self, bytes: &[u8]) -> io::Result<Option<Range<usize>>>;
}

fn too_large(what: &str, max: usize) -> io::Error {
    let message = format!("The {what} is longer than the limit of {max} bytes");
    io_error(IOErrorEnum::MessageTooLarge, &message)
}

fn ended(what: &str) -> io::Error {
    let message = format!("Unexpected end-of-file in the middle of a {what}");
    channel_error(ChannelError::Truncated, &message)
}

/// Bytes up to a delimiter.
pub(super) struct Until<'a> {
    delimiters: &'a [u8],
    /// Whether the item is without its delimiter, and without a CR before that.
    is_line: bool,
    max: usize,
    /// How many bytes have no delimiter.
    searched: usize,
}

impl<'a> Until<'a> {
    pub(super) fn new(delimiters: &'a [u8], max: usize) -> io::Result<Self> {
        if delimiters.is_empty() {
            return Err(invalid("There is no delimiter to read until"));
        }
        Ok(Self {
            delimiters,
            is_line: false,
            max,
            searched: 0,
        })
    }
}

impl Until<'static> {
    pub(super) fn line(max: usize) -> Self {
        Self {
            delimiters: b"\n",
            is_line: true,
            max,
            searched: 0,
        }
    }
}

impl Until<'_> {
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let rest = &bytes[self.searched..];
        let found = match *self.delimiters {
            [a] => memchr::memchr(a, rest),
            [a, b] => memchr::memchr2(a, b, rest),
            [a, b, c] => memchr::memchr3(a, b, c, rest),
            _ => rest.iter().position(|byte| self.delimiters.contains(byte)),
        };
        found.map(|at| self.searched + at)
    }

    fn check(&self, len: usize) -> io::Result<()> {
        match len <= self.max {
            true => Ok(()),
            false if self.is_line => Err(too_large("line", self.max)),
            false => Err(too_large("data before the delimiter", self.max)),
        }
    }
}

impl Decoder for Until<'_> {
    fn decode(&mut self, bytes: &[u8]) -> io::Result<Decoded> {
        let Some(at) = self.find(bytes) else {
            self.searched = bytes.len();
            // The last byte may be the CR of a CRLF.
            let pending = usize::from(self.is_line && bytes.last() == Some(&b'\r'));
            self.check(bytes.len() - pending)?;
            return Ok(Decoded::Needs(1));
        };
        let len = at + 1;
        let end = match self.is_line {
            true if bytes[..at].last() == Some(&b'\r') => at - 1,
            true => at,
            false => len,
        };
        self.check(end)?;
        Ok(Decoded::Item {
            content: 0..end,
            len,
        })
    }

    fn decode_end(&mut self, bytes: &[u8]) -> io::Result<Option<Range<usize>>> {
        self.check(bytes.len())?;
        Ok((!bytes.is_empty()).then_some(0..bytes.len()))
    }
}

/// All bytes up to end-of-file.
pub(super) struct ToEnd {
    pub(super) max: usize,
}

impl Decoder for ToEnd {
    fn decode(&mut self, bytes: &[u8]) -> io::Result<Decoded> {
        match bytes.len() <= self.max {
            true => Ok(Decoded::Needs(1)),
            false => Err(too_large("data before end-of-file", self.max)),
        }
    }

    fn decode_end(&mut self, bytes: &[u8]) -> io::Result<Option<Range<usize>>> {
        Ok(Some(0..bytes.len()))
    }
}

/// A frame: its length, and so many bytes.
pub(super) struct Frame {
    pub(super) framing: Framing,
    pub(super) max: usize,
}

/// A length, as it is encoded.
struct Prefix {
    length: u64,
    /// The number of bytes that encode it.
    size: usize,
}

impl Frame {
    /// The length at the front of the bytes. `Err`: at least so many bytes more are needed.
    fn prefix(&self, bytes: &[u8]) -> io::Result<Result<Prefix, usize>> {
        let size = match self.framing {
            Framing::U8 => 1,
            Framing::U16Be => 2,
            Framing::U32Be | Framing::U32Le => 4,
            Framing::U64Be => 8,
            Framing::Varint => return varint(bytes),
            Framing::Netstring => return netstring(bytes),
        };
        let Some(field) = bytes.get(..size) else {
            return Ok(Err(size - bytes.len()));
        };
        let fold = |length: u64, byte: &u8| length << 8 | u64::from(*byte);
        let length = match self.framing {
            Framing::U32Le => field.iter().rev().fold(0, fold),
            _ => field.iter().fold(0, fold),
        };
        Ok(Ok(Prefix { length, size }))
    }
}

/// Seven bits a byte, the lowest first, and the top bit where more follow: LEB128.
fn varint(bytes: &[u8]) -> io::Result<Result<Prefix, usize>> {
    let mut length = 0_u64;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if i == 9 && bits > 1 {
            break;
        }
        length |= bits << (7 * i);
        if byte & 0x80 == 0 {
            let size = i + 1;
            return Ok(Ok(Prefix { length, size }));
        }
    }
    match bytes.len() < 10 {
        true => Ok(Err(1)),
        false => Err(malformed("The length of the frame is no varint of 64 bits")),
    }
}

/// Decimal digits and a colon.
fn netstring(bytes: &[u8]) -> io::Result<Result<Prefix, usize>> {
    let mut length = 0_u64;
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if !(i == 1 && bytes[0] == b'0') => {
                let digit = u64::from(byte - b'0');
                length = length
                    .checked_mul(10)
                    .and_then(|it| it.checked_add(digit))
                    .ok_or_else(|| malformed("The length of the netstring has too many digits"))?;
            }
            b':' if i > 0 => {
                let size = i + 1;
                return Ok(Ok(Prefix { length, size }));
            }
            _ => {
                return Err(malformed(&format!(
                    "A netstring begins with its length and a colon, and not with \"{}\"",
                    bytes[..=i].escape_ascii()
                )));
            }
        }
    }
    Ok(Err(1))
}

fn malformed(message: &str) -> io::Error {
    io_error(IOErrorEnum::InvalidData, message)
}

impl Decoder for Frame {
    fn decode(&mut self, bytes: &[u8]) -> io::Result<Decoded> {
        let Prefix { length, size } = match self.prefix(bytes)? {
            Ok(prefix) => prefix,
            Err(more) => return Ok(Decoded::Needs(more)),
        };
        let comma = usize::from(self.framing == Framing::Netstring);
        let fits = |&length: &usize| length <= self.max && length < usize::MAX - size - comma;
        let length = usize::try_from(length).ok().filter(fits).ok_or_else(|| {
            let message = format!(
                "The frame has {length} bytes, and the limit is {}",
                self.max
            );
            io_error(IOErrorEnum::MessageTooLarge, &message)
        })?;
        let end = size + length;
        let len = end + comma;
        if bytes.len() < len {
            return Ok(Decoded::Needs(len - bytes.len()));
        }
        if comma == 1 && bytes[end] != b',' {
            return Err(malformed("The netstring does not end with a comma"));
        }
        Ok(Decoded::Item {
            content: size..end,
            len,
        })
    }

    fn decode_end(&mut self, bytes: &[u8]) -> io::Result<Option<Range<usize>>> {
        match bytes.is_empty() {
            true => Ok(None),
            false => Err(ended("frame")),
        }
    }
}

/// The bytes around the content of a frame.
pub(super) struct Envelope {
    pub(super) before: Vec<u8>,
    pub(super) after: &'static [u8],
}

impl Framing {
    /// The bytes around a content of this length.
    pub(super) fn envelope(self, length: usize) -> io::Result<Envelope> {
        let wide = length as u64;
        let (before, most) = match self {
            Self::U8 => (vec![length as u8], u64::from(u8::MAX)),
            Self::U16Be => ((length as u16).to_be_bytes().into(), u64::from(u16::MAX)),
            Self::U32Be => ((length as u32).to_be_bytes().into(), u64::from(u32::MAX)),
            Self::U32Le => ((length as u32).to_le_bytes().into(), u64::from(u32::MAX)),
            Self::U64Be => (wide.to_be_bytes().into(), u64::MAX),
            Self::Varint => (to_varint(wide), u64::MAX),
            Self::Netstring => (format!("{length}:").into(), u64::MAX),
        };
        if wide > most {
            let message =
                format!("A frame of this kind has at most {most} bytes, and not {length}");
            return Err(invalid(&message));
        }
        let after: &[u8] = match self {
            Self::Netstring => b",",
            _ => b"",
        };
        Ok(Envelope { before, after })
    }
}

fn to_varint(mut length: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10);
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}
