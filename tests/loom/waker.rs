//! A task that sleeps until its waker is called.

use std::{sync::Arc, task::Wake};

use loom::sync::Notify;

/// The sleep of one task. A wakeup before the sleep ends it at once.
pub(crate) struct Sleeper(Notify);

impl Sleeper {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Notify::new()))
    }

    /// Loom reports a deadlock if nothing ever ends it.
    pub(crate) fn sleep(&self) {
        self.0.wait();
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}
