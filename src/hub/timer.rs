//! Timers of a hub: sleeping in a future.

use std::{
    collections::BTreeMap,
    future::Future,
    io, mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::Hub;
use crate::sync::ForkMutex;

/// The wakers of sleeping futures of a context, by deadline.
#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: ForkMutex<Deadlines>,
    some: AtomicBool,
}

#[derive(Debug, Default)]
struct Deadlines {
    wakers: BTreeMap<Key, Waker>,
    next_number: u64,
}

/// The deadline, and a number that distinguishes equal deadlines.
type Key = (Instant, u64);

impl Timers {
    fn add(&self, deadline: Instant, waker: Waker) -> Key {
        let mut deadlines = self.deadlines.lock();
        deadlines.next_number += 1;
        let key = (deadline, deadlines.next_number);
        deadlines.wakers.insert(key, waker);
        self.some.store(true, Ordering::Release);
        key
    }

    /// Returns whether the entry was still there.
    fn replace(&self, key: &Key, waker: &Waker) -> bool {
        let before = self
            .deadlines
            .lock()
            .wakers
            .get_mut(key)
            .map(|it| mem::replace(it, waker.clone()));
        // Dropping a waker may run any code: not under the lock.
        before.is_some()
    }

    fn remove(&self, key: &Key) {
        let mut deadlines = self.deadlines.lock();
        let removed = deadlines.wakers.remove(key);
        self.some
            .store(!deadlines.wakers.is_empty(), Ordering::Release);
        drop(deadlines);
        drop(removed);
    }

    /// Wakes the futures whose deadline has passed. Returns the time until the next deadline.
    pub(super) fn wake_due(&self) -> Option<Duration> {
        if !self.some.load(Ordering::Acquire) {
            return None;
        }
        let now = Instant::now();
        let mut deadlines = self.deadlines.lock();
        let later = deadlines.wakers.split_off(&(now, u64::MAX));
        let due = mem::replace(&mut deadlines.wakers, later);
        let next = deadlines.wakers.keys().next().map(|(time, _)| *time - now);
        self.some.store(next.is_some(), Ordering::Release);
        drop(deadlines);
        due.into_values().for_each(Waker::wake);
        next
    }

    pub(super) fn wake_all(&self) {
        let all = mem::take(&mut self.deadlines.lock().wakers);
        self.some.store(false, Ordering::Release);
        all.into_values().for_each(Waker::wake);
    }

    pub(super) fn are_none(&self) -> bool {
        !self.some.load(Ordering::Acquire)
    }
}

/// A future that is ready at a deadline, not earlier, in whole milliseconds. Fails in a thread that
/// runs no main context.
#[derive(Debug)]
pub(crate) struct Sleep {
    deadline: Instant,
    entered: Option<(Arc<Hub>, Key)>,
}

impl Sleep {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            entered: None,
        }
    }

    fn cancel_wait(&mut self) {
        if let Some((hub, key)) = self.entered.take() {
            hub.timers.remove(&key);
        }
    }
}

impl Future for Sleep {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deadline <= Instant::now() {
            return Poll::Ready(Ok(()));
        }
        let hub = Hub::current_for_wait()?;
        let is_entered = self.entered.as_ref().is_some_and(|(mine, key)| {
            Arc::ptr_eq(mine, &hub) && mine.timers.replace(key, cx.waker())
        });
        if !is_entered {
            self.cancel_wait();
            let key = hub.timers.add(self.deadline, cx.waker().clone());
            hub.notify();
            self.entered = Some((hub, key));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel_wait();
    }
}
