//! Messages from any thread to the one that runs a context. `tests/loom` explores it.

use std::mem;

use crate::sync::{AtomicBool, ForkMutex, Ordering};

/// The flags change while the messages are locked.
#[derive(Debug)]
pub(super) struct RemoteQueue<M> {
    messages: ForkMutex<Vec<M>>,
    /// Whether the thread was woken since it last took messages.
    notified: AtomicBool,
    is_closed: AtomicBool,
}

impl<M> Default for RemoteQueue<M> {
    fn default() -> Self {
        Self {
            messages: ForkMutex::default(),
            notified: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }
}

impl<M> RemoteQueue<M> {
    /// Returns whether the thread must be woken. Returns the message if the queue is closed.
    pub(super) fn push(&self, message: M) -> Result<bool, M> {
        let mut messages = self.messages.lock();
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(message);
        }
        messages.push(message);
        Ok(!self.notified.swap(true, Ordering::Release))
    }

    /// The same without a message.
    pub(super) fn notify(&self) -> bool {
        let _locked = self.messages.lock();
        !self.is_closed.load(Ordering::Relaxed) && !self.notified.swap(true, Ordering::Release)
    }

    /// Whether there are messages, or the thread was only notified.
    #[inline]
    pub(super) fn has_messages(&self) -> bool {
        self.notified.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Vec<M> {
        let mut messages = self.messages.lock();
        self.notified.store(false, Ordering::Release);
        mem::take(&mut messages)
    }

    /// Closes the queue. Returns the messages that were left.
    pub(super) fn close(&self) -> Vec<M> {
        let mut messages = self.messages.lock();
        self.is_closed.store(true, Ordering::Relaxed);
        mem::take(&mut messages)
    }
}
