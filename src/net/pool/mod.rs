//! Threads that run main contexts.
//!
//! `threads` has the threads and their tasks, `signal` the events that they wait for, `serve` is
//! what listeners do with them.

mod serve;
mod signal;
mod threads;

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{Arc, LazyLock, OnceLock},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use glib::{ParamSpec, prelude::*, subclass::prelude::*};

use crate::{coroutine, error::not_supported, hub::JoinHandle};
use threads::{Choice, Threads};

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ContextPool {
        pub(super) threads: OnceLock<Arc<Threads>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ContextPool {
        const NAME: &'static str = "QIOContextPool";
        type Type = super::ContextPool;
    }

    impl ObjectImpl for ContextPool {
        fn properties() -> &'static [ParamSpec] {
            static PROPERTIES: LazyLock<[ParamSpec; 1]> = LazyLock::new(|| {
                [glib::ParamSpecUInt::builder("n-threads")
                    .nick("Number of threads")
                    .blurb("The number of threads, each of which runs a main context")
                    .read_only()
                    .build()]
            });
            &*PROPERTIES
        }

        fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
            match pspec.name() {
                "n-threads" => self.obj().n_threads().to_value(),
                name => unreachable!("no property {name}"),
            }
        }

        fn dispose(&self) {
            if let Some(threads) = self.threads.get() {
                threads.end();
            }
        }
    }
}

glib::wrapper! {
    /// Threads, each of which runs a main context: for programs that use more than one processor.
    ///
    /// A task runs in one thread from its beginning to its end, so that its future need not be
    /// `Send`, as in a program with one main loop. [`spawn`](Self::spawn) chooses the thread with
    /// the fewest tasks. [`NetListener::serve_on`](crate::NetListener::serve_on) spawns a task for
    /// each connection.
    ///
    /// A panic of a task is reported by its handle, and ends that task only.
    ///
    /// [`shutdown_future`](Self::shutdown_future) waits for the tasks. When the last reference to
    /// the pool is dropped, the tasks are dropped where they are, and this waits until the threads
    /// have ended, unless it is one of them. A task that blocks its thread delays both.
    ///
    /// A pool can be used from any thread. A forked child has none of the threads: spawning
    /// there returns a handle that reports cancellation.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `n-threads` | unsigned integer | readable |
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::ContextPool;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let pool = ContextPool::new(2)?;
    /// let tasks: Vec<_> = (0..10_u32).map(|n| pool.spawn(move || async move { n * n })).collect();
    /// let context = glib::MainContext::default();
    /// let sum = context.block_on(async {
    ///     let mut sum = 0;
    ///     for task in tasks {
    ///         sum += task.await.expect("no panic");
    ///     }
    ///     sum
    /// });
    /// assert_eq!(sum, 285);
    /// assert_eq!(pool.shutdown(None)?, 0); // tasks that were cancelled
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIOContextPool")]
    pub struct ContextPool(ObjectSubclass<imp::ContextPool>);
}

static_assertions::assert_impl_all!(ContextPool: Send, Sync);

impl ContextPool {
    /// Starts threads; 0 for one per processor that this process may use.
    ///
    /// # Errors
    ///
    /// If no thread, or no descriptor, can be allocated for one of them.
    #[doc(alias = "qio_context_pool_new")]
    pub fn new(n_threads: u32) -> io::Result<Self> {
        let count = match n_threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count as usize,
        };
        let this: Self = glib::Object::new();
        let threads = Threads::start(count)?;
        this.imp().threads.set(threads).expect("set once");
        Ok(this)
    }

    /// Returns the number of threads.
    #[doc(alias = "qio_context_pool_get_n_threads")]
    #[must_use]
    pub fn n_threads(&self) -> u32 {
        let count = self.threads().map_or(0, |threads| threads.count());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Returns the main context that a thread runs, or `None` if there is no such thread.
    ///
    /// For [`spawn_in`](crate::spawn_in) and
    /// [`set_client_func_full`](crate::NetListener::set_client_func_full), for example. Shutting
    /// down does not wait for what was started that way.
    #[doc(alias = "qio_context_pool_get_context")]
    #[must_use]
    pub fn context(&self, thread: u32) -> Option<glib::MainContext> {
        self.threads()?.context(thread as usize)
    }

    /// Spawns the future that `make` returns, in the thread with the fewest tasks.
    ///
    /// `make` is called there. Dropping the handle detaches the task. Once the pool is being shut
    /// down, the handle reports that the task was cancelled.
    pub fn spawn<F, T>(&self, make: F) -> JoinHandle<T::Output>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future + 'static,
        T::Output: Send + 'static,
    {
        self.spawn_in(Choice::FewestTasks, make)
    }

    /// Spawns a task as [`spawn`](Self::spawn), in a given thread.
    ///
    /// # Panics
    ///
    /// If there is no such thread.
    pub fn spawn_on<F, T>(&self, thread: u32, make: F) -> JoinHandle<T::Output>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future + 'static,
        T::Output: Send + 'static,
    {
        assert!(thread < self.n_threads(), "there is no thread {thread}");
        self.spawn_in(Choice::Thread(thread as usize), make)
    }

    fn spawn_in<F, T>(&self, choice: Choice, make: F) -> JoinHandle<T::Output>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future + 'static,
        T::Output: Send + 'static,
    {
        let reserved = self.threads().and_then(|threads| threads.reserve(choice));
        match reserved {
            Some(reserved) => reserved.spawn(make),
            None => JoinHandle::cancelled(),
        }
    }

    /// Shuts the pool down, and blocks until its threads have ended; suspends a coroutine.
    ///
    /// See [`shutdown_future`](Self::shutdown_future).
    ///
    /// # Errors
    ///
    /// As [`shutdown_future`](Self::shutdown_future).
    #[doc(alias = "qio_context_pool_shutdown")]
    pub fn shutdown(&self, timeout: Option<Duration>) -> io::Result<usize> {
        let ending = self.shutdown_future(timeout);
        match coroutine::in_coroutine() {
            true => coroutine::wait_for(ending)?,
            false => block_on(ending),
        }
    }

    /// Shuts the pool down: no more tasks and connections are accepted, and those that run end.
    ///
    /// Returns how many tasks had not ended after `timeout`, and were dropped; without a timeout
    /// they may take as long as they need. A later call may set an earlier end. In a forked child,
    /// which has none of the threads, returns 0 at once.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) in a thread of the pool, which cannot wait for
    /// its own end: the pool is being shut down nevertheless.
    ///
    /// # Cancel safety
    ///
    /// Shutting down begins with the call, and continues if the future is dropped.
    #[doc(alias = "qio_context_pool_shutdown_async")]
    #[doc(alias = "qio_context_pool_shutdown_finish")]
    pub fn shutdown_future(
        &self,
        timeout: Option<Duration>,
    ) -> impl Future<Output = io::Result<usize>> + Send + use<> {
        let threads = self.threads().cloned();
        if let Some(threads) = &threads {
            threads.close(timeout);
        }
        async move {
            let Some(threads) = threads.filter(|it| !it.is_inherited()) else {
                return Ok(0);
            };
            if threads.is_one_of_them() {
                return Err(not_supported(
                    "Unable to wait for the end of a context pool in one of its threads",
                ));
            }
            threads.ended().wait().await;
            Ok(threads.cancelled())
        }
    }

    /// `None` for an object that was not made by `new`.
    fn threads(&self) -> Option<&Arc<Threads>> {
        self.imp().threads.get()
    }
}

/// Blocks this thread until a future is ready.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        thread::park();
    }
}
