//! Busy loops: a thread that calls or polls a channel again and again, and never waits.
//!
//! What is called often is none of these as long as any channel of the thread moves data, or the
//! thread sleeps between the calls.

use std::{
    cell::Cell,
    sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed},
};

use super::stats::WINDOW;
use crate::{sync::thread_number, sys::usage::ThreadUsage};

/// How often a channel may be called or polled within [`WINDOW`] while nothing moves.
pub(super) const MOST_ATTEMPTS: u32 = 10_000;

/// How often the thread may wait during the second half of these.
const MOST_WAITS: u64 = MOST_ATTEMPTS as u64 / 2 / 10;

thread_local! {
    /// How many calls of this thread have moved data.
    static MOVED: Cell<u64> = const { Cell::new(0) };
}

/// A call of this thread has moved data.
pub(super) fn moved() {
    MOVED.set(MOVED.get().wrapping_add(1));
}

/// The calls and polls of a channel since data was last moved, by the channel or in the thread.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    count: AtomicU32,
    /// When, by which thread, and after how many calls that have moved data the first one was made.
    since: AtomicI64,
    thread: AtomicU64,
    moved: AtomicU64,
    /// How often the thread had waited when half of them were made.
    waits: AtomicU64,
}

impl Attempts {
    /// The channel has moved data.
    pub(super) fn reset(&self) {
        self.count.store(0, Relaxed);
    }

    /// Counts a call or a poll that has moved nothing. Returns whether it is one of a busy loop.
    pub(super) fn add(&self) -> bool {
        let (now, thread, moved) = (glib::monotonic_time(), thread_number(), MOVED.get());
        let count = self.count.load(Relaxed) + 1;
        let continues = count > 1
            && self.thread.load(Relaxed) == thread
            && self.moved.load(Relaxed) == moved
            && now - self.since.load(Relaxed) <= WINDOW;
        if !continues {
            self.since.store(now, Relaxed);
            self.thread.store(thread, Relaxed);
            self.moved.store(moved, Relaxed);
            self.count.store(1, Relaxed);
            return false;
        }
        self.count.store(count, Relaxed);
        if count == MOST_ATTEMPTS / 2 {
            let waits = ThreadUsage::now().map_or(0, |usage| usage.waits);
            self.waits.store(waits, Relaxed);
        }
        if count < MOST_ATTEMPTS {
            return false;
        }
        self.reset();
        let before = self.waits.load(Relaxed);
        ThreadUsage::now().is_ok_and(|usage| usage.waits.saturating_sub(before) <= MOST_WAITS)
    }
}
