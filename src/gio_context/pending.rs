//! Operations that are pending when a private context is dropped.
//!
//! A worker thread of GIO that sends its result to a context that is not iterated any more would
//! leak it: the result is in the context, and owns a reference to it. So cancelled operations that
//! may still complete are awaited by later operations of this thread.

use std::{cell::RefCell, mem, time::Duration};

use gio::prelude::*;
use glib::{MainContext, WeakRef};

use super::run_pending;
use crate::sync::{Creator, poll_until};

/// For how long a thread that terminates waits for results that are about to be sent. A call of the
/// resolver, which cannot be cancelled, may take longer: its result is leaked.
const EXIT_LIMIT: Duration = Duration::from_millis(100);

thread_local! {
    static PENDING: RefCell<AllPending> = const { RefCell::new(AllPending(Vec::new())) };
}

/// The pending operations of a thread.
struct AllPending(Vec<Pending>);

/// Operations that were cancelled and have not completed. Every part of one owns a reference to its
/// cancellable.
#[derive(Debug, Default)]
pub(super) struct Calls(RefCell<Vec<WeakRef<gio::Cancellable>>>);

/// A private context that is kept for pending operations. It would stay alive anyway while there
/// are any: the list needs no limit.
struct Pending {
    context: MainContext,
    calls: Calls,
    creator: Creator,
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

impl Drop for AllPending {
    /// Runs when the thread terminates.
    fn drop(&mut self) {
        let limits = self.0.iter().map(|it| it.creator.limit(EXIT_LIMIT));
        let limit = limits.max().unwrap_or_default();
        poll_until(limit, || {
            self.0.retain(|it| !it.has_ended());
            self.0.is_empty()
        });
    }
}

/// Keeps a context that is not iterated any more until these operations have completed.
pub(super) fn keep(context: &MainContext, calls: Calls) {
    if calls.have_ended() {
        return;
    }
    let context = context.clone();
    let creator = Creator::default();
    let pending = Pending {
        context,
        calls,
        creator,
    };
    if !pending.has_ended() {
        let mut pending = AllPending(vec![pending]);
        // If the thread is terminating this drops it.
        let _ = PENDING.try_with(move |all| all.borrow_mut().0.append(&mut pending.0));
    }
}

/// Iterates all contexts of this thread that have pending operations.
pub(super) fn run_all() {
    // Not borrowed while code of the operations runs.
    let Ok(mut left) = PENDING.try_with(|all| mem::take(&mut all.borrow_mut().0)) else {
        return;
    };
    left.retain(|it| !it.has_ended());
    let _ = PENDING.try_with(move |all| {
        let all = &mut all.borrow_mut().0;
        let meanwhile = mem::replace(all, left);
        all.extend(meanwhile);
    });
}

/// The number of such contexts of this thread.
#[cfg(test)]
pub(super) fn count() -> usize {
    PENDING.with_borrow(|all| all.0.len())
}
