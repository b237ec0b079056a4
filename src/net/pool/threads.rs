//! The threads of a pool, and the tasks that they have.

use std::{
    future::Future,
    io, mem,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use glib::Priority;

use super::signal::Signal;
use crate::{
    error::with_context,
    hub::{self, Hub, JoinHandle, Sleep, private_context},
    sync::{Creator, ForkMutex, thread_number},
    sys::{release, thread as sys_thread},
};

/// What a pool, its threads and its tasks share.
#[derive(Debug)]
pub(in crate::net) struct Threads {
    workers: Vec<Worker>,
    state: ForkMutex<State>,
    /// No more tasks are accepted.
    pub(in crate::net) closing: Arc<Signal>,
    running: Arc<Running>,
    handles: ForkMutex<Vec<Handle>>,
    creator: Creator,
}

/// A thread, as the others see it.
#[derive(Debug)]
struct Worker {
    context: glib::MainContext,
    must_end: Arc<AtomicBool>,
    /// See `sync::thread_number`.
    number: u64,
}

/// A thread, as what waits for its end sees it.
#[derive(Debug)]
struct Handle {
    thread: thread::JoinHandle<()>,
    /// Gets a message if the thread stops, and an error when it ends.
    stopped: mpsc::Receiver<()>,
}

/// The thread of a new task.
#[derive(Debug, Clone, Copy)]
pub(in crate::net) enum Choice {
    Thread(usize),
    /// The one with the fewest tasks; of several, each in turn.
    FewestTasks,
    /// The one with the fewest tasks; of several, this one if it is one of them.
    FewestTasksNear(usize),
}

#[derive(Debug, Default)]
struct State {
    is_closing: bool,
    /// How many tasks each thread has.
    loads: Vec<usize>,
    /// Whether each thread has been stopped.
    stopped: Vec<bool>,
    /// The thread that gets the next task, of those with the fewest.
    next: usize,
    /// How many tasks there were when their threads were stopped.
    cancelled: usize,
}

/// Counts the threads that run.
#[derive(Debug)]
struct Running {
    count: AtomicUsize,
    none: Arc<Signal>,
}

/// A thread that runs. Dropped at its end.
struct Runs(Arc<Running>);

impl Drop for Runs {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.set();
        }
    }
}

impl Threads {
    /// Starts threads. After an error none is left.
    pub(super) fn start(count: usize) -> io::Result<Arc<Self>> {
        let running = Arc::new(Running {
            count: AtomicUsize::new(0),
            none: Arc::default(),
        });
        let mut this = Self {
            workers: Vec::new(),
            state: ForkMutex::default(),
            closing: Arc::default(),
            running,
            handles: ForkMutex::default(),
            creator: Creator::default(),
        };
        for place in 0..count {
            if let Err(e) = this.start_one(place) {
                this.end();
                return Err(with_context(
                    e,
                    "Unable to start a thread of a context pool",
                ));
            }
        }
        let mut state = this.state.lock();
        state.loads = vec![0; count];
        state.stopped = vec![false; count];
        drop(state);
        Ok(Arc::new(this))
    }

    fn start_one(&mut self, place: usize) -> io::Result<()> {
        let context = private_context()?;
        let must_end = Arc::new(AtomicBool::new(false));
        let (started, number) = mpsc::channel();
        let (theirs, stop) = (context.clone(), must_end.clone());
        self.running.count.fetch_add(1, Ordering::Relaxed);
        let runs = Runs(self.running.clone());
        let (on_stop, stopped) = mpsc::channel();
        // With the signal mask of the caller: the thread runs tasks of the application.
        let thread = thread::Builder::new().name(format!("qio-pool-{place}"));
        let thread = thread.spawn(move || {
            let _runs = runs;
            sys_thread::notify_stop(on_stop);
            release::mark_thread();
            run(&theirs, &stop, &started);
        })?;
        self.handles.lock().push(Handle { thread, stopped });
        let number = number.recv().map_err(io::Error::other)?;
        self.workers.push(Worker {
            context,
            must_end,
            number,
        });
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.workers.len()
    }

    pub(super) fn context(&self, place: usize) -> Option<glib::MainContext> {
        self.workers.get(place).map(|worker| worker.context.clone())
    }

    /// The signal that is set when no thread runs any more.
    pub(super) fn ended(&self) -> &Arc<Signal> {
        &self.running.none
    }

    pub(super) fn cancelled(&self) -> usize {
        self.state.lock().cancelled
    }

    /// Whether they are threads of the process that this one was forked from.
    pub(super) fn is_inherited(&self) -> bool {
        self.creator.is_parent()
    }

    pub(super) fn is_one_of_them(&self) -> bool {
        let number = thread_number();
        self.workers.iter().any(|worker| worker.number == number)
    }

