//! The end of commands that nothing waits for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{STACK_SIZE, child::Child};
use crate::sys::{FdLease, poll::poll, thread};

/// How long a command may take to end at the end of its input.
const END_OF_INPUT: Duration = Duration::from_millis(200);

/// How long it may take to end after `SIGTERM`.
const TERMINATION: Duration = Duration::from_secs(2);

/// Terminates and reaps a command. In a thread, not by a timer: programs whose main loop does not
/// run need it too.
pub(super) fn take(child: Arc<Child>) {
    let theirs = child.clone();
    let started = thread::spawn("qio-reaper", Some(STACK_SIZE), move || end(&theirs));
    if started.is_err() {
        // There is no thread that could wait.
        let _ = child.signal(libc::SIGKILL);
        child.reap();
    }
}

fn end(child: &Child) {
    if let Ok(ended) = child.lease()
        && !ends_within(&ended, END_OF_INPUT)
    {
        let _ = child.signal(libc::SIGTERM);
        if !ends_within(&ended, TERMINATION) {
            let _ = child.signal(libc::SIGKILL);
        }
    }
    child.reap();
}

fn ends_within(ended: &FdLease, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        match poll(ended.number(), libc::POLLIN, None, Some(deadline)) {
            Ok(0) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
    false
}
