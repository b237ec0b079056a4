//! The `GSource` behind every watch.
//!
//! GLib allocates and frees it; the Rust state in it is written once when it is made
//! and dropped by `finalize`. `prepare`, `check` and `dispatch` run in the one thread
//! that owns the context at that time, and nothing reaches a source from elsewhere: a channel that is closed
//! makes the context iterate by its hub, which the first `prepare` enters in the channel.
//!
//! Sources may recurse: GLib would otherwise take their descriptors out of its poll set
//! around every dispatch, which costs three system calls. What GLib guarded against is
//! guarded here: a watch is not dispatched inside its own callback, and only if a main
//! loop really runs in there does it take its descriptors out of the poll set.
//!
//! How a watch is made, and ends, is here; what GLib asks it meanwhile is in `turns`.

mod turns;

use std::{
    cell::{Cell, OnceCell, RefCell},
    ptr,
    sync::{Arc, atomic::AtomicU32},
};

use glib::{IOCondition, translate::*};
use glib_sys::{GSource, GSourceFuncs};

use self::turns::{check, dispatch, prepare};
use super::{
    Waiters, Watched,
    below::{LayerVtable, LowerWatch},
    callback,
    idle::{HubWait, SourceWaker},
    polled_fd::{Fds, PolledFd},
};
use crate::{
    hub::{Hub, SourceFuncs},
    types::Readiness,
};

/// Asks an object what to wait for until a condition is worth trying.
pub(crate) type WaitFdFn = fn(&glib::Object, IOCondition) -> Readiness;

/// What a watch has told that is the child of another one.
pub(super) type ChildConditions = Arc<AtomicU32>;

/// How a watch learns what is ready.
pub(super) enum Feed {
    /// From descriptors that never change.
    Fixed,
    /// From what the object answers before each poll.
    Asked(WaitFdFn),
    /// The same, and where it has none to tell, from the watch of the object below.
    Layered(WaitFdFn, LowerWatch),
    /// From a source that somebody else made, which is its child.
    Child,
    /// From a watch of another object, which is its child and tells what is there.
    Relayed(ChildConditions),
}

#[repr(C)]
struct WatchSource {
    source: GSource,
    /// Valid from `create` to `finalize`.
    state: State,
}

struct State {
    object: glib::Object,
    waiters: Arc<Waiters>,
    condition: IOCondition,
    feed: Feed,
    polled_fds: [PolledFd; 2],
    /// One descriptor tells of both directions, whether or not both are asked for.
    one_for_both: bool,
    /// What `prepare` found ready without a poll.
    prepared: Cell<IOCondition>,
    /// The callback is running.
    dispatching: Cell<bool>,
    /// A main loop in the callback made the legs leave the poll set.
    parked: Cell<bool>,
    /// Polls since there was anything to tell.
    quiet: Cell<u32>,
    /// The hub waits in place of GLib, and the functions are [`COLD`].
    cold: RefCell<Option<HubWait>>,
    /// Set once it has been cold.
    warmth: OnceCell<Arc<SourceWaker>>,
    /// The hub of the context that it is attached to, from the first `prepare` on.
    hub: OnceCell<Arc<Hub>>,
}

impl State {
    /// It is to be dispatched, as it has been woken while it was cold.
    fn is_woken(&self) -> bool {
        self.warmth.get().is_some_and(|warmth| warmth.is_woken())
    }

    /// Its context is to iterate no more for it.
    fn leave(&self) {
        if let Some(hub) = self.hub.get() {
            self.waiters.leave(hub);
            // That may have been all it was used for.
            hub.notify_if_spare();
        }
    }
}

/// A watch on descriptors that stay the same.
pub(crate) fn on_fds(watched: Watched<'_>, condition: IOCondition, fds: Fds) -> glib::Source {
    let one_for_both = matches!(fds, Fds::Both(_));
    let polled_fds = fds.polled_fds(condition);
    create(watched, condition, Feed::Fixed, polled_fds, one_for_both)
}

/// A watch that asks the object before each poll.
pub(crate) fn asking(watched: Watched<'_>, condition: IOCondition, ask: WaitFdFn) -> glib::Source {
    let polled_fds = PolledFd::without_fds(condition);
    create(watched, condition, Feed::Asked(ask), polled_fds, false)
}

