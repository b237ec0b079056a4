//! Compression of messages (RFC 7692, section 7.2).

use std::{cell::RefCell, thread::LocalKey};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::extension::Agreed;

/// What ends the compressed data of each message, and is not sent.
pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// By how much the output grows at once.
const PIECE: usize = 16 * 1024;

/// The most spare contexts of a thread in each direction.
const SPARE: usize = 4;

/// A context that is reset, and its parameters: the window, and the level of a compressor.
type Spare<T> = RefCell<Vec<((u8, u32), T)>>;

thread_local! {
    /// Connections that keep no context from one message to the next have those of the thread.
    static COMPRESSORS: Spare<Compress> = const { RefCell::new(Vec::new()) };
    static EXPANDERS: Spare<Decompress> = const { RefCell::new(Vec::new()) };
}

fn take_spare<T>(spares: &'static LocalKey<Spare<T>>, parameters: (u8, u32)) -> Option<T> {
    let taken = spares.try_with(|spares| {
        let mut spares = spares.borrow_mut();
        let place = spares.iter().position(|(it, _)| *it == parameters)?;
        Some(spares.swap_remove(place).1)
    });
    taken.ok().flatten()
}

fn give_spare<T>(spares: &'static LocalKey<Spare<T>>, parameters: (u8, u32), context: T) {
    let _ = spares.try_with(|spares| {
        let mut spares = spares.borrow_mut();
        if spares.len() == SPARE {
            spares.remove(0);
        }
        spares.push((parameters, context));
    });
}

/// What is to be written behind a piece of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    /// The compressor may keep a part.
    None,
    /// All of it.
    Sync,
    /// The end of the message.
    End,
}

impl Flush {
    pub(super) fn end_if(is_last: bool) -> Self {
        match is_last {
            true => Self::End,
            false => Self::None,
        }
    }
}

/// The direction to the peer.
#[derive(Debug)]
pub(super) struct Compressor {
    level: u32,
    bits: u8,
    takeover: bool,
    /// Since the first message that needed it.
    context: Option<Compress>,
}

impl Compressor {
    /// `None`: nothing is compressed.
    pub(super) fn new(agreed: &Agreed) -> Option<Self> {
        Some(Self {
            level: agreed.level,
            bits: agreed.compress_bits?,
            takeover: agreed.compress_takeover,
            context: None,
        })
    }

    /// Compresses a piece of a message.
    pub(super) fn compress(&mut self, data: &[u8], flush: Flush) -> Vec<u8> {
        let (parameters, is_last) = ((self.bits, self.level), flush == Flush::End);
        let context = self.context.get_or_insert_with(|| {
            let (bits, level) = parameters;
            take_spare(&COMPRESSORS, parameters).unwrap_or_else(|| {
                Compress::new_with_window_bits(Compression::new(level), false, bits)
            })
        });
        let mut out = Vec::with_capacity(data.len() / 2 + 64);
        let flush = match flush {
            Flush::None => FlushCompress::None,
            Flush::Sync | Flush::End => FlushCompress::Sync,
        };
        let before = context.total_in();
        loop {
            let done = usize::try_from(context.total_in() - before).unwrap_or(data.len());
            let result = context.compress_vec(&data[done..], &mut out, flush);
            // Compression into memory has no errors; a full buffer is no end.
            let is_stuck = !matches!(result, Ok(Status::Ok));
            let is_full = out.len() == out.capacity();
            match is_full {
                true => out.reserve(PIECE),
                false if is_stuck || context.total_in() - before == data.len() as u64 => break,
                false => {}
            }
        }
        if is_last {
            match out.strip_suffix(&TAIL) {
                Some(stripped) => out.truncate(stripped.len()),
                // Nothing was to be flushed.
                None => out.push(0),
            }
            if !self.takeover {
                self.forget();
            }
        }
        out
    }

    /// What was compressed last is not sent: the peer does not have it in its window.
    pub(super) fn forget(&mut self) {
        if let Some(mut context) = self.context.take() {
            context.reset();
            give_spare(&COMPRESSORS, (self.bits, self.level), context);
        }
    }
}

