//! Locks, and their behavior after a fork. Files that `tests/loom` compiles for its models import
//! their locks and atomics from here.
#![allow(unsafe_code)]

mod async_lock;
mod leak_in_child;
mod once_box;
mod poll_until;

pub(crate) use async_lock::{AsyncGuard, AsyncLock};
pub(crate) use leak_in_child::LeakInChild;
pub(crate) use once_box::OnceBox;
pub(crate) use poll_until::poll_until;

use std::{
    cell::{Cell, UnsafeCell},
    sync::{MutexGuard, PoisonError, TryLockError, atomic::compiler_fence},
    thread,
    time::Duration,
};

pub(crate) use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

/// Locks a mutex, ignoring poisoning: the code that holds one of these keeps the value consistent
/// between any two statements.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Orders this thread's stores before its loads, with respect to a thread that calls membarrier(2),
/// whose barrier replaces one here. Only a compiler fence.
#[inline]
pub(crate) fn light_barrier() {
    compiler_fence(Ordering::SeqCst);
}

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// A number that differs between a process and a forked child, for the cost of two loads. A process
/// id would not do: a child in another PID namespace may have the id of its parent.
#[inline]
pub(crate) fn generation() -> u32 {
    handle_forks();
    GENERATION.load(Ordering::Relaxed)
}

/// The process that created an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creator(u32);

impl Creator {
    /// Whether this process was forked from that one.
    #[inline]
    pub(crate) fn is_parent(self) -> bool {
        self.0 != generation()
    }

    /// The limit of a wait for threads of that process: a forked child has none of them.
    pub(crate) fn limit(self, limit: Duration) -> Duration {
        match self.is_parent() {
            true => Duration::ZERO,
            false => limit,
        }
    }
}

/// The calling process.
impl Default for Creator {
    fn default() -> Self {
        Self(generation())
    }
}

/// The numbers of threads: a forked child has the highest one of its parent, and continues
/// from there.
static HIGHEST_THREAD: AtomicU64 = AtomicU64::new(0);

/// The highest number at the last fork, in the child.
static INHERITED_THREADS: AtomicU64 = AtomicU64::new(0);

/// The number of the thread that forked, which is the only one of these that the child has.
static FORKING_THREAD: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The number of this thread, or 0.
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// The number of the calling thread, which no other thread of this process has, nor any of those
/// that it was forked from. Never 0.
#[inline]
pub(crate) fn thread_number() -> u64 {
    match THREAD.get() {
        0 => number_thread(),
        number => number,
    }
}

#[cold]
fn number_thread() -> u64 {
    handle_forks();
    let number = HIGHEST_THREAD.fetch_add(1, Ordering::Relaxed) + 1;
    THREAD.set(number);
    number
}

/// Whether a number is that of a thread of this process: one of the parent that did not fork is
/// none.
pub(crate) fn is_thread_of_process(number: u64) -> bool {
    number > INHERITED_THREADS.load(Ordering::Relaxed)
        || number == FORKING_THREAD.load(Ordering::Relaxed)
}

/// A mutex of one object, of which there are too many to be held across forks.
///
/// In a forked child, which has only the thread that forked, a mutex that another thread had locked
/// is replaced by one with the default value: the old value may be inconsistent, and is leaked. No
/// thread forks while it holds one.
#[derive(Debug)]
pub(crate) struct ForkMutex<T> {
    mutex: UnsafeCell<Mutex<T>>,
    /// Twice the generation of the process that uses the mutex; odd while it is being replaced.
    state: AtomicU32,
}

// SAFETY: `std::sync::Mutex<T>` is `Sync` for these `T`. It is replaced only by `adopt`, in a
// forked child, and only while no thread has a reference to it: `state` is odd meanwhile.
unsafe impl<T: Send> Sync for ForkMutex<T> {}

impl<T> ForkMutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            mutex: UnsafeCell::new(Mutex::new(value)),
            state: AtomicU32::new(generation() * 2),
        }
    }
}

impl<T: Default> Default for ForkMutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Default> ForkMutex<T> {
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        // The fork handlers were registered when this was created.
        let process = GENERATION.load(Ordering::Relaxed) * 2;
        if self.state.load(Ordering::Acquire) != process {
            self.adopt(process);
        }
        // SAFETY: `adopt` has run: the mutex is not replaced any more in this process.
        lock(unsafe { &*self.mutex.get() })
    }

    /// Must be called before the first use in a forked child.
    #[cold]
    fn adopt(&self, process: u32) {
        loop {
            let state = self.state.load(Ordering::Acquire);
            let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
            if state == process {
                return;
            }
            if state == process + 1 {
                // Another thread is replacing it, which takes little time.
                thread::yield_now();
            } else if self
                .state
                .compare_exchange(state, process + 1, acquire, relaxed)
                .is_ok()
            {
                break;
            }
        }
        let mutex = self.mutex.get();
        // SAFETY: every thread of this process calls this before it locks the mutex for the first
        // time, and has no reference to it before the state is stored. A thread that holds it
        // belongs to another process.
        unsafe {
            if matches!((*mutex).try_lock(), Err(TryLockError::WouldBlock)) {
                mutex.write(Mutex::new(T::default()));
            }
        }
        self.state.store(process, Ordering::Release);
    }
}

