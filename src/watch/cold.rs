//! Watches that have been quiet for a while.
//!
//! GLib asks each source before and after every poll, and polls its descriptors. A cold watch
//! has nothing to ask and nothing to poll: the hub of its context waits for the descriptors, and
//! makes the source ready when there is news. Its first dispatch makes it hot again.

use std::{
    io, ptr,
    sync::Arc,
    task::{Poll, Wake, Waker},
};

use glib::{IOCondition, translate::*};
use glib_sys::GSource;

use super::{Waiters, leg::directions};
use crate::{
    hub::{Hub, Registration, Serves, ShortRead, Side, WaiterKey},
    sys::{FdLease, poll::poll_now},
};

/// What a cold watch waits for. Waits no more when it is dropped.
#[derive(Default)]
pub(super) struct Cold(Vec<(Arc<Registration>, Side, WaiterKey)>);

impl Cold {
    /// Makes the hub of the source's context wait for descriptors, each with its conditions.
    /// `None` if one of them is ready.
    ///
    /// # Safety
    ///
    /// `source` must be a live source that is attached, and that has entered `waiters`.
    pub(super) unsafe fn new<'a>(
        source: *mut GSource,
        waiters: &Arc<Waiters>,
        fds: impl Iterator<Item = (&'a FdLease, IOCondition)>,
        one_for_both: bool,
    ) -> io::Result<Option<Self>> {
        // SAFETY: the caller's promise.
        let (context, priority) = unsafe {
            let context = glib_sys::g_source_get_context(source);
            let context: glib::MainContext = from_glib_none(context);
            let priority = glib_sys::g_source_get_priority(source);
            (context, from_glib(priority))
        };
        let hub = Hub::of(&context, priority)?;
        let waker = Waker::from(Arc::new(Poke {
            waiters: waiters.clone(),
            source: source.addr(),
        }));
        let mut this = Self::default();
        for (fd, conditions) in fds {
            let [read, write] = directions(conditions);
            for (conditions, side) in [(read, Side::Read), (write, Side::Write)] {
                if conditions.is_empty() {
                    continue;
                }
                let serves = Serves {
                    both: one_for_both,
                    side,
                    short_read: ShortRead::SaysNothing,
                };
                let Some(registration) = registration(&hub, waiters, fd, serves)? else {
                    return Ok(None);
                };
                if this
                    .wait(registration, fd, conditions, side, &waker)?
                    .is_ready()
                {
                    return Ok(None);
                }
            }
        }
        Ok(Some(this))
    }

    fn wait(
        &mut self,
        registration: Arc<Registration>,
        fd: &FdLease,
        conditions: IOCondition,
        side: Side,
        waker: &Waker,
    ) -> io::Result<Poll<()>> {
        let seen = registration.ready_event(side);
        if poll_now(fd.number(), conditions.bits() as i16)? != 0 {
            return Ok(Poll::Ready(()));
        }
        // Who only waits for an end has not found out whether there is data.
        let since = match conditions.contains(side.condition()) {
            true => {
                registration.would_block(side, seen);
                None
            }
            false => Some(seen),
        };
        let mut key = WaiterKey::default();
        let poll = registration.poll_edge(side, &mut key, waker, since);
        // It has been entered, whatever came of it.
        self.0.push((registration, side, key));
        poll
    }

    /// Ends the wait, also for the hub if nobody else needs it: it would be told of everything
    /// that the hot watch is told.
    pub(super) fn end(mut self, waiters: &Waiters) {
        for registration in self.leave() {
            waiters.release(&registration);
        }
    }

    /// Waits no more. Returns what it has waited for.
    fn leave(&mut self) -> impl Iterator<Item = Arc<Registration>> {
        self.0.drain(..).map(|(registration, side, key)| {
            registration.leave(side, &key);
            registration
        })
    }
}

/// The hub's registration of a descriptor, from now on. `None` if that has been closed.
fn registration(
    hub: &Arc<Hub>,
    waiters: &Waiters,
    fd: &FdLease,
    serves: Serves,
) -> io::Result<Option<Arc<Registration>>> {
    let register = |hub: &Arc<Hub>| hub.register(fd.shared(), serves.side, serves);
    waiters.registration_at(hub, serves.side, register)
}

impl Drop for Cold {
    fn drop(&mut self) {
        self.leave().for_each(drop);
    }
}

/// Makes a source ready, if it is still there.
struct Poke {
    waiters: Arc<Waiters>,
    source: usize,
}

impl Wake for Poke {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.waiters
            .poke(ptr::without_provenance_mut::<GSource>(self.source));
    }
}
