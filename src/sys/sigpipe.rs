//! Suppressing `SIGPIPE`.

use std::{io, mem::MaybeUninit, ptr};

use super::call;

/// Makes a call that writes at most `whole` bytes and may raise `SIGPIPE`: the signal is blocked in
/// this thread during the call, and consumed if the call raised it. Neither the process nor other
/// threads are affected.
pub(crate) fn without_sigpipe(
    whole: usize,
    call: impl FnOnce() -> io::Result<usize>,
) -> io::Result<usize> {
    let held = HeldSigpipe::new();
    let result = call();
    // A reader that closes during the write raises it too: the call returns a short count.
    if !matches!(&result, Ok(count) if *count == whole) {
        held.take_away();
    }
    result
}

/// `SIGPIPE` blocked in this thread.
struct HeldSigpipe {
    sigpipe: libc::sigset_t,
    previous: libc::sigset_t,
    /// Whether it was pending before: then it belongs to other code and is kept.
    pending: bool,
}

impl HeldSigpipe {
    fn new() -> Self {
        let mut sigpipe = MaybeUninit::uninit();
        let mut pending = MaybeUninit::uninit();
        let mut previous = MaybeUninit::uninit();
        // SAFETY: each set is initialized by the first call that gets it, and the pointers are
        // valid for all of these calls.
        unsafe {
            libc::sigemptyset(sigpipe.as_mut_ptr());
            libc::sigaddset(sigpipe.as_mut_ptr(), libc::SIGPIPE);
            libc::pthread_sigmask(libc::SIG_BLOCK, sigpipe.as_ptr(), previous.as_mut_ptr());
            let previous = previous.assume_init();
            // It can be pending only if it was blocked before.
            let pending = libc::sigismember(&previous, libc::SIGPIPE) == 1 && {
                libc::sigpending(pending.as_mut_ptr());
                libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1
            };
            Self {
                sigpipe: sigpipe.assume_init(),
                previous,
                pending,
            }
        }
    }

    fn take_away(&self) {
        if self.pending {
            return;
        }
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the set and the timeout are initialized; NULL: no signal information.
        let _ = call(|| unsafe { libc::sigtimedwait(&self.sigpipe, ptr::null_mut(), &now) as _ });
    }
}

impl Drop for HeldSigpipe {
    fn drop(&mut self) {
        // SAFETY: `previous` is the mask that `new` has read.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.previous, ptr::null_mut());
        }
    }
}
