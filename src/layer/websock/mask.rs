//! Masking (RFC 6455, section 5.3): XOR with a key of four bytes. Masking and unmasking are the
//! same.

/// How many bytes are processed at once: the compiler makes vector instructions of it.
const BLOCK: usize = 32;

/// The key for the payload from `offset` on, repeated.
fn block(key: [u8; 4], offset: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    for (i, byte) in (offset..).zip(&mut block) {
        *byte = key[(i % 4) as usize];
    }
    block
}

/// Masks bytes that begin at `offset` of a payload.
pub(super) fn apply(bytes: &mut [u8], key: [u8; 4], offset: u64) {
    let key = block(key, offset);
    let (blocks, rest) = bytes.as_chunks_mut::<BLOCK>();
    for bytes in blocks {
        for (byte, key) in bytes.iter_mut().zip(&key) {
            *byte ^= key;
        }
    }
    for (byte, key) in rest.iter_mut().zip(&key) {
        *byte ^= key;
    }
}

/// As [`apply`], from one place to another of the same length.
pub(super) fn copy(from: &[u8], to: &mut [u8], key: [u8; 4], offset: u64) {
    let key = block(key, offset);
    let ((blocks, rest), (to_blocks, to_rest)) =
        (from.as_chunks::<BLOCK>(), to.as_chunks_mut::<BLOCK>());
    for (bytes, to) in blocks.iter().zip(to_blocks) {
        for ((byte, to), key) in bytes.iter().zip(to).zip(&key) {
            *to = byte ^ key;
        }
    }
    for ((byte, to), key) in rest.iter().zip(to_rest).zip(&key) {
        *to = byte ^ key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn masking_is_the_exclusive_or_with_the_key_at_any_offset(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            key in any::<[u8; 4]>(),
            offset in 0u64..9,
        ) {
            let expected: Vec<u8> = (offset..)
                .zip(&bytes)
                .map(|(i, byte)| byte ^ key[(i % 4) as usize])
                .collect();
            let mut in_place = bytes.clone();
            apply(&mut in_place, key, offset);
            prop_assert_eq!(&in_place, &expected);
            let mut copied = vec![0; bytes.len()];
            copy(&bytes, &mut copied, key, offset);
            prop_assert_eq!(&copied, &expected);
        }
    }
}
