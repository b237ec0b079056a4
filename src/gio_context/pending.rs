//! What inner contexts leave under way when they go.
//!
//! A thread of GIO's that answers into a context that nobody runs any more has it kept for ever: the
//! answer is in the context, and has a reference to it. So what was cancelled, and may still be
//! answered, is waited for, by what runs in this thread anyway.

use std::{cell::RefCell, mem, thread};

use gio::prelude::*;
use glib::{MainContext, WeakRef};

use super::run_pending;

/// How often a thread that ends gives way to those that are about to answer.
const STRAGGLERS: usize = 1_000;

thread_local! {
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
}

/// Calls that were cancelled, and that GIO has not come to the end of. All that belongs to one keeps
/// its cancellable.
#[derive(Debug, Default)]
pub(super) struct Calls(RefCell<Vec<WeakRef<gio::Cancellable>>>);

/// An inner context that has gone, but for these. As long as there is one, its context would stay
/// anyway: this needs no limit.
struct Pending {
    context: MainContext,
    calls: Calls,
}

impl Calls {
    /// Takes note of one whose only other owner is its user, if it goes on.
    pub(super) fn note(&self, cancellable: &gio::Cancellable) {
        if cancellable.ref_count() > 1 {
            self.have_ended();
            self.0.borrow_mut().push(cancellable.downgrade());
        }
    }

    /// Forgets those that have ended. Says whether that was all.
    fn have_ended(&self) -> bool {
        let mut calls = self.0.borrow_mut();
        calls.retain(|call| call.upgrade().is_some());
        calls.is_empty()
    }
}

impl Pending {
    /// Goes on with it.
    fn has_ended(&self) -> bool {
        self.calls.have_ended() || {
            run_pending(&self.context);
            self.calls.have_ended()
        }
    }
}

impl Drop for Pending {
    /// Others than those that have ended are dropped when their thread ends.
    fn drop(&mut self) {
        for _ in 0..STRAGGLERS {
            if self.has_ended() {
                break;
            }
            thread::yield_now();
        }
    }
}

/// Keeps a context that nobody runs any more until these calls have ended.
pub(super) fn leave(context: &MainContext, calls: Calls) {
    if calls.have_ended() {
        return;
    }
    let context = context.clone();
    let left = Pending { context, calls };
    if !left.has_ended() {
        // If the thread is about to end this drops it.
        let _ = PENDING.try_with(move |all| all.borrow_mut().push(left));
    }
}

/// Goes on with all that is left in this thread.
pub(super) fn go_on() {
    // Nothing is borrowed while something runs.
    let Ok(mut left) = PENDING.try_with(RefCell::take) else {
        return;
    };
    left.retain(|it| !it.has_ended());
    let _ = PENDING.try_with(move |all| {
        let meanwhile = mem::replace(&mut *all.borrow_mut(), left);
        all.borrow_mut().extend(meanwhile);
    });
}

/// How many there are in this thread.
#[cfg(test)]
pub(super) fn count() -> usize {
    PENDING.with_borrow(Vec::len)
}
