//! The BIO of OpenSSL: memory, so that its calls never wait.

use std::{
    cell::RefCell,
    io::{self, Read, Write},
    mem,
};

use super::engine::HandshakeFilter;

/// How much is read from the lower channel at once, and about how much is written: four records.
pub(super) const CHUNK: usize = 64 * 1024;

/// How often OpenSSL may read in one call, twice for a record: a peer may send any number of
/// records without application data, such as KeyUpdates.
const READ_BUDGET: usize = 256;

/// The most spare buffers of a thread: TLS in TLS uses several at a time.
const SPARE: usize = 4;

thread_local! {
    /// Large buffers belong to calls: idle channels have none.
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns a buffer of any contents and length.
pub(super) fn take_buffer() -> Vec<u8> {
    let spare = BUFFERS.try_with(|buffers| buffers.borrow_mut().pop());
    spare.ok().flatten().unwrap_or_default()
}

/// Keeps a buffer for the next call in this thread.
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

/// Bytes that are taken from the front.
#[derive(Debug, Default)]
pub(super) struct Queue {
    buffer: Vec<u8>,
    taken: usize,
    /// The end of the bytes: the buffer keeps its length, so that it is not zeroed each time.
    end: usize,
}

impl Queue {
    /// The first bytes of a buffer, which becomes a spare one when they have been taken.
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

/// Ciphertext from and to the lower channel.
#[derive(Debug, Default)]
pub(super) struct MemoryBio {
    pub(super) input: Queue,
    pub(super) output: Queue,
    /// How often OpenSSL may still read in this call.
    reads_left: usize,
    /// During the handshake.
    pub(super) filter: Option<HandshakeFilter>,
}

impl MemoryBio {
    /// To be called before each call of OpenSSL, which can read nothing otherwise.
    pub(super) fn begin_call(&mut self) {
        self.reads_left = READ_BUDGET;
    }

    /// Adds input. What was there before is a part of a record at most.
    pub(super) fn feed(&mut self, buffer: Vec<u8>, count: usize) {
        if self.input.is_empty() {
            self.input = Queue::new(buffer, count);
        } else {
            self.input.push(&buffer[..count]);
            give_buffer(buffer);
        }
    }

    /// Whether the next record is complete, by its header. To be called between records only.
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
        if left.is_empty() || self.reads_left == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.reads_left -= 1;
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
