//! What was read for somebody who did not wait for it: the next reader gets it first.

use std::{
    collections::VecDeque,
    io::IoSliceMut,
    os::fd::OwnedFd,
    sync::{
        MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::{sync::ForkMutex, types::scatter};

/// How many channels have something unread: readers of all others need not look.
static ANYWHERE: AtomicUsize = AtomicUsize::new(0);

/// Whether any channel has something unread.
#[inline]
pub(crate) fn anything_unread() -> bool {
    ANYWHERE.load(Ordering::Acquire) != 0
}

/// Bytes and descriptors that go before what the channel still has.
#[derive(Debug, Default)]
pub(crate) struct PushbackBuffer {
    /// Set while there is something. Changes while `held` is locked.
    some: AtomicBool,
    /// Set while there are bytes: descriptors alone make nothing readable.
    readable: AtomicBool,
    held: ForkMutex<Option<Box<Held>>>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: VecDeque<u8>,
    fds: Vec<OwnedFd>,
}

impl PushbackBuffer {
    #[inline]
    pub(crate) fn is_readable(&self) -> bool {
        anything_unread() && self.readable.load(Ordering::Acquire)
    }

    /// Puts bytes back, before what is there already.
    pub(crate) fn put_back<'a>(
        &self,
        bytes: impl DoubleEndedIterator<Item = &'a [u8]>,
        fds: Vec<OwnedFd>,
    ) {
        let mut held = self.held();
        let held = held.get_or_insert_default();
        for bytes in bytes.rev() {
            bytes
                .iter()
                .rev()
                .for_each(|&byte| held.bytes.push_front(byte));
        }
        held.fds.splice(0..0, fds);
        self.note(held);
    }

    /// Takes what fits, and all descriptors if they are wanted. `None` if there is nothing for
    /// this reader. Descriptors that came without bytes wait for a reader of descriptors.
    pub(crate) fn take(
        &self,
        iov: &mut [IoSliceMut<'_>],
        fds: Option<&mut Vec<OwnedFd>>,
        peek: bool,
    ) -> Option<usize> {
        let mut guard = self.held();
        let held = guard.as_mut()?;
        if held.bytes.is_empty() && (held.fds.is_empty() || fds.is_none() || peek) {
            return None;
        }
        let count = scatter(held.bytes.make_contiguous(), iov);
        if !peek {
            held.bytes.drain(..count);
            let received = std::mem::take(&mut held.fds);
            self.note(held);
            drop(guard);
            if let Some(fds) = fds {
                fds.extend(received);
            }
        }
        Some(count)
    }

    pub(crate) fn clear(&self) {
        let mut held = self.held();
        let cleared = held.take();
        self.note(&Held::default());
        drop(held);
        drop(cleared);
    }

    fn note(&self, held: &Held) {
        let some = !held.bytes.is_empty() || !held.fds.is_empty();
        let readable = !held.bytes.is_empty();
        self.readable.store(readable, Ordering::Release);
        match (self.some.swap(some, Ordering::AcqRel), some) {
            (false, true) => ANYWHERE.fetch_add(1, Ordering::AcqRel),
            (true, false) => ANYWHERE.fetch_sub(1, Ordering::AcqRel),
            _ => 0,
        };
    }

    fn held(&self) -> MutexGuard<'_, Option<Box<Held>>> {
        self.held.lock()
    }
}

impl Drop for PushbackBuffer {
    fn drop(&mut self) {
        self.clear();
    }
}
