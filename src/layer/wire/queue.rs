//! The bytes that an engine has not processed, or the lower channel has not taken, and the buffers
//! of these.

use std::{cell::RefCell, mem};

/// How much is read from the lower channel at once, and about how much is written.
pub(in crate::layer) const CHUNK: usize = 64 * 1024;

/// The most spare buffers of a thread: a layer over a layer uses several at a time.
const SPARE: usize = 4;

thread_local! {
    /// Large buffers belong to calls: idle channels have none.
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns a buffer of any contents and length.
pub(in crate::layer) fn take_buffer() -> Vec<u8> {
    let spare = BUFFERS.try_with(|buffers| buffers.borrow_mut().pop());
    spare.ok().flatten().unwrap_or_default()
}

/// Keeps a buffer for the next call in this thread.
pub(in crate::layer) fn give_buffer(buffer: Vec<u8>) {
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
pub(in crate::layer) struct Queue {
    buffer: Vec<u8>,
    taken: usize,
    /// The end of the bytes: the buffer keeps its length, so that it is not zeroed each time.
    end: usize,
}

impl Queue {
    /// The first bytes of a buffer, which becomes a spare one when they have been taken.
    pub(in crate::layer) fn new(buffer: Vec<u8>, end: usize) -> Self {
        Self {
            buffer,
            taken: 0,
            end,
        }
    }

    pub(in crate::layer) fn left(&self) -> &[u8] {
        &self.buffer[self.taken..self.end]
    }

    pub(in crate::layer) fn is_empty(&self) -> bool {
        self.taken == self.end
    }

    pub(in crate::layer) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Adds the first bytes of a buffer, without a copy if there are no others.
    pub(in crate::layer) fn feed(&mut self, buffer: Vec<u8>, count: usize) {
        if self.is_empty() {
            *self = Self::new(buffer, count);
        } else {
            self.push(&buffer[..count]);
            give_buffer(buffer);
        }
    }

    pub(in crate::layer) fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.extend(bytes.len()).copy_from_slice(bytes);
        }
    }

    /// Appends so many bytes, and returns them to be overwritten: their values are arbitrary.
    pub(in crate::layer) fn extend(&mut self, len: usize) -> &mut [u8] {
        if self.buffer.capacity() == 0 {
            self.buffer = take_buffer();
        }
        let start = self.end;
        self.end += len;
        if self.buffer.len() < self.end {
            self.buffer.resize(self.end, 0);
        }
        &mut self.buffer[start..self.end]
    }

    pub(in crate::layer) fn clear(&mut self) {
        (self.taken, self.end) = (0, 0);
        give_buffer(mem::take(&mut self.buffer));
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_without_bytes_holds_no_buffer() {
        give_buffer(vec![0; CHUNK]);
        let mut queue = Queue::default();
        queue.push(&[]);
        assert_eq!(queue.buffer.capacity(), 0);
        queue.push(&[1]);
        queue.take(1);
        assert_eq!(queue.buffer.capacity(), 0);
        assert_eq!(take_buffer().capacity(), CHUNK);
    }
}
