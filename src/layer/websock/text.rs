//! UTF-8 that arrives in pieces.

/// Validates the text of a message as it arrives: an error is found at its first byte.
#[derive(Debug, Default, Clone)]
pub(super) struct Utf8 {
    /// The first bytes of a character whose rest has not arrived.
    carried: [u8; 4],
    len: usize,
}

impl Utf8 {
    /// Adds bytes. Returns whether the text may still be valid.
    #[must_use]
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while self.len > 0 {
            let Some((&byte, rest)) = bytes.split_first() else {
                return true;
            };
            self.carried[self.len] = byte;
            self.len += 1;
            bytes = rest;
            match str::from_utf8(&self.carried[..self.len]) {
                Ok(_) => self.len = 0,
                Err(e) if e.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        match str::from_utf8(bytes) {
            Ok(_) => true,
            Err(e) if e.error_len().is_some() => false,
            Err(e) => {
                let rest = &bytes[e.valid_up_to()..];
                self.carried[..rest.len()].copy_from_slice(rest);
                self.len = rest.len();
                true
            }
        }
    }

    /// Whether no character is incomplete.
    pub(super) fn is_complete(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The number of bytes that are accepted.
    fn accepted(pieces: &[&[u8]]) -> bool {
        let mut text = Utf8::default();
        pieces.iter().all(|piece| text.feed(piece)) && text.is_complete()
    }

    #[test]
    fn a_byte_that_cannot_be_text_is_refused_at_once() {
        for bytes in [
            &b"\xed\xa0"[..],
            b"\xf4\x90",
            b"\xc0",
            b"\xff",
            b"a\x80",
            b"\xe2\x82a",
        ] {
            let (last, before) = bytes.split_last().expect("not empty");
            let mut text = Utf8::default();
            assert!(text.feed(before), "{bytes:x?}");
            assert!(!text.feed(&[*last]), "{bytes:x?}");
        }
    }

    #[test]
    fn a_text_that_ends_in_a_character_is_incomplete() {
        let mut text = Utf8::default();
        assert!(text.feed("€".as_bytes().split_at(2).0));
        assert!(!text.is_complete());
    }

    proptest! {
        #[test]
        fn text_in_any_pieces_is_judged_as_a_whole(
            bytes in prop_oneof![
                any::<String>().prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 0..12),
            ],
            first in 0usize..12,
            second in 0usize..12,
        ) {
            let (first, second) = (first.min(bytes.len()), second.min(bytes.len()));
            let (a, b) = (first.min(second), first.max(second));
            let pieces = [&bytes[..a], &bytes[a..b], &bytes[b..]];
            prop_assert_eq!(accepted(&pieces), str::from_utf8(&bytes).is_ok());
        }
    }
}
