//! Threads that run code of this library alone, and threads that code of applications may end.

use std::{cell::Cell, hint, io, mem, sync::mpsc::Sender, thread};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use super::retry;

/// Signals that a thread causes itself. If one is blocked then, the kernel ends the process without
/// calling its handler.
const OF_THE_THREAD: [Signal; 6] = [
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGSEGV,
    Signal::SIGSYS,
    Signal::SIGTRAP,
];

/// Starts a thread that blocks the signals of the process: they are for threads of the application,
/// which may block them later than this, to read them from a signalfd, and whose handlers may need
/// a larger stack.
///
/// Not for threads that run code of applications: a program that they start would inherit the mask.
/// `stack_size` is the default if `None`.
pub(crate) fn spawn(
    name: &str,
    stack_size: Option<usize>,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let mut builder = thread::Builder::new().name(name.to_owned());
    if let Some(size) = stack_size {
        builder = builder.stack_size(size);
    }
    let mut blocked = SigSet::all();
    OF_THE_THREAD
        .iter()
        .for_each(|signal| blocked.remove(*signal));
    // Before the start, as the thread inherits the mask. Both calls fail only for invalid requests.
    let before = retry(|| blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK));
    let spawned = builder.spawn(run);
    if let Ok(before) = before {
        let _ = retry(|| before.thread_set_mask());
    }
    spawned.map(drop)
}

/// Calls a function of an application, which may end the thread.
///
/// When Python before 3.14 exits, it ends the other threads that are about to execute its code, by
/// pthread_exit(3): that unwinds the stack, and would abort the process at the first frame that
/// catches panics. The thread stops here in place of that, as in newer versions of Python.
///
/// `call` makes the call with an ABI that unwinds, as [`may_unwind`], and has nothing to drop
/// meanwhile.
#[inline]
pub(crate) fn stop_on_unwind<T>(call: impl FnOnce() -> T) -> T {
    let guard = StopOnUnwind;
    let result = call();
    mem::forget(guard);
    result
}

/// A function of C that may unwind. Other crates declare it as one that does not, and the compiler
/// merges the declarations, so that it would remove the guard: this hides which function it is.
#[inline]
pub(crate) fn may_unwind<F>(function: F) -> F {
    hint::black_box(function)
}

thread_local! {
    static ON_STOP: Cell<Option<Sender<()>>> = const { Cell::new(None) };
}

/// Sends a message where this thread stops: it does not end then. At its end the sender is dropped.
pub(crate) fn notify_stop(sender: Sender<()>) {
    ON_STOP.set(Some(sender));
}

struct StopOnUnwind;

impl Drop for StopOnUnwind {
    #[cold]
    fn drop(&mut self) {
        // A panic of a function in Rust continues, and is caught above.
        if !thread::panicking() {
            stop();
        }
    }
}

/// Stops this thread, which does not end.
#[cold]
pub(super) fn stop() -> ! {
    if let Ok(Some(sender)) = ON_STOP.try_with(Cell::take) {
        // It may be that nothing waits any more.
        let _ = sender.send(());
    }
    loop {
        thread::park();
    }
}
