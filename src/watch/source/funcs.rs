//! The `GSourceFuncs` of watches: prepare, check and dispatch, and the change between polling by
//! GLib and by the hub.

use std::mem;

use glib::{IOCondition, translate::*};
use glib_sys::{G_SOURCE_CONTINUE, G_SOURCE_REMOVE, GSource, GSourceFunc, gboolean, gpointer};

use super::{FUNCS, IDLE_FUNCS, State, WaitFdFn, WatchKind, state};
use crate::{
    hub::Hub,
    types::Readiness,
    watch::{
        ALWAYS, callback,
        idle::{HubWait, SourceWaker},
        layered::LowerWatch,
        polled_fd::{PolledFd, primary_condition},
    },
};
/// A watch on leased descriptors becomes idle after so many polls in a row that find nothing.
const IDLE_AFTER: u32 = 32;

pub(super) unsafe extern "C" fn prepare(source: *mut GSource, timeout: *mut i32) -> gboolean {
    // SAFETY: GLib passes the source that these functions were set for, and the address of a
    // timeout.
    unsafe {
        *timeout = -1;
        let state = state(source);
        if state.hub.get().is_none() {
            enter(source, state);
        }
        if state.is_woken() {
            // It must be dispatched, which makes GLib poll its descriptors again.
            return true.into_glib();
        }
        let (ready, iterate_again) = poll_state(source, state);
        if iterate_again {
            *timeout = 0;
        }
        state.prepared.set(ready);
        (!ready.is_empty()).into_glib()
    }
}

/// Enters the hub of the context in the channel's wait list, before the state of the channel is
/// read for the first time.
///
/// # Safety
///
/// `source` must be attached, and this the thread that owns its context.
unsafe fn enter(source: *mut GSource, state: &State) {
    // SAFETY: the caller promises that the source is attached: its context is valid.
    let context: glib::MainContext =
        unsafe { from_glib_none(glib_sys::g_source_get_context(source)) };
    let hub = state.hub.get_or_init(|| Hub::of(&context));
    state.waiters.enter(hub);
}

/// Determines what is ready without a poll, and sets what GLib polls for the rest. Returns also
/// whether GLib must iterate once more.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
unsafe fn poll_state(source: *mut GSource, state: &State) -> (IOCondition, bool) {
    // SAFETY: forwarded: this thread owns the context of `source`.
    unsafe {
        if state.dispatching.get() {
            suspend_polling(source, state);
            return (IOCondition::empty(), false);
        }
        if state.waiters.is_closed() {
            return (IOCondition::NVAL, false);
        }
        let mut iterate_again = false;
        let ready = match &state.kind {
            WatchKind::Query(ask) => query_fds(source, state, *ask, |_| false),
            WatchKind::Layered(ask, lower) => {
                let mut needed = IOCondition::empty();
                let ready = query_fds(source, state, *ask, |primary_condition| {
                    needed |= (lower.layer.needs)(&state.object, primary_condition);
                    true
                });
                iterate_again = lower.follow(source, &state.object, needed);
                ready
            }
            WatchKind::Fds => stop_polling_closed(source, state),
            WatchKind::ChildSource | WatchKind::ChildWatch(_) => IOCondition::empty(),
        };
        let pushed_back = match state.waiters.pushback.is_readable() {
            true => state.condition & IOCondition::IN,
            false => IOCondition::empty(),
        };
        let ready = ready | pushed_back;
        if matches!(state.kind, WatchKind::Fds) {
            let empty_polls = state.empty_polls.get() + 1;
            state.empty_polls.set(empty_polls);
            if empty_polls >= IDLE_AFTER && ready.is_empty() {
                state.empty_polls.set(0);
                move_to_hub(source, state);
            }
        }
        (ready, iterate_again)
    }
}

/// Stops polling descriptors that the channel itself has closed. The caller of that close needs no
/// notification while another descriptor is polled; a watch without any has hung up.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
unsafe fn stop_polling_closed(source: *mut GSource, state: &State) -> IOCondition {
    for polled_fd in state
        .polled_fds
        .iter()
        .filter(|polled_fd| polled_fd.is_dead())
    {
        // SAFETY: forwarded: this thread owns the context of `source`.
        unsafe { polled_fd.set_polled(source, false) };
    }
    match state
        .polled_fds
        .iter()
        .any(|polled_fd| polled_fd.is_polled())
    {
        true => IOCondition::empty(),
        false => IOCondition::HUP,
    }
}

