//! A thread pool for calls that may block.
//!
//! The result is passed to the waker of the awaiting future, and not to a main context: a result
//! that is sent to a context which is not iterated any more would keep the context alive forever.
//! A forked child, which has none of these threads, starts its own.

use std::{
    any::Any,
    cell::Cell,
    collections::VecDeque,
    future::Future,
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use crate::{
    error::{io_error, panic_text},
    sync::{ProcessMutex, lock},
    sys::release,
};

/// A thread without a job ends after this time.
const IDLE_THREAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of threads, that of tokio: some calls may block for very long.
const MOST_THREADS: usize = 512;

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    queue: VecDeque<Job>,
    threads: usize,
    /// The number of threads that wait for a job.
    idle: usize,
}

static POOL: ProcessMutex<Pool> = ProcessMutex::new(Pool::new(), |pool| {
    // Jobs in the queue are done by the parent. Dropping them could run any code.
    mem::forget(mem::replace(pool, Pool::new()));
});

thread_local! {
    /// Whether this is one of the threads.
    static IS_POOL: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is for calls that may block, whatever the mode of the channel.
pub(crate) fn in_pool_thread() -> bool {
    IS_POOL.try_with(Cell::get).unwrap_or(false)
}

/// Notified for each job that an idle thread is to take.
static QUEUED: Condvar = Condvar::new();

/// A call that has begun: a future of its result. The call continues if this is dropped. The first
/// poll never has the result, so that a loop of calls yields to other tasks.
#[derive(Debug)]
pub(crate) struct Blocking<T> {
    answer: Arc<Mutex<Answer<T>>>,
    is_polled: bool,
}

#[derive(Debug)]
struct Answer<T> {
    result: Option<Result<io::Result<T>, Box<dyn Any + Send>>>,
    waker: Option<Waker>,
}

/// Begins a call that may block.
///
/// # Errors
///
/// If no thread can be started and none exists.
pub(crate) fn begin<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<Blocking<T>> {
    let answer = Arc::new(Mutex::new(Answer {
        result: None,
        waker: None,
    }));
    let theirs = answer.clone();
    enqueue(Box::new(move || {
        let result = catch_unwind(AssertUnwindSafe(call));
        let mut answer = lock(&theirs);
        answer.result = Some(result);
        let waker = answer.waker.take();
        drop(answer);
        waker.into_iter().for_each(Waker::wake);
    }))?;
    Ok(Blocking {
        answer,
        is_polled: false,
    })
}

fn enqueue(job: Job) -> io::Result<()> {
    let mut pool = POOL.lock();
    pool.queue.push_back(job);
    if pool.idle >= pool.queue.len() {
        QUEUED.notify_one();
        return Ok(());
    }
    if pool.threads == MOST_THREADS {
        return Ok(());
    }
    // With the signal mask of the caller: a job may call virtual functions of the application.
    let thread = thread::Builder::new().name("qio-blocking".into());
    match thread.spawn(work) {
        Ok(_) => pool.threads += 1,
        // One of the running threads takes the job.
        Err(_) if pool.threads > 0 => {}
        Err(e) => {
            let job = pool.queue.pop_back();
            drop(pool);
            drop(job);
            // Not with the system's error code, EAGAIN, which means would-block.
            return Err(io_error(
                gio::IOErrorEnum::Failed,
                &format!(
                    "Unable to start a thread, for lack of memory or by a limit of processes: {e}"
                ),
            ));
        }
    }
    Ok(())
}

/// The main function of a thread.
fn work() {
    IS_POOL.set(true);
    release::mark_thread();
    let mut pool = POOL.lock();
    loop {
        if let Some(job) = pool.queue.pop_front() {
            drop(pool);
            job();
            pool = POOL.lock();
            continue;
        }
        pool.idle += 1;
        let waited = QUEUED.wait_timeout(pool, IDLE_THREAD_TIMEOUT);
        let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        pool = woken;
        pool.idle -= 1;
        if waited.timed_out() && pool.queue.is_empty() {
            pool.threads -= 1;
            return;
        }
    }
}

impl Pool {
    const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            threads: 0,
            idle: 0,
        }
    }
}

impl<T> Future for Blocking<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_polled = mem::replace(&mut self.is_polled, true);
        let mut answer = lock(&self.answer);
        if !is_polled && answer.result.is_some() {
            drop(answer);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(result) = answer.result.take() else {
            let before = answer.waker.replace(cx.waker().clone());
            // Dropping a waker may run any code: not under the lock.
            drop(answer);
            drop(before);
            return Poll::Pending;
        };
        Poll::Ready(result.unwrap_or_else(|panic| {
            let text = format!("The call has panicked: {}", panic_text(&*panic));
            Err(io_error(gio::IOErrorEnum::Failed, &text))
        }))
    }
}

impl<T> Drop for Blocking<T> {
    fn drop(&mut self) {
        let waker = lock(&self.answer).waker.take();
        drop(waker);
    }
}
