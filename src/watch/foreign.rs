//! Sources that are no watches of the channel: whatever `io_create_watch` of a class returned, and those of
//! `create_child_watch`. Each becomes the child of a watch of ours, which is what `close` wakes, and whose
//! callback gets the channel whatever arguments the child's own type calls its callback with.

use std::{
    mem, ptr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use glib::{IOCondition, translate::*};
use glib_sys::{GIOCondition, GSource, GSourceFuncs, gboolean, gpointer};
use gobject_sys::GObject;

use super::{
    Watched,
    callback::{PlainFunc, WatchFunc},
    source::{ChildConditions, asking, is_of, is_ours, parent, relay},
};
use crate::types::Readiness;

unsafe extern "C" {
    static g_timeout_funcs: GSourceFuncs;
    static g_child_watch_funcs: GSourceFuncs;
    static g_idle_funcs: GSourceFuncs;
    static g_unix_signal_funcs: GSourceFuncs;
    static g_unix_fd_source_funcs: GSourceFuncs;
    static g_io_watch_funcs: GSourceFuncs;
    fn g_source_set_dummy_callback(source: *mut GSource);
}

/// What calls a source's callback, if it is no watch of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callback {
    /// Something that GObject knows how to call with a closure: all sources of GLib and GIO.
    Closure,
    /// A `QIOChannelFunc`, as the contract of `io_create_watch` has it: a class in the manner of QEMU's.
    ChannelFunc,
    /// Any function: one of safe code, which has not said.
    Any,
}

/// Makes a watch of whatever `io_create_watch` returned. No source at all becomes one that fires
/// `G_IO_NVAL`.
///
/// # Safety
///
/// `source` must be NULL or a new source whose reference the caller gives away. Unless its type has a
/// `closure_callback`, it must call a `QIOChannelFunc`.
pub(crate) unsafe fn adopt(
    watched: Watched<'_>,
    condition: IOCondition,
    source: *mut GSource,
) -> glib::Source {
    if source.is_null() {
        return nval_watch(watched, condition);
    }
    // SAFETY: the caller gives away a reference.
    let source = unsafe { from_glib_full(source) };
    adopt_with(watched, condition, source, Callback::ChannelFunc)
}

/// The same for a source of safe code, whose callback takes unknown arguments.
pub(crate) fn adopt_any(
    watched: Watched<'_>,
    condition: IOCondition,
    source: glib::Source,
) -> glib::Source {
    adopt_with(watched, condition, source, Callback::Any)
}

fn adopt_with(
    watched: Watched<'_>,
    condition: IOCondition,
    source: glib::Source,
    otherwise: Callback,
) -> glib::Source {
    let raw: *mut GSource = source.to_glib_none().0;
    // SAFETY: the source is alive. It gets a callback that fits to what calls it, by its type or by the caller's
    // promise; `keep` ignores all arguments, however many there are.
    unsafe {
        if is_ours(raw) {
            return match is_of(raw, watched.object) {
                true => source,
                false => relayed(watched, condition, source),
            };
        }
        match if has_closure_callback(raw) {
            Callback::Closure
        } else {
            otherwise
        } {
            Callback::ChannelFunc => return relayed(watched, condition, source),
            Callback::Closure => g_source_set_dummy_callback(raw),
            Callback::Any => {
                let keep = mem::transmute::<unsafe extern "C" fn() -> gboolean, PlainFunc>(keep);
                glib_sys::g_source_set_callback(raw, Some(keep), ptr::null_mut(), None);
            }
        }
        let watch = parent(watched, condition);
        glib_sys::g_source_add_child_source(watch.to_glib_none().0, raw);
        watch
    }
}

unsafe extern "C" fn keep() -> gboolean {
    glib_sys::G_SOURCE_CONTINUE
}

/// Makes a source that calls a `QIOChannelFunc` the child of a watch of this channel, whose callback gets this
/// channel and the conditions of the child: GLib dispatches children first.
///
/// # Safety
///
/// `source` must be new, and call a `QIOChannelFunc`.
unsafe fn relayed(
    watched: Watched<'_>,
    condition: IOCondition,
    source: glib::Source,
) -> glib::Source {
    let told = ChildConditions::default();
    // SAFETY: passed on from the caller.
    unsafe {
        set_recording_callback(&source, told.clone());
        let watch = relay(watched, condition, told);
        glib_sys::g_source_add_child_source(watch.to_glib_none().0, source.to_glib_none().0);
        watch
    }
}

/// Gives a source that calls a `QIOChannelFunc` a callback that records the conditions.
///
/// # Safety
///
/// As for [`relayed`].
pub(super) unsafe fn set_recording_callback(source: &glib::Source, told: ChildConditions) {
    let data = Arc::into_raw(told).cast_mut().cast();
    // SAFETY: the callback is one for watches; its data are a reference, which `forget` drops.
    unsafe {
        let note = mem::transmute::<WatchFunc, PlainFunc>(note);
        glib_sys::g_source_set_callback(source.to_glib_none().0, Some(note), data, Some(forget));
    }
}

unsafe extern "C" fn note(
    _object: *mut GObject,
    condition: GIOCondition,
    told: gpointer,
) -> gboolean {
    // SAFETY: the data of the callback, which GLib keeps while it runs.
    let told = unsafe { &*told.cast::<AtomicU32>() };
    told.fetch_or(condition, Ordering::Relaxed);
    glib_sys::G_SOURCE_CONTINUE
}

unsafe extern "C" fn forget(told: gpointer) {
    // SAFETY: the reference that `relayed` gave away, once.
    drop(unsafe { Arc::from_raw(told.cast::<AtomicU32>().cast_const()) });
}

/// A watch that fires `G_IO_NVAL` once: nothing can be waited for.
pub(crate) fn nval_watch(watched: Watched<'_>, condition: IOCondition) -> glib::Source {
    asking(watched, condition | IOCondition::IN, |_, _| {
        Readiness::Watch
    })
}

/// Whether GObject can call a closure in place of a source's callback.
///
/// # Safety
///
/// `source` must be a live source.
unsafe fn has_closure_callback(source: *const GSource) -> bool {
    // SAFETY: the functions of a source are those of its type; of GLib's, only the addresses are taken.
    unsafe {
        let funcs = (*source).source_funcs;
        let glibs = [
            &raw const g_timeout_funcs,
            &raw const g_child_watch_funcs,
            &raw const g_idle_funcs,
            &raw const g_unix_signal_funcs,
            &raw const g_unix_fd_source_funcs,
            &raw const g_io_watch_funcs,
        ];
        glibs.into_iter().any(|known| ptr::eq(known, funcs)) || (*funcs).closure_callback.is_some()
    }
}
