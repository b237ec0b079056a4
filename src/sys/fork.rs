//! Noticing that this process is a forked child, at the price of a load.

use std::sync::{
    Once,
    atomic::{AtomicUsize, Ordering},
};

static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// A number that differs from the parent's in a forked child.
pub(crate) fn generation() -> usize {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handler is a function that only adds to an atomic, which is allowed in a
        // child between fork and exec. Where it cannot be registered nothing is noticed.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    GENERATION.load(Ordering::Relaxed)
}

unsafe extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
