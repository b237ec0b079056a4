//! Coroutines: ordinary code with a stack of its own, during whose waits the main loop continues.
//!
//! A coroutine is a future on a hub whose poll resumes the code until that waits for another
//! future. Inside it [`ChannelExt::read_all`](crate::ChannelExt::read_all),
//! [`wait`](crate::ChannelWatchExt::wait) and related functions, and the streams of
//! [`blocking_io`](crate::ChannelExt::blocking_io), suspend the coroutine where they would block.
#![allow(unsafe_code)]

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io,
    mem::ManuallyDrop,
    pin::{Pin, pin},
    ptr,
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
};

use corosensei::{Coroutine, CoroutineResult, Yielder, stack::DefaultStack};

use crate::{
    error::{invalid, io_error},
    hub::{self, Direction, JoinHandle, running_context, spawn_local_in},
};

/// The size of a coroutine's stack in bytes. Default: 256 KiB.
pub const DEFAULT_STACK_SIZE: usize = 256 * 1024;

/// How many waits of C code fail in a coroutine that is being dropped. Code that continues to wait
/// after that would never end, and is leaked.
const WAITS_AFTER_DROP: u32 = 1_000;

/// Suspends a coroutine, which is resumed when the waker that it was resumed with is woken.
type Suspend = Yielder<Waker, ()>;

/// The coroutine that runs in this thread.
#[derive(Clone, Copy)]
struct Current {
    /// The suspend handle of the running coroutine, or null.
    suspend: *const Suspend,
    /// The depth of main loops: a nested main loop is not part of the coroutine.
    depth: i32,
    /// Whether it is being dropped, and must not be suspended any more.
    unwinding: bool,
    /// How many waits may fail for that reason before it is leaked.
    waits_left: u32,
    /// See [`replace_marker`].
    marker: Option<Marker>,
}

/// The address of a channel, and a direction.
pub(crate) type Marker = (usize, Direction);

const NONE: Current = Current {
    suspend: ptr::null(),
    depth: 0,
    unwinding: false,
    waits_left: 0,
    marker: None,
};

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(NONE) };
    /// The waker of the running coroutine.
    static WAKER: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// Spawns `f` as a coroutine in the main context of this thread.
///
/// At the default priority.
///
/// Dropping the handle detaches the coroutine; [`abort`](JoinHandle::abort) unwinds its stack, so
/// that everything on it is dropped. The handle returns a panic as an error.
///
/// # Panics
///
/// If there is no memory for a stack, and as [`spawn_local`](crate::spawn_local).
///
/// # Examples
///
/// ```
/// use qio::prelude::*;
///
/// # fn main() -> std::io::Result<()> {
/// let (here, there) = qio::ChannelSocket::pair()?;
/// let reader = qio::coroutine::spawn(move || {
///     let mut greeting = [0; 5];
///     here.read_all(&mut greeting)?; // the main loop runs meanwhile
///     std::io::Result::Ok(greeting)
/// });
/// qio::coroutine::spawn(move || there.write_all(b"hello"));
/// let greeting = glib::MainContext::default().block_on(reader);
/// assert_eq!(greeting.expect("no panic")?, *b"hello");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "qio_coroutine_start")]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    spawn_with_stack(DEFAULT_STACK_SIZE, glib::Priority::DEFAULT, f)
}

/// Spawns `f` as [`spawn`], with a stack of at least `size` bytes and a priority.
///
/// Below the stack is a guard page: an overflow terminates the process.
///
/// # Panics
///
/// As [`spawn`].
pub fn spawn_with_stack<F, T>(size: usize, priority: glib::Priority, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    let stack = DefaultStack::new(size)
        .unwrap_or_else(|e| panic!("Unable to allocate a stack of {size} bytes: {e}"));
    spawn_local_in(&running_context(), priority, Task::new(stack, f, true))
}

/// As [`spawn`], for code with C frames on its stack, which must not be unwound: if it is dropped,
/// it continues to its end, and each wait in it fails.
#[cfg(feature = "capi")]
pub(crate) fn spawn_foreign(f: impl FnOnce() + 'static) {
    let size = DEFAULT_STACK_SIZE;
    let stack = DefaultStack::new(size)
        .unwrap_or_else(|e| panic!("Unable to allocate a stack of {size} bytes: {e}"));
    let task = Task::new(stack, f, false);
    drop(spawn_local_in(
        &running_context(),
        glib::Priority::DEFAULT,
        task,
    ));
}

/// Returns whether this code runs in a coroutine, which a wait suspends.
///
/// Callbacks of a main loop that runs inside a coroutine do not.
#[doc(alias = "qio_in_coroutine")]
#[must_use]
pub fn in_coroutine() -> bool {
    let current = CURRENT.get();
    !current.suspend.is_null() && current.depth == glib::main_depth()
}

/// Sets the marker of the running code, and returns the previous one. Each coroutine has its own,
/// and the code outside of coroutines has that of its thread.
pub(crate) fn replace_marker(marker: Option<Marker>) -> Option<Marker> {
    let current = CURRENT.get();
    CURRENT.set(Current { marker, ..current });
    current.marker
}

/// A thread outside of coroutines, or one of its coroutines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Execution {
    thread: ThreadId,
    /// Null outside of them.
    coroutine: *const Suspend,
}

// SAFETY: the pointer is compared, and never read.
unsafe impl Send for Execution {}

