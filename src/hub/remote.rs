//! Messages to the thread that runs a context, from threads that do not, and wakers that send them.
//! A thread that dispatches the hub acts at once instead; registering a descriptor, timers and new
//! tasks need no message, but locks.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use super::{Hub, Registration, tasks::Runnable};

/// A message for the thread that runs the context.
#[derive(Debug)]
pub(super) enum Message {
    Run(Runnable),
    /// Make the waiters of a registration poll again.
    Wake(Arc<Registration>),
    /// Wake a future that is polled in the thread that runs the context.
    WakeOne(Waker),
    /// Destroy a source of the context. The message owns a reference to it, which must not be
    /// dropped elsewhere before the source is destroyed: GLib would lock the context for that.
    Destroy(glib::Source),
}

struct RemoteWaker {
    hub: Arc<Hub>,
    waker: Waker,
}

impl Wake for RemoteWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.hub.is_dispatched_by_this_thread() {
            true => self.waker.wake_by_ref(),
            // A hub that is in use is shut down with its context alone, and all that was polled in
            // that: there is nothing to wake where this returns the message.
            false => drop(self.hub.send(Message::WakeOne(self.waker.clone()))),
        }
    }
}

impl Hub {
    /// A waker that any thread may wake, for a future that is polled in the thread of this context.
    pub(crate) fn remote_waker(self: &Arc<Self>, waker: &Waker) -> Waker {
        Waker::from(Arc::new(RemoteWaker {
            hub: self.clone(),
            waker: waker.clone(),
        }))
    }
}
