//! The thread that dispatches a hub: one at a time.

use std::{
    ptr,
    sync::{Arc, atomic::Ordering},
};

use super::{CURRENT, DISPATCHED, Hub, lane::Lane};
use crate::sync::generation;

/// How many bits of an address differ: the others of a token are the generation of the process.
const ADDRESS_BITS: u32 = usize::BITS - 16;

/// A number that is unique among the threads of this process and of those that it was forked from.
pub(super) fn thread_token() -> usize {
    let address = DISPATCHED.with(|served| ptr::from_ref(served).addr());
    address | (generation() as usize) << ADDRESS_BITS
}

/// Whether a token is that of a thread of this process.
pub(super) fn is_of_this_process(token: usize) -> bool {
    token >> ADDRESS_BITS == thread_token() >> ADDRESS_BITS
}

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
    /// Takes the token of `dispatcher`. Returns whether this thread did not hold it; `None` if
    /// another thread does.
    pub(super) fn acquire_dispatcher(&self) -> Option<bool> {
        let me = thread_token();
        let acquire = |from| {
            self.dispatcher
                .compare_exchange(from, me, Ordering::SeqCst, Ordering::SeqCst)
        };
        match acquire(0) {
            Ok(_) => Some(true),
            Err(other) if other == me => Some(false),
            Err(other) if is_of_this_process(other) => None,
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
            // Before the flag is read: a thread that sets it, and does not get the token, relies on
            // this.
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
        let served = DispatchGuard::begin(&lane.hub)?;
        let current = Some((lane.clone(), glib::main_depth()));
        Some(Self {
            outer: CURRENT.replace(current),
            _dispatch: served,
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let entered = CURRENT.replace(self.outer.take());
        drop(entered);
    }
}
