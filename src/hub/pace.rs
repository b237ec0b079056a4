//! How long a hub goes on before the other sources of its context have their turn.

use std::{
    hint, io, mem,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    task::Waker,
    time::{Duration, Instant},
};

use super::{Hub, queue::Served};
use crate::sys::lock;

/// A dispatch goes on for about this long while there is something to do.
const BUDGET: Duration = Duration::from_micros(100);

/// After a look for more that found nothing, only every so many dispatches look again.
const PROBE_EVERY: u32 = 16;

/// Looking at the clock is not free either.
const ROUNDS_PER_LOOK: u32 = 4;

/// After misses in a row, this many times two spins at most are left out.
const LONGEST_BACK_OFF: u32 = 10;

/// Only the thread that runs the context changes it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The last look for more found something.
    more: AtomicBool,
    dispatches: AtomicU32,
    /// How long to look for more before giving in to sleep, in nanoseconds.
    spin: AtomicU64,
    /// There was something to do when the time was over: come back at once.
    again: AtomicBool,
    misses: AtomicU32,
    spins_to_leave_out: AtomicU32,
}

/// Makes the I/O tasks of a context look for news for up to `spin` before the thread sleeps. Zero,
/// which is the default, turns that off.
///
/// It cuts the latency of exchanges between two processors to a fraction, at the price of a
/// busy processor; where it does not pay off it is left out, twice as often after each miss, so
/// that peers that share a processor are not held up.
///
/// # Errors
///
/// When the system has no descriptor left for the context's epoll instance.
#[doc(alias = "qio_context_set_busy_poll")]
pub fn set_busy_poll(
    context: &glib::MainContext,
    priority: glib::Priority,
    spin: Duration,
) -> io::Result<()> {
    let hub = Hub::of(context, priority)?;
    let nanos = u64::try_from(spin.as_nanos()).unwrap_or(u64::MAX);
    hub.pace.spin.store(nanos, Ordering::Relaxed);
    Ok(())
}

impl Pace {
    fn count_dispatch(&self) {
        let dispatches = self.dispatches.load(Ordering::Relaxed).wrapping_add(1);
        self.dispatches.store(dispatches, Ordering::Relaxed);
    }

    fn is_each(&self, dispatches: u32) -> bool {
        let count = self.dispatches.load(Ordering::Relaxed);
        count.is_multiple_of(dispatches)
    }

    fn may_probe(&self) -> bool {
        self.more.load(Ordering::Relaxed) || self.is_each(PROBE_EVERY)
    }

    /// How long this dispatch may spin.
    fn spin(&self) -> Option<Duration> {
        let spin = self.spin.load(Ordering::Relaxed);
        if spin == 0 {
            return None;
        }
        match self.spins_to_leave_out.load(Ordering::Relaxed) {
            0 => Some(Duration::from_nanos(spin)),
            left => {
                self.spins_to_leave_out.store(left - 1, Ordering::Relaxed);
                None
            }
        }
    }

    fn missed(&self) {
        let misses = (self.misses.load(Ordering::Relaxed) + 1).min(LONGEST_BACK_OFF);
        self.misses.store(misses, Ordering::Relaxed);
        self.spins_to_leave_out
            .store((1 << misses) - 1, Ordering::Relaxed);
    }
}

impl Hub {
    pub(super) fn has_work(&self) -> bool {
        self.tasks.has_work() || self.pace.again.load(Ordering::Relaxed)
    }

    /// One dispatch: wakes and runs, while there is something to do and time left.
    pub(super) fn serve(&self, served: Served<'_>, polled: bool) {
        self.pace.again.store(false, Ordering::Relaxed);
        self.pace.count_dispatch();
        let begin = Instant::now();
        let mut wakers = mem::take(&mut *lock(&self.wakers));
        if polled {
            self.turn(&mut wakers);
        }
        self.tasks.run(served, || begin.elapsed() < BUDGET);
        if self.drain(served, begin, &mut wakers) == Drained::Some {
            // The other sources, once, and back.
            self.pace.again.store(true, Ordering::Relaxed);
        }
        *lock(&self.wakers) = wakers;
    }

    fn drain(&self, served: Served<'_>, begin: Instant, wakers: &mut Vec<Waker>) -> Drained {
        let pace = &self.pace;
        let has_time = || begin.elapsed() < BUDGET;
        let spin = pace.spin();
        if !self.tasks.has_work() && spin.is_none() && !pace.may_probe() {
            return Drained::All;
        }
        let mut idle_since = None;
        let mut rounds = 0;
        loop {
            let look = rounds % ROUNDS_PER_LOOK == 0 || self.tasks.has_work();
            if look && idle_since.is_none() && !has_time() {
                return Drained::Some;
            }
            if self.turn(wakers) == 0 && !self.tasks.has_work() {
                let Some(spin) = spin else {
                    if rounds == 0 {
                        pace.more.store(false, Ordering::Relaxed);
                    }
                    return Drained::All;
                };
                if idle_since.get_or_insert_with(Instant::now).elapsed() > spin {
                    pace.missed();
                    return Drained::All;
                }
                hint::spin_loop();
                continue;
            }
            pace.more.store(true, Ordering::Relaxed);
            if idle_since.take().is_some() {
                pace.misses.store(0, Ordering::Relaxed);
            }
            self.tasks.run(served, has_time);
            rounds += 1;
        }
    }
}

/// How far a dispatch has come.
#[derive(PartialEq, Eq)]
enum Drained {
    /// There was nothing left to do.
    All,
    /// There was no time left.
    Some,
}
