//! What each thread is using just now, for those who want to release it.

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

/// The note of one thread: the address of what it uses, [`NOTHING`], or [`UNLISTED`]. Only
/// that thread writes it.
///
/// Notes are plain stores. Who reads the notes of others calls [`scan`] before, whose
/// barrier orders them with what the threads do after their stores.
#[derive(Debug)]
pub(super) struct HazardSlot(AtomicUsize);

const NOTHING: usize = 0;
/// The note is not in the list, and nobody would see it: before a thread's first use, after
/// its last one, and where the system has no barrier.
const UNLISTED: usize = 1;

thread_local! {
    static MINE: HazardSlot = const { HazardSlot(AtomicUsize::new(UNLISTED)) };
    /// Takes the note off the list when the thread ends.
    static LISTING: Cell<Option<Listing>> = const { Cell::new(None) };
}

/// The notes of all threads that have listed theirs. A forked child has one thread: no other one
/// would ever take its note off the list, and the memory of the notes is used for other things.
static LISTED: ProcessMutex<Vec<HazardSlotPtr>> = ProcessMutex::new(Vec::new(), |listed| {
    MINE.with(|mine| listed.retain(|note| ptr::eq(note.0, mine)));
});

/// Of a thread that is alive: it takes its note off the list before its memory goes.
struct HazardSlotPtr(*const HazardSlot);

// SAFETY: it points to an atomic, which any thread may read while it is in the list.
unsafe impl Send for HazardSlotPtr {}

struct Listing;

impl Drop for Listing {
    fn drop(&mut self) {
        MINE.with(|mine| {
            mine.0.store(UNLISTED, Ordering::Relaxed);
            LISTED.lock().retain(|note| !ptr::eq(note.0, mine));
        });
    }
}

/// A use that this thread has noted. It keeps the way to the note, which in a shared library is a
/// call. Stays in its thread.
#[derive(Debug)]
pub(super) struct Use(NonNull<HazardSlot>);

/// Notes that this thread uses something, unless it cannot, or is in the middle of using
/// something else.
#[inline]
pub(super) fn note(address: usize) -> Option<Use> {
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
    /// To be called once.
    #[inline]
    pub(super) fn end(&self) {
        // SAFETY: the note of this thread, which needs no destructor and so lives as long as it.
        let mine = unsafe { self.0.as_ref() };
        mine.0.store(NOTHING, Ordering::Release);
    }
}

#[cold]
#[inline(never)]
fn list(mine: &HazardSlot) -> bool {
    // A thread that is already ending has no way left to take its note off again.
    barrier_registered()
        && LISTING
            .try_with(|listing| {
                LISTED.lock().push(HazardSlotPtr(mine));
                listing.set(Some(Listing));
            })
            .is_ok()
}

/// The right of one thread at a time to draw conclusions from the notes of all threads.
pub(super) struct HazardScan {
    /// The barrier has worked: what is not noted is not used.
    sure: bool,
    listed: MutexGuard<'static, Vec<HazardSlotPtr>>,
}

/// Makes the notes of all threads visible.
pub(super) fn scan() -> HazardScan {
    let listed = LISTED.lock();
    // No thread notes anything where the system has no barrier. It may also be taken away later, by
    // a filter on system calls: then any thread may use anything.
    let sure = !barrier_registered() || membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    HazardScan { sure, listed }
}

impl HazardScan {
    /// Whether any thread notes that it uses this, or could.
    pub(super) fn may_be_noted(&self, address: usize) -> bool {
        !self.sure
            || self.listed.iter().any(|note| {
                // SAFETY: a note in the list is alive while the list is locked: its thread takes it
                // off before it ends, and a fork leaves only the note of the thread that forked.
                unsafe { (*note.0).0.load(Ordering::Acquire) == address }
            })
    }
}

/// Whether this process may use the barrier; it registers for it at the first call.
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
    // SAFETY: the call takes no memory.
    call(|| unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) as isize }).is_ok()
}
