//! Watches that have been quiet for a while.
//!
//! GLib asks each source before and after every poll, and polls its descriptors. A cold watch
//! has nothing to ask and nothing to poll: the hub of its context waits for the descriptors, and
//! when there is news, gives it its functions back, by which it is dispatched. That makes it hot again.

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

use super::{
    Waiters,
    polled_fd::directions,
    source::{COLD, FUNCS},
};
use crate::{
    hub::{Direction, FdRole, Hub, Registration, WaiterKey},
    sync::ForkMutex,
    sys::{FdLease, fd_info::ShortRead, poll::poll_now},
};

/// What a cold watch waits for. Waits no more when it is dropped.
#[derive(Default)]
pub(super) struct HubWait(Vec<(Arc<Registration>, Direction, WaiterKey)>);

impl HubWait {
    /// Makes the hub of a source's context wait for descriptors, each with its conditions.
    /// `None` if one of them is ready. In the thread that owns the context.
    pub(super) fn new<'a>(
        hub: &Arc<Hub>,
        warmth: &Arc<SourceWaker>,
        waiters: &Arc<Waiters>,
        fds: impl Iterator<Item = (&'a FdLease, IOCondition)>,
        one_for_both: bool,
    ) -> io::Result<Option<Self>> {
        let waker = Waker::from(warmth.clone());
        let mut this = Self::default();
        match this.fill(hub, &waker, waiters, fds, one_for_both) {
            Ok(true) => Ok(Some(this)),
            // The hub would go on watching what nothing waits for.
            result => {
                this.end(waiters);
                result.map(|_| None)
            }
        }
    }

    /// Returns whether all of it waits now.
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
        // Who only waits for an end has not found out whether there is data.
        let since = match conditions.contains(side.condition()) {
            true => {
                registration.would_block(side, seen);
                None
            }
            false => Some(seen),
        };
        // `prepare` runs in the thread that owns the context of the hub, whatever that thread is dispatching.
        registration.poll_edge_owned(side, key, waker, since)
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
        self.0.drain(..).map(|(registration, side, mut key)| {
            registration.leave(side, &mut key);
            registration
        })
    }
}

/// The hub's registration of a descriptor, from now on. `None` if that has been closed.
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

/// Makes a cold source hot, if it is still there: as the waker of what waits in its place. The hub of
/// its context wakes it, in the thread that owns the context; GLib reads the functions of a source there alone,
/// but for `finalize`, which is the same in both tables.
#[derive(Debug)]
pub(super) struct SourceWaker {
    /// Null once the source is being finalized, in whatever thread.
    source: ForkMutex<SourcePtr>,
    /// It is to be dispatched.
    woken: AtomicBool,
}

#[derive(Debug)]
struct SourcePtr(*mut GSource);

impl Default for SourcePtr {
    fn default() -> Self {
        Self(ptr::null_mut())
    }
}

// SAFETY: it is used while it is locked, and `finalize` waits for the lock before the memory goes.
unsafe impl Send for SourcePtr {}

impl SourceWaker {
    pub(super) fn new(source: *mut GSource) -> Arc<Self> {
        Arc::new(Self {
            source: ForkMutex::new(SourcePtr(source)),
            woken: AtomicBool::new(false),
        })
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// # Safety
    ///
    /// `source` must be the live source that this is for, and this the thread that owns its context.
    pub(super) unsafe fn cool(&self, source: *mut GSource) {
        self.woken.store(false, Ordering::Release);
        // SAFETY: passed on from the caller.
        unsafe { set_funcs(source, &COLD.0) };
    }

    /// # Safety
    ///
    /// As for [`cool`](Self::cool).
    pub(super) unsafe fn warm(&self, source: *mut GSource) {
        self.woken.store(false, Ordering::Release);
        // SAFETY: passed on from the caller.
        unsafe { set_funcs(source, &FUNCS.0) };
    }

    /// The source is being finalized.
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
            // SAFETY: it is alive while it is locked. The hub wakes its waiters in the thread that owns
            // the context.
            unsafe { set_funcs(source.0, &FUNCS.0) };
        }
    }
}

/// # Safety
///
/// `source` must be a live watch.
unsafe fn set_funcs(source: *mut GSource, funcs: &'static GSourceFuncs) {
    // SAFETY: the caller's promise; both tables are for the same kind of source. Atomically, as another
    // thread may be about to finalize it.
    unsafe {
        let place = (&raw mut (*source).source_funcs).cast::<*mut GSourceFuncs>();
        AtomicPtr::from_ptr(place).store(ptr::from_ref(funcs).cast_mut(), Ordering::Release);
    }
}
