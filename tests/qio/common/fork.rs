//! Forking, for tests that run alone.
#![allow(unsafe_code)] // A forked child exits without the rest of this process.

use nix::{
    libc,
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, alarm, fork},
};

/// Seconds after which a child that hangs is ended by a signal.
const LIMIT: u32 = 20;

/// Runs `child` in a forked process, and returns when that has ended well.
#[track_caller]
pub(crate) fn in_child(child: impl FnOnce()) {
    // SAFETY: the child runs only the closure, and exits without destructors.
    match unsafe { fork() }.expect("a fork") {
        ForkResult::Child => {
            alarm::set(LIMIT);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(i32::from(result.is_err())) };
        }
        ForkResult::Parent { child } => {
            let status = waitpid(child, None).expect("awaited");
            assert_eq!(status, WaitStatus::Exited(child, 0));
        }
    }
}
