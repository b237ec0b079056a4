//! The one way into a hub for threads that do not run its context.

use std::{
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use super::{Hub, Registration, tasks::Runnable};
use crate::sys::lock;

/// What the thread that runs the context is to do.
#[derive(Debug)]
pub(super) enum Message {
    Run(Runnable),
    /// Make the waiters of a registration look again.
    Wake(Arc<Registration>),
    /// Wake what is polled in the thread that runs the context.
    WakeOne(Waker),
    /// A source of the context, with the reference that must not be dropped elsewhere before it is
    /// destroyed: GLib would lock the context for that.
    Destroy(glib::Source),
}

#[derive(Debug)]
pub(super) struct RemoteQueue {
    /// `None` once the context is going.
    inbox: Mutex<Option<Inbox>>,
    some: AtomicBool,
}

#[derive(Debug, Default)]
struct Inbox {
    messages: Vec<Message>,
    /// The thread has been woken since it last took messages.
    notified: bool,
}

impl Default for RemoteQueue {
    fn default() -> Self {
        Self {
            inbox: Mutex::new(Some(Inbox::default())),
            some: AtomicBool::new(false),
        }
    }
}

impl RemoteQueue {
    /// Whether the thread is to be woken for it. Gives the message back if the queue is closed.
    pub(super) fn push(&self, message: Message) -> Result<bool, Message> {
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

    pub(super) fn take(&self) -> Vec<Message> {
        let mut inbox = lock(&self.inbox);
        self.some.store(false, Ordering::Release);
        inbox.as_mut().map(mem::take).unwrap_or_default().messages
    }

    /// Takes no message any more. Returns those that were left.
    pub(super) fn close(&self) -> Vec<Message> {
        let inbox = lock(&self.inbox).take();
        inbox.unwrap_or_default().messages
    }
}

/// Wakes a waker in the thread that runs the context of a hub.
struct RemoteWaker {
    hub: Arc<Hub>,
    waker: Waker,
}

impl Wake for RemoteWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.hub.is_served_here() {
            true => self.waker.wake_by_ref(),
            // What comes back is of a context that has gone, with all that is polled in it.
            false => drop(self.hub.send(Message::WakeOne(self.waker.clone()))),
        }
    }
}

impl Hub {
    /// A waker for any thread to wake, of what is polled in the thread that runs this context.
    pub(crate) fn remote_waker(self: &Arc<Self>, waker: &Waker) -> Waker {
        Waker::from(Arc::new(RemoteWaker {
            hub: self.clone(),
            waker: waker.clone(),
        }))
    }
}
