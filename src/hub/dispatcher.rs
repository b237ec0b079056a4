//! The thread that dispatches a hub: one at a time.

use std::sync::{Arc, atomic::Ordering};

use super::{CURRENT, DISPATCHED, Hub, lane::Lane};
use crate::sync::{is_thread_of_process, thread_number};

/// Marks a hub as dispatched by this thread while it exists, and by no other one: GLib lets one
/// thread at a time run a context, but any thread may destroy a source of it, which shuts the hub
/// down.
pub(super) struct DispatchGuard<'a> {
    hub: &'a Hub,
    outer: *const Hub,
    /// Whether this is the outermost guard of the thread.
    is_outermost: bool,
}

impl<'a> DispatchGuard<'a> {
    /// `None` while another thread does so.
    #[inline]
    pub(super) fn begin(hub: &'a Hub) -> Option<Self> {
        let is_outermost = !hub.is_dispatched_here() && hub.acquire_dispatcher()?;
        Some(Self {
            hub,
            outer: DISPATCHED.replace(hub),
            is_outermost,
        })
    }
}

impl Hub {
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
        DISPATCHED.set(self.outer);
        if self.is_outermost {
            // Before the flag is read: a thread that sets it, and does not become the dispatcher,
            // relies on this.
            self.hub.dispatcher.store(0, Ordering::SeqCst);
            let hub = self.hub;
            if hub.shut_down.load(Ordering::SeqCst) && !hub.is_apart.load(Ordering::Acquire) {
                hub.take_apart();
            }
        }
    }
}

/// Marks a lane as running in this thread while it exists.
pub(super) struct Running<'a> {
    outer: Option<(Arc<Lane>, i32)>,
    _dispatch: DispatchGuard<'a>,
}

impl<'a> Running<'a> {
    pub(super) fn enter(lane: &'a Arc<Lane>) -> Option<Self> {
        let dispatch = DispatchGuard::begin(&lane.hub)?;
        let current = Some((lane.clone(), glib::main_depth()));
        Some(Self {
            outer: CURRENT.replace(current),
            _dispatch: dispatch,
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let entered = CURRENT.replace(self.outer.take());
        drop(entered);
    }
}