/// The direction from the peer.
#[derive(Debug)]
pub(super) struct Expander {
    bits: u8,
    takeover: bool,
    context: Option<Decompress>,
    /// The last call has filled the output: there may be more, without more input.
    pub(super) has_more: bool,
}

impl Expander {
    pub(super) fn new(agreed: &Agreed) -> Self {
        Self {
            bits: agreed.expand_bits,
            takeover: agreed.expand_takeover,
            context: None,
            has_more: false,
        }
    }

    /// Expands compressed bytes. Returns how many were taken, and how many written; an error for
    /// bytes that are no compressed data.
    pub(super) fn expand(&mut self, data: &[u8], out: &mut [u8]) -> Result<(usize, usize), ()> {
        let bits = self.bits;
        let context = self.context.get_or_insert_with(|| {
            take_spare(&EXPANDERS, (bits, 0))
                .unwrap_or_else(|| Decompress::new_with_window_bits(false, bits))
        });
        let before = (context.total_in(), context.total_out());
        let status = context.decompress(data, out, FlushDecompress::Sync);
        let taken = (context.total_in() - before.0) as usize;
        let written = (context.total_out() - before.1) as usize;
        match status {
            // A final block: what follows has no context.
            Ok(Status::StreamEnd) => {
                context.reset(false);
                self.has_more = false;
            }
            Ok(Status::Ok | Status::BufError) => self.has_more = written == out.len(),
            Err(_) => return Err(()),
        }
        Ok((taken, written))
    }

    /// The end of a message has been processed.
    pub(super) fn end_message(&mut self) {
        self.has_more = false;
        if !self.takeover
            && let Some(mut context) = self.context.take()
        {
            context.reset(false);
            give_spare(&EXPANDERS, (self.bits, 0), context);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agreed(takeover: bool, bits: u8) -> Agreed {
        Agreed {
            level: 1,
            threshold: 0,
            compress_bits: Some(bits),
            compress_takeover: takeover,
            expand_bits: bits,
            expand_takeover: takeover,
        }
    }

    fn expand(expander: &mut Expander, data: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let data = [data, &TAIL].concat();
        let mut at = 0;
        let mut piece = [0; 7];
        while at < data.len() || expander.has_more {
            let (taken, written) = expander.expand(&data[at..], &mut piece).expect("valid");
            at += taken;
            all.extend_from_slice(&piece[..written]);
            assert!(taken + written > 0 || !expander.has_more, "progress");
        }
        expander.end_message();
        all
    }

    #[test]
    fn an_empty_message_is_one_byte() {
        let mut compressor = Compressor::new(&agreed(true, 15)).expect("compresses");
        for _ in 0..3 {
            assert_eq!(compressor.compress(b"", Flush::End), [0]);
        }
    }

    proptest! {
        #[test]
        fn messages_in_pieces_are_expanded_as_they_were(
            messages in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(0u8..4, 0..300), 1..4),
                1..5,
            ),
            takeover in any::<bool>(),
            bits in 9u8..=15,
        ) {
            let agreed = agreed(takeover, bits);
            let mut compressor = Compressor::new(&agreed).expect("compresses");
            let mut expander = Expander::new(&agreed);
            for pieces in messages {
                let mut compressed = Vec::new();
                for (i, piece) in pieces.iter().enumerate() {
                    let flush = match i + 1 == pieces.len() {
                        true => Flush::End,
                        false if i % 2 == 1 => Flush::Sync,
                        false => Flush::None,
                    };
                    compressed.extend(compressor.compress(piece, flush));
                }
                prop_assert_eq!(expand(&mut expander, &compressed), pieces.concat());
            }
        }

        #[test]
        fn bytes_of_any_kind_are_expanded_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..100)
        ) {
            let mut expander = Expander::new(&agreed(true, 15));
            let mut out = [0; 10_000];
            let _ = expander.expand(&bytes, &mut out);
        }
    }
}
