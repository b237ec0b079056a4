//! Messages from any thread to the one that runs a context. `tests/loom` explores it.

use std::mem;

use crate::sync::{AtomicBool, ForkMutex, Ordering};

#[derive(Debug)]
pub(super) struct RemoteQueue<M> {
    inbox: ForkMutex<Inbox<M>>,
    some: AtomicBool,
}

#[derive(Debug)]
struct Inbox<M> {
    messages: Vec<M>,
    is_closed: bool,
    /// Whether the thread was woken since it last took messages.
    notified: bool,
}

impl<M> Default for Inbox<M> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            is_closed: false,
            notified: false,
        }
    }
}

impl<M> Default for RemoteQueue<M> {
    fn default() -> Self {
        Self {
            inbox: ForkMutex::default(),
            some: AtomicBool::new(false),
        }
    }
}

impl<M> RemoteQueue<M> {
    /// Returns whether the thread must be woken. Returns the message if the queue is closed.
    pub(super) fn push(&self, message: M) -> Result<bool, M> {
        let mut inbox = self.inbox.lock();
        if inbox.is_closed {
            return Err(message);
        }
        inbox.messages.push(message);
        self.some.store(true, Ordering::Release);
        Ok(!mem::replace(&mut inbox.notified, true))
    }

    /// The same without a message.
    pub(super) fn notify(&self) -> bool {
        let mut inbox = self.inbox.lock();
        if inbox.is_closed {
            return false;
        }
        self.some.store(true, Ordering::Release);
        !mem::replace(&mut inbox.notified, true)
    }

    #[inline]
    pub(super) fn has_messages(&self) -> bool {
        self.some.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Vec<M> {
        let mut inbox = self.inbox.lock();
        self.some.store(false, Ordering::Release);
        inbox.notified = false;
        mem::take(&mut inbox.messages)
    }

    /// Closes the queue. Returns the messages that were left.
    pub(super) fn close(&self) -> Vec<M> {
        let mut inbox = self.inbox.lock();
        inbox.is_closed = true;
        mem::take(&mut inbox.messages)
    }
}
