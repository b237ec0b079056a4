//! Sources that a subclass's `io_create_watch` made by other means.

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
    source::{Told, asking, is_of, is_ours, parent, relay},
};
use crate::types::Readiness;

unsafe extern "C" {
    static g_timeout_funcs: GSourceFuncs;
    static g_child_watch_funcs: GSourceFuncs;
    static g_idle_funcs: GSourceFuncs;
    static g_unix_signal_funcs: GSourceFuncs;
    static g_unix_fd_source_funcs: GSourceFuncs;
    static g_io_watch_funcs: GSourceFuncs;
}

/// Makes whatever `io_create_watch` returned fit for a `QIOChannelFunc`.
///
/// GLib's own sources call their callbacks with other arguments: such a source becomes
/// the child of a watch, and so does a watch of another channel, such as the one below a layer.
/// No source at all becomes a watch that fires `G_IO_NVAL`.
/// Any other source is taken to call a `QIOChannelFunc`, as the contract of
/// `io_create_watch` demands.
///
/// # Safety
///
/// `source` must be NULL or a source whose reference the caller gives away.
pub(crate) unsafe fn adopt(
    watched: Watched<'_>,
    condition: IOCondition,
    source: *mut GSource,
) -> glib::Source {
    if source.is_null() {
        return broken(watched, condition);
    }
    // SAFETY: the caller gives away a reference.
    unsafe {
        let source: glib::Source = from_glib_full(source);
        let raw: *mut GSource = source.to_glib_none().0;
        match is_glibs(raw) || is_ours(raw) {
            true => adopt_any(watched, condition, source),
            false => source,
        }
    }
}

/// Makes any source fit for a `QIOChannelFunc`: one that is no watch becomes the child of one.
/// For sources from safe code, which knows nothing of callbacks of C.
pub(crate) fn adopt_any(
    watched: Watched<'_>,
    condition: IOCondition,
    source: glib::Source,
) -> glib::Source {
    // SAFETY: the source is alive. It gets a callback that does nothing but keep it, in place of
    // whatever it had: one that ignores all arguments, however many there are.
    unsafe {
        let raw: *mut GSource = source.to_glib_none().0;
        if is_ours(raw) {
            return match is_of(raw, watched.object) {
                true => source,
                false => relayed(watched, condition, source),
            };
        }
        let keep = mem::transmute::<unsafe extern "C" fn() -> gboolean, PlainFunc>(keep);
        glib_sys::g_source_set_callback(raw, Some(keep), ptr::null_mut(), None);
        let watch = parent(watched, condition);
        glib_sys::g_source_add_child_source(watch.to_glib_none().0, raw);
        watch
    }
}

unsafe extern "C" fn keep() -> gboolean {
    glib_sys::G_SOURCE_CONTINUE
}

/// Makes a watch of another channel the child of one of this channel, whose callback gets this
/// channel and what the child tells: GLib dispatches children first.
///
/// # Safety
///
/// `source` must be a watch, and new.
unsafe fn relayed(
    watched: Watched<'_>,
    condition: IOCondition,
    source: glib::Source,
) -> glib::Source {
    let told = Told::default();
    // SAFETY: passed on from the caller.
    unsafe {
        note_down(&source, told.clone());
        let watch = relay(watched, condition, told);
        glib_sys::g_source_add_child_source(watch.to_glib_none().0, source.to_glib_none().0);
        watch
    }
}

/// Gives a watch a callback that writes down what it is told.
///
/// # Safety
///
/// `source` must be a watch, and new.
pub(super) unsafe fn note_down(source: &glib::Source, told: Told) {
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
pub(crate) fn broken(watched: Watched<'_>, condition: IOCondition) -> glib::Source {
    asking(watched, condition | IOCondition::IN, |_, _| {
        Readiness::Watch
    })
}

/// Whether a source is of a kind that GLib makes.
///
/// # Safety
///
/// `source` must be a live source.
unsafe fn is_glibs(source: *const GSource) -> bool {
    // SAFETY: only the addresses of GLib's tables are taken.
    unsafe {
        let funcs = (*source).source_funcs;
        [
            &raw const g_timeout_funcs,
            &raw const g_child_watch_funcs,
            &raw const g_idle_funcs,
            &raw const g_unix_signal_funcs,
            &raw const g_unix_fd_source_funcs,
            &raw const g_io_watch_funcs,
        ]
        .into_iter()
        .any(|known| ptr::eq(known, funcs))
    }
}
