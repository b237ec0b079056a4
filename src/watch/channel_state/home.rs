//! The registration of a channel that futures find without a lock.

use std::{
    cell::UnsafeCell,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicPtr, Ordering},
    },
};

use super::WaitList;
use crate::hub::{Hub, Registration};

/// The *home registration*: the one in the first hub that futures have waited in, or once that has
/// ended, in the next such hub. Stays set after the registration has ended: it keeps the memory,
/// not the descriptor.
#[derive(Debug)]
pub(super) struct HomeSlot {
    /// The hub of the registration. Dangling while there is none, and while it is replaced.
    hub: AtomicPtr<Hub>,
    /// Written under the lock of the wait list, while `hub` is dangling and no thread dispatches
    /// the hub of the old value. Read under that lock, or by a thread that dispatches `hub`.
    registration: UnsafeCell<Option<Arc<Registration>>>,
}

// SAFETY: the comment of `registration` lists the threads that access it, and never at the same
// time as a writer: a reader is the dispatcher of the hub before it loads `hub`, and a writer
// stores `hub` before it loads the dispatcher, all sequentially consistent.
unsafe impl Sync for HomeSlot {}

impl Default for HomeSlot {
    fn default() -> Self {
        Self {
            hub: AtomicPtr::new(ptr::dangling_mut()),
            registration: UnsafeCell::new(None),
        }
    }
}

impl HomeSlot {
    pub(super) fn is_in(&self, hub: &Arc<Hub>) -> bool {
        self.hub.load(Ordering::Relaxed).cast_const() == Arc::as_ptr(hub)
    }

    /// The registration, if it belongs to a hub that this thread dispatches, and has not ended.
    #[inline]
    pub(super) fn get(&self, hub: *const Hub) -> Option<&Arc<Registration>> {
        if self.hub.load(Ordering::SeqCst).cast_const() != hub {
            return None;
        }
        // SAFETY: this thread dispatches `hub`: see `registration`. It does so for as long as the
        // result is in use, as that is in a poll of a task of the hub.
        let home = unsafe { &*self.registration.get() };
        home.as_ref().filter(|home| !home.has_ended())
    }

    pub(super) fn is(&self, _locked: &WaitList, registration: &Arc<Registration>) -> bool {
        // SAFETY: the wait list is locked.
        let home = unsafe { &*self.registration.get() };
        home.as_ref()
            .is_some_and(|it| Arc::ptr_eq(it, registration))
    }

    /// Sets the registration, unless the old one has not ended, or a thread might be using it.
    /// Returns the old one.
    pub(super) fn set(
        &self,
        _locked: &WaitList,
        registration: &Arc<Registration>,
    ) -> Option<Arc<Registration>> {
        // SAFETY: the wait list is locked.
        if let Some(old) = unsafe { &*self.registration.get() } {
            if !old.has_ended() {
                return None;
            }
            self.hub.store(ptr::dangling_mut(), Ordering::SeqCst);
            if old.hub().is_dispatched() {
                return None;
            }
        }
        // SAFETY: the wait list is locked, and there is no reader: see `registration`.
        let before = unsafe { (*self.registration.get()).replace(registration.clone()) };
        let hub = Arc::as_ptr(registration.hub()).cast_mut();
        self.hub.store(hub, Ordering::SeqCst);
        before
    }
}
