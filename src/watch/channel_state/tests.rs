//! Which waker is removed.

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
fn a_waker_is_removed_whichever_vtable_it_has() {
    let state = ChannelState::default();
    // SAFETY: the functions may be called with any data, in any thread.
    let wakers = VTABLES
        .each_ref()
        .map(|table| unsafe { Waker::new(ptr::dangling(), table) });
    assert!(!wakers[0].will_wake(&wakers[1]));
    for on in [WakeOn::Change, WakeOn::Close] {
        state.add_waker(on, wakers[0].clone());
        state.remove_waker(on, &wakers[1]);
    }
    state.close();
    assert_eq!(WOKEN.load(Ordering::Relaxed), 0);
}
