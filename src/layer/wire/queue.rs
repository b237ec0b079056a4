//! The bytes that an engine has not processed, or the lower channel has not taken, and the buffers
//! of these.

use std::{cell::RefCell, mem};

use glib::Bytes;

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

    /// For so many bytes, with a buffer of its own size.
    pub(in crate::layer) fn with_capacity(bytes: usize) -> Self {
        Self::new(Vec::with_capacity(bytes), 0)
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
        if self.buffer.len() < self.end + len {
            self.move_to_front();
        }
        let start = self.end;
        self.end += len;
        if self.buffer.len() < self.end {
            self.buffer.resize(self.end, 0);
        }
        &mut self.buffer[start..self.end]
    }

    /// Moves the bytes to the front of the buffer, unless more of them are left than were taken:
    /// each taken byte pays for one that is moved, and a queue that is never empty has a buffer of
    /// about twice the bytes that are left at most.
    fn move_to_front(&mut self) {
        let left = self.end - self.taken;
        if left <= self.taken {
            self.buffer.copy_within(self.taken..self.end, 0);
            (self.taken, self.end) = (0, left);
        }
    }

    /// Removes so many bytes from the end: those of [`extend`](Self::extend) that have no value.
    pub(in crate::layer) fn retract(&mut self, count: usize) {
        self.end -= count;
        if self.is_empty() {
            self.clear();
        }
    }

    /// The first bytes.
    pub(in crate::layer) fn first_mut(&mut self, count: usize) -> &mut [u8] {
        &mut self.buffer[self.taken..self.end][..count]
    }

    /// The last bytes.
    pub(in crate::layer) fn last_mut(&mut self, count: usize) -> &mut [u8] {
        &mut self.buffer[self.end - count..self.end]
    }

    /// The bytes, without a copy unless most of a buffer would be unused. A large buffer becomes a
    /// spare one of the thread that drops the last reference.
    pub(in crate::layer) fn into_bytes(mut self) -> Bytes {
        let (len, capacity) = (self.left().len(), self.buffer.capacity());
        if len < capacity / 2 {
            return Bytes::from(self.left());
        }
        if capacity < CHUNK && self.taken == 0 {
            let mut buffer = mem::take(&mut self.buffer);
            buffer.truncate(mem::take(&mut self.end));
            return Bytes::from_owned(buffer);
        }
        Bytes::from_owned(self)
    }

    pub(in crate::layer) fn clear(&mut self) {
        (self.taken, self.end) = (0, 0);
        give_buffer(mem::take(&mut self.buffer));
    }
}

impl AsRef<[u8]> for Queue {
    fn as_ref(&self) -> &[u8] {
        self.left()
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
    fn the_bytes_of_a_queue_keep_no_more_than_twice_their_memory() {
        let filled = |mut queue: Queue, len: usize| {
            queue.extend(len + 5).fill(7);
            queue.retract(5);
            queue.into_bytes()
        };
        give_buffer(vec![0; CHUNK]);
        assert_eq!(filled(Queue::default(), 100), vec![7; 100]);
        let spare = take_buffer();
        assert_eq!(spare.capacity(), CHUNK, "copied");
        give_buffer(spare);
        let large = filled(Queue::default(), CHUNK - 5);
        assert_eq!(large, vec![7; CHUNK - 5]);
        assert_eq!(take_buffer().capacity(), 0, "in use");
        drop(large);
        assert_eq!(take_buffer().capacity(), CHUNK);
        assert_eq!(filled(Queue::with_capacity(105), 100), vec![7; 100]);
    }

    #[test]
    fn the_capacity_of_a_queue_that_is_never_empty_stays_bounded() {
        let numbers = |from: usize, count| (from..from + count).map(|i| i as u8);
        for piece in [1, 1_000, CHUNK - 1, CHUNK] {
            let mut queue = Queue::default();
            let (mut pushed, mut taken) = (0, 0);
            let rounds = 3 * CHUNK / piece + 16;
            for round in 0..rounds {
                let bytes: Vec<u8> = numbers(pushed, piece).collect();
                match round % 2 {
                    0 => queue.push(&bytes),
                    _ => queue.feed(bytes, piece),
                }
                pushed += piece;
                let count = pushed - taken - 1;
                assert!(numbers(taken, count).eq(queue.left()[..count].iter().copied()));
                queue.take(count);
                taken += count;
                let capacity = queue.buffer.capacity();
                assert!(capacity <= 3 * CHUNK, "{capacity} bytes for {piece}");
            }
        }
    }

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
