//! What GLib asks of a watch in each turn of a main loop, and the change between its poll and the hub's.

use std::{mem, sync::atomic::Ordering};

use glib::{IOCondition, translate::*};
use glib_sys::{G_SOURCE_CONTINUE, G_SOURCE_REMOVE, GSource, GSourceFunc, gboolean, gpointer};

use super::{Feed, State, WaitFdFn, conditions_of, state};
use crate::{
    hub::Hub,
    types::Readiness,
    watch::{
        ALWAYS,
        below::LowerWatch,
        callback,
        idle::{HubWait, SourceWaker},
        polled_fd::{PolledFd, primary_condition},
    },
};
/// A watch on leased descriptors goes cold after so many polls with nothing to tell.
const QUIET_ENOUGH: u32 = 32;

pub(super) unsafe extern "C" fn prepare(source: *mut GSource, timeout: *mut i32) -> gboolean {
    // SAFETY: GLib passes the source that these functions are for, and the address
    // of a timeout.
    unsafe {
        *timeout = -1;
        let state = state(source);
        if state.hub.get().is_none() {
            enter(source, state);
        }
        if state.is_woken() {
            // It is to be dispatched, which makes GLib poll its descriptors again.
            return true.into_glib();
        }
        let (ready, begin_anew) = look(source, state);
        if begin_anew {
            *timeout = 0;
        }
        state.prepared.set(ready);
        (!ready.is_empty()).into_glib()
    }
}

/// Enters the hub of the context in the channel: before the channel is looked at for the first time.
///
/// # Safety
///
/// `source` must be attached, and this the thread that owns its context.
unsafe fn enter(source: *mut GSource, state: &State) {
    // SAFETY: the caller's promise.
    let context: glib::MainContext =
        unsafe { from_glib_none(glib_sys::g_source_get_context(source)) };
    let hub = state.hub.get_or_init(|| Hub::of(&context));
    state.waiters.enter(hub);
}

/// Finds out what is ready without a poll, and has everything else waited for. Whether that takes GLib another
/// turn.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
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
                let ready = ask_legs(source, state, *ask, |primary_condition| {
                    needed |= (below.layer.needs)(&state.object, primary_condition);
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
        if matches!(state.feed, Feed::Fixed) {
            let quiet = state.quiet.get() + 1;
            state.quiet.set(quiet);
            if quiet >= QUIET_ENOUGH && ready.is_empty() {
                state.quiet.set(0);
                go_cold(source, state);
            }
        }
        (ready, begin_anew)
    }
}

/// Stops polling what the channel itself has closed. The one who did that need not be told, as
/// long as there is something else to wait for; a watch with nothing left has hung up.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
unsafe fn drop_dead_legs(source: *mut GSource, state: &State) -> IOCondition {
    for leg in state.polled_fds.iter().filter(|leg| leg.is_dead()) {
        // SAFETY: passed on from the caller.
        unsafe { leg.set_polled(source, false) };
    }
    match state.polled_fds.iter().any(|leg| leg.is_polled()) {
        true => IOCondition::empty(),
        false => IOCondition::HUP,
    }
}

/// Makes the hub wait for the descriptors in place of GLib, if all are leased and none is ready.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`], and the source must be attached.
unsafe fn go_cold(source: *mut GSource, state: &State) {
    let polled = || state.polled_fds.iter().filter(|leg| leg.is_polled());
    if polled().any(|leg| leg.lease.is_none()) {
        return;
    }
    let fds = polled().filter_map(|leg| Some((leg.lease.as_ref()?, leg.serves)));
    // SAFETY: passed on from the caller. The functions of a source are read in this thread, which
    // owns its context; those that are set here are for the same kind of source.
    unsafe {
        // What the hub cannot do, GLib goes on doing.
        let Some(hub) = state.hub.get() else { return };
        let warmth = state.warmth.get_or_init(|| SourceWaker::new(source));
        let Ok(Some(cold)) = HubWait::new(hub, warmth, &state.waiters, fds, state.one_for_both)
        else {
            return;
        };
        *state.cold.borrow_mut() = Some(cold);
        for leg in &state.polled_fds {
            leg.set_polled(source, false);
        }
        warmth.cool(source);
    }
}

