//! The end of commands that nothing waits for.

use std::time::{Duration, Instant};

use super::process::Process;
use crate::sys::{FdLease, poll::poll};

/// How long a command may take to end at the end of its input.
const END_OF_INPUT: Duration = Duration::from_millis(200);

/// How long it may take to end when asked to.
const TERMINATION: Duration = Duration::from_secs(2);

/// Sees to it that a command ends, and collects it. A thread does it, and not a timer: it
/// must also happen in programs whose main loop does not run.
pub(super) fn take(process: Process) {
    let theirs = process.clone();
    let thread = std::thread::Builder::new()
        .name("qio-reaper".into())
        .stack_size(64 * 1024)
        .spawn(move || end(&theirs));
    if thread.is_err() {
        // There is no thread that could wait.
        let _ = process.signal(libc::SIGKILL);
        process.collect();
    }
}

fn end(process: &Process) {
    if let Ok(ended) = process.lease()
        && !ends_within(&ended, END_OF_INPUT)
    {
        let _ = process.signal(libc::SIGTERM);
        if !ends_within(&ended, TERMINATION) {
            let _ = process.signal(libc::SIGKILL);
        }
    }
    process.collect();
}

fn ends_within(ended: &FdLease, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        match poll(ended.number(), libc::POLLIN, None, Some(deadline)) {
            Ok(0) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
    false
}
