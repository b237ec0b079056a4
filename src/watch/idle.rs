//! Idle watches: polled by the hub instead of GLib.
//!
//! GLib prepares and checks each source around every poll, and polls its descriptors. An idle watch
//! has no functions for that and no polled descriptor: the hub of its context polls the
//! descriptors, and when one is ready, restores the functions, by which the watch is dispatched and
//! polled by GLib again.

use std::{
    io, ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicPtr, Ordering},
    },
    task::{Poll, Wake, Waker},
};

use glib::IOCondition;
use glib_sys::{GSource, GSourceFuncs};

use super::{Waiters, polled_fd::directions};
use crate::{
    hub::{Direction, FdRole, Hub, Registration, SourceFuncs, WaiterKey},
    sync::ForkMutex,
    sys::{FdLease, fd_info::ShortRead, poll::poll_now},
};

/// What an idle watch waits for. Removes the waiters when dropped.
#[derive(Default)]
pub(super) struct HubWait(Vec<(Arc<Registration>, Direction, WaiterKey)>);

impl HubWait {
    /// Makes the hub of a source's context wait for descriptors, each with its conditions. `None`
    /// if one of them is ready. Must be called in the thread that owns the context.
    pub(super) fn new<'a>(
        hub: &Arc<Hub>,
        waker: &Arc<SourceWaker>,
        waiters: &Arc<Waiters>,
        fds: impl Iterator<Item = (&'a FdLease, IOCondition)>,
        one_for_both: bool,
    ) -> io::Result<Option<Self>> {
        let waker = Waker::from(waker.clone());
        let mut this = Self::default();
        match this.fill(hub, &waker, waiters, fds, one_for_both) {
            Ok(true) => Ok(Some(this)),
            // Otherwise the hub would poll descriptors without waiters.
            result => {
                this.end(waiters);
                result.map(|_| None)
            }
        }
    }