/// Makes GLib wait for the descriptors again, and looks at them.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
unsafe fn go_hot(source: *mut GSource, state: &State) {
    let (Some(cold), Some(warmth)) = (state.cold.take(), state.warmth.get()) else {
        return;
    };
    cold.end(&state.waiters);
    // SAFETY: as for `go_cold`; GLib does not use the GPollFD while this runs.
    unsafe {
        warmth.warm(source);
        state.quiet.set(0);
        state.prepared.set(IOCondition::empty());
        for leg in &state.polled_fds {
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
/// As for [`PolledFd::set_polled`].
unsafe fn ask_legs(
    source: *mut GSource,
    state: &State,
    ask: WaitFdFn,
    mut by_watch: impl FnMut(IOCondition) -> bool,
) -> IOCondition {
    let mut ready = IOCondition::empty();
    for (i, leg) in state.polled_fds.iter().enumerate() {
        if leg.serves.is_empty() && !(state.condition.is_empty() && i == 0) {
            continue;
        }
        let asked = primary_condition(leg.serves);
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

pub(super) unsafe extern "C" fn check(source: *mut GSource) -> gboolean {
    // SAFETY: GLib passes the source that these functions are for.
    let state = unsafe { state(source) };
    let ready = || !state.dispatching.get() && !polled(state).is_empty();
    (state.is_woken() || ready()).into_glib()
}

fn polled(state: &State) -> IOCondition {
    let ready = || state.polled_fds[0].ready() | state.polled_fds[1].ready();
    let again = || {
        let polled = state.polled_fds.iter().filter(|leg| leg.is_polled());
        polled.for_each(PolledFd::poll_now);
        Ok(ready())
    };
    let got = state
        .waiters
        .ignore_completions(ready(), state.condition, again);
    got.unwrap_or(IOCondition::ERR)
}

/// Takes the legs out of the poll set until the callback has returned: a nested main
/// loop would spin on what only the callback can consume.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
unsafe fn park(source: *mut GSource, state: &State) {
    if !state.parked.replace(true) {
        for leg in &state.polled_fds {
            // SAFETY: passed on from the caller.
            unsafe { leg.set_polled(source, false) };
        }
        if let Feed::Layered(_, below) = &state.feed {
            // SAFETY: passed on from the caller.
            unsafe { below.leave(source) };
        }
    }
}

pub(super) unsafe extern "C" fn dispatch(
    source: *mut GSource,
    func: GSourceFunc,
    data: gpointer,
) -> gboolean {
    // SAFETY: GLib passes the source that these functions are for and holds a
    // reference on it, and the callback that was set: a `QIOChannelFunc`, as the
    // documentation of every function that returns a watch demands.
    unsafe {
        let state = state(source);
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
        if condition.contains(IOCondition::NVAL) || again == G_SOURCE_REMOVE {
            return G_SOURCE_REMOVE;
        }
        if state.parked.replace(false) && glib_sys::g_source_is_destroyed(source) == 0 {
            for leg in &state.polled_fds {
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
        // Which of several conditions it is that the child waits for is not known: all of them are worth trying.
        Feed::Child => {
            return match state.condition - ALWAYS {
                none if none.is_empty() => state.condition,
                conditions => conditions,
            };
        }
        Feed::Relayed(told) => conditions_of(told.swap(0, Ordering::Relaxed)),
        Feed::Layered(_, below) => polled(state) | by_child(state, below),
        _ => polled(state),
    };
    (state.prepared.get() | ready) & (state.condition | ALWAYS)
}

/// What the child has told, in the words of this object.
fn by_child(state: &State, below: &LowerWatch) -> IOCondition {
    let told = below.take_conditions();
    let wanted = |leg: &&PolledFd| {
        let asked = leg.serves - ALWAYS;
        !asked.is_empty() && told.intersects((below.layer.needs)(&state.object, asked))
    };
    let polled_fds = state.polled_fds.iter().filter(wanted);
    polled_fds.fold(told & ALWAYS, |ready, leg| ready | (leg.serves - ALWAYS))
}
