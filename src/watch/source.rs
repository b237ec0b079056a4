//! The `GSource` behind every watch.
//!
//! `prepare`, `check` and `dispatch` run in the thread that owns the context at that time, and no
//! other code accesses a source: a closed channel makes the context iterate by its hub, which the
//! first `prepare` enters in the channel.
//!
//! The sources may recurse: GLib would otherwise remove their descriptors from its poll set around
//! every dispatch, which costs three system calls. The re-entrancy that GLib prevents is prevented
//! here: a watch is not dispatched inside its own callback, and its descriptors leave the poll set
//! only if a nested main loop runs in the callback.
//!
//! Creation and finalization are here; `prepare`, `check` and `dispatch` are in `funcs`.

mod funcs;

use std::{
    cell::{Cell, OnceCell, RefCell},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicPtr, Ordering},
    },
    task::Waker,
};

use glib::{IOCondition, prelude::*, translate::*};
use glib_sys::{GSource, GSourceFuncs};

use self::funcs::{check, dispatch, prepare};
use super::{
    ChannelState, Watched, callback,
    channel_state::WakeOn,
    children::{ChildConditions, LayerVtable, LowerWatch},
    idle::{HubWait, SourceWaker},
    polled_fd::{Fds, PolledFd},
};
use crate::{
    hub::{Hub, SourceFuncs, StateSource},
    types::Readiness,
};

/// A watch on leased descriptors becomes idle after so many polls in a row that find nothing.
const IDLE_AFTER: u32 = 32;

/// Returns what to wait for on an object until an attempt is worthwhile.
pub(crate) type WaitFdFn = fn(&glib::Object, IOCondition) -> Readiness;

/// How a watch determines what is ready.
pub(super) enum WatchKind {
    /// By polling descriptors that never change.
    Fds,
    /// By polling what the object returns before each poll.
    Query(WaitFdFn),
    /// Likewise, and where the object has no descriptor, by a child: a watch of the lower channel.
    Layered(WaitFdFn, LowerWatch),
    /// By a child of another type of source.
    ChildSource,
    /// By a child that is a watch of another object, and reports its conditions.
    ChildWatch(ChildConditions),
}

type WatchSource = StateSource<State>;

struct State {
    object: glib::Object,
    channel_state: Arc<ChannelState>,
    condition: IOCondition,
    kind: WatchKind,
    polled_fds: [PolledFd; 2],
    /// One descriptor reports both directions, whether or not both are requested.
    one_for_both: bool,
    /// What `prepare` found ready without a poll.
    prepared: Cell<IOCondition>,
    /// The callback is running.
    dispatching: Cell<bool>,
    /// A nested main loop in the callback has made the descriptors leave the poll set.
    suspended: Cell<bool>,
    /// Polls in a row that have found nothing, modulo [`IDLE_AFTER`].
    empty_polls: Cell<u32>,
    /// The hub polls in place of GLib, and the functions are [`IDLE_FUNCS`].
    hub_wait: RefCell<Option<HubWait>>,
    /// Set once it has been idle.
    waker: OnceCell<Arc<SourceWaker>>,
    /// The hub of the context that it is attached to, from the first `prepare` on.
    hub: OnceCell<Arc<Hub>>,
}

impl State {
    /// Whether the hub has woken it while it was idle, so that it must be dispatched.
    fn is_woken(&self) -> bool {
        self.waker.get().is_some_and(|waker| waker.is_woken())
    }

    fn count_empty_poll(&self) -> u32 {
        let count = (self.empty_polls.get() + 1) % IDLE_AFTER;
        self.empty_polls.set(count);
        count
    }

    fn polled(&self) -> impl Iterator<Item = &PolledFd> {
        self.polled_fds.iter().filter(|fd| fd.is_polled())
    }
}

/// Creates a watch on descriptors that stay the same.
pub(crate) fn on_fds(watched: Watched<'_>, condition: IOCondition, fds: Fds) -> glib::Source {
    create(watched, condition, WatchKind::Fds, Some(fds))
}

/// Creates a watch that queries the object before each poll.
pub(crate) fn by_query(
    watched: Watched<'_>,
    condition: IOCondition,
    wait_fd: WaitFdFn,
) -> glib::Source {
    create(watched, condition, WatchKind::Query(wait_fd), None)
}