/// Makes the hub poll the descriptors in place of GLib, if all are leased and none is ready.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`], and the source must be attached.
unsafe fn move_to_hub(source: *mut GSource, state: &State) {
    let polled = || {
        state
            .polled_fds
            .iter()
            .filter(|polled_fd| polled_fd.is_polled())
    };
    if polled().any(|polled_fd| polled_fd.lease.is_none()) {
        return;
    }
    let fds = polled().filter_map(|polled_fd| Some((polled_fd.lease.as_ref()?, polled_fd.serves)));
    // SAFETY: forwarded: this thread owns the context of `source`, and it alone reads the functions
    // of the source. Those that are set are for the same type of source.
    unsafe {
        // GLib continues to poll what the hub cannot poll.
        let Some(hub) = state.hub.get() else { return };
        let waker = state.waker.get_or_init(|| SourceWaker::new(source, &FUNCS));
        let Ok(Some(hub_wait)) = HubWait::new(hub, waker, &state.waiters, fds, state.one_for_both)
        else {
            return;
        };
        *state.hub_wait.borrow_mut() = Some(hub_wait);
        for polled_fd in &state.polled_fds {
            polled_fd.set_polled(source, false);
        }
        waker.set_idle(source, &IDLE_FUNCS);
    }
}

/// Makes GLib poll the descriptors again, and polls them once.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
unsafe fn move_to_glib(source: *mut GSource, state: &State) {
    let (Some(hub_wait), Some(waker)) = (state.hub_wait.take(), state.waker.get()) else {
        return;
    };
    hub_wait.end(&state.waiters);
    // SAFETY: forwarded: this thread owns the context of `source`; GLib does not use the `GPollFD`
    // while this runs.
    unsafe {
        waker.set_polled_by_glib(source);
        state.empty_polls.set(0);
        state.prepared.set(IOCondition::empty());
        for polled_fd in &state.polled_fds {
            if polled_fd.has_fd() && !polled_fd.is_dead() {
                polled_fd.set_polled(source, true);
                polled_fd.poll_now();
            }
        }
    }
}

/// Asks the object what to poll, and returns the conditions that need no poll. `by_watch` gets the
/// conditions for which the object has no descriptor, and returns whether there is another way to
/// wait.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
unsafe fn query_fds(
    source: *mut GSource,
    state: &State,
    ask: WaitFdFn,
    mut by_watch: impl FnMut(IOCondition) -> bool,
) -> IOCondition {
    let mut ready = IOCondition::empty();
    for (i, polled_fd) in state.polled_fds.iter().enumerate() {
        if polled_fd.serves.is_empty() && !(state.condition.is_empty() && i == 0) {
            continue;
        }
        let asked = primary_condition(polled_fd.serves);
        let answer = ask(&state.object, asked);
        // SAFETY: forwarded: this thread owns the context of `source`.
        ready |= unsafe {
            match answer == Readiness::Watch && by_watch(asked) {
                true => polled_fd.stop_polling(source),
                false => polled_fd.follow(source, answer),
            }
        };
    }
    ready
}

pub(super) unsafe extern "C" fn check(source: *mut GSource) -> gboolean {
    // SAFETY: GLib passes the source that these functions were set for.
    let state = unsafe { state(source) };
    let ready = || !state.dispatching.get() && !polled(state).is_empty();
    (state.is_woken() || ready()).into_glib()
}

fn polled(state: &State) -> IOCondition {
    let ready = || state.polled_fds[0].ready() | state.polled_fds[1].ready();
    let again = || {
        let polled = state
            .polled_fds
            .iter()
            .filter(|polled_fd| polled_fd.is_polled());
        polled.for_each(PolledFd::poll_now);
        Ok(ready())
    };
    let got = state
        .waiters
        .ignore_completions(ready(), state.condition, again);
    got.unwrap_or(IOCondition::ERR)
}