/// As [`asking`], of a layer: where it names no descriptor, it waits for the object below.
pub(crate) fn layered(
    watched: Watched<'_>,
    condition: IOCondition,
    ask: WaitFdFn,
    layer: LayerVtable,
) -> glib::Source {
    let polled_fds = PolledFd::without_fds(condition);
    let feed = Feed::Layered(ask, LowerWatch::new(layer));
    create(watched, condition, feed, polled_fds, false)
}

/// The conditions that were written down.
pub(super) fn conditions_of(bits: u32) -> IOCondition {
    IOCondition::from_bits_truncate(bits)
}

/// A watch that is ready when its child source is, which the caller adds.
pub(super) fn parent(watched: Watched<'_>, condition: IOCondition) -> glib::Source {
    let polled_fds = PolledFd::without_fds(condition);
    create(watched, condition, Feed::Child, polled_fds, false)
}

/// As [`parent`], of a watch that writes down what it is told.
pub(super) fn relay(
    watched: Watched<'_>,
    condition: IOCondition,
    told: ChildConditions,
) -> glib::Source {
    let polled_fds = PolledFd::without_fds(condition);
    create(watched, condition, Feed::Relayed(told), polled_fds, false)
}

fn create(
    watched: Watched<'_>,
    condition: IOCondition,
    feed: Feed,
    polled_fds: [PolledFd; 2],
    one_for_both: bool,
) -> glib::Source {
    // SAFETY: the functions are those of a `WatchSource`, whose size GLib allocates,
    // and its state is written before anything can look at it. GLib keeps the
    // pointers to the `GPollFD`s until the source is destroyed; they live as long
    // as the source. The reference is passed to the wrapper.
    unsafe {
        let fixed = matches!(feed, Feed::Fixed);
        // GLib takes the children out of the poll set as well.
        let recursive = !matches!(feed, Feed::Child | Feed::Relayed(_));
        let size = size_of::<WatchSource>() as u32;
        let source = glib_sys::g_source_new(ptr::from_ref(&FUNCS.0).cast_mut(), size);
        let this = source.cast::<WatchSource>();
        ptr::write(
            &raw mut (*this).state,
            State {
                object: watched.object.clone(),
                waiters: watched.waiters.clone(),
                condition,
                feed,
                polled_fds,
                one_for_both,
                prepared: Cell::new(IOCondition::empty()),
                dispatching: Cell::new(false),
                parked: Cell::new(false),
                quiet: Cell::new(0),
                cold: RefCell::new(None),
                warmth: OnceCell::new(),
                hub: OnceCell::new(),
            },
        );
        let state = &(*this).state;
        glib_sys::g_source_set_name(source, watched.name.to_glib_none().0);
        glib_sys::g_source_set_can_recurse(source, recursive.into_glib());
        if fixed {
            for leg in state.polled_fds.iter().filter(|leg| leg.has_fd()) {
                leg.set_polled(source, true);
            }
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

/// Of a cold watch: there is nothing to ask.
pub(super) static COLD: SourceFuncs = SourceFuncs(GSourceFuncs {
    prepare: None,
    check: None,
    ..FUNCS.0
});

/// Whether a source is one of these.
///
/// # Safety
///
/// `source` must be a live source of this thread's, or new.
pub(super) unsafe fn is_ours(source: *const GSource) -> bool {
    // SAFETY: the caller's promise; the functions of a source do not change.
    unsafe {
        let funcs = (*source).source_funcs;
        ptr::eq(funcs, &FUNCS.0) || ptr::eq(funcs, &COLD.0)
    }
}

/// Whether a watch waits for this object.
///
/// # Safety
///
/// As for [`state`].
pub(super) unsafe fn is_of(source: *mut GSource, object: &glib::Object) -> bool {
    // SAFETY: passed on from the caller.
    unsafe { state(source) }.object == *object
}

/// # Safety
///
/// `source` must be a source that [`create`] made and that is not finalized.
unsafe fn state<'a>(source: *mut GSource) -> &'a State {
    // SAFETY: `create` wrote the state, and it stays valid until `finalize`.
    unsafe { &(*source.cast::<WatchSource>()).state }
}

unsafe extern "C" fn finalize(source: *mut GSource) {
    // SAFETY: GLib calls this once, for a source that these functions are for, when
    // nothing else can reach it any more but `SourceWaker`, which is notified first.
    unsafe {
        let state = state(source);
        if let Some(warmth) = state.warmth.get() {
            warmth.end();
        }
        state.leave();
        ptr::drop_in_place(&raw mut (*source.cast::<WatchSource>()).state);
    }
}
