//! Which waker leaves.

use std::task::{RawWaker, RawWakerVTable};

use super::*;

static WOKEN: AtomicUsize = AtomicUsize::new(0);

fn clone(data: *const ()) -> RawWaker {
    RawWaker::new(data, &VTABLES[0])
}

fn wake(_: *const ()) {
    WOKEN.fetch_add(1, Ordering::Relaxed);
}

/// Optimized code may have several tables for one type: one in each codegen unit.
static VTABLES: [RawWakerVTable; 2] = [const { RawWakerVTable::new(clone, wake, wake, |_| ()) }; 2];

#[test]
fn a_waker_leaves_whichever_table_of_functions_it_has() {
    let waiters = Waiters::default();
    // SAFETY: the functions may be called with any data, in any thread.
    let wakers = VTABLES
        .each_ref()
        .map(|table| unsafe { Waker::new(ptr::dangling(), table) });
    assert!(!wakers[0].will_wake(&wakers[1]));
    for on in [WakeOn::Change, WakeOn::Close] {
        waiters.enter(on, wakers[0].clone());
        waiters.leave(on, &wakers[1]);
    }
    waiters.close();
    assert_eq!(WOKEN.load(Ordering::Relaxed), 0);
}
