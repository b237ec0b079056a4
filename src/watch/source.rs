//! The `GSource` behind every watch.
//!
//! GLib allocates and frees it; the Rust state in it is written once when it is made
//! and dropped by `finalize`. `prepare`, `check` and `dispatch` run in the one thread
//! that owns the context at that time; only [`Waiters`] reaches a source from
//! elsewhere, and it touches nothing of the state.
//!
//! Sources may recurse: GLib would otherwise take their descriptors out of its poll set
//! around every dispatch, which costs three system calls. What GLib guarded against is
//! guarded here: a watch is not dispatched inside its own callback, and only if a main
//! loop really runs in there does it take its descriptors out of the poll set.

use std::{
    cell::{Cell, RefCell},
    mem, ptr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use glib::{IOCondition, translate::*};
use glib_sys::{
    G_SOURCE_CONTINUE, G_SOURCE_REMOVE, GSource, GSourceFunc, GSourceFuncs, gboolean, gpointer,
};

use super::{
    ALWAYS, Waiters, Watched,
    below::{Below, Layer},
    callback,
    cold::Cold,
    leg::{Fds, Leg, question},
};
use crate::types::Readiness;

/// Asks an object what to wait for until a condition is worth trying.
pub(crate) type Ask = fn(&glib::Object, IOCondition) -> Readiness;

/// What a watch has told that is the child of another one.
pub(super) type Told = Arc<AtomicU32>;

/// How a watch learns what is ready.
pub(super) enum Feed {
    /// From descriptors that never change.
    Fixed,
    /// From what the object answers before each poll.
    Asked(Ask),
    /// The same, and where it has none to tell, from the watch of the object below.
    Layered(Ask, Below),
    /// From a source that somebody else made, which is its child.
    Child,
    /// From a watch of another object, which is its child and tells what is there.
    Relayed(Told),
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
    legs: [Leg; 2],
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
    cold: RefCell<Option<Cold>>,
}

/// A watch on leased descriptors goes cold after so many polls with nothing to tell.
const QUIET_ENOUGH: u32 = 32;

/// A watch on descriptors that stay the same.
pub(crate) fn on_fds(watched: Watched<'_>, condition: IOCondition, fds: Fds) -> glib::Source {
    let one_for_both = matches!(fds, Fds::Both(_));
    let legs = fds.legs(condition);
    create(watched, condition, Feed::Fixed, legs, one_for_both)
}

/// A watch that asks the object before each poll.
pub(crate) fn asking(watched: Watched<'_>, condition: IOCondition, ask: Ask) -> glib::Source {
    let legs = Leg::without_fds(condition);
    create(watched, condition, Feed::Asked(ask), legs, false)
}

/// As [`asking`], of a layer: where it names no descriptor, it waits for the object below.
pub(crate) fn layered(
    watched: Watched<'_>,
    condition: IOCondition,
    ask: Ask,
    layer: Layer,
) -> glib::Source {
    let legs = Leg::without_fds(condition);
    let feed = Feed::Layered(ask, Below::new(layer));
    create(watched, condition, feed, legs, false)
}

/// The conditions that were written down.
pub(super) fn told_of(bits: u32) -> IOCondition {
    IOCondition::from_bits_truncate(bits)
}

/// A watch that is ready when its child source is, which the caller adds.
pub(super) fn parent(watched: Watched<'_>, condition: IOCondition) -> glib::Source {
    let legs = Leg::without_fds(condition);
    create(watched, condition, Feed::Child, legs, false)
}

/// As [`parent`], of a watch that writes down what it is told.
pub(super) fn relay(watched: Watched<'_>, condition: IOCondition, told: Told) -> glib::Source {
    let legs = Leg::without_fds(condition);
    create(watched, condition, Feed::Relayed(told), legs, false)
}

fn create(
    watched: Watched<'_>,
    condition: IOCondition,
    feed: Feed,
    legs: [Leg; 2],
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
                legs,
                one_for_both,
                prepared: Cell::new(IOCondition::empty()),
                dispatching: Cell::new(false),
                parked: Cell::new(false),
                quiet: Cell::new(0),
                cold: RefCell::new(None),
            },
        );
        let state = &(*this).state;
        glib_sys::g_source_set_name(source, watched.name.to_glib_none().0);
        glib_sys::g_source_set_can_recurse(source, recursive.into_glib());
        if fixed {
            for leg in state.legs.iter().filter(|leg| leg.has_fd()) {
                leg.set_polled(source, true);
            }
        }
        state.waiters.enter(source);
        from_glib_full(source)
    }
}

struct Funcs(GSourceFuncs);

// SAFETY: function pointers, which nobody changes.
unsafe impl Sync for Funcs {}

static FUNCS: Funcs = Funcs(GSourceFuncs {
    prepare: Some(prepare),
    check: Some(check),
    dispatch: Some(dispatch),
    finalize: Some(finalize),
    closure_callback: callback::CLOSURE_CALLBACK,
    closure_marshal: None,
});

