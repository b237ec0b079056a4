//! The descriptors that a watch polls, each for the conditions of one direction or of both.

use std::cell::{Cell, UnsafeCell};

use glib::IOCondition;
use glib_sys::{GPollFD, GSource};

use super::ALWAYS;
use crate::{
    sys::{FdLease, poll::poll_now},
    types::Readiness,
};

/// A descriptor to poll, with the lease that prevents reuse of its number.
#[derive(Debug)]
pub(crate) struct LeasedFd {
    number: i32,
    lease: Option<FdLease>,
}

impl LeasedFd {
    /// A descriptor of the caller, which must stay open while the watch exists.
    pub(crate) fn unleased(number: i32) -> Self {
        Self {
            number,
            lease: None,
        }
    }
}

impl From<FdLease> for LeasedFd {
    fn from(lease: FdLease) -> Self {
        Self {
            number: lease.number(),
            lease: Some(lease),
        }
    }
}

/// The descriptors of a watch.
#[derive(Debug)]
pub(crate) enum Fds {
    /// One descriptor reports both directions.
    Both(LeasedFd),
    /// One for reading and one for writing; a direction without one has hung up.
    Pair(Option<LeasedFd>, Option<LeasedFd>),
}

impl Fds {
    pub(super) fn polled_fds(self, condition: IOCondition) -> [PolledFd; 2] {
        let [reads, writes] = directions(condition);
        let none = || PolledFd::new(None, IOCondition::empty());
        match self {
            Self::Both(fd) => [PolledFd::new(Some(fd), condition), none()],
            Self::Pair(_, write) if reads.is_empty() && !writes.is_empty() => {
                [none(), PolledFd::new(write, writes)]
            }
            Self::Pair(read, write) if (condition - ALWAYS).is_empty() => {
                [PolledFd::new(read.or(write), condition), none()]
            }
            Self::Pair(read, _) if writes.is_empty() => [PolledFd::new(read, reads), none()],
            Self::Pair(read, write) => [PolledFd::new(read, reads), PolledFd::new(write, writes)],
        }
    }
}

/// Splits a condition by direction: reading, and writing. The conditions that are always reported
/// go with one of them, with reading if nothing else is requested.
pub(crate) fn directions(condition: IOCondition) -> [IOCondition; 2] {
    let write = condition & IOCondition::OUT;
    let read = condition - write;
    if (read - ALWAYS).is_empty() && !write.is_empty() {
        [IOCondition::empty(), condition]
    } else {
        [read, write]
    }
}

/// The condition to query an object for, of these conditions of one direction.
pub(crate) fn primary_condition(conditions: IOCondition) -> IOCondition {
    match conditions - ALWAYS {
        nothing if nothing.is_empty() => IOCondition::IN,
        requested => requested,
    }
}

/// A `GPollFD`, for the conditions of one direction or of both.
pub(super) struct PolledFd {
    /// Accessed only by the thread that owns the context of the source: by GLib between `prepare`
    /// and `check`, by this file otherwise.
    poll: UnsafeCell<GPollFD>,
    /// The conditions of the channel that this descriptor reports.
    pub(super) conditions: IOCondition,
    polled: Cell<bool>,
    pub(super) lease: Option<FdLease>,
}

impl PolledFd {
    fn new(fd: Option<LeasedFd>, conditions: IOCondition) -> Self {
        let (number, lease) = fd.map_or((-1, None), |fd| (fd.number, fd.lease));
        Self {
            poll: UnsafeCell::new(GPollFD {
                fd: number,
                events: conditions.bits() as u16,
                revents: 0,
            }),
            conditions,
            polled: Cell::new(false),
            lease,
        }
    }

    /// One for each direction, without a descriptor until [`follow`](Self::follow) sets one.
    pub(super) fn without_fds(condition: IOCondition) -> [Self; 2] {
        directions(condition).map(|conditions| Self::new(None, conditions))
    }

    pub(super) fn has_fd(&self) -> bool {
        // SAFETY: only `follow` changes the number, in the thread that owns the context.
        unsafe { (*self.poll.get()).fd >= 0 }
    }

    pub(super) fn is_polled(&self) -> bool {
        self.polled.get()
    }

    /// Whether the channel itself has closed this direction, and only this one.
    pub(super) fn is_dead(&self) -> bool {
        self.lease.as_ref().is_some_and(FdLease::is_closed)
    }

    /// The conditions of the channel that the last poll has reported.
    pub(super) fn ready(&self) -> IOCondition {
        if !self.polled.get() || self.is_dead() {
            return IOCondition::empty();
        }
        // SAFETY: GLib writes `revents` between `prepare` and `check`, in the thread that owns the
        // context.
        let (events, revents) = unsafe {
            let poll = self.poll.get();
            ((*poll).events, (*poll).revents)
        };
        let conditions = self.conditions;
        let revents = IOCondition::from_bits_truncate(revents.into());
        let same = u32::from(events) & !ALWAYS.bits() == (conditions - ALWAYS).bits();
        let wanted = if same {
            revents & conditions
        } else if revents.bits() & u32::from(events) & !ALWAYS.bits() != 0 {
            conditions - ALWAYS
        } else {
            IOCondition::empty()
        };
        wanted | (revents & ALWAYS)
    }

    /// Makes GLib poll the descriptor, or stop polling it.
    ///
    /// # Safety
    ///
    /// It must belong to `source`, and this thread must own the context of that, if it has one.
    pub(super) unsafe fn set_polled(&self, source: *mut GSource, wanted: bool) {
        if self.polled.replace(wanted) == wanted {
            return;
        }
        // SAFETY: the caller promises that the `GPollFD` belongs to `source`, and outlives it.
        unsafe {
            if wanted {
                glib_sys::g_source_add_poll(source, self.poll.get());
            } else {
                glib_sys::g_source_remove_poll(source, self.poll.get());
                (*self.poll.get()).revents = 0;
            }
        }
    }

    /// Makes GLib poll what the object returned for the [`primary_condition`], and returns the
    /// conditions that need no poll.
    ///
    /// # Safety
    ///
    /// As for [`set_polled`](Self::set_polled).
    pub(super) unsafe fn follow(&self, source: *mut GSource, answer: Readiness) -> IOCondition {
        let wanted = self.conditions - ALWAYS;
        let none = IOCondition::empty();
        let (fd, events, ready) = match answer {
            // GLib reports errors and hang-ups whether or not they are requested.
            Readiness::Fd(fd, _) if fd >= 0 && wanted.is_empty() => (fd, none, none),
            Readiness::Fd(fd, events) if fd >= 0 => (fd, events, none),
            Readiness::Now => (-1, none, wanted),
            // The class delegates to its watch, which is this one: there is nothing to wait for.
            Readiness::Watch | Readiness::Fd(..) => (-1, none, IOCondition::NVAL),
        };
        // SAFETY: GLib reads `fd` when the descriptor enters or leaves the poll set, and `events`
        // when it collects them: in this thread, after `prepare`.
        unsafe {
            let poll = self.poll.get();
            if (*poll).fd != fd {
                self.set_polled(source, false);
                (*poll).fd = fd;
            }
            (*poll).events = events.bits() as u16;
            self.set_polled(source, fd >= 0);
        }
        ready
    }

    /// Polls the descriptor now, in place of GLib's next poll.
    pub(super) fn poll_now(&self) {
        // SAFETY: this thread owns the context, and GLib does not use the `GPollFD` while this
        // runs.
        unsafe {
            let poll = self.poll.get();
            let now = poll_now((*poll).fd, (*poll).events as i16);
            (*poll).revents = now.unwrap_or_default() as u16;
        }
    }
}
