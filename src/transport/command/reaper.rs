//! The end of commands that nobody waits for.

use std::{
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::sys::{FdLease, poll::poll, process};

/// How long a command may take to end at the end of its input.
const END_OF_INPUT: Duration = Duration::from_millis(200);

/// How long it may take to end when asked to.
const TERMINATION: Duration = Duration::from_secs(2);

/// Sees to it that a command ends, and collects it. A thread does it, and not a timer: it
/// must also happen in programs whose main loop does not run.
pub(super) fn take(pidfd: FdLease) {
    let pidfd = Arc::new(pidfd);
    let theirs = pidfd.clone();
    let thread = std::thread::Builder::new()
        .name("qio-reaper".into())
        .stack_size(64 * 1024)
        .spawn(move || end(&theirs));
    if thread.is_err() {
        // Nobody is left who could be patient.
        let _ = process::send_signal(pidfd.as_fd(), libc::SIGKILL);
        process::collect(pidfd.as_fd());
    }
}

fn end(pidfd: &FdLease) {
    if !ends_within(pidfd, END_OF_INPUT) {
        let _ = process::send_signal(pidfd.as_fd(), libc::SIGTERM);
        if !ends_within(pidfd, TERMINATION) {
            let _ = process::send_signal(pidfd.as_fd(), libc::SIGKILL);
        }
    }
    process::collect(pidfd.as_fd());
}

fn ends_within(pidfd: &FdLease, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        match poll(pidfd.number(), libc::POLLIN, None, Some(deadline)) {
            Ok(0) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
    false
}