impl Execution {
    /// What runs now.
    pub(crate) fn current() -> Self {
        Self {
            thread: thread::current().id(),
            coroutine: match in_coroutine() {
                true => CURRENT.get().suspend,
                false => ptr::null(),
            },
        }
    }

    /// Whether waiting here would suspend this one.
    pub(crate) fn is_current(self) -> bool {
        let current = Self::current();
        // A thread is suspended with whatever coroutine of it has begun a main loop.
        current == self || current.coroutine.is_null() && current.thread == self.thread
    }
}

/// Waits for a future in a coroutine, which is suspended meanwhile.
///
/// # Errors
///
/// `EINVAL` outside of coroutines; [`Cancelled`](gio::IOErrorEnum::Cancelled) if the coroutine is
/// being dropped.
pub fn wait_for<F: Future>(future: F) -> io::Result<F::Output> {
    if !in_coroutine() {
        return Err(invalid("Only a coroutine can be suspended"));
    }
    let mut future = pin!(future);
    loop {
        let current = CURRENT.get();
        if current.unwinding {
            fail_or_stop(current);
            return Err(dropped());
        }
        let waker = WAKER.with_borrow(Clone::clone);
        let waker = waker.expect("a coroutine runs with a waker");
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Ok(result);
        }
        drop(waker);
        // SAFETY: `Entered` has set the pointer to the handle of the coroutine that runs in this
        // thread, and the check above its depth of main loops: only this code suspends it.
        let waker = unsafe { (*current.suspend).suspend(()) };
        WAKER.set(Some(waker));
    }
}

/// In a coroutine that is being dropped: returns, so that the wait fails, unless that has happened
/// too often.
fn fail_or_stop(current: Current) {
    match current.waits_left.checked_sub(1) {
        Some(waits_left) => CURRENT.set(Current {
            waits_left,
            ..current
        }),
        None => {
            // SAFETY: the pointer is to the handle of the coroutine that runs in this thread, which
            // is never resumed: `Task::leak` leaks it.
            unsafe { (*current.suspend).suspend(()) };
        }
    }
}

/// Suspends the coroutine once: other sources of the main loop are dispatched.
///
/// # Errors
///
/// As [`wait_for`].
#[doc(alias = "qio_coroutine_yield")]
pub fn yield_now() -> io::Result<()> {
    wait_for(hub::yield_now())
}

/// The error of a wait in a coroutine that is being dropped.
pub(crate) fn dropped() -> io::Error {
    io_error(gio::IOErrorEnum::Cancelled, "The coroutine was dropped")
}

/// Whether the running coroutine is being dropped.
pub(crate) fn is_unwinding() -> bool {
    CURRENT.get().unwinding
}

/// A coroutine as a future.
struct Task<T: 'static> {
    coroutine: ManuallyDrop<Coroutine<Waker, (), T, DefaultStack>>,
    /// Null until the code has begun.
    suspend: *const Suspend,
    /// The marker of its code, while it is suspended.
    marker: Option<Marker>,
    /// Whether its stack may be unwound.
    unwinds: bool,
}

impl<T: 'static> Task<T> {
    fn new(stack: DefaultStack, f: impl FnOnce() -> T + 'static, unwinds: bool) -> Self {
        let coroutine = Coroutine::with_stack(stack, move |suspend: &Suspend, waker| {
            WAKER.set(Some(waker));
            CURRENT.set(Current {
                suspend: ptr::from_ref(suspend),
                ..CURRENT.get()
            });
            f()
        });
        Self {
            coroutine: ManuallyDrop::new(coroutine),
            suspend: ptr::null(),
            marker: None,
            unwinds,
        }
    }

    fn enter(&self, unwinding: bool) -> Entered {
        let outer = CURRENT.replace(Current {
            suspend: self.suspend,
            depth: glib::main_depth(),
            unwinding,
            marker: self.marker,
            waits_left: match self.unwinds {
                true => u32::MAX,
                false => WAITS_AFTER_DROP,
            },
        });
        Entered {
            outer,
            waker: WAKER.take(),
        }
    }
}

/// Sets the coroutine that runs in this thread. Restores the outer one when dropped.
struct Entered {
    outer: Current,
    waker: Option<Waker>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
        let inner = WAKER.replace(self.waker.take());
        drop(inner);
    }
}

// The stack of the code is elsewhere: moving the handle does not move it.
impl<T> Unpin for Task<T> {}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let entered = self.enter(false);
        let result = self.coroutine.resume(cx.waker().clone());
        let current = CURRENT.get();
        (self.suspend, self.marker) = (current.suspend, current.marker);
        drop(entered);
        match result {
            CoroutineResult::Yield(()) => Poll::Pending,
            CoroutineResult::Return(result) => Poll::Ready(result),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if self.coroutine.started() && !self.coroutine.done() {
            let _entered = self.enter(true);
            match self.unwinds {
                true => self.coroutine.force_unwind(),
                false => {
                    self.coroutine.resume(Waker::noop().clone());
                }
            }
        }
        if self.coroutine.started() && !self.coroutine.done() {
            return self.leak();
        }
        // SAFETY: this is the only drop of the field, and `self` is not used after it.
        unsafe { ManuallyDrop::drop(&mut self.coroutine) };
    }
}

impl<T> Task<T> {
    /// Leaks the code with its stack.
    #[cold]
    fn leak(&self) {
        glib::g_warning!(
            "Qio",
            "Leaking a coroutine that was dropped: it continues to wait although each wait fails"
        );
    }
}
