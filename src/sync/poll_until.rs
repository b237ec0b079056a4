//! Waiting for a step of another thread that sends no notification.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How often the processor is yielded before the thread sleeps.
const YIELDS: u32 = 1_000;

/// For how long it sleeps between two polls, so that threads of lower priorities run as well.
const SLEEP: Duration = Duration::from_millis(1);

/// Polls `is_done` until it returns `true`, for at most about `limit` after the first thousand
/// polls. Another thread may have been preempted for that long in the middle of its step.
pub(crate) fn poll_until(limit: Duration, mut is_done: impl FnMut() -> bool) {
    for _ in 0..YIELDS {
        if is_done() {
            return;
        }
        thread::yield_now();
    }
    let start = Instant::now();
    while start.elapsed() < limit {
        thread::sleep(SLEEP);
        if is_done() {
            return;
        }
    }
}