/// Removes the descriptors from the poll set until the callback has returned: a nested main loop
/// would spin on conditions that only the callback can clear.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
unsafe fn suspend_polling(source: *mut GSource, state: &State) {
    if !state.suspended.replace(true) {
        for polled_fd in &state.polled_fds {
            // SAFETY: forwarded: this thread owns the context of `source`.
            unsafe { polled_fd.set_polled(source, false) };
        }
        if let WatchKind::Layered(_, lower) = &state.kind {
            // SAFETY: forwarded: this thread owns the context of `source`.
            unsafe { lower.leave(source) };
        }
    }
}

pub(super) unsafe extern "C" fn dispatch(
    source: *mut GSource,
    func: GSourceFunc,
    data: gpointer,
) -> gboolean {
    // SAFETY: GLib passes the source that these functions were set for, holds a reference to it,
    // and passes the callback that was set: a `QIOChannelFunc`, as the documentation of every
    // function that returns a watch demands.
    unsafe {
        let state = state(source);
        if state.dispatching.get() {
            // As `prepare` does, unless GLib skips it.
            suspend_polling(source, state);
            return G_SOURCE_CONTINUE;
        }
        move_to_glib(source, state);
        let Some(func) = func else {
            glib::g_warning!("Qio", "A watch was dispatched without a callback");
            return G_SOURCE_REMOVE;
        };
        if has_child(state) {
            // GLib does not call `check` for a source whose child is ready, and the state has
            // changed since `prepare`.
            state.prepared.set(poll_state(source, state).0);
        }
        let condition = found(state);
        if condition.is_empty() {
            return G_SOURCE_CONTINUE;
        }
        let func = mem::transmute::<callback::PlainFunc, callback::WatchFunc>(func);
        state.empty_polls.set(0);
        state.dispatching.set(true);
        let object: *mut gobject_sys::GObject = state.object.to_glib_none().0;
        let again = func(object, condition.into_glib(), data);
        state.dispatching.set(false);
        // A closed descriptor stays closed: firing again would spin.
        if condition.contains(IOCondition::NVAL) || again == G_SOURCE_REMOVE {
            return G_SOURCE_REMOVE;
        }
        if state.suspended.replace(false) && glib_sys::g_source_is_destroyed(source) == 0 {
            for polled_fd in &state.polled_fds {
                polled_fd.set_polled(source, polled_fd.has_fd() && !polled_fd.is_dead());
            }
        }
        again
    }
}

fn has_child(state: &State) -> bool {
    match &state.kind {
        WatchKind::Fds | WatchKind::Query(_) => false,
        WatchKind::Layered(_, lower) => lower.has_child(),
        WatchKind::ChildSource | WatchKind::ChildWatch(_) => true,
    }
}

/// The conditions for the callback: those that were asked for, and those that are always reported.
fn found(state: &State) -> IOCondition {
    if state.waiters.is_closed() {
        return IOCondition::NVAL;
    }
    let ready = match &state.kind {
        // The child does not report which of several conditions holds: all are worth an attempt.
        WatchKind::ChildSource => {
            return match state.condition - ALWAYS {
                none if none.is_empty() => state.condition,
                conditions => conditions,
            };
        }
        WatchKind::ChildWatch(conditions) => conditions.take(),
        WatchKind::Layered(_, lower) => polled(state) | child_conditions(state, lower),
        _ => polled(state),
    };
    (state.prepared.get() | ready) & (state.condition | ALWAYS)
}

/// The conditions of the child, translated to those of this object.
fn child_conditions(state: &State, lower: &LowerWatch) -> IOCondition {
    let conditions = lower.take_conditions();
    let wanted = |polled_fd: &&PolledFd| {
        let asked = polled_fd.serves - ALWAYS;
        !asked.is_empty() && conditions.intersects((lower.layer.needs)(&state.object, asked))
    };
    let polled_fds = state.polled_fds.iter().filter(wanted);
    polled_fds.fold(conditions & ALWAYS, |ready, polled_fd| {
        ready | (polled_fd.serves - ALWAYS)
    })
}
