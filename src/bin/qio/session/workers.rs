//! The threads that serve clients.

use std::{future::Future, io};

use qio::{ContextPool, JoinHandle};

/// The threads that serve clients.
#[derive(Clone)]
pub(super) enum Workers {
    /// This one, which also accepts.
    Main,
    Pool(ContextPool),
}

impl Workers {
    /// 0: one thread per processor. One thread is that which accepts.
    pub(super) fn new(threads: Option<u32>) -> io::Result<Self> {
        Ok(match threads {
            None | Some(1) => Self::Main,
            Some(count) => Self::Pool(ContextPool::new(count)?),
        })
    }

    /// How many threads there are.
    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Main => 1,
            Self::Pool(pool) => 1 + pool.n_threads(),
        }
    }

    /// Runs a future to its end, in the thread with the fewest.
    pub(super) fn spawn<F, T>(&self, make: F)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = ()> + 'static,
    {
        match self {
            Self::Main => drop(qio::spawn_local(make())),
            Self::Pool(pool) => drop(pool.spawn(make)),
        }
    }

    /// A function that returns whether all threads have run since its last call.
    pub(super) fn pulse(&self) -> impl FnMut() -> bool + 'static {
        let this = self.clone();
        let mut pulses: Vec<JoinHandle<()>> = Vec::new();
        move || {
            let is_alive = pulses.iter().all(JoinHandle::is_finished);
            if let Self::Pool(pool) = &this
                && is_alive
            {
                pulses = (0..pool.n_threads())
                    .map(|thread| pool.spawn_on(thread, || async {}))
                    .collect();
            }
            is_alive
        }
    }
}
