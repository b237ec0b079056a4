//! Writing without the signal that a dead reader raises.

use std::{io, mem::MaybeUninit, ptr};

use super::call;

/// Calls something that writes at most `whole` bytes and may raise `SIGPIPE`: the signal is held
/// back from this thread for the length of the call and taken away if the call raised it. Nothing
/// changes for the process or for other threads.
pub(super) fn without_sigpipe(
    whole: usize,
    call: impl FnOnce() -> io::Result<usize>,
) -> io::Result<usize> {
    let held = HeldSigpipe::new();
    let result = call();
    // A reader that died in the middle raises it too: the call returns what it had written.
    if !matches!(&result, Ok(count) if *count == whole) {
        held.take_away();
    }
    result
}

/// `SIGPIPE` blocked in this thread.
struct HeldSigpipe {
    sigpipe: libc::sigset_t,
    previous: libc::sigset_t,
    /// It was pending before: then it is somebody else's and stays.
    pending: bool,
}

impl HeldSigpipe {
    fn new() -> Self {
        let mut sigpipe = MaybeUninit::uninit();
        let mut pending = MaybeUninit::uninit();
        let mut previous = MaybeUninit::uninit();
        // SAFETY: each set is initialised by the first call that gets it, and none of
        // these calls can fail with valid pointers.
        unsafe {
            libc::sigemptyset(sigpipe.as_mut_ptr());
            libc::sigaddset(sigpipe.as_mut_ptr(), libc::SIGPIPE);
            libc::pthread_sigmask(libc::SIG_BLOCK, sigpipe.as_ptr(), previous.as_mut_ptr());
            let previous = previous.assume_init();
            // It can only be pending where it was blocked before.
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
        // SAFETY: the set and the time are initialised; no information is asked back.
        let _ = call(|| unsafe { libc::sigtimedwait(&self.sigpipe, ptr::null_mut(), &now) as _ });
    }
}

impl Drop for HeldSigpipe {
    fn drop(&mut self) {
        // SAFETY: `previous` is the mask that `new` read.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.previous, ptr::null_mut());
        }
    }
}
