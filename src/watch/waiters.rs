//! Everybody who waits for one channel, so that closing it can wake them.

use std::{
    io, ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use glib::IOCondition;
use glib_sys::GSource;

use super::ALWAYS;
use crate::sys::poll::{Wakeup, poll};

/// The waiters of one channel, and whether it is closed.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Set before anybody is woken, and never unset.
    closed: AtomicBool,
    /// How often waiters have been told to look again. Changes while `waiting` is locked.
    changes: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Each is a live source: it enters this list when it is made, and its finalize
    /// function takes it out before the memory goes.
    sources: Vec<SourcePtr>,
    threads: Vec<Arc<Wakeup>>,
}

impl Waiting {
    fn wake(&self) {
        for source in &self.sources {
            // SAFETY: sources in the list are live while the lock is held.
            unsafe { glib_sys::g_source_set_ready_time(source.0, 0) };
        }
        for thread in &self.threads {
            thread.wake();
        }
    }
}

#[derive(Debug, PartialEq)]
struct SourcePtr(*mut GSource);

// SAFETY: the pointer is compared, and passed to g_source_set_ready_time(), which any
// thread may call.
unsafe impl Send for SourcePtr {}

impl Waiters {
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Marks the channel closed and wakes everybody: sources fire once with
    /// `G_IO_NVAL`, blocked threads return.
    pub(crate) fn close(&self) {
        let waiting = self.waiting();
        self.closed.store(true, Ordering::Release);
        self.changes.fetch_add(1, Ordering::Release);
        waiting.wake();
    }

    /// Makes everybody look again: something has changed that no descriptor tells.
    pub(crate) fn wake(&self) {
        let waiting = self.waiting();
        self.changes.fetch_add(1, Ordering::Release);
        waiting.wake();
    }

    /// To be read before asking what to wait for, and given to [`block_on`](Self::block_on).
    pub(crate) fn changes(&self) -> usize {
        self.changes.load(Ordering::Acquire)
    }

    /// Blocks this thread until the descriptor has one of the conditions, or the channel
    /// is closed (`G_IO_NVAL`). Nothing means: the deadline has passed, or look again.
    pub(crate) fn block_on(
        &self,
        fd: i32,
        condition: IOCondition,
        deadline: Option<Instant>,
        seen: usize,
    ) -> io::Result<IOCondition> {
        let wakeup = Wakeup::of_this_thread();
        let outdated = {
            let mut waiting = self.waiting();
            waiting.threads.extend(wakeup.clone());
            self.changes() != seen
        };
        let result = match outdated {
            true => Ok(0),
            false => poll(fd, condition.bits() as i16, wakeup.as_deref(), deadline),
        };
        if let Some(wakeup) = wakeup {
            let mut waiting = self.waiting();
            let mine = waiting.threads.iter().position(|w| Arc::ptr_eq(w, &wakeup));
            waiting.threads.swap_remove(mine.expect("entered above"));
            drop(waiting);
            if !matches!(result, Ok(1..)) {
                wakeup.forget();
            }
        }
        if self.is_closed() {
            return Ok(IOCondition::NVAL);
        }
        Ok(IOCondition::from_bits_truncate(result? as u32) & (condition | ALWAYS))
    }

    pub(super) fn enter(&self, source: *mut GSource) {
        self.waiting().sources.push(SourcePtr(source));
    }

    pub(super) fn leave(&self, source: *mut GSource) {
        let mut waiting = self.waiting();
        if let Some(mine) = waiting.sources.iter().position(|s| ptr::eq(s.0, source)) {
            waiting.sources.swap_remove(mine);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
