//! The `GSourceFuncs` of watches: prepare, check and dispatch, and the change between polling by
//! GLib and by the hub.

use std::{mem, task::Waker};

use glib::{IOCondition, translate::*};
use glib_sys::{G_SOURCE_CONTINUE, G_SOURCE_REMOVE, GSource, GSourceFunc, gboolean, gpointer};

use super::{FUNCS, IDLE_FUNCS, State, WaitFdFn, WatchKind, WatchSource};
use crate::{
    hub::Hub,
    sys::thread::stop_on_unwind,
    types::Readiness,
    watch::{
        ALWAYS, callback,
        channel_state::WakeOn,
        children::LowerWatch,
        idle::{HubWait, SourceWaker},
        polled_fd::{PolledFd, primary_condition},
    },
};

pub(super) unsafe extern "C" fn prepare(source: *mut GSource, timeout: *mut i32) -> gboolean {
    // SAFETY: GLib passes the source that these functions were set for, and the address of a
    // timeout.
    unsafe {
        *timeout = -1;
        let state = WatchSource::state(source);
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
    state
        .channel_state
        .add_waker(WakeOn::Change, Waker::from(hub.clone()));
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
        // Before the state of the channel is read.
        let wake_epoch = state.channel_state.wake_epoch();
        if state.channel_state.is_closed() {
            return (IOCondition::NVAL, false);
        }
        let pushed_back = match state.channel_state.pushback.is_readable() {
            true => state.condition & IOCondition::IN,
            false => IOCondition::empty(),
        };
        let mut iterate_again = false;
        let ready = match &state.kind {
            WatchKind::Query(wait_fd) => query_fds(source, state, *wait_fd, |_| false),
            WatchKind::Layered(wait_fd, lower) => {
                let mut needed = IOCondition::empty();
                let ready = query_fds(source, state, *wait_fd, |primary_condition| {
                    needed |= (lower.layer.needs)(&state.object, primary_condition);
                    true
                });
                iterate_again = lower.follow(source, &state.object, needed);
                ready
            }
            WatchKind::Fds => {
                // The caller of a close of this descriptor alone needs no notification while
                // another one is polled; a watch without any has hung up.
                let closed = state.polled_fds.iter().filter(|fd| fd.is_dead());
                closed.for_each(|fd| fd.set_polled(source, false));
                match state.polled().next() {
                    None => IOCondition::HUP,
                    Some(_) => {
                        if pushed_back.is_empty() && state.count_empty_poll() == 0 {
                            move_to_hub(source, state, wake_epoch);
                        }
                        IOCondition::empty()
                    }
                }
            }
            WatchKind::ChildSource | WatchKind::ChildWatch(_) => IOCondition::empty(),
        };
        (ready | pushed_back, iterate_again)
    }
}

