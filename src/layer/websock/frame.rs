//! Frame headers (RFC 6455, section 5.2).

use super::error::{CloseCode, Violation};

/// The longest header: two bytes, a length of 64 bits, and a masking key.
pub(super) const MAX_HEADER: usize = 14;

/// The most payload of a control frame.
pub(super) const MAX_CONTROL: usize = 125;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    fn number(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A frame without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// It is the last frame of its message.
    pub(super) fin: bool,
    /// The first reserved bit: the message is compressed (RFC 7692).
    pub(super) rsv1: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    /// The length of the payload.
    pub(super) len: u64,
}

/// The result of [`parse`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A header, and its length.
    Header(Header, usize),
    /// The header is longer than what has arrived.
    Incomplete,
}

/// Parses a header. A violation is reported at the first byte that has it.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Violation> {
    let &[first, ref rest @ ..] = bytes else {
        return Ok(Parsed::Incomplete);
    };
    if first & 0x30 != 0 {
        return Err(Violation::protocol("a reserved bit is set"));
    }
    let (fin, rsv1, number) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x0f);
    let opcode = Opcode::of(number)
        .ok_or_else(|| Violation::protocol(format!("a frame has the opcode {number}")))?;
    if opcode.is_control() && !fin {
        return Err(Violation::protocol("a control frame is fragmented"));
    }
    let &[second, ref rest @ ..] = rest else {
        return Ok(Parsed::Incomplete);
    };
    let (is_masked, short) = (second & 0x80 != 0, second & 0x7f);
    if opcode.is_control() && usize::from(short) > MAX_CONTROL {
        return Err(Violation::protocol(
            "a control frame has more than 125 bytes",
        ));
    }
    let Some((len, rest)) = length(short, rest)? else {
        return Ok(Parsed::Incomplete);
    };
    let (mask, rest) = match is_masked {
        false => (None, rest),
        true => match rest.split_first_chunk::<4>() {
            Some((key, rest)) => (Some(*key), rest),
            None => return Ok(Parsed::Incomplete),
        },
    };
    let header = Header {
        fin,
        rsv1,
        opcode,
        mask,
        len,
    };
    Ok(Parsed::Header(header, bytes.len() - rest.len()))
}

/// The length of the payload, and the bytes behind it. `None`: more bytes are needed.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (len, rest, least) = match short {
        126 => match rest.split_first_chunk::<2>() {
            Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), rest, 126),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest, 1 << 16),
            None => return Ok(None),
        },
        len => (u64::from(len), rest, 0),
    };
    if len < least {
        return Err(Violation::protocol(
            "a length is not encoded in as few bytes as possible",
        ));
    }
    if len >> 63 != 0 {
        return Err(Violation::protocol(
            "a length has its most significant bit set",
        ));
    }
    Ok(Some((len, rest)))
}

/// Writes a header. Returns its length.
pub(super) fn format(header: &Header, out: &mut [u8; MAX_HEADER]) -> usize {
    out[0] = u8::from(header.fin) << 7 | u8::from(header.rsv1) << 6 | header.opcode.number();
    let mut end = 2;
    let mut put = |out: &mut [u8; MAX_HEADER], bytes: &[u8]| {
        out[end..end + bytes.len()].copy_from_slice(bytes);
        end += bytes.len();
    };
    let short = match (u8::try_from(header.len), u16::try_from(header.len)) {
        (Ok(short @ ..126), _) => short,
        (_, Ok(len)) => {
            put(out, &len.to_be_bytes());
            126
        }
        _ => {
            put(out, &header.len.to_be_bytes());
            127
        }
    };
    out[1] = u8::from(header.mask.is_some()) << 7 | short;
    if let Some(key) = header.mask {
        put(out, &key);
    }
    end
}

/// The payload of a close frame: its code and reason. No code: 1005.
pub(super) fn parse_close(payload: &[u8]) -> Result<(CloseCode, String), Violation> {
    match payload {
        [] => Ok((CloseCode::NO_STATUS, String::new())),
        [_] => Err(Violation::protocol("a close frame has one byte")),
        [high, low, reason @ ..] => {
            let number = u16::from_be_bytes([*high, *low]);
            let code = CloseCode::received(number).ok_or_else(|| {
                Violation::protocol(format!("a close frame has the code {number}"))
            })?;
            let reason = str::from_utf8(reason)
                .map_err(|_| Violation::text("the reason of a close frame is not UTF-8"))?;
            Ok((code, reason.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(fin: bool, opcode: Opcode, len: u64) -> Header {
        Header {
            fin,
            rsv1: false,
            opcode,
            mask: None,
            len,
        }
    }

    #[test]
    fn a_header_is_parsed_at_every_split_as_it_was_written() {
        let lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 40, (1 << 63) - 1];
        for len in lengths {
            for mask in [None, Some([1, 2, 3, 4])] {
                let written = Header {
                    mask,
                    rsv1: len == 1,
                    ..header(len % 2 == 0, Opcode::Binary, len)
                };
                let mut bytes = [0; MAX_HEADER];
                let end = format(&written, &mut bytes);
                for split in 0..end {
                    assert_eq!(
                        parse(&bytes[..split]),
                        Ok(Parsed::Incomplete),
                        "{written:?}"
                    );
                }
                assert_eq!(parse(&bytes[..end]), Ok(Parsed::Header(written, end)));
            }
        }
    }

    #[test]
    fn headers_that_break_the_protocol_are_refused_at_the_first_byte_that_does() {
        let cases: [&[u8]; 12] = [
            &[0x90],
            &[0xa0],
            &[0x83],
            &[0x8b],
            &[0x0f],
            &[0x08],
            &[0x09],
            &[0x88, 126],
            &[0x8a, 0xff],
            &[0x82, 126, 0, 125],
            &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
        ];
        for bytes in cases {
            let before = &bytes[..bytes.len() - 1];
            assert_eq!(parse(before), Ok(Parsed::Incomplete), "{bytes:x?}");
            let violation = parse(bytes).expect_err("broken");
            assert_eq!(violation.code(), CloseCode::PROTOCOL_ERROR, "{bytes:x?}");
        }
    }

    #[test]
    fn a_close_frame_has_no_code_or_one_that_may_be_sent() {
        let close = |code: u16| parse_close(&code.to_be_bytes()).map(|(code, _)| code.number());
        for code in [1000, 1001, 1002, 1003, 1007, 1014, 3000, 4999] {
            assert_eq!(close(code), Ok(code));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
            assert!(close(code).is_err(), "{code}");
        }
        assert_eq!(parse_close(b"").map(|(code, _)| code.number()), Ok(1005));
        assert!(parse_close(b"\x03").is_err());
        let (_, reason) = parse_close(b"\x03\xe8why").expect("a close");
        assert_eq!(reason, "why");
        let violation = parse_close(b"\x03\xe8\xff").expect_err("no UTF-8");
        assert_eq!(violation.code(), CloseCode::INVALID_PAYLOAD);
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_are_parsed_without_a_panic_and_to_what_is_written_again(
            bytes in proptest::collection::vec(any::<u8>(), 0..20)
        ) {
            if let Ok(Parsed::Header(header, end)) = parse(&bytes) {
                let mut again = [0; MAX_HEADER];
                prop_assert_eq!(format(&header, &mut again), end);
                prop_assert_eq!(&again[..end], &bytes[..end]);
            }
        }
    }
}
