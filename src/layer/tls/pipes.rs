//! What OpenSSL takes for its connection: memory, so that it never waits.

use std::{
    cell::RefCell,
    io::{self, Read, Write},
    mem,
};

use super::engine::HandshakeFilter;

/// How much is read from the channel below at once, and about how much is written: four records.
pub(super) const CHUNK: usize = 64 * 1024;

/// How often OpenSSL reads before others have their turn, twice for a record: a peer may send more
/// that is worth nothing, such as new keys, than anybody has time for.
const TURN: usize = 256;

/// The most buffers that a thread keeps: TLS in TLS uses several at a time.
const SPARE: usize = 4;

thread_local! {
    /// Large buffers are for the length of a call: channels that are idle have none.
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer, of any contents and length.
pub(super) fn take_buffer() -> Vec<u8> {
    let spare = BUFFERS.try_with(|buffers| buffers.borrow_mut().pop());
    spare.ok().flatten().unwrap_or_default()
}

/// Keeps a buffer for the next use in this thread.
pub(super) fn give_buffer(buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > 4 * CHUNK {
        return;
    }
    let _ = BUFFERS.try_with(|buffers| {
        let mut buffers = buffers.borrow_mut();
        if buffers.len() < SPARE {
            buffers.push(buffer);
        }
    });
}

/// Bytes, as far as they have not been taken.
#[derive(Debug, Default)]
pub(super) struct Queue {
    buffer: Vec<u8>,
    taken: usize,
    /// What the buffer has after these is nothing: it keeps its length, not to be zeroed each time.
    end: usize,
}

impl Queue {
    /// The first bytes of a buffer, which is given to the thread when they have been taken.
    pub(super) fn new(buffer: Vec<u8>, end: usize) -> Self {
        Self {
            buffer,
            taken: 0,
            end,
        }
    }

    pub(super) fn left(&self) -> &[u8] {
        &self.buffer[self.taken..self.end]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.end
    }

    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.is_empty() {
            self.clear();
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.buffer.capacity() == 0 {
            self.buffer = take_buffer();
        }
        let end = self.end + bytes.len();
        match self.buffer.get_mut(self.end..end) {
            Some(place) => place.copy_from_slice(bytes),
            None => {
                self.buffer.truncate(self.end);
                self.buffer.extend_from_slice(bytes);
            }
        }
        self.end = end;
    }

    pub(super) fn clear(&mut self) {
        (self.taken, self.end) = (0, 0);
        give_buffer(mem::take(&mut self.buffer));
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Ciphertext on its way in and out.
#[derive(Debug, Default)]
pub(super) struct MemoryBio {
    pub(super) input: Queue,
    pub(super) output: Queue,
    /// How often OpenSSL may still read.
    turn: usize,
    /// During the handshake.
    pub(super) filter: Option<HandshakeFilter>,
}

impl MemoryBio {
    /// To be called before OpenSSL is. Without it there is nothing to read.
    pub(super) fn begin_turn(&mut self) {
        self.turn = TURN;
    }

    /// Adds what has come. What was there before is a part of a record at most.
    pub(super) fn feed(&mut self, buffer: Vec<u8>, count: usize) {
        if self.input.is_empty() {
            self.input = Queue::new(buffer, count);
        } else {
            self.input.push(&buffer[..count]);
            give_buffer(buffer);
        }
    }

    /// Whether the next record is there as a whole, by its header. To be called between
    /// records only.
    pub(super) fn has_record(&self) -> bool {
        match self.input.left() {
            &[_, _, _, high, low, ref body @ ..] => {
                body.len() >= usize::from(u16::from_be_bytes([high, low]))
            }
            _ => false,
        }
    }
}

impl Read for MemoryBio {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.input.left();
        if left.is_empty() || self.turn == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.turn -= 1;
        let count = left.len().min(buf.len());
        if self
            .filter
            .as_mut()
            .is_some_and(|filter| !filter.takes(&left[..count]))
        {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buf[..count].copy_from_slice(&left[..count]);
        self.input.take(count);
        Ok(count)
    }
}

impl Write for MemoryBio {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.push(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
