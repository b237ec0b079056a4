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

use super::{ChannelState, polled_fd::directions, source::FUNCS};
use crate::{
    hub::{Direction, FdRole, Hub, Registration, SourceFuncs, WaiterKey},
    sync::ForkMutex,
    sys::{FdLease, fd_info::ShortRead, poll::poll_now},
};

/// What an idle watch waits for. Dropping it removes the waiters, and ends registrations without
/// others: their hub would be woken for every event that GLib reports as well.
pub(super) struct HubWait {
    channel_state: Arc<ChannelState>,
    entered: Vec<(Arc<Registration>, Direction, WaiterKey)>,
}

impl HubWait {
    /// Makes the hub of a source's context wait for descriptors, each with its conditions. `None`
    /// if one of them is ready. Must be called in the thread that owns the context.
    pub(super) fn new<'a>(
        hub: &Arc<Hub>,
        waker: &Arc<SourceWaker>,
        channel_state: &Arc<ChannelState>,
        fds: impl Iterator<Item = (&'a FdLease, IOCondition)>,
        one_for_both: bool,
    ) -> io::Result<Option<Self>> {
        let waker = Waker::from(waker.clone());
        let mut this = Self {
            channel_state: channel_state.clone(),
            entered: Vec::new(),
        };
        for (fd, conditions) in fds {
            let both = directions(conditions).into_iter().zip(Direction::BOTH);
            for (conditions, side) in both.filter(|(conditions, _)| !conditions.is_empty()) {
                let role = FdRole {
                    both: one_for_both,
                    side,
                    short_read: ShortRead::Unknown,
                };
                let register = |hub: &Arc<Hub>| hub.register(fd.shared(), side, role);
                let Some(registration) = channel_state.registration_at(hub, side, register)? else {
                    return Ok(None);
                };
                let mut key = WaiterKey::default();
                let waits = wait(&registration, side, fd, conditions, (&mut key, &waker));
                this.entered.push((registration, side, key));
                if waits?.is_ready() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(this))
    }
}

/// Enters a waker, unless the descriptor is ready.
fn wait(
    registration: &Registration,
    side: Direction,
    fd: &FdLease,
    conditions: IOCondition,
    (key, waker): (&mut WaiterKey, &Waker),
) -> io::Result<Poll<()>> {
    let seen = registration.ready_event(side);
    if poll_now(fd.number(), conditions.bits() as i16)? != 0 {
        return Ok(Poll::Ready(()));
    }
    let since = registration.not_ready(side, conditions, seen);
    // `prepare` runs in the thread that owns the context of the hub, whatever that dispatches.
    registration.poll_edge_owned(side, key, waker, since)
}

impl Drop for HubWait {
    fn drop(&mut self) {
        for (registration, side, mut key) in self.entered.drain(..) {
            registration.cancel_wait(side, &mut key);
            self.channel_state.release(&registration);
        }
    }
}

/// The waker of an idle watch: restores its functions, unless it is finalized. The hub of its
/// context wakes it, in the thread that owns the context; GLib reads the functions of a source only
/// there, except for `finalize`, which is the same in both tables.
#[derive(Debug)]
pub(super) struct SourceWaker {
    /// Null once the source is being finalized, which any thread may do.
    source: ForkMutex<SourcePtr>,
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
    pub(super) fn new(source: *mut GSource) -> Arc<Self> {
        Arc::new(Self {
            source: ForkMutex::new(SourcePtr(source)),
            woken: AtomicBool::new(false),
        })
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Makes the source idle, or polled by GLib: not woken.
    ///
    /// # Safety
    ///
    /// `source` must be the live source that this was made for, and this thread must own its
    /// context. `funcs` must be functions of watches.
    pub(super) unsafe fn set_funcs(&self, source: *mut GSource, funcs: &'static SourceFuncs) {
        self.woken.store(false, Ordering::Release);
        // SAFETY: forwarded: `source` is a live watch, and this thread owns its context.
        unsafe { set_funcs(source, funcs) };
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
            unsafe { set_funcs(source.0, &FUNCS) };
        }
    }
}

/// # Safety
///
/// `source` must be a live source, and `funcs` those of its type.
unsafe fn set_funcs(source: *mut GSource, funcs: &'static SourceFuncs) {
    // SAFETY: the caller promises a live watch; both tables are for the same type of source. The
    // store is atomic, as another thread may be about to finalize the source.
    unsafe {
        let place = (&raw mut (*source).source_funcs).cast::<*mut GSourceFuncs>();
        AtomicPtr::from_ptr(place).store(ptr::from_ref(&funcs.0).cast_mut(), Ordering::Release);
    }
}
