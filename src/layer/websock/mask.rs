//! Masking (RFC 6455, section 5.3): XOR with a key of four bytes. Masking and unmasking are the
//! same. And the random bytes of a thread, which the keys are taken from.

use std::{array, cell::RefCell, io};

use openssl::rand;

use crate::{error::io_error, sync::generation};

/// How many random bytes are generated at once.
const RANDOM: usize = 1024;

/// Random bytes of a thread for keys.
struct Random {
    bytes: [u8; RANDOM],
    used: usize,
    /// A forked child generates others than its parent.
    generation: u32,
}

thread_local! {
    static KEYS: RefCell<Random> = const {
        RefCell::new(Random { bytes: [0; RANDOM], used: RANDOM, generation: 0 })
    };
}

/// A masking key, which the application on a page must not be able to predict (RFC 6455, section
/// 10.3).
pub(super) fn new_key() -> io::Result<[u8; 4]> {
    random()
}

/// Random bytes that nothing else gets.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let pooled = KEYS.try_with(|keys| keys.borrow_mut().next());
    // The thread ends, and has destroyed its pool.
    pooled.unwrap_or_else(|_| {
        let mut key = [0; N];
        generate(&mut key).map(|()| key)
    })
}

fn generate(bytes: &mut [u8]) -> io::Result<()> {
    rand::rand_bytes(bytes).map_err(|e| {
        let message = format!("Unable to generate a key: {e}");
        io_error(gio::IOErrorEnum::Failed, &message)
    })
}

impl Random {
    fn next<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        const { assert!(N <= RANDOM) };
        if RANDOM - self.used < N || self.generation != generation() {
            generate(&mut self.bytes)?;
            (self.used, self.generation) = (0, generation());
        }
        let (_, left) = self.bytes.split_at_mut(self.used);
        let mut key = [0; N];
        let (next, _) = left.split_at_mut(N);
        key.swap_with_slice(next);
        self.used += N;
        Ok(key)
    }
}

/// How many bytes are processed at once: the compiler makes vector instructions of it.
const BLOCK: usize = 32;

/// The key for the payload from `offset` on, repeated.
fn block(mut key: [u8; 4], offset: u64) -> [u8; BLOCK] {
    key.rotate_left((offset % 4) as usize);
    array::from_fn(|i| key[i % 4])
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

    #[test]
    fn keys_do_not_repeat_across_pools_and_threads() {
        let some = || {
            (0..1000)
                .map(|_| new_key().expect("a key"))
                .collect::<Vec<_>>()
        };
        let other = std::thread::spawn(some).join().expect("no panic");
        let all = [some(), other].concat();
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        // Two of 2,000 random keys are equal once in 2,000 runs; three never.
        assert!(
            distinct.len() >= all.len() - 2,
            "{} of {}",
            distinct.len(),
            all.len()
        );
    }

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
