//! Memory that the kernel still reads after the socket was closed.
//!
//! One thread per process waits until the peers have acknowledged all data. It starts with the
//! first channel that writes without a copy, so that closing starts no thread, and ends with the
//! last such channel and the last memory. A hub cannot replace it: a hub does nothing while its
//! context is not iterated, and the connection does not end for the peer before its last descriptor
//! is closed.

#[cfg(test)]
mod tests;

use std::{
    fmt, io, mem,
    os::fd::{AsFd, AsRawFd},
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use crate::{
    sync::{Creator, ProcessMutex, lock},
    sys::{
        poll::{Wakeup, poll_errors},
        socket::unacknowledged,
        thread,
        zero_copy::{ZeroCopySends, disconnect},
    },
};

/// How long the memory is kept for a peer that reads nothing. The kernel ends such connections
/// after a similar time. A peer that reads slowly gets all data.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// How often in this time the progress is checked.
const CHECKS: u32 = 8;

/// The poll interval for a socket that reports its end all the time.
const PAUSE: Duration = Duration::from_millis(1);

/// The thread, which runs as long as there is one of these.
#[derive(Debug)]
pub(super) struct Keeper {
    inbox: Arc<Mutex<Inbox>>,
    creator: Creator,
}

#[derive(Debug, Default)]
struct Inbox {
    leftovers: Vec<Leftover>,
    /// Wakes the thread. `None` if it polls periodically.
    wakeup: Option<Arc<Wakeup>>,
    keepers: usize,
    /// Whether the thread has ended, so that the inbox is not read any more.
    is_over: bool,
}

/// The pending memory of a socket.
#[derive(Debug)]
pub(super) struct Leftover {
    sends: Arc<ZeroCopySends>,
    /// Its last descriptor in this process.
    fd: Fd,
    /// How much the peer has not acknowledged, at the last check.
    unacknowledged: usize,
    last_progress: Instant,
    next_check: Instant,
    timeout: Duration,
    is_given_up: bool,
}

type Fd = Box<dyn SentFd>;

pub(super) trait SentFd: AsFd + Send + fmt::Debug {}

impl<T: AsFd + Send + fmt::Debug> SentFd for T {}

/// The inbox of the running thread. A forked child has none.
static INBOX: ProcessMutex<Weak<Mutex<Inbox>>> = ProcessMutex::new(Weak::new(), |inbox| {
    *inbox = Weak::new();
});

impl Keeper {
    /// Starts the thread unless it runs.
    pub(super) fn start() -> io::Result<Self> {
        let mut place = INBOX.lock();
        if let Some(inbox) = place.upgrade()
            && let Some(keeper) = Self::of(inbox)
        {
            return Ok(keeper);
        }
        let inbox = Arc::new(Mutex::new(Inbox {
            keepers: 1,
            ..Inbox::default()
        }));
        let theirs = inbox.clone();
        thread::spawn("qio-zero-copy", None, move || run(&theirs))?;
        *place = Arc::downgrade(&inbox);
        Ok(Self::new(inbox))
    }

    fn of(inbox: Arc<Mutex<Inbox>>) -> Option<Self> {
        let mut its = lock(&inbox);
        if its.is_over {
            return None;
        }
        its.keepers += 1;
        drop(its);
        Some(Self::new(inbox))
    }

    fn new(inbox: Arc<Mutex<Inbox>>) -> Self {
        Self {
            inbox,
            creator: Creator::default(),
        }
    }

    pub(super) fn take(&self, leftover: Leftover) {
        self.change(|inbox| inbox.leftovers.push(leftover));
    }

    fn change(&self, change: impl FnOnce(&mut Inbox)) {
        let mut inbox = lock(&self.inbox);
        change(&mut inbox);
        let wakeup = inbox.wakeup.clone();
        drop(inbox);
        if let Some(wakeup) = wakeup {
            wakeup.wake();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // In a forked child the thread is the parent's, and may have held the lock.
        if !self.creator.is_parent() {
            self.change(|inbox| inbox.keepers -= 1);
        }
    }
}

/// The main function of the thread.
fn run(inbox: &Mutex<Inbox>) {
    let wakeup = Wakeup::of_this_thread();
    lock(inbox).wakeup = wakeup.clone();
    let mut all = Vec::new();
    loop {
        {
            let mut inbox = lock(inbox);
            all.append(&mut inbox.leftovers);
            if all.is_empty() && inbox.keepers == 0 {
                inbox.is_over = true;
                return;
            }
        }
        let (mut reported, before) = (false, all.len());
        let now = Instant::now();
        all.retain_mut(|leftover| !leftover.poll_once(now, &mut reported));
        if reported || all.len() < before {
            continue;
        }
        let fds = all.iter().map(|leftover| leftover.fd.as_fd().as_raw_fd());
        let deadline = all.iter().map(|leftover| leftover.next_check).min();
        let polled = poll_errors(fds, wakeup.as_deref(), deadline);
        if let Some(wakeup) = &wakeup {
            wakeup.forget();
        }
        if !matches!(polled, Ok(false)) && !all.iter_mut().any(Leftover::drain_completions) {
            // A connection has ended: POLLERR stays, and the last completion notifications may be
            // outstanding.
            std::thread::sleep(PAUSE);
        }
    }
}

impl Leftover {
    /// `fd` is the last descriptor of the socket in this process.
    pub(super) fn new(
        sends: Arc<ZeroCopySends>,
        fd: impl SentFd + 'static,
        timeout: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            sends,
            unacknowledged: unacknowledged(fd.as_fd()).unwrap_or(0),
            fd: Box::new(fd),
            last_progress: now,
            next_check: now + timeout / CHECKS,
            timeout,
            is_given_up: false,
        }
    }

    fn drain_completions(&mut self) -> bool {
        let drained = self.sends.drain_completions(self.fd.as_fd());
        let reported = drained.unwrap_or(false);
        if reported {
            self.last_progress = self.last_progress.max(Instant::now());
        }
        reported
    }

    /// Drains completions. Returns whether none is pending; sets `reported` if there were any.
    fn poll_once(&mut self, now: Instant, reported: &mut bool) -> bool {
        *reported |= self.drain_completions();
        if !self.sends.holds_memory() {
            return true;
        }
        if now < self.next_check {
            return false;
        }
        // Completions are reported for whole writes: a large one takes a slow peer long.
        let left = unacknowledged(self.fd.as_fd()).unwrap_or(0);
        if mem::replace(&mut self.unacknowledged, left) > left {
            self.last_progress = now;
        }
        let end = self.last_progress + self.timeout;
        self.next_check = end.min(now + self.timeout / CHECKS);
        if now < end {
            return false;
        }
        if mem::replace(&mut self.is_given_up, true) {
            // Another process that shares the socket reads the completion notifications.
            self.sends.leak();
            return true;
        }
        // Also if another process shares the socket: the kernel discards unsent data, and reports
        // completions.
        let _ = disconnect(self.fd.as_fd());
        self.unacknowledged = 0;
        self.last_progress = now;
        self.next_check = now + self.timeout;
        *reported = true;
        false
    }
}
