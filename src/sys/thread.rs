//! Threads that run code of this library alone, and threads that code of applications may end.

use std::{io, mem, thread};

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
/// `call` makes the call with an ABI that unwinds, and has nothing to drop meanwhile.
#[inline]
pub(crate) fn stop_on_unwind<T>(call: impl FnOnce() -> T) -> T {
    let guard = StopOnUnwind;
    let result = call();
    mem::forget(guard);
    result
}

struct StopOnUnwind;

impl Drop for StopOnUnwind {
    #[cold]
    fn drop(&mut self) {
        // A panic of a function in Rust is caught above.
        while !thread::panicking() {
            thread::park();
        }
    }
}