    /// Enters all descriptors. Returns whether none of them is ready.
    fn fill<'a>(
        &mut self,
        hub: &Arc<Hub>,
        waker: &Waker,
        waiters: &Arc<Waiters>,
        fds: impl Iterator<Item = (&'a FdLease, IOCondition)>,
        one_for_both: bool,
    ) -> io::Result<bool> {
        for (fd, conditions) in fds {
            let [read, write] = directions(conditions);
            for (conditions, side) in [(read, Direction::Read), (write, Direction::Write)] {
                if conditions.is_empty() {
                    continue;
                }
                let serves = FdRole {
                    both: one_for_both,
                    side,
                    short_read: ShortRead::Unknown,
                };
                let Some(registration) = registration(hub, waiters, fd, serves)? else {
                    return Ok(false);
                };
                let key = WaiterKey::default();
                self.0.push((registration, side, key));
                if self.wait_for_last(fd, conditions, waker)?.is_ready() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn wait_for_last(
        &mut self,
        fd: &FdLease,
        conditions: IOCondition,
        waker: &Waker,
    ) -> io::Result<Poll<()>> {
        let Some((registration, side, key)) = self.0.last_mut() else {
            return Ok(Poll::Ready(()));
        };
        let side = *side;
        let seen = registration.ready_event(side);
        if poll_now(fd.number(), conditions.bits() as i16)? != 0 {
            return Ok(Poll::Ready(()));
        }
        // A wait for a hang-up alone has not found out whether there is data.
        let since = match conditions.contains(side.condition()) {
            true => {
                registration.would_block(side, seen);
                None
            }
            false => Some(seen),
        };
        // `prepare` runs in the thread that owns the context of the hub, whatever that dispatches.
        registration.poll_edge_owned(side, key, waker, since)
    }

    /// Ends the wait, and the registration if it has no other waiters: its hub would be woken for
    /// every event that GLib reports as well.
    pub(super) fn end(mut self, waiters: &Waiters) {
        for registration in self.leave() {
            waiters.release(&registration);
        }
    }

    /// Removes the waiters. Returns their registrations.
    fn leave(&mut self) -> impl Iterator<Item = Arc<Registration>> {
        self.0.drain(..).map(|(registration, side, mut key)| {
            registration.leave(side, &mut key);
            registration
        })
    }
}

/// The hub's registration of a descriptor. `None` if that has been closed.
fn registration(
    hub: &Arc<Hub>,
    waiters: &Waiters,
    fd: &FdLease,
    serves: FdRole,
) -> io::Result<Option<Arc<Registration>>> {
    let register = |hub: &Arc<Hub>| hub.register(fd.shared(), serves.side, serves);
    waiters.registration_at(hub, serves.side, register)
}

impl Drop for HubWait {
    fn drop(&mut self) {
        self.leave().for_each(drop);
    }
}

/// The waker of an idle watch: restores its functions, unless it is finalized. The hub of its
/// context wakes it, in the thread that owns the context; GLib reads the functions of a source only
/// there, except for `finalize`, which is the same in both tables.
#[derive(Debug)]
pub(super) struct SourceWaker {
    /// Null once the source is being finalized, which any thread may do.
    source: ForkMutex<SourcePtr>,
    /// The functions of a source that GLib polls.
    funcs: &'static SourceFuncs,
    /// Whether the source must be dispatched.
    woken: AtomicBool,
}

#[derive(Debug)]
struct SourcePtr(*mut GSource);

impl Default for SourcePtr {
    fn default() -> Self {
        Self(ptr::null_mut())
    }
}

// SAFETY: the pointer is used only under its lock, which `finalize` takes (`end`) before GLib frees
// the source.
unsafe impl Send for SourcePtr {}

impl SourceWaker {
    pub(super) fn new(source: *mut GSource, funcs: &'static SourceFuncs) -> Arc<Self> {
        Arc::new(Self {
            source: ForkMutex::new(SourcePtr(source)),
            funcs,
            woken: AtomicBool::new(false),
        })
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// # Safety
    ///
    /// `source` must be the live source that this was made for, and this thread must own its
    /// context. `idle` must be functions of the same type of source.
    pub(super) unsafe fn set_idle(&self, source: *mut GSource, idle: &'static SourceFuncs) {
        self.woken.store(false, Ordering::Release);
        // SAFETY: forwarded: `source` is a live watch, and this thread owns its context.
        unsafe { set_funcs(source, &idle.0) };
    }

    /// # Safety
    ///
    /// As for [`set_idle`](Self::set_idle).
    pub(super) unsafe fn set_polled_by_glib(&self, source: *mut GSource) {
        self.woken.store(false, Ordering::Release);
        // SAFETY: forwarded: `source` is a live watch, and this thread owns its context.
        unsafe { set_funcs(source, &self.funcs.0) };
    }

    /// Must be called when the source is finalized.
    pub(super) fn end(&self) {
        self.source.lock().0 = ptr::null_mut();
    }
}

impl Wake for SourceWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let source = self.source.lock();
        if !source.0.is_null() {
            self.woken.store(true, Ordering::Release);
            // SAFETY: the source is alive while its pointer is locked and not null: `finalize`
            // takes the lock first. The hub wakes its waiters in the thread that owns the context.
            unsafe { set_funcs(source.0, &self.funcs.0) };
        }
    }
}

/// # Safety
///
/// `source` must be a live source, and `funcs` those of its type.
unsafe fn set_funcs(source: *mut GSource, funcs: &'static GSourceFuncs) {
    // SAFETY: the caller promises a live watch; both tables are for the same type of source. The
    // store is atomic, as another thread may be about to finalize the source.
    unsafe {
        let place = (&raw mut (*source).source_funcs).cast::<*mut GSourceFuncs>();
        AtomicPtr::from_ptr(place).store(ptr::from_ref(funcs).cast_mut(), Ordering::Release);
    }
}
