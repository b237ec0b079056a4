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

/// Held by one guard at a time. A release wakes all waiters, in the order in which they began to
/// wait: one of them may be leaked, and would never be polled.
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
            entry: None,
        }
    }

    /// The guard, if the lock is not held.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<AsyncGuard> {
        self.hold(&mut self.state())
    }

    fn hold(self: &Arc<Self>, state: &mut State) -> Option<AsyncGuard> {
        let was_held = mem::replace(&mut state.is_held, true);
        (!was_held).then(|| AsyncGuard {
            lock: self.clone(),
            creator: state.creator,
            is_released: false,
        })
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
}

/// See [`AsyncLock::acquire`].
#[derive(Debug)]
pub(crate) struct Acquire {
    lock: Arc<AsyncLock>,
    /// The key of its waker in the list, and the process whose list that is.
    entry: Option<(Creator, u64)>,
}

impl Acquire {
    /// Removes its waker from the list.
    fn take_entry(&mut self, state: &mut State) -> Option<Waker> {
        let (creator, key) = self.entry.take()?;
        if creator.is_parent() {
            return None;
        }
        let mine = state.waiters.iter().position(|(it, _)| *it == key)?;
        state.waiters.remove(mine).map(|(_, waker)| waker)
    }
}

impl Future for Acquire {
    type Output = AsyncGuard;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AsyncGuard> {
        let lock = self.lock.clone();
        let mut state = lock.state();
        let guard = lock.hold(&mut state);
        let replaced = self.take_entry(&mut state);
        if guard.is_none() {
            let key = state.next;
            state.next += 1;
            state.waiters.push_back((key, cx.waker().clone()));
            self.entry = Some((state.creator, key));
        }
        // Dropping a waker may run any code: not under the lock of the state.
        drop(state);
        drop(replaced);
        guard.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if self.entry.is_some() {
            let lock = self.lock.clone();
            let mut state = lock.state();
            let removed = self.take_entry(&mut state);
            drop(state);
            drop(removed);
        }
    }
}

/// Holds an [`AsyncLock`].
#[derive(Debug)]
pub(crate) struct AsyncGuard {
    lock: Arc<AsyncLock>,
    creator: Creator,
    is_released: bool,
}

impl AsyncGuard {
    /// Releases the lock. The result wakes the waiters when it is dropped.
    pub(crate) fn release(mut self) -> Released {
        self.take_waiters()
    }

    fn take_waiters(&mut self) -> Released {
        // In a forked child the lock is not held by a guard of the parent. A second call finds it
        // released.
        if mem::replace(&mut self.is_released, true) || self.creator.is_parent() {
            return Released(VecDeque::new());
        }
        let mut state = self.lock.state();
        state.is_held = false;
        Released(mem::take(&mut state.waiters))
    }
}

impl Drop for AsyncGuard {
    fn drop(&mut self) {
        drop(self.take_waiters());
    }
}

/// The waiters of a lock that was released.
#[derive(Debug)]
pub(crate) struct Released(VecDeque<(u64, Waker)>);

impl Drop for Released {
    fn drop(&mut self) {
        // A waker may run any code: not under the lock of the state.
        self.0.drain(..).for_each(|(_, waker)| waker.wake());
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
    fn a_release_wakes_each_waiter_once_and_a_leaked_one_keeps_no_other_from_the_lock() {
        let lock = Arc::new(AsyncLock::default());
        let counts: [Arc<Count>; 3] = Default::default();
        let guard = poll(&mut lock.clone().acquire(), &counts[0]).expect("free");
        assert!(lock.try_acquire().is_none());
        let mut waiting: Vec<_> = (0..3).map(|_| lock.clone().acquire()).collect();
        for (acquire, count) in waiting.iter_mut().zip(&counts) {
            // Polled twice: with the last waker alone.
            assert!(poll(acquire, &Arc::default()).is_none());
            assert!(poll(acquire, count).is_none());
        }
        drop(waiting.remove(1));
        drop(guard);
        let woken = |at: usize| counts[at].0.load(Ordering::Relaxed);
        assert_eq!([woken(0), woken(1), woken(2)], [1, 0, 1]);
        mem::forget(waiting.remove(0));
        let guard = poll(&mut waiting[0], &counts[2]).expect("free");
        assert!(poll(&mut lock.clone().acquire(), &counts[0]).is_none());
        drop(guard);
        assert!(lock.try_acquire().is_some() && lock.try_acquire().is_some());
        assert!(lock.state().waiters.is_empty());
    }
}
