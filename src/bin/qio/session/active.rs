//! The sessions that run, in whichever threads.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// The number of sessions.
#[derive(Clone, Default)]
pub(crate) struct Active(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    count: usize,
    /// The task that waits for fewer.
    waker: Option<Waker>,
}

impl Active {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that panics has it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> usize {
        self.state().count
    }

    /// Counts a session until the result is dropped.
    pub(super) fn enter(&self) -> Entered {
        self.state().count += 1;
        Entered(self.clone())
    }

    /// Waits until there is no session.
    pub(super) async fn none(&self) {
        self.fewer_than(1).await;
    }

    /// Waits until there are fewer sessions than this.
    pub(super) async fn fewer_than(&self, limit: usize) {
        poll_fn(|cx| {
            let mut state = self.state();
            if state.count < limit {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A session that runs.
pub(super) struct Entered(Active);

impl Drop for Entered {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.count -= 1;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
