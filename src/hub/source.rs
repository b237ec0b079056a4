//! The `GSource` of a lane.
//!
//! GLib checks the sources of a context in the order of their priorities. Events are taken in
//! `check`: a lane is ready only if it has work of its own (runnable tasks, or the rest of a batch,
//! or the end of the hub), so that I/O at one priority does not delay sources between that priority
//! and the one of another lane.

use std::{cell::UnsafeCell, sync::Arc};

use glib::translate::*;
use glib_sys::{
    G_IO_IN, G_SOURCE_CONTINUE, G_SOURCE_REMOVE, GPollFD, GSource, GSourceFunc, GSourceFuncs,
    gboolean, gpointer,
};

use super::{
    g_source::{SourceFuncs, StateSource, no_callback},
    lane::Lane,
    running::RunGuard,
};

type LaneSource = StateSource<State>;

struct State {
    lane: Arc<Lane>,
    /// The epoll instance of the hub, or its eventfd. The other lanes poll the same one: GLib polls
    /// it once.
    poll: UnsafeCell<GPollFD>,
}

static FUNCS: SourceFuncs = SourceFuncs(GSourceFuncs {
    prepare: Some(prepare),
    check: Some(check),
    dispatch: Some(dispatch),
    finalize: Some(LaneSource::finalize),
    closure_callback: None,
    closure_marshal: None,
});

/// References to an unused lane: those of its hub, its source, and the source's callback data.
pub(super) const UNUSED: usize = 3;

/// Makes the source of a lane, which its context owns. Callable from any thread while the caller
/// holds a reference to the context.
pub(super) fn attach(lane: &Arc<Lane>, context: &glib::MainContext) {
    let poll = GPollFD {
        fd: lane.hub.registry().poll_number(),
        events: G_IO_IN as u16,
        revents: 0,
    };
    let state = State {
        lane: lane.clone(),
        poll: UnsafeCell::new(poll),
    };
    // SAFETY: `FUNCS` is for a `LaneSource`. GLib uses the pointer to the GPollFD until the source
    // is destroyed, and it is part of the source. `shutdown` gets a reference to the lane of its
    // own, and is called once, when the source is destroyed: at the latest by its context, which
    // still exists then.
    unsafe {
        let source = LaneSource::create(&FUNCS, state);
        glib_sys::g_source_set_static_name(source, c"qio hub".as_ptr());
        glib_sys::g_source_set_priority(source, lane.priority);
        glib_sys::g_source_set_can_recurse(source, true.into_glib());
        glib_sys::g_source_add_poll(source, LaneSource::state(source).poll.get());
        let data = Arc::into_raw(lane.clone()).cast_mut().cast();
        glib_sys::g_source_set_callback(source, Some(no_callback), data, Some(shutdown));
        glib_sys::g_source_attach(source, context.to_glib_none().0);
        glib_sys::g_source_unref(source);
    }
}

/// The source is destroyed: with its context, or after the hub has been shut down.
unsafe extern "C" fn shutdown(data: gpointer) {
    // SAFETY: `attach` gave this reference to the callback data, which GLib releases once.
    let lane = unsafe { Arc::from_raw(data.cast::<Lane>()) };
    lane.hub.shutdown();
}

unsafe extern "C" fn prepare(source: *mut GSource, timeout: *mut i32) -> gboolean {
    // SAFETY: GLib passes the source that these functions were given for in `attach`, and the
    // address of a timeout. It reads the GPollFD after this call, in this thread.
    unsafe {
        let state = LaneSource::state(source);
        let hub = &state.lane.hub;
        let number = hub.prepare_registry();
        // Another thread may just have destroyed the source, by which the hub is shut down.
        if number != (*state.poll.get()).fd && !hub.is_shut_down() {
            glib_sys::g_source_remove_poll(source, state.poll.get());
            (*state.poll.get()).fd = number;
            glib_sys::g_source_add_poll(source, state.poll.get());
        }
        let next = hub.process_between_polls();
        *timeout = hub.sleep(next, number < 0);
        let has_work = state.lane.has_work();
        hub.set_prepared(true);
        has_work.into_glib()
    }
}

unsafe extern "C" fn check(source: *mut GSource) -> gboolean {
    // SAFETY: GLib passes the source that these functions were given for in `attach`, in the thread
    // that runs its context.
    unsafe {
        let state = LaneSource::state(source);
        let hub = &state.lane.hub;
        hub.set_prepared(false);
        match state.take_polled() {
            true => hub.poll_events_between(!state.lane.has_tasks()),
            false => hub.check_lifetime(),
        }
        hub.process_between_polls();
        state.lane.has_work().into_glib()
    }
}

unsafe extern "C" fn dispatch(source: *mut GSource, _: GSourceFunc, _: gpointer) -> gboolean {
    // SAFETY: GLib passes the source that these functions were given for in `attach`, in the thread
    // that runs its context.
    unsafe {
        let state = LaneSource::state(source);
        let polled = state.take_polled();
        let lane = state.lane.clone();
        if lane.hub.is_shut_down() {
            return G_SOURCE_REMOVE;
        }
        if let Some(_running) = RunGuard::enter(&lane.hub)
            && let Some(local) = lane.local()
        {
            lane.hub.set_prepared(false);
            lane.dispatch(local, polled);
        }
    }
    G_SOURCE_CONTINUE
}

impl State {
    /// Whether GLib's last poll has reported events that have not been taken.
    ///
    /// # Safety
    ///
    /// This must be the thread that runs the context.
    unsafe fn take_polled(&self) -> bool {
        // SAFETY: GLib writes `revents` between `prepare` and `check`, in this thread.
        unsafe { std::mem::take(&mut (*self.poll.get()).revents) != 0 }
    }
}
