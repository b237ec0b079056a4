//! Seeing a thread blocked.

use std::{
    fs,
    sync::atomic::{AtomicI32, Ordering},
    thread,
};

/// Set by a thread right before it blocks, so that other threads can wait until it is blocked.
#[derive(Default)]
pub(crate) struct Blocked(AtomicI32);

impl Blocked {
    pub(crate) fn soon(&self) {
        self.0
            .store(nix::unistd::gettid().as_raw(), Ordering::SeqCst);
    }

    /// Spins until that thread sleeps, which it does only in the call on the channel, or has
    /// exited.
    pub(crate) fn wait(&self) {
        loop {
            match self.0.load(Ordering::SeqCst) {
                0 => {}
                id if is_asleep(id) => return,
                _ => {}
            }
            thread::yield_now();
        }
    }
}

fn is_asleep(thread: i32) -> bool {
    match fs::read_to_string(format!("/proc/self/task/{thread}/stat")) {
        // The state follows the name, which is in parentheses and may hold anything.
        Ok(stat) => stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" S")),
        Err(_) => true,
    }
}
