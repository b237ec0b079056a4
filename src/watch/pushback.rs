//! Push-back buffer: data that a dropped future had read. The next reader gets it first.

use std::{
    collections::VecDeque,
    io::IoSliceMut,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::{sync::ForkMutex, types::scatter};

/// The number of channels with pushed-back data: readers of all others need not check their buffer.
static ANYWHERE: AtomicUsize = AtomicUsize::new(0);

#[inline]
pub(crate) fn any_pushback() -> bool {
    ANYWHERE.load(Ordering::Acquire) != 0
}

/// Bytes and descriptors that precede what the channel still has.
#[derive(Debug, Default)]
pub(crate) struct PushbackBuffer {
    /// Whether there is anything. Changes while `buffered` is locked.
    some: AtomicBool,
    /// Whether there are bytes: descriptors alone do not make a channel readable.
    readable: AtomicBool,
    buffered: ForkMutex<Option<Box<Buffered>>>,
}

#[derive(Debug, Default)]
struct Buffered {
    bytes: VecDeque<u8>,
    fds: Vec<OwnedFd>,
}

impl PushbackBuffer {
    #[inline]
    pub(crate) fn is_readable(&self) -> bool {
        any_pushback() && self.readable.load(Ordering::Acquire)
    }

    /// Pushes bytes and descriptors back, before those that are there already.
    pub(crate) fn push_back<'a>(
        &self,
        bytes: impl DoubleEndedIterator<Item = &'a [u8]>,
        fds: Vec<OwnedFd>,
    ) {
        let mut buffered = self.buffered.lock();
        let buffered = buffered.get_or_insert_default();
        for bytes in bytes.rev() {
            bytes
                .iter()
                .rev()
                .for_each(|&byte| buffered.bytes.push_front(byte));
        }
        buffered.fds.splice(0..0, fds);
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
        let mut guard = self.buffered.lock();
        let buffered = guard.as_mut()?;
        if buffered.bytes.is_empty() && (buffered.fds.is_empty() || fds.is_none() || peek) {
            return None;
        }
        let count = scatter(buffered.bytes.make_contiguous(), iov);
        if !peek {
            buffered.bytes.drain(..count);
            let received = std::mem::take(&mut buffered.fds);
            self.update(buffered);
            drop(guard);
            if let Some(fds) = fds {
                fds.extend(received);
            }
        }
        Some(count)
    }

    pub(crate) fn clear(&self) {
        let mut buffered = self.buffered.lock();
        let cleared = buffered.take();
        self.update(&Buffered::default());
        drop(buffered);
        drop(cleared);
    }

    fn update(&self, buffered: &Buffered) {
        let some = !buffered.bytes.is_empty() || !buffered.fds.is_empty();
        let readable = !buffered.bytes.is_empty();
        self.readable.store(readable, Ordering::Release);
        match (self.some.swap(some, Ordering::AcqRel), some) {
            (false, true) => ANYWHERE.fetch_add(1, Ordering::AcqRel),
            (true, false) => ANYWHERE.fetch_sub(1, Ordering::AcqRel),
            _ => 0,
        };
    }
}

impl Drop for PushbackBuffer {
    fn drop(&mut self) {
        self.clear();
    }
}
