//! What the library's `sync` has, by loom.

pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence},
};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of a model panics")
}

/// Of the two sides of an asymmetric barrier, the one that is only a compiler's: with a full fence
/// on both sides the models allow what the pair allows.
pub(crate) fn light_barrier() {
    fence(Ordering::SeqCst);
}

/// No model forks.
#[derive(Debug, Default)]
pub(crate) struct ForkMutex<T>(Mutex<T>);

impl<T> ForkMutex<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        lock(&self.0)
    }
}

/// No model forks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Creator(());

impl Creator {
    pub(crate) fn is_parent(self) -> bool {
        false
    }
}
