//! The notes of threads as the library has them, with membarrier(2) as a fence: that of a
//! processor, which pairs with the fence that `light_barrier` is here.

use loom::{
    cell::Cell,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering, fence},
    },
};

const NOTHING: usize = 0;

/// How many threads of a model use descriptors.
const THREADS: usize = 3;

loom::lazy_static! {
    static ref NOTES: [AtomicUsize; THREADS] = Default::default();
    static ref LISTED: Mutex<()> = Mutex::new(());
}

loom::thread_local! {
    static MINE: Cell<usize> = Cell::new(0);
}

/// Allocates a hazard slot for the thread.
pub(crate) fn begin_thread(number: usize) {
    MINE.with(|mine| mine.set(number));
}

#[derive(Debug)]
pub(super) struct Use(usize);

pub(super) fn protect(address: usize) -> Option<Use> {
    let mine = MINE.with(Cell::get);
    if NOTES[mine].load(Ordering::Relaxed) != NOTHING {
        return None;
    }
    NOTES[mine].store(address, Ordering::Relaxed);
    Some(Use(mine))
}

impl Use {
    pub(super) fn end(&self) {
        NOTES[self.0].store(NOTHING, Ordering::Release);
    }
}

pub(super) struct HazardScan {
    _listed: MutexGuard<'static, ()>,
}

pub(super) fn scan() -> HazardScan {
    let listed = LISTED.lock().expect("no thread of a model panics");
    fence(Ordering::SeqCst);
    HazardScan { _listed: listed }
}

impl HazardScan {
    pub(super) fn may_be_used(&self, address: usize) -> bool {
        NOTES
            .iter()
            .any(|slot| slot.load(Ordering::Acquire) == address)
    }
}