/// The mutexes that are held across forks.
static HELD_ACROSS_FORKS: Mutex<Vec<&'static dyn HeldAcrossForks>> = Mutex::new(Vec::new());

trait HeldAcrossForks: Sync {
    fn before_fork(&'static self);
    fn after_fork(&'static self, in_child: bool);
}

/// A mutex of the whole process, which the thread that forks holds across the fork: in the child no
/// other thread has it locked.
///
/// No thread may lock two of them: the order in which a fork locks them is arbitrary.
pub(crate) struct ProcessMutex<T: Send + 'static> {
    mutex: Mutex<T>,
    /// The guard of the forking thread. Accessed only while the mutex is locked.
    held: UnsafeCell<Option<MutexGuard<'static, T>>>,
    is_registered: AtomicBool,
    /// Adapts the value in the child, which has only the thread that forked.
    in_child: fn(&mut T),
}

// SAFETY: `held` is accessed only by the thread that holds the mutex.
unsafe impl<T: Send> Sync for ProcessMutex<T> {}

impl<T: Send> ProcessMutex<T> {
    pub(crate) const fn new(value: T, in_child: fn(&mut T)) -> Self {
        Self {
            mutex: Mutex::new(value),
            held: UnsafeCell::new(None),
            is_registered: AtomicBool::new(false),
            in_child,
        }
    }

    pub(crate) fn lock(&'static self) -> MutexGuard<'static, T> {
        if !self.is_registered.load(Ordering::Acquire) {
            handle_forks();
            let mut all = lock(&HELD_ACROSS_FORKS);
            if !self.is_registered.swap(true, Ordering::AcqRel) {
                all.push(self);
            }
        }
        lock(&self.mutex)
    }
}

impl<T: Send> HeldAcrossForks for ProcessMutex<T> {
    fn before_fork(&'static self) {
        let guard = lock(&self.mutex);
        // SAFETY: `guard` proves that this thread holds the mutex.
        unsafe { *self.held.get() = Some(guard) };
    }

    fn after_fork(&'static self, in_child: bool) {
        // SAFETY: `before_fork` has locked the mutex in this thread. The guard is moved out before
        // it unlocks.
        let guard = unsafe { (*self.held.get()).take() };
        if let (Some(mut value), true) = (guard, in_child) {
            (self.in_child)(&mut value);
        }
    }
}

/// Registers the handlers that `fork()` calls, once.
#[inline]
fn handle_forks() {
    /// The process that is registering them, 0, or [`REGISTERED`].
    static STATE: AtomicU32 = AtomicU32::new(0);
    if STATE.load(Ordering::Acquire) != REGISTERED {
        register(&STATE);
    }
}

const REGISTERED: u32 = u32::MAX;

// Not a `Once`: a child that was forked during the registration would wait forever. No thread
// returns before the handlers are registered: a child of one that forked then would not detect the
// fork.
#[cold]
fn register(state: &AtomicU32) {
    let process = std::process::id();
    loop {
        let seen = state.load(Ordering::Acquire);
        if seen == REGISTERED {
            return;
        }
        if seen == process {
            // Another thread is registering them, which takes little time.
            thread::yield_now();
            continue;
        }
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        if state
            .compare_exchange(seen, process, acquire, relaxed)
            .is_ok()
        {
            // SAFETY: the handlers are functions of this library, which is never unloaded. The call
            // fails only without memory; forks are not detected then. In a child that was forked
            // during the parent's call they may be registered twice, which they tolerate.
            unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
            state.store(REGISTERED, Ordering::Release);
            return;
        }
    }
}

thread_local! {
    /// Whether this thread is forking: the handlers were called, and may be called once more.
    static IS_FORKING: Cell<bool> = const { Cell::new(false) };
}

/// The list, while a thread forks. Accessed only while the list is locked.
struct Forking(UnsafeCell<Option<MutexGuard<'static, Vec<&'static dyn HeldAcrossForks>>>>);

// SAFETY: accessed only by the thread that holds the lock of the list.
unsafe impl Sync for Forking {}

static FORKING: Forking = Forking(UnsafeCell::new(None));

extern "C" fn before() {
    if IS_FORKING.replace(true) {
        return;
    }
    let all = lock(&HELD_ACROSS_FORKS);
    all.iter().for_each(|mutex| mutex.before_fork());
    // SAFETY: `all` proves that this thread holds the lock of the list.
    unsafe { *FORKING.0.get() = Some(all) };
}

extern "C" fn in_parent() {
    if IS_FORKING.replace(false) {
        after(false);
    }
}

extern "C" fn in_child() {
    if IS_FORKING.replace(false) {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        let inherited = HIGHEST_THREAD.load(Ordering::Relaxed);
        INHERITED_THREADS.store(inherited, Ordering::Relaxed);
        FORKING_THREAD.store(THREAD.get(), Ordering::Relaxed);
        after(true);
    }
}

fn after(in_child: bool) {
    // SAFETY: `before` has locked the list in this thread. The guard is moved out before it
    // unlocks.
    let all = unsafe { (*FORKING.0.get()).take() };
    let all = all.iter().flat_map(|all| all.iter());
    all.for_each(|mutex| mutex.after_fork(in_child));
}

#[cfg(test)]
mod tests;
