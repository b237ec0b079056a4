//! The `GSource` of a hub.

use std::{cell::UnsafeCell, ptr, sync::Arc};

use glib::translate::*;
use glib_sys::{
    G_IO_IN, G_SOURCE_CONTINUE, GPollFD, GSource, GSourceFunc, GSourceFuncs, gboolean, gpointer,
};

use super::{Hub, Running};

#[repr(C)]
struct HubSource {
    source: GSource,
    /// Valid from `attach` to `finalize`.
    state: State,
}

struct State {
    hub: Arc<Hub>,
    poll: UnsafeCell<GPollFD>,
}

struct Funcs(GSourceFuncs);

// SAFETY: function pointers, which nobody changes.
unsafe impl Sync for Funcs {}

static FUNCS: Funcs = Funcs(GSourceFuncs {
    prepare: Some(prepare),
    check: Some(check),
    dispatch: Some(dispatch),
    finalize: Some(finalize),
    closure_callback: None,
    closure_marshal: None,
});

/// Makes the source of a hub, which its context owns.
pub(super) fn attach(hub: &Arc<Hub>, context: &glib::MainContext) {
    // SAFETY: the functions are those of a `HubSource`, whose size GLib allocates, and its
    // state is written before anything can look at it. GLib keeps the pointer to the
    // GPollFD until the source is destroyed; it lives as long as the source. `let_go` gets a
    // reference of its own, and is called when the source is destroyed: with its context, which
    // is still there at that time.
    unsafe {
        let size = size_of::<HubSource>() as u32;
        let source = glib_sys::g_source_new(ptr::from_ref(&FUNCS.0).cast_mut(), size);
        let this = source.cast::<HubSource>();
        let poll = GPollFD {
            fd: hub.registry().epoll_number(),
            events: G_IO_IN as u16,
            revents: 0,
        };
        ptr::write(
            &raw mut (*this).state,
            State {
                hub: hub.clone(),
                poll: UnsafeCell::new(poll),
            },
        );
        glib_sys::g_source_set_static_name(source, c"qio hub".as_ptr());
        glib_sys::g_source_set_priority(source, hub.priority);
        glib_sys::g_source_set_can_recurse(source, true.into_glib());
        glib_sys::g_source_add_poll(source, (*this).state.poll.get());
        let data = Arc::into_raw(hub.clone()).cast_mut().cast();
        glib_sys::g_source_set_callback(source, Some(no_callback), data, Some(let_go));
        glib_sys::g_source_attach(source, context.to_glib_none().0);
        glib_sys::g_source_unref(source);
    }
}

unsafe extern "C" fn no_callback(_: gpointer) -> gboolean {
    G_SOURCE_CONTINUE
}

unsafe extern "C" fn let_go(data: gpointer) {
    // SAFETY: the reference that `attach` gave to the callback data.
    let hub = unsafe { Arc::from_raw(data.cast::<Hub>()) };
    hub.let_go();
}

/// # Safety
///
/// `source` must be a source that [`attach`] made and that is not finalized.
unsafe fn state<'a>(source: *mut GSource) -> &'a State {
    // SAFETY: `attach` wrote the state, and it stays valid until `finalize`.
    unsafe { &(*source.cast::<HubSource>()).state }
}

unsafe extern "C" fn prepare(source: *mut GSource, timeout: *mut i32) -> gboolean {
    // SAFETY: GLib passes the source that these functions are for, and the address of a
    // timeout. It reads the GPollFD after this, in this thread.
    unsafe {
        *timeout = -1;
        let state = state(source);
        let number = {
            let mut registry = state.hub.registry();
            let _ = registry.renew_after_fork();
            registry.epoll_number()
        };
        // Also if it was renewed in the middle of a turn.
        if number != (*state.poll.get()).fd {
            glib_sys::g_source_remove_poll(source, state.poll.get());
            (*state.poll.get()).fd = number;
            glib_sys::g_source_add_poll(source, state.poll.get());
        }
        state.hub.has_work().into_glib()
    }
}

unsafe extern "C" fn check(source: *mut GSource) -> gboolean {
    // SAFETY: as for `prepare`.
    unsafe {
        let state = state(source);
        ((*state.poll.get()).revents != 0 || state.hub.has_work()).into_glib()
    }
}

unsafe extern "C" fn dispatch(source: *mut GSource, _: GSourceFunc, _: gpointer) -> gboolean {
    // SAFETY: as for `prepare`.
    unsafe {
        let state = state(source);
        let polled = (*state.poll.get()).revents != 0;
        (*state.poll.get()).revents = 0;
        let hub = state.hub.clone();
        let _running = Running::enter(&hub);
        if let Some(served) = hub.served() {
            hub.serve(served, polled);
        }
    }
    G_SOURCE_CONTINUE
}

unsafe extern "C" fn finalize(source: *mut GSource) {
    // SAFETY: GLib calls this once, at the end.
    unsafe { ptr::drop_in_place(&raw mut (*source.cast::<HubSource>()).state) };
}