/// Makes the hub poll the descriptors in place of GLib, if all are leased and none is ready, and
/// the waiters of the channel were not woken since `wake_epoch` was read.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`], and the source must be attached.
unsafe fn move_to_hub(source: *mut GSource, state: &State, wake_epoch: usize) {
    // SAFETY: forwarded: a live source.
    let priority = unsafe { glib_sys::g_source_get_priority(source) };
    // The hub is dispatched at the default priority: sources in between would delay the watch.
    if priority < glib_sys::G_PRIORITY_DEFAULT || state.polled().any(|fd| fd.lease.is_none()) {
        return;
    }
    let fds = state.polled();
    let fds = fds.filter_map(|fd| Some((fd.lease.as_ref()?, fd.conditions)));
    let Some(hub) = state.hub.get() else { return };
    let waker = state.waker.get_or_init(|| SourceWaker::new(source));
    // GLib continues to poll what the hub cannot poll.
    let hub_wait = HubWait::new(hub, waker, &state.channel_state, fds, state.one_for_both);
    // A wake-up that precedes the wait was not seen by it.
    if let Ok(Some(hub_wait)) = hub_wait
        && state.channel_state.wake_epoch() == wake_epoch
    {
        *state.hub_wait.borrow_mut() = Some(hub_wait);
        // SAFETY: forwarded: this thread owns the context of `source`.
        unsafe {
            for fd in &state.polled_fds {
                fd.set_polled(source, false);
            }
            waker.set_funcs(source, &IDLE_FUNCS);
        }
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
    drop(hub_wait);
    state.empty_polls.set(0);
    state.prepared.set(IOCondition::empty());
    // SAFETY: forwarded: this thread owns the context of `source`; GLib does not use the `GPollFD`
    // while this runs.
    unsafe {
        waker.set_funcs(source, &FUNCS);
        let open = |fd: &&PolledFd| fd.has_fd() && !fd.is_dead();
        for fd in state.polled_fds.iter().filter(open) {
            fd.set_polled(source, true);
            fd.poll_now();
        }
    }
}

/// Queries the object what to poll, and returns the conditions that need no poll. `by_watch` gets
/// the conditions for which the object has no descriptor, and returns whether there is another way
/// to wait.
///
/// # Safety
///
/// As for [`PolledFd::set_polled`].
unsafe fn query_fds(
    source: *mut GSource,
    state: &State,
    wait_fd: WaitFdFn,
    mut by_watch: impl FnMut(IOCondition) -> bool,
) -> IOCondition {
    let mut ready = IOCondition::empty();
    for (i, fd) in state.polled_fds.iter().enumerate() {
        if fd.conditions.is_empty() && !(state.condition.is_empty() && i == 0) {
            continue;
        }
        let condition = primary_condition(fd.conditions);
        let answer = wait_fd(&state.object, condition);
        // SAFETY: forwarded: this thread owns the context of `source`.
        unsafe {
            match answer == Readiness::Watch && by_watch(condition) {
                true => fd.set_polled(source, false),
                false => ready |= fd.follow(source, answer),
            }
        }
    }
    ready
}

pub(super) unsafe extern "C" fn check(source: *mut GSource) -> gboolean {
    // SAFETY: GLib passes the source that these functions were set for.
    let state = unsafe { WatchSource::state(source) };
    let ready = || !state.dispatching.get() && !polled(state).is_empty();
    (state.is_woken() || ready()).into_glib()
}

fn polled(state: &State) -> IOCondition {
    let ready = || state.polled_fds[0].ready() | state.polled_fds[1].ready();
    let again = || {
        state.polled().for_each(PolledFd::poll_now);
        Ok(ready())
    };
    let got = state
        .channel_state
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
        for fd in &state.polled_fds {
            // SAFETY: forwarded: this thread owns the context of `source`.
            unsafe { fd.set_polled(source, false) };
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
        let state = WatchSource::state(source);
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
        let observed = state.channel_state.stats.before_callback();
        let again = stop_on_unwind(|| func(object, condition.into_glib(), data));
        if let Some((stats, calls)) = observed
            && again != G_SOURCE_REMOVE
        {
            stats.fired("watch", condition, calls);
        }
        state.dispatching.set(false);
        // A closed descriptor stays closed: firing again would spin.
        if condition.contains(IOCondition::NVAL) || again == G_SOURCE_REMOVE {
            return G_SOURCE_REMOVE;
        }
        if state.suspended.replace(false) && glib_sys::g_source_is_destroyed(source) == 0 {
            for fd in &state.polled_fds {
                fd.set_polled(source, fd.has_fd() && !fd.is_dead());
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

/// The conditions for the callback: those that were requested, and those that are always reported.
fn found(state: &State) -> IOCondition {
    if state.channel_state.is_closed() {
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
    let conditions = lower.conditions.take();
    let wanted = |fd: &&PolledFd| {
        let requested = fd.conditions - ALWAYS;
        !requested.is_empty()
            && conditions.intersects((lower.layer.needs)(&state.object, requested))
    };
    let polled_fds = state.polled_fds.iter().filter(wanted);
    polled_fds.fold(conditions & ALWAYS, |ready, fd| {
        ready | (fd.conditions - ALWAYS)
    })
}
