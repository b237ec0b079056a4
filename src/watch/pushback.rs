//! Push-back buffer: data that was read and not consumed. The next reader gets it first.

use std::{
    io::IoSliceMut,
    mem,
    ops::Range,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{observe, sync::ForkMutex, types::scatter};

/// Bytes and descriptors that precede what the channel still has.
#[derive(Debug, Default)]
pub(crate) struct PushbackBuffer {
    /// Whether there is anything. Changes while `data` is locked.
    some: AtomicBool,
    /// Whether there are bytes: descriptors alone do not make a channel readable.
    readable: AtomicBool,
    data: ForkMutex<Option<Box<Pushback>>>,
}

/// Bytes and descriptors that have been read from a channel, and are consumed from the front.
#[derive(Debug, Default)]
pub(crate) struct Pushback {
    /// Memory, of which `filled` has data.
    space: Vec<u8>,
    filled: Range<usize>,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Pushback {
    /// A copy of what was read in several buffers.
    pub(crate) fn copied<'a>(bytes: impl Iterator<Item = &'a [u8]>, fds: Vec<OwnedFd>) -> Self {
        let space = bytes.collect::<Vec<_>>().concat();
        let filled = 0..space.len();
        Self { space, filled, fds }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.space[self.filled.clone()]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filled.is_empty() && self.fds.is_empty()
    }

    /// Removes bytes from the front.
    pub(crate) fn consume(&mut self, count: usize) {
        self.filled.start += count;
    }

    /// Lets `read` append `count` bytes at most, and returns what it returns: how many it has
    /// written to the start of its buffer.
    pub(crate) fn fill<E>(
        &mut self,
        count: usize,
        read: impl FnOnce(&mut [u8], &mut Vec<OwnedFd>) -> Result<usize, E>,
    ) -> Result<usize, E> {
        if self.filled.start > 0 {
            // What was consumed is removed once per read, not once per item.
            self.space.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        let end = self.filled.end;
        if self.space.len() < end + count {
            self.space.resize(end + count, 0);
        }
        let result = read(&mut self.space[end..end + count], &mut self.fds);
        self.filled.end += result.as_ref().map_or(0, |&filled| filled.min(count));
        result
    }

    /// Takes all bytes, without a copy if none was consumed.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        let filled = mem::take(&mut self.filled);
        let mut bytes = mem::take(&mut self.space);
        bytes.truncate(filled.end);
        bytes.drain(..filled.start);
        bytes
    }

    /// Puts bytes and descriptors before those that are there already.
    fn prepend(&mut self, mut earlier: Self) {
        if !self.filled.is_empty() {
            earlier.space.truncate(earlier.filled.end);
            earlier.space.extend_from_slice(self.bytes());
            earlier.filled.end = earlier.space.len();
        }
        earlier.fds.append(&mut self.fds);
        *self = earlier;
    }
}

impl PushbackBuffer {
    #[inline]
    pub(crate) fn is_readable(&self) -> bool {
        observe::takes_slow_path() && self.readable.load(Ordering::Acquire)
    }

    /// Pushes bytes and descriptors back, before those that are there already.
    pub(crate) fn push_back(&self, data: Pushback) {
        let mut guard = self.data.lock();
        let buffered = guard.get_or_insert_default();
        buffered.prepend(data);
        self.update(buffered);
    }

    /// Takes the bytes that fit, and all descriptors if the caller takes some. `None` if there is
    /// nothing for this reader. Descriptors without bytes are kept for a reader of descriptors.
    pub(crate) fn take(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        peek: bool,
    ) -> Option<usize> {
        let mut guard = self.data.lock();
        let buffered = guard.as_mut()?;
        if buffered.bytes().is_empty() && (buffered.fds.is_empty() || fds.is_none() || peek) {
            return None;
        }
        let count = scatter(buffered.bytes(), iov);
        if !peek {
            buffered.consume(count);
            let received = mem::take(&mut buffered.fds);
            self.update(buffered);
            drop(guard);
            if let Some(fds) = fds {
                fds.extend(received);
            }
        }
        Some(count)
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        let guard = self.data.lock();
        guard.as_ref().map_or(0, |buffered| buffered.bytes().len())
    }

    /// Calls `f` with the data, to consume some of it or to take it. `None` if there is none. The
    /// buffer is locked meanwhile.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Pushback) -> R) -> Option<R> {
        if !self.some.load(Ordering::Acquire) {
            return None;
        }
        let mut guard = self.data.lock();
        let buffered = guard.as_mut()?;
        let was_readable = !buffered.bytes().is_empty();
        let result = f(buffered);
        // As long as bytes are left, nothing changes for readers.
        if buffered.bytes().is_empty() || !was_readable {
            self.update(buffered);
        }
        if buffered.is_empty() {
            *guard = None;
        }
        Some(result)
    }

    pub(crate) fn clear(&self) {
        let cleared = {
            let mut guard = self.data.lock();
            self.update(&Pushback::default());
            guard.take()
        };
        drop(cleared);
    }

    fn update(&self, buffered: &Pushback) {
        let readable = !buffered.bytes().is_empty();
        let some = !buffered.is_empty();
        self.readable.store(readable, Ordering::Release);
        match (self.some.swap(some, Ordering::AcqRel), some) {
            (false, true) => observe::add_pushback(),
            (true, false) => observe::remove_pushback(),
            _ => {}
        }
    }
}

impl Drop for PushbackBuffer {
    fn drop(&mut self) {
        self.clear();
    }
}