/// As [`by_query`], for a layered channel: without a descriptor it waits for the lower channel.
pub(crate) fn layered(
    watched: Watched<'_>,
    condition: IOCondition,
    wait_fd: WaitFdFn,
    layer: LayerVtable,
) -> glib::Source {
    let kind = WatchKind::Layered(wait_fd, LowerWatch::new(layer));
    create(watched, condition, kind, None)
}

/// Creates a watch, which polls `fds` until it is destroyed, if there are any.
pub(super) fn create(
    watched: Watched<'_>,
    condition: IOCondition,
    kind: WatchKind,
    fds: Option<Fds>,
) -> glib::Source {
    // GLib removes the children of a source that may not recurse from the poll set as well.
    let recursive = !matches!(kind, WatchKind::ChildSource | WatchKind::ChildWatch(_));
    let state = State {
        object: watched.object.clone(),
        channel_state: watched.channel_state.clone(),
        condition,
        kind,
        one_for_both: matches!(fds, Some(Fds::Both(_))),
        polled_fds: match fds {
            Some(fds) => fds.polled_fds(condition),
            None => PolledFd::without_fds(condition),
        },
        prepared: Cell::new(IOCondition::empty()),
        dispatching: Cell::new(false),
        suspended: Cell::new(false),
        empty_polls: Cell::new(0),
        hub_wait: RefCell::new(None),
        waker: OnceCell::new(),
        hub: OnceCell::new(),
    };
    // SAFETY: `FUNCS` is for a `WatchSource`. GLib uses the pointers to the `GPollFD`s until the
    // source is destroyed, and they are part of the source. The reference that `create` returns is
    // passed to the wrapper.
    unsafe {
        let source = WatchSource::create(&FUNCS, state);
        glib_sys::g_source_set_name(source, watched.name.to_glib_none().0);
        glib_sys::g_source_set_can_recurse(source, recursive.into_glib());
        let state = WatchSource::state(source);
        for fd in state.polled_fds.iter().filter(|fd| fd.has_fd()) {
            fd.set_polled(source, true);
        }
        from_glib_full(source)
    }
}

pub(super) static FUNCS: SourceFuncs = SourceFuncs(GSourceFuncs {
    prepare: Some(prepare),
    check: Some(check),
    dispatch: Some(dispatch),
    finalize: Some(finalize),
    closure_callback: callback::CLOSURE_CALLBACK,
    closure_marshal: None,
});

/// The functions of an idle watch, which has nothing to prepare or check.
pub(super) static IDLE_FUNCS: SourceFuncs = SourceFuncs(GSourceFuncs {
    prepare: None,
    check: None,
    ..FUNCS.0
});

/// Whether a source is a watch of this module.
///
/// # Safety
///
/// `source` must be a live source.
pub(super) unsafe fn is_watch(source: *mut GSource) -> bool {
    // SAFETY: the caller promises a live source. The functions of a watch change from one of these
    // tables to the other, by an atomic store in the thread that owns its context; those of other
    // sources do not change once they are set.
    unsafe {
        let place = (&raw mut (*source).source_funcs).cast::<*mut GSourceFuncs>();
        let funcs = AtomicPtr::from_ptr(place)
            .load(Ordering::Relaxed)
            .cast_const();
        ptr::eq(funcs, &FUNCS.0) || ptr::eq(funcs, &IDLE_FUNCS.0)
    }
}

/// Whether a watch waits for this object.
///
/// # Safety
///
/// `source` must be a watch that is not finalized.
pub(super) unsafe fn is_of(source: *mut GSource, object: &impl ObjectType) -> bool {
    // SAFETY: forwarded: `source` is a watch that is not finalized.
    let state = unsafe { WatchSource::state(source) };
    ptr::eq(state.object.as_ptr(), object.as_ptr().cast())
}

unsafe extern "C" fn finalize(source: *mut GSource) {
    // SAFETY: GLib calls this once, for a source that `create` made, when no reference is left.
    // Only `SourceWaker` may still access it, under its lock, until `end` has cleared its pointer.
    unsafe {
        let state = WatchSource::state(source);
        if let Some(waker) = state.waker.get() {
            waker.end();
        }
        if let Some(hub) = state.hub.get() {
            state
                .channel_state
                .remove_waker(WakeOn::Change, &Waker::from(hub.clone()));
            // The source may have been the last user of the hub.
            hub.check_if_unused();
        }
        WatchSource::finalize(source);
    }
}
