//! A lock that futures wait for, and whose guard any thread may drop.

use std::{
    collections::VecDeque,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, MutexGuard},
    task::{Context, Poll, Waker},
};

use super::{Creator, ForkMutex};

/// Held by one guard at a time. Futures get it in the order in which they began to wait.
#[derive(Debug, Default)]
pub(crate) struct AsyncLock(ForkMutex<State>);

#[derive(Debug, Default)]
struct State {
    creator: Creator,
    is_held: bool,
    /// The key of the next waiter.
    next: u64,
    waiters: VecDeque<(u64, Waker)>,
}

impl AsyncLock {
    /// A future of the guard.
    pub(crate) fn acquire(self: Arc<Self>) -> Acquire {
        Acquire {
            lock: self,
            key: None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock();
        if state.creator.is_parent() {
            // The holder and the waiters are those of the parent. Dropping a waker may run any
            // code, which this process does not have.
            mem::forget(mem::take(&mut *state));
        }
        state
    }

    /// Wakes the first waiter, which gets the lock.
    fn wake_first(state: MutexGuard<'_, State>) {
        let first = state.waiters.front().map(|(_, waker)| waker.clone());
        // A waker may run any code: not under the lock of the state.
        drop(state);
        first.into_iter().for_each(Waker::wake);
    }
}

/// See [`AsyncLock::acquire`]. Dropping it gives up its turn.
#[derive(Debug)]
pub(crate) struct Acquire {
    lock: Arc<AsyncLock>,
    /// Of its waker in the list.
    key: Option<u64>,
}

impl Future for Acquire {
    type Output = AsyncGuard;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AsyncGuard> {
        let lock = self.lock.clone();
        let mut state = lock.state();
        let key = self.key;
        let mine = state.waiters.iter().position(|(it, _)| Some(*it) == key);
        let is_first = mine.map_or(state.waiters.is_empty(), |mine| mine == 0);
        if is_first && !state.is_held {
            state.is_held = true;
            let creator = state.creator;
            let entry = state.waiters.pop_front();
            drop(state);
            drop(entry);
            self.key = None;
            return Poll::Ready(AsyncGuard {
                lock: self.lock.clone(),
                creator,
            });
        }
        let waker = cx.waker().clone();
        let replaced = match mine {
            Some(mine) => Some(mem::replace(&mut state.waiters[mine].1, waker)),
            None => {
                let next = state.next;
                state.next += 1;
                state.waiters.push_back((next, waker));
                self.key = Some(next);
                None
            }
        };
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let mut state = self.lock.state();
        let mine = state.waiters.iter().position(|(it, _)| *it == key);
        let entry = mine.and_then(|mine| state.waiters.remove(mine));
        match mine == Some(0) && !state.is_held {
            // It may have been woken already.
            true => AsyncLock::wake_first(state),
            false => drop(state),
        }
        drop(entry);
    }
}

/// Holds an [`AsyncLock`].
#[derive(Debug)]
pub(crate) struct AsyncGuard {
    lock: Arc<AsyncLock>,
    creator: Creator,
}

impl Drop for AsyncGuard {
    fn drop(&mut self) {
        // In a forked child the lock is not held by a guard of the parent.
        if !self.creator.is_parent() {
            let mut state = self.lock.state();
            state.is_held = false;
            AsyncLock::wake_first(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(acquire: &mut Acquire, count: &Arc<Count>) -> Option<AsyncGuard> {
        let waker = Waker::from(count.clone());
        match pin!(acquire).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(guard) => Some(guard),
            Poll::Pending => None,
        }
    }

    #[test]
    fn waiters_get_the_lock_in_their_order_and_one_that_is_dropped_passes_its_turn_on() {
        let lock = Arc::new(AsyncLock::default());
        let counts: [Arc<Count>; 3] = Default::default();
        let guard = poll(&mut lock.clone().acquire(), &counts[0]).expect("free");
        let mut waiting: Vec<_> = (0..3).map(|_| lock.clone().acquire()).collect();
        for (acquire, count) in waiting.iter_mut().zip(&counts) {
            assert!(poll(acquire, count).is_none());
        }
        drop(guard);
        let woken = |at: usize| counts[at].0.load(Ordering::Relaxed);
        assert_eq!([woken(0), woken(1), woken(2)], [1, 0, 0]);
        // Not before the first one, which was woken.
        assert!(poll(&mut waiting[1], &counts[1]).is_none());
        assert!(poll(&mut lock.clone().acquire(), &counts[0]).is_none());
        drop(waiting.remove(0));
        assert_eq!(woken(1), 1);
        let guard = poll(&mut waiting[0], &counts[1]).expect("its turn");
        // One that does not have its turn yet passes nothing on.
        let mut last = lock.clone().acquire();
        assert!(poll(&mut last, &counts[0]).is_none());
        drop(last);
        assert_eq!(woken(2), 0);
        drop(guard);
        assert_eq!(woken(2), 1);
        drop(poll(&mut waiting[1], &counts[2]).expect("its turn"));
        drop(poll(&mut lock.acquire(), &counts[0]).expect("free"));
    }
}