    /// The state if tasks are accepted. A forked child has none of the threads.
    ///
    /// While it is locked no thread is stopped: a task that is spawned meanwhile ends there.
    fn open(&self) -> Option<MutexGuard<'_, State>> {
        if self.creator.is_parent() || self.workers.is_empty() {
            return None;
        }
        Some(self.state.lock()).filter(|state| !state.is_closing)
    }

    /// Reserves the place of a task in a thread. `None` if no tasks are accepted.
    pub(in crate::net) fn reserve(self: &Arc<Self>, choice: Choice) -> Option<Reserved> {
        let mut state = self.open()?;
        let place = match choice {
            Choice::Thread(place) => place,
            Choice::FewestTasks => state.least_loaded(state.next),
            Choice::FewestTasksNear(place) => state.least_loaded(place),
        };
        state.next = (place + 1) % self.workers.len();
        state.loads[place] += 1;
        Some(Reserved {
            threads: self.clone(),
            place,
        })
    }

    /// Spawns a task in each thread that is not waited for at shutdown. Returns whether tasks are
    /// accepted.
    pub(in crate::net) fn spawn_in_each<F, T>(&self, make: F) -> bool
    where
        F: Fn(usize) -> T + Clone + Send + 'static,
        T: Future<Output = ()> + 'static,
    {
        let Some(_open) = self.open() else {
            return false;
        };
        for (place, worker) in self.workers.iter().enumerate() {
            let make = make.clone();
            let (context, priority) = (&worker.context, Priority::DEFAULT);
            drop(Hub::spawn_for_thread(
                context,
                priority,
                worker.number,
                move || make(place),
            ));
        }
        true
    }

    /// Accepts no more tasks, and stops the threads when all have ended, or after a time.
    pub(super) fn close(self: &Arc<Self>, timeout: Option<Duration>) {
        if self.creator.is_parent() {
            return;
        }
        let mut state = self.state.lock();
        state.is_closing = true;
        let has_tasks = state.loads.iter().any(|load| *load > 0);
        drop(state);
        self.closing.set();
        // A deadline that overflows `Instant` is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if !has_tasks || timeout.is_some_and(|timeout| timeout.is_zero()) {
            self.stop_all();
        } else if let Some(deadline) = deadline {
            for (place, worker) in self.workers.iter().enumerate() {
                let this = Arc::downgrade(self);
                let timer = async move {
                    let slept = Sleep::until(deadline).await;
                    if let Some(this) = this.upgrade().filter(|_| slept.is_ok()) {
                        this.stop(place);
                    }
                };
                drop(hub::spawn_in(&worker.context, Priority::DEFAULT, timer));
            }
        }
    }

    fn stop_all(&self) {
        (0..self.workers.len()).for_each(|place| self.stop(place));
    }

    /// Stops a thread, whose tasks are dropped.
    fn stop(&self, place: usize) {
        let mut state = self.state.lock();
        let load = state.loads.get(place).copied().unwrap_or_default();
        if let Some(stopped) = state.stopped.get_mut(place)
            && !mem::replace(stopped, true)
        {
            state.cancelled += load;
        }
        drop(state);
        let worker = &self.workers[place];
        worker.must_end.store(true, Ordering::Release);
        worker.context.wakeup();
    }

    /// Stops all threads at once, and waits for their end, unless this is one of them.
    pub(super) fn end(&self) {
        let handles = mem::take(&mut *self.handles.lock());
        if self.creator.is_parent() {
            // They are threads of the parent.
            return mem::forget(handles);
        }
        self.state.lock().is_closing = true;
        self.closing.set();
        self.stop_all();
        if !self.is_one_of_them() {
            for handle in handles {
                if handle.stopped.recv().is_err() {
                    // A panic was reported by the panic hook.
                    let _ = handle.thread.join();
                }
            }
        }
    }
}

impl State {
    /// The thread with the fewest tasks: of several, the next one from `first`.
    fn least_loaded(&self, first: usize) -> usize {
        let count = self.loads.len();
        let places = (0..count).map(|i| (first + i) % count);
        places.min_by_key(|place| self.loads[*place]).unwrap_or(0)
    }
}

/// How long a context is iterated at the end of its thread, for the callbacks of operations that
/// were cancelled by that; other sources of it are dispatched as well.
const LAST_CALLBACKS: Duration = Duration::from_millis(100);

/// The main function of a thread.
fn run(context: &glib::MainContext, must_end: &AtomicBool, started: &mpsc::Sender<u64>) {
    let run = || {
        let _ = started.send(thread_number());
        while !must_end.load(Ordering::Acquire) {
            context.iteration(true);
        }
        Hub::shut_down_in(context);
        let end = Instant::now() + LAST_CALLBACKS;
        while context.iteration(false) && Instant::now() < end {}
        // What these callbacks have started.
        Hub::shut_down_in(context);
    };
    context
        .with_thread_default(run)
        .expect("no other thread has this context");
}

/// A task, which counts until this is dropped.
#[derive(Debug)]
pub(in crate::net) struct Reserved {
    threads: Arc<Threads>,
    place: usize,
}

impl Reserved {
    /// Spawns the future that `make` returns.
    pub(in crate::net) fn spawn<F, T>(self, make: F) -> JoinHandle<T::Output>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future + 'static,
        T::Output: Send + 'static,
    {
        let threads = self.threads.clone();
        // Locked until the task is in its queue: the thread is not stopped before.
        let state = threads.state.lock();
        if state.stopped.get(self.place).copied().unwrap_or(true) {
            drop(state);
            return JoinHandle::cancelled();
        }
        let worker = &threads.workers[self.place];
        let (context, priority) = (&worker.context, Priority::DEFAULT);
        let task = move || async move {
            // Dropped after the future.
            let _reserved = self;
            make().await
        };
        let handle = Hub::spawn_for_thread(context, priority, worker.number, task);
        drop(state);
        handle
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = self.threads.state.lock();
        if let Some(load) = state.loads.get_mut(self.place) {
            *load -= 1;
        }
        let is_last = state.is_closing && state.loads.iter().all(|load| *load == 0);
        drop(state);
        if is_last {
            self.threads.stop_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_has_ended_gets_no_task_which_would_be_leaked() {
        let threads = Threads::start(2).expect("threads");
        threads.close(Some(Duration::ZERO));
        threads.end();
        let owned = Arc::new(());
        let theirs = owned.clone();
        let is_open = threads.spawn_in_each(move |_| {
            let theirs = theirs.clone();
            async move { drop(theirs) }
        });
        assert!(!is_open);
        drop(threads);
        assert_eq!(Arc::strong_count(&owned), 1);
    }
}
