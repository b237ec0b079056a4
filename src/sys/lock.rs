//! Locking what a panic elsewhere must not make unusable.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, whoever panicked while it was locked: what it guards is whole between any two
/// statements.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
