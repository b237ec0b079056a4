//! Operations that are pending when a private context is dropped.
//!
//! A worker thread of GIO that sends its result to a context that is not iterated any more would
//! leak it: the result is in the context, and owns a reference to it. So cancelled operations that
//! may still complete are awaited by later operations of this thread.

use std::{cell::RefCell, mem, thread};

use gio::prelude::*;
use glib::{MainContext, WeakRef};

use super::run_pending;

/// How often a thread that terminates yields to threads that are about to send a result.
const EXIT_YIELDS: usize = 1_000;

thread_local! {
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
}

/// Operations that were cancelled and have not completed. Every part of one owns a reference to its
/// cancellable.
#[derive(Debug, Default)]
pub(super) struct Calls(RefCell<Vec<WeakRef<gio::Cancellable>>>);

/// A private context that is kept for pending operations. It would stay alive anyway while there
/// are any: the list needs no limit.
struct Pending {
    context: MainContext,
    calls: Calls,
}

impl Calls {
    /// Adds an operation, unless its owner has the only reference to the cancellable.
    pub(super) fn add(&self, cancellable: &gio::Cancellable) {
        if cancellable.ref_count() > 1 {
            self.have_ended();
            self.0.borrow_mut().push(cancellable.downgrade());
        }
    }

    /// Removes those that have completed. Returns whether none is left.
    fn have_ended(&self) -> bool {
        let mut calls = self.0.borrow_mut();
        calls.retain(|call| call.upgrade().is_some());
        calls.is_empty()
    }
}

impl Pending {
    /// Iterates the context, and returns whether all operations have completed.
    fn has_ended(&self) -> bool {
        self.calls.have_ended() || {
            run_pending(&self.context);
            self.calls.have_ended()
        }
    }
}

impl Drop for Pending {
    /// Runs when the thread terminates.
    fn drop(&mut self) {
        for _ in 0..EXIT_YIELDS {
            if self.has_ended() {
                break;
            }
            thread::yield_now();
        }
    }
}

/// Keeps a context that is not iterated any more until these operations have completed.
pub(super) fn keep(context: &MainContext, calls: Calls) {
    if calls.have_ended() {
        return;
    }
    let context = context.clone();
    let pending = Pending { context, calls };
    if !pending.has_ended() {
        // If the thread is terminating this drops it.
        let _ = PENDING.try_with(move |all| all.borrow_mut().push(pending));
    }
}

/// Iterates all contexts of this thread that have pending operations.
pub(super) fn run_all() {
    // Not borrowed while code of the operations runs.
    let Ok(mut left) = PENDING.try_with(RefCell::take) else {
        return;
    };
    left.retain(|it| !it.has_ended());
    let _ = PENDING.try_with(move |all| {
        let meanwhile = mem::replace(&mut *all.borrow_mut(), left);
        all.borrow_mut().extend(meanwhile);
    });
}

/// The number of such contexts of this thread.
#[cfg(test)]
pub(super) fn count() -> usize {
    PENDING.with_borrow(Vec::len)
}
