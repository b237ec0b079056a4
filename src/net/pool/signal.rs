//! Events that happen once, and that any number of futures wait for.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use slab::Slab;

use crate::sync::ForkMutex;

/// Set once, in any thread.
#[derive(Debug, Default)]
pub(in crate::net) struct Signal {
    is_set: AtomicBool,
    wakers: ForkMutex<Slab<Waker>>,
}

impl Signal {
    pub(in crate::net) fn set(&self) {
        self.is_set.store(true, Ordering::SeqCst);
        let wakers = mem::take(&mut *self.wakers.lock());
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// A future that is ready when it is set.
    pub(in crate::net) fn wait(self: &Arc<Self>) -> Wait {
        Wait {
            signal: self.clone(),
            added: None,
        }
    }
}

/// See [`Signal::wait`].
#[derive(Debug)]
pub(in crate::net) struct Wait {
    signal: Arc<Signal>,
    added: Option<(usize, Waker)>,
}

impl Wait {
    fn remove_waker(&mut self) {
        if let Some((key, _)) = self.added.take() {
            // Once the signal is set, the key may be that of a waiter that has seen this.
            let waker = self.signal.wakers.lock().try_remove(key);
            drop(waker);
        }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let is_added = self
            .added
            .as_ref()
            .is_some_and(|(_, waker)| waker.will_wake(cx.waker()));
        if !is_added {
            self.remove_waker();
            let waker = cx.waker().clone();
            let key = self.signal.wakers.lock().insert(waker.clone());
            self.added = Some((key, waker));
        }
        // After the waker was added, so that no change is missed.
        match self.signal.is_set.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.remove_waker();
    }
}
