//! Messages from any thread for the one that runs a context. `tests/loom` explores it.

use std::mem;

use crate::sync::{AtomicBool, Mutex, Ordering, lock};

#[derive(Debug)]
pub(super) struct RemoteQueue<M> {
    /// `None` once the context is going.
    inbox: Mutex<Option<Inbox<M>>>,
    some: AtomicBool,
}

#[derive(Debug)]
struct Inbox<M> {
    messages: Vec<M>,
    /// The thread has been woken since it last took messages.
    notified: bool,
}

impl<M> Default for Inbox<M> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            notified: false,
        }
    }
}

impl<M> Default for RemoteQueue<M> {
    fn default() -> Self {
        Self {
            inbox: Mutex::new(Some(Inbox::default())),
            some: AtomicBool::new(false),
        }
    }
}

impl<M> RemoteQueue<M> {
    /// Whether the thread is to be woken for it. Gives the message back if the queue is closed.
    pub(super) fn push(&self, message: M) -> Result<bool, M> {
        let mut inbox = lock(&self.inbox);
        let Some(inbox) = &mut *inbox else {
            return Err(message);
        };
        inbox.messages.push(message);
        self.some.store(true, Ordering::Release);
        Ok(!mem::replace(&mut inbox.notified, true))
    }

    /// The same without a message.
    pub(super) fn notify(&self) -> bool {
        let mut inbox = lock(&self.inbox);
        let Some(inbox) = &mut *inbox else {
            return false;
        };
        self.some.store(true, Ordering::Release);
        !mem::replace(&mut inbox.notified, true)
    }

    #[inline]
    pub(super) fn has_messages(&self) -> bool {
        self.some.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Vec<M> {
        let mut inbox = lock(&self.inbox);
        self.some.store(false, Ordering::Release);
        inbox.as_mut().map(mem::take).unwrap_or_default().messages
    }

    /// Takes no message any more. Returns those that were left.
    pub(super) fn close(&self) -> Vec<M> {
        let inbox = lock(&self.inbox).take();
        inbox.unwrap_or_default().messages
    }
}
