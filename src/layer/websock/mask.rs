//! Masking (RFC 6455, section 5.3): XOR with a key of four bytes. Masking and unmasking are the
//! same.

use std::{cell::RefCell, io};

use openssl::rand;

use crate::{error::io_error, sync::generation};

/// How many random bytes are generated at once.
const KEYS: usize = 1024;

/// Random bytes for keys.
struct Keys {
    bytes: [u8; KEYS],
    used: usize,
    /// Of the process that has generated them: a forked child has keys of its own.
    generation: u32,
}

thread_local! {
    static POOL: RefCell<Option<Box<Keys>>> = const { RefCell::new(None) };
}

/// A masking key, which the application on a page must not be able to predict (RFC 6455, section
/// 10.3).
pub(super) fn new_key() -> io::Result<[u8; 4]> {
    let pooled = POOL.try_with(|pool| next_key(&mut pool.borrow_mut()));
    // A thread that ends has no pool any more.
    pooled.unwrap_or_else(|_| next_key(&mut None))
}

fn next_key(pool: &mut Option<Box<Keys>>) -> io::Result<[u8; 4]> {
    let generation = generation();
    let is_usable = |keys: &Keys| keys.used < KEYS && keys.generation == generation;
    let mut keys = match pool.take().filter(|keys| is_usable(keys)) {
        Some(keys) => keys,
        None => Box::new(Keys {
            bytes: random()?,
            used: 0,
            generation,
        }),
    };
    let mut key = [0; 4];
    let unused = &mut keys.bytes[keys.used..][..key.len()];
    key.copy_from_slice(unused);
    unused.fill(0);
    keys.used += key.len();
    *pool = Some(keys);
    Ok(key)
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::rand_bytes(&mut bytes).map_err(|e| {
        let message = format!("Unable to generate masking keys: {e}");
        io_error(gio::IOErrorEnum::Failed, &message)
    })?;
    Ok(bytes)
}

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
