//! The dispatch budget of a lane: how long it runs tasks before the other sources of its context
//! are dispatched, as far as their priority is the same or higher.

use std::{
    hint, io, mem,
    os::fd::RawFd,
    sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    task::Waker,
    time::{Duration, Instant},
};

use super::{
    Hub,
    dispatcher::DispatchGuard,
    lane::{Lane, Local},
};
use crate::sync::ForkMutex;

/// A dispatch lasts about this long while there is work.
const BUDGET: Duration = Duration::from_micros(100);

/// After a poll for more events that found none, only every so many dispatches poll again.
const PROBE_EVERY: u32 = 16;

/// Rounds between two checks of the clock, which cost time.
const ROUNDS_PER_CHECK: u32 = 4;

/// After n misses in a row, at most 2ⁿ spins are skipped. This is the greatest n.
const LONGEST_BACK_OFF: u32 = 10;

/// Longer than any exchange between two processors takes: a longer spin only costs.
const LONGEST_SPIN: Duration = Duration::from_millis(10);

/// The interval at which a hub without descriptors polls its queues.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A hub that is unused for this long, or up to twice as long, is shut down.
const IDLE_HUB_TIMEOUT: Duration = Duration::from_secs(5);

/// Changed only by the thread that runs the context, but for `spin`, which any thread sets.
#[derive(Debug, Default)]
pub(super) struct DispatchBudget {
    /// The last poll for more events found some.
    more: AtomicBool,
    dispatches: AtomicU32,
    /// How long to busy-poll before the thread blocks, in nanoseconds.
    spin: AtomicU64,
    /// There was work left when the budget was used up: dispatch again at once.
    again: AtomicBool,
    misses: AtomicU32,
    spins_to_leave_out: AtomicU32,
    /// Since when busy polling has found nothing.
    spinning_since: ForkMutex<Option<Instant>>,
}

/// Makes the I/O tasks of a context poll for up to `spin` before the thread blocks.
///
/// `spin` is limited to 10 ms. Default: zero, which turns busy polling off.
///
/// Busy polling cuts the latency of exchanges between two processors to a fraction, at the price of
/// a busy processor. Where it finds nothing it is skipped, twice as often after each miss, so that
/// peers that share a processor are not delayed. Every 100 µs the other sources of the context are
/// dispatched, but those of a lower priority than `priority` not before the spin ends. Callable
/// from any thread.
///
/// # Errors
///
/// None at present.
#[doc(alias = "qio_context_set_busy_poll")]
pub fn set_busy_poll(
    context: &glib::MainContext,
    priority: glib::Priority,
    spin: Duration,
) -> io::Result<()> {
    let nanos = spin.min(LONGEST_SPIN).as_nanos();
    let lane = Hub::lane_of(context, priority);
    lane.budget.spin.store(nanos as u64, Ordering::Relaxed);
    // A hub that busy-polls is not shut down as unused; from now on this one may be.
    lane.hub.lifetime.watch();
    Ok(())
}

impl DispatchBudget {
    fn count_dispatch(&self) {
        let dispatches = self.dispatches.load(Ordering::Relaxed).wrapping_add(1);
        self.dispatches.store(dispatches, Ordering::Relaxed);
    }

    fn may_probe(&self) -> bool {
        let is_due = || {
            let count = self.dispatches.load(Ordering::Relaxed);
            count.is_multiple_of(PROBE_EVERY)
        };
        self.more.load(Ordering::Relaxed) || is_due()
    }

    pub(super) fn spins(&self) -> bool {
        self.spin.load(Ordering::Relaxed) != 0
    }

    /// Records that nothing was found. Returns whether to poll again instead of blocking.
    fn spin_on(&self) -> bool {
        if !self.spins() {
            return false;
        }
        let mut since = self.spinning_since.lock();
        let Some(begin) = *since else {
            let left_out = self.spins_to_leave_out.load(Ordering::Relaxed);
            if left_out > 0 {
                self.spins_to_leave_out
                    .store(left_out - 1, Ordering::Relaxed);
                return false;
            }
            *since = Some(Instant::now());
            return true;
        };
        if begin.elapsed().as_nanos() <= u128::from(self.spin.load(Ordering::Relaxed)) {
            return true;
        }
        *since = None;
        let misses = (self.misses.load(Ordering::Relaxed) + 1).min(LONGEST_BACK_OFF);
        self.misses.store(misses, Ordering::Relaxed);
        self.spins_to_leave_out
            .store((1 << misses) - 1, Ordering::Relaxed);
        false
    }

    /// Records that something was found.
    fn spin_hit(&self) {
        if self.spins() && self.spinning_since.lock().take().is_some() {
            self.misses.store(0, Ordering::Relaxed);
        }
    }
}

impl Lane {
    pub(super) fn has_work(&self) -> bool {
        self.has_tasks() || self.budget.again.load(Ordering::Relaxed) || self.hub.is_shut_down()
    }

