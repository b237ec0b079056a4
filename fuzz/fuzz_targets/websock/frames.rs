//! A reader of frames that is not qio's.

/// A frame, its payload unmasked.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    pub rsv1: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

/// The frames of an end, which must follow the protocol. The last one may be incomplete.
pub fn parse(mut bytes: &[u8], is_client: bool) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut is_message_open = false;
    while let Some((frame, rest)) = parse_one(bytes, is_client) {
        bytes = rest;
        match frame.opcode {
            0 => assert!(is_message_open && !frame.rsv1, "a continuation"),
            1 | 2 => assert!(!is_message_open, "a message in a message"),
            _ => {
                let is_good = frame.fin && !frame.rsv1 && frame.payload.len() <= 125;
                assert!(matches!(frame.opcode, 8..=10) && is_good, "{frame:?}");
            }
        }
        if frame.opcode < 8 {
            is_message_open = !frame.fin;
        }
        let is_over = frames.last().is_some_and(|frame| frame.opcode == 8);
        assert!(!is_over, "a frame after the close frame");
        frames.push(frame);
    }
    frames
}

fn parse_one(bytes: &[u8], is_client: bool) -> Option<(Frame, &[u8])> {
    let (&[first, second], mut rest) = bytes.split_first_chunk()?;
    assert_eq!(first & 0x30, 0, "reserved bits");
    assert_eq!(second & 0x80 != 0, is_client, "clients mask their frames");
    let len = match second & 0x7f {
        126 => {
            let (len, behind) = rest.split_first_chunk()?;
            rest = behind;
            let len = u16::from_be_bytes(*len);
            assert!(len > 125, "{len} bytes");
            u64::from(len)
        }
        127 => {
            let (len, behind) = rest.split_first_chunk()?;
            rest = behind;
            let len = u64::from_be_bytes(*len);
            assert!((0x1_0000..1 << 63).contains(&len), "{len} bytes");
            len
        }
        len => len.into(),
    };
    let mut key = [0; 4];
    if is_client {
        let (mask, behind) = rest.split_first_chunk()?;
        (key, rest) = (*mask, behind);
    }
    let (payload, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let unmasked = payload.iter().zip(key.iter().cycle());
    let frame = Frame {
        fin: first & 0x80 != 0,
        rsv1: first & 0x40 != 0,
        opcode: first & 0x0f,
        payload: unmasked.map(|(byte, key)| byte ^ key).collect(),
    };
    Some((frame, rest))
}
