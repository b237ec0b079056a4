//! The sessions that run, in whichever threads.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

/// The number of sessions.
#[derive(Clone, Default)]
pub(crate) struct Active(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    count: usize,
    /// How many there were in all.
    total: u64,
    /// The tasks that wait for fewer.
    wakers: Vec<Waker>,
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
        let mut state = self.state();
        state.count += 1;
        state.total += 1;
        Entered(self.clone())
    }

    /// Waits until there is no session.
    pub(super) async fn none(&self) {
        self.fewer_than(1).await;
    }

    /// Waits until there has been no session for so long.
    pub(super) async fn idle(&self, time: Duration) {
        loop {
            self.none().await;
            let total = self.state().total;
            glib::timeout_future(time).await;
            let state = self.state();
            if state.count == 0 && state.total == total {
                return;
            }
        }
    }

    /// Waits until there are fewer sessions than this.
    pub(super) async fn fewer_than(&self, limit: usize) {
        poll_fn(|cx| {
            let mut state = self.state();
            if state.count < limit {
                return Poll::Ready(());
            }
            if !state.wakers.iter().any(|it| it.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
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
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}