    /// One dispatch: wakes waiters and runs tasks while there are any and the budget lasts.
    pub(super) fn dispatch(&self, local: Local<'_>, polled: bool) {
        self.budget.again.store(false, Ordering::Relaxed);
        self.budget.count_dispatch();
        self.hub.lifetime.used.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        let mut wakers = mem::take(&mut *self.hub.wakers.lock());
        if polled {
            self.hub.poll_events(&mut wakers, !self.has_tasks());
        }
        let has_time = || begin.elapsed() < BUDGET;
        local.run(self, has_time);
        if !self.drain(local, has_time, &mut wakers) {
            // The other ready sources of the same or a higher priority are dispatched once before
            // this one is dispatched again; those of a lower one wait until it has no work.
            self.budget.again.store(true, Ordering::Relaxed);
        }
        *self.hub.wakers.lock() = wakers;
        self.hub.lifetime.watch();
    }

    /// Runs until no work is left (`true`), or the budget is used up.
    fn drain(
        &self,
        local: Local<'_>,
        has_time: impl Fn() -> bool + Copy,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let budget = &self.budget;
        if !self.has_tasks() && !budget.spins() && !budget.may_probe() {
            return true;
        }
        let mut rounds = 0;
        loop {
            let checks_time = rounds % ROUNDS_PER_CHECK == 0 || self.has_tasks();
            if checks_time && !has_time() {
                return false;
            }
            let is_idle = !self.has_tasks();
            if self.hub.poll_events(wakers, is_idle) == 0 && !self.has_tasks() {
                if budget.spin_on() {
                    hint::spin_loop();
                    // It checks the clock in each round.
                    rounds = 0;
                    continue;
                }
                if rounds == 0 {
                    budget.more.store(false, Ordering::Relaxed);
                }
                return true;
            }
            budget.more.store(true, Ordering::Relaxed);
            budget.spin_hit();
            local.run(self, has_time);
            rounds += 1;
        }
    }
}

/// When an unused hub is shut down.
#[derive(Debug, Default)]
pub(super) struct Lifetime {
    /// Whether the hub was dispatched since the last check.
    used: AtomicBool,
    /// When to check next whether the hub is used, in the time of `g_get_monotonic_time()`; 0 for
    /// never, so that a process without I/O is not woken.
    deadline: AtomicI64,
}

impl Lifetime {
    /// Sets the deadline, unless there is one. Two threads that do so at once set the same one,
    /// within microseconds.
    pub(super) fn watch(&self) {
        if !self.is_watched() {
            let deadline = glib::monotonic_time() + IDLE_HUB_TIMEOUT.as_micros() as i64;
            self.deadline.store(deadline, Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    pub(super) fn stop_watching(&self) {
        self.deadline.store(0, Ordering::Relaxed);
    }

    pub(super) fn is_watched(&self) -> bool {
        self.deadline.load(Ordering::Relaxed) != 0
    }

    /// Whether the deadline has passed, which clears it. Must be called by the thread that runs the
    /// context.
    fn is_over(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        let is_over = deadline != 0 && glib::monotonic_time() >= deadline;
        if is_over {
            self.deadline.store(0, Ordering::Relaxed);
        }
        is_over
    }
}

impl Hub {
    /// Before a poll: the number of what is to be polled, or -1.
    pub(super) fn prepare_registry(&self) -> RawFd {
        let (number, unwatched) = self.registry().prepare();
        unwatched.iter().for_each(|it| it.wake_all());
        number
    }

    /// Processes messages and timers before and after a poll. Returns the time until the next
    /// deadline. A hub that has neither is not marked as dispatched for this: that costs two atomic
    /// read-modify-writes, twice for each poll of GLib's.
    pub(super) fn process_between_polls(&self) -> Option<Duration> {
        if !self.remote.has_messages() && self.timers.are_none() {
            return None;
        }
        let _dispatch = DispatchGuard::begin(self)?;
        if self.remote.has_messages() {
            self.receive();
            self.lifetime.watch();
        }
        self.timers.wake_due()
    }

    /// How long the thread may block, in milliseconds, until the next deadline; -1 without one.
    /// `no_descriptors`: the hub has no descriptors.
    pub(super) fn sleep(&self, mut sleep: Option<Duration>, no_descriptors: bool) -> i32 {
        let mut limit = |time| sleep = Some(sleep.map_or(time, |sleep: Duration| sleep.min(time)));
        if no_descriptors {
            limit(POLL_INTERVAL);
        }
        if self.lifetime.is_watched() {
            limit(IDLE_HUB_TIMEOUT);
        }
        sleep.map_or(-1, |sleep| {
            // Rounded up: no deadline is reported early.
            let millis = sleep.as_nanos().div_ceil(1_000_000);
            i32::try_from(millis).unwrap_or(i32::MAX)
        })
    }

    /// Shuts the hub down if it is unused: after a poll that has found nothing for it.
    pub(super) fn check_lifetime(&self) {
        if self.lifetime.is_over() {
            match self.lifetime.used.swap(false, Ordering::Relaxed) {
                true => self.lifetime.watch(),
                false => self.shutdown_if_idle(),
            }
        }
    }
}
