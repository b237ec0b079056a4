//! The one way into a hub for threads that do not run its context.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use super::{Hub, Registration, tasks::Runnable};

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
