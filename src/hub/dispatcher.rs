//! The thread that dispatches a hub: one at a time.

use std::sync::atomic::Ordering;

use super::Hub;
use crate::sync::{is_thread_of_process, thread_number};

/// Marks a hub as dispatched by this thread while it exists, and by no other one: GLib lets one
/// thread at a time run a context, but any thread may destroy a source of it, which shuts the hub
/// down.
pub(super) struct DispatchGuard<'a> {
    /// The hub. Empty in a guard inside of another one of this thread for that hub.
    outermost: Option<&'a Hub>,
}

impl<'a> DispatchGuard<'a> {
    /// `None` while another thread has one.
    #[inline]
    pub(super) fn begin(hub: &'a Hub) -> Option<Self> {
        let is_outermost = hub.acquire_dispatcher()?;
        let outermost = is_outermost.then_some(hub);
        Some(Self { outermost })
    }
}

impl Hub {
    /// Whether this thread is dispatching the hub, possibly with a nested main loop in one of its
    /// tasks: the queues are checked again before this thread blocks in its context.
    #[inline]
    pub(crate) fn is_dispatched_by_this_thread(&self) -> bool {
        self.dispatcher.load(Ordering::Relaxed) == thread_number()
    }

    pub(crate) fn is_dispatched(&self) -> bool {
        self.dispatcher.load(Ordering::SeqCst) != 0
    }

    /// Makes this thread the `dispatcher`. Returns whether it was not before; `None` if another
    /// thread is.
    fn acquire_dispatcher(&self) -> Option<bool> {
        let me = thread_number();
        let acquire = |from| {
            self.dispatcher
                .compare_exchange(from, me, Ordering::SeqCst, Ordering::SeqCst)
        };
        match acquire(0) {
            Ok(_) => Some(true),
            Err(other) if other == me => Some(false),
            Err(other) if is_thread_of_process(other) => None,
            // A thread of the parent, which was forked while that thread dispatched the hub.
            Err(other) => acquire(other).ok().map(|_| {
                let lanes = self.lanes.lock().clone();
                lanes.iter().for_each(|lane| lane.forget_queue());
                true
            }),
        }
    }
}

impl Drop for DispatchGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(hub) = self.outermost {
            // Before the flag is read: a thread that sets it, and does not become the dispatcher,
            // relies on this.
            hub.dispatcher.store(0, Ordering::SeqCst);
            if hub.shut_down.load(Ordering::SeqCst) && !hub.registry().is_closed() {
                hub.tear_down();
            }
        }
    }
}