/// Of a cold watch: there is nothing to ask.
static COLD: Funcs = Funcs(GSourceFuncs {
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

unsafe extern "C" fn prepare(source: *mut GSource, timeout: *mut i32) -> gboolean {
    // SAFETY: GLib passes the source that these functions are for, and the address
    // of a timeout.
    unsafe {
        *timeout = -1;
        let state = state(source);
        let (ready, begin_anew) = look(source, state);
        if begin_anew {
            *timeout = 0;
        }
        state.prepared.set(ready);
        (!ready.is_empty()).into_glib()
    }
}

/// Finds out what is ready without a poll, and has everything else waited for. Whether that takes GLib another
/// turn.
///
/// # Safety
///
/// As for [`Leg::set_polled`].
unsafe fn look(source: *mut GSource, state: &State) -> (IOCondition, bool) {
    // SAFETY: passed on from the caller.
    unsafe {
        if state.dispatching.get() {
            park(source, state);
            return (IOCondition::empty(), false);
        }
        if state.waiters.is_closed() {
            return (IOCondition::NVAL, false);
        }
        let mut begin_anew = false;
        let ready = match &state.feed {
            Feed::Asked(ask) => ask_legs(source, state, *ask, |_| false),
            Feed::Layered(ask, below) => {
                let mut needed = IOCondition::empty();
                let ready = ask_legs(source, state, *ask, |question| {
                    needed |= (below.layer.needs)(&state.object, question);
                    true
                });
                begin_anew = below.follow(source, &state.object, needed);
                ready
            }
            Feed::Fixed => drop_dead_legs(source, state),
            Feed::Child | Feed::Relayed(_) => IOCondition::empty(),
        };
        let unread = match state.waiters.unread.is_readable() {
            true => state.condition & IOCondition::IN,
            false => IOCondition::empty(),
        };
        let ready = ready | unread;
        let quiet = state.quiet.get() + 1;
        state.quiet.set(quiet);
        if quiet >= QUIET_ENOUGH && ready.is_empty() && matches!(state.feed, Feed::Fixed) {
            state.quiet.set(0);
            go_cold(source, state);
        }
        (ready, begin_anew)
    }
}

/// Stops polling what the channel itself has closed. The one who did that need not be told, as
/// long as there is something else to wait for; a watch with nothing left has hung up.
///
/// # Safety
///
/// As for [`Leg::set_polled`].
unsafe fn drop_dead_legs(source: *mut GSource, state: &State) -> IOCondition {
    for leg in state.legs.iter().filter(|leg| leg.is_dead()) {
        // SAFETY: passed on from the caller.
        unsafe { leg.set_polled(source, false) };
    }
    match state.legs.iter().any(|leg| leg.is_polled()) {
        true => IOCondition::empty(),
        false => IOCondition::HUP,
    }
}

/// Makes the hub wait for the descriptors in place of GLib, if all are leased and none is ready.
///
/// # Safety
///
/// As for [`Leg::set_polled`], and the source must be attached.
unsafe fn go_cold(source: *mut GSource, state: &State) {
    let polled = || state.legs.iter().filter(|leg| leg.is_polled());
    if polled().any(|leg| leg.lease.is_none()) {
        return;
    }
    let fds = polled().filter_map(|leg| Some((leg.lease.as_ref()?, leg.serves)));
    // SAFETY: passed on from the caller. The functions of a source are read in this thread, which
    // owns its context; those that are set here are for the same kind of source.
    unsafe {
        // What the hub cannot do, GLib goes on doing.
        let Ok(Some(cold)) = Cold::new(source, &state.waiters, fds, state.one_for_both) else {
            return;
        };
        *state.cold.borrow_mut() = Some(cold);
        for leg in &state.legs {
            leg.set_polled(source, false);
        }
        (*source).source_funcs = &COLD.0;
    }
}

/// Makes GLib wait for the descriptors again, and looks at them.
///
/// # Safety
///
/// As for [`Leg::set_polled`].
unsafe fn go_hot(source: *mut GSource, state: &State) {
    let Some(cold) = state.cold.take() else {
        return;
    };
    cold.end(&state.waiters);
    // SAFETY: as for `go_cold`; GLib does not use the GPollFD while this runs.
    unsafe {
        (*source).source_funcs = &FUNCS.0;
        state.quiet.set(0);
        state.prepared.set(IOCondition::empty());
        for leg in &state.legs {
            if leg.has_fd() && !leg.is_dead() {
                leg.set_polled(source, true);
                leg.poll_now();
            }
        }
    }
}

/// Asks the object what to poll, and returns what needs no poll. `by_watch` is told of what the object
/// is asked in vain, and says whether there is another way.
///
/// # Safety
///
/// As for [`Leg::set_polled`].
unsafe fn ask_legs(
    source: *mut GSource,
    state: &State,
    ask: Ask,
    mut by_watch: impl FnMut(IOCondition) -> bool,
) -> IOCondition {
    let mut ready = IOCondition::empty();
    for (i, leg) in state.legs.iter().enumerate() {
        if leg.serves.is_empty() && !(state.condition.is_empty() && i == 0) {
            continue;
        }
        let asked = question(leg.serves);
        let answer = ask(&state.object, asked);
        // SAFETY: passed on from the caller.
        ready |= unsafe {
            match answer == Readiness::Watch && by_watch(asked) {
                true => leg.follow_nothing(source),
                false => leg.follow(source, answer),
            }
        };
    }
    ready
}

unsafe extern "C" fn check(source: *mut GSource) -> gboolean {
    // SAFETY: GLib passes the source that these functions are for.
    let state = unsafe { state(source) };
    let ready = !state.dispatching.get() && !polled(state).is_empty();
    ready.into_glib()
}

fn polled(state: &State) -> IOCondition {
    let ready = || state.legs[0].ready() | state.legs[1].ready();
    let again = || {
        let polled = state.legs.iter().filter(|leg| leg.is_polled());
        polled.for_each(Leg::poll_now);
        Ok(ready())
    };
    let got = state.waiters.without_notes(ready(), state.condition, again);
    got.unwrap_or(IOCondition::ERR)
}

/// Takes the legs out of the poll set until the callback has returned: a nested main
/// loop would spin on what only the callback can consume.
///
/// # Safety
///
/// As for [`Leg::set_polled`].
unsafe fn park(source: *mut GSource, state: &State) {
    if !state.parked.replace(true) {
        for leg in &state.legs {
            // SAFETY: passed on from the caller.
            unsafe { leg.set_polled(source, false) };
        }
        if let Feed::Layered(_, below) = &state.feed {
            // SAFETY: passed on from the caller.
            unsafe { below.leave(source) };
        }
    }
}

unsafe extern "C" fn dispatch(source: *mut GSource, func: GSourceFunc, data: gpointer) -> gboolean {
    // SAFETY: GLib passes the source that these functions are for and holds a
    // reference on it, and the callback that was set: a `QIOChannelFunc`, as the
    // documentation of every function that returns a watch demands.
    unsafe {
        let state = state(source);
        // It has done its work when it brought us here; `prepare` looks for itself.
        if glib_sys::g_source_get_ready_time(source) >= 0 {
            glib_sys::g_source_set_ready_time(source, -1);
        }
        if state.dispatching.get() {
            // As `prepare` does, where GLib asks this one.
            park(source, state);
            return G_SOURCE_CONTINUE;
        }
        go_hot(source, state);
        let Some(func) = func else {
            glib::g_warning!("Qio", "A watch was dispatched without a callback");
            return G_SOURCE_REMOVE;
        };
        if has_child(state) {
            // GLib does not ask a source whose child needs no poll, and things have changed since it did.
            state.prepared.set(look(source, state).0);
        }
        let condition = found(state);
        if condition.is_empty() {
            return G_SOURCE_CONTINUE;
        }
        let func = mem::transmute::<callback::PlainFunc, callback::WatchFunc>(func);
        state.quiet.set(0);
        state.dispatching.set(true);
        let object: *mut gobject_sys::GObject = state.object.to_glib_none().0;
        let again = func(object, condition.into_glib(), data);
        state.dispatching.set(false);
        // Nothing ever follows an invalid descriptor: firing again would spin.
        if condition.contains(IOCondition::NVAL) {
            return G_SOURCE_REMOVE;
        }
        if state.parked.replace(false) && glib_sys::g_source_is_destroyed(source) == 0 {
            for leg in &state.legs {
                leg.set_polled(source, leg.has_fd() && !leg.is_dead());
            }
        }
        again
    }
}

fn has_child(state: &State) -> bool {
    match &state.feed {
        Feed::Fixed | Feed::Asked(_) => false,
        Feed::Layered(_, below) => below.has_child(),
        Feed::Child | Feed::Relayed(_) => true,
    }
}

/// The conditions to tell the callback: asked for, or among those always told.
fn found(state: &State) -> IOCondition {
    if state.waiters.is_closed() {
        return IOCondition::NVAL;
    }
    let ready = match &state.feed {
        Feed::Child => return state.condition - ALWAYS,
        Feed::Relayed(told) => told_of(told.swap(0, Ordering::Relaxed)),
        Feed::Layered(_, below) => polled(state) | by_child(state, below),
        _ => polled(state),
    };
    (state.prepared.get() | ready) & (state.condition | ALWAYS)
}

/// What the child has told, in the words of this object.
fn by_child(state: &State, below: &Below) -> IOCondition {
    let told = below.take_told();
    let wanted = |leg: &&Leg| {
        let asked = leg.serves - ALWAYS;
        !asked.is_empty() && told.intersects((below.layer.needs)(&state.object, asked))
    };
    let legs = state.legs.iter().filter(wanted);
    legs.fold(told & ALWAYS, |ready, leg| ready | (leg.serves - ALWAYS))
}

unsafe extern "C" fn finalize(source: *mut GSource) {
    // SAFETY: GLib calls this once, for a source that these functions are for, when
    // nobody else can reach it any more but `Waiters`, which it leaves first.
    unsafe {
        state(source).waiters.leave(source);
        ptr::drop_in_place(&raw mut (*source.cast::<WatchSource>()).state);
    }
}
