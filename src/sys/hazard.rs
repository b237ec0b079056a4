//! Hazard pointers: what each thread is using, for threads that are about to release it.

use std::{
    cell::Cell,
    ptr::{self, NonNull},
    sync::{
        MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::call;
use crate::sync::ProcessMutex;

/// The hazard slot of a thread: the address of what it uses, [`NOTHING`], or [`UNLISTED`]. Only
/// that thread writes it.
///
/// The slots are written by plain stores. A thread that reads the slots of others calls [`scan`]
/// first, whose barrier orders the stores with what their threads do after them.
#[derive(Debug)]
pub(super) struct HazardSlot(AtomicUsize);

const NOTHING: usize = 0;
/// The slot is not in the list, and no scan would see it: before a thread's first use, after its
/// last one, and if the kernel has no barrier.
const UNLISTED: usize = 1;

thread_local! {
    static MINE: HazardSlot = const { HazardSlot(AtomicUsize::new(UNLISTED)) };
    /// Removes the slot from the list when the thread ends.
    static LISTING: Cell<Option<Listing>> = const { Cell::new(None) };
}

/// The slots of all threads that have used one. A forked child has one thread: the slots of the
/// others would never be removed from the list, and their memory is reused.
static LISTED: ProcessMutex<Vec<HazardSlotPtr>> = ProcessMutex::new(Vec::new(), |listed| {
    MINE.with(|mine| listed.retain(|slot| ptr::eq(slot.0, mine)));
});

/// The slot of a thread that is alive: it removes the slot from the list before its memory is
/// freed.
struct HazardSlotPtr(*const HazardSlot);

// SAFETY: the pointer is to an atomic, which any thread may read while it is in the list.
unsafe impl Send for HazardSlotPtr {}

struct Listing;

impl Drop for Listing {
    fn drop(&mut self) {
        MINE.with(|mine| {
            mine.0.store(UNLISTED, Ordering::Relaxed);
            LISTED.lock().retain(|slot| !ptr::eq(slot.0, mine));
        });
    }
}

/// A use that this thread has published. Has the address of the slot, as finding it is a call in a
/// shared library. Not `Send`.
#[derive(Debug)]
pub(super) struct Use(NonNull<HazardSlot>);

/// Publishes that this thread uses an object. `None` if it cannot, or is using another object.
#[inline]
pub(super) fn protect(address: usize) -> Option<Use> {
    MINE.with(|mine| {
        let may = match mine.0.load(Ordering::Relaxed) {
            NOTHING => true,
            before => before == UNLISTED && list(mine),
        };
        may.then(|| {
            mine.0.store(address, Ordering::Relaxed);
            Use(NonNull::from_ref(mine))
        })
    })
}

impl Use {
    /// Ends the use. Must be called once.
    #[inline]
    pub(super) fn end(&self) {
        // SAFETY: `protect` took the address of this thread's slot, which has no destructor and so
        // exists as long as the thread; `Use` is not `Send`.
        let mine = unsafe { self.0.as_ref() };
        mine.0.store(NOTHING, Ordering::Release);
    }
}

#[cold]
#[inline(never)]
fn list(mine: &HazardSlot) -> bool {
    // A thread that is terminating could not remove its slot from the list any more.
    barrier_registered()
        && LISTING
            .try_with(|listing| {
                LISTED.lock().push(HazardSlotPtr(mine));
                listing.set(Some(Listing));
            })
            .is_ok()
}

/// The right of one thread at a time to evaluate the slots of all threads.
pub(super) struct HazardScan {
    /// Whether the barrier was executed: an object in no slot is not used.
    sure: bool,
    listed: MutexGuard<'static, Vec<HazardSlotPtr>>,
}

/// Makes the stores to all slots visible.
pub(super) fn scan() -> HazardScan {
    let listed = LISTED.lock();
    // A thread that uses its slot for the first time must take the lock before it does: it then
    // sees what this thread has done before.
    if MINE.with(|mine| listed.iter().all(|slot| ptr::eq(slot.0, mine))) {
        return HazardScan { sure: true, listed };
    }
    // Without a barrier in the kernel no thread uses its slot. A seccomp filter may also forbid it
    // later: then any thread may use any object.
    let sure = !barrier_registered() || membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    HazardScan { sure, listed }
}

impl HazardScan {
    /// Whether any thread uses the object, or may.
    pub(super) fn may_be_used(&self, address: usize) -> bool {
        !self.sure
            || self.listed.iter().any(|slot| {
                // SAFETY: a slot in the list is alive while the list is locked: its thread removes
                // it before it ends, and a fork keeps only the slot of the thread that forked.
                unsafe { (*slot.0).0.load(Ordering::Acquire) == address }
            })
    }
}

/// Registers this process for the barrier, unless it is registered. That takes some 10 ms where the
/// process has several threads, and microseconds where it has one.
pub(crate) fn prepare_process() {
    barrier_registered();
}

/// Whether this process may use the barrier. The first call registers for it.
fn barrier_registered() -> bool {
    const UNKNOWN: usize = 0;
    const YES: usize = 1;
    const NO: usize = 2;
    static REGISTERED: AtomicUsize = AtomicUsize::new(UNKNOWN);
    if REGISTERED.load(Ordering::Acquire) == UNKNOWN {
        let works = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
            && membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        REGISTERED.store(if works { YES } else { NO }, Ordering::Release);
    }
    REGISTERED.load(Ordering::Acquire) == YES
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes no pointers.
    call(|| unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) as isize }).is_ok()
}
