//! Sources of other types: those that `io_create_watch` of a class returned, and those of
//! `create_child_watch`. Each becomes the child of a watch of this crate. `close` wakes that watch,
//! and its callback gets the channel, whatever arguments the type of the child passes to callbacks.

use std::{mem, ptr};

use glib::{IOCondition, translate::*};
use glib_sys::{GSource, GSourceFuncs, gboolean};

use super::{
    Watched,
    callback::PlainFunc,
    child::{ChildConditions, set_recording_callback},
    source::{asking, is_of, is_watch, with_child_source, with_child_watch},
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

/// How a source calls its callback, if it is no watch of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callback {
    /// GObject can call a closure for it: all sources of GLib and GIO.
    Closure,
    /// It calls a `QIOChannelFunc`, as the contract of `io_create_watch` demands, and as classes of
    /// QEMU do.
    ChannelFunc,
    /// It calls a function of unknown type: a source that safe code has returned.
    Any,
}

/// Makes a watch of a source that `io_create_watch` returned. NULL becomes a watch that fires
/// `G_IO_NVAL`.
///
/// # Safety
///
/// `source` must be NULL or a new source whose reference the caller passes. Unless its type has a
/// `closure_callback`, it must call a `QIOChannelFunc`.
pub(crate) unsafe fn adopt(
    watched: Watched<'_>,
    condition: IOCondition,
    source: *mut GSource,
) -> glib::Source {
    if source.is_null() {
        return nval_watch(watched, condition);
    }
    // SAFETY: the caller promises a new source, and passes its reference.
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
    // SAFETY: `source` holds a reference. The callback that is set matches the type that the source
    // calls: that follows from its type, or from the promise of the caller of `adopt`. `keep`
    // ignores all arguments, however many there are.
    unsafe {
        if is_watch(raw) {
            return match is_of(raw, watched.object) {
                true => source,
                false => child_watch(watched, condition, source),
            };
        }
        match if has_closure_callback(raw) {
            Callback::Closure
        } else {
            otherwise
        } {
            Callback::ChannelFunc => return child_watch(watched, condition, source),
            Callback::Closure => g_source_set_dummy_callback(raw),
            Callback::Any => {
                let keep = mem::transmute::<unsafe extern "C" fn() -> gboolean, PlainFunc>(keep);
                glib_sys::g_source_set_callback(raw, Some(keep), ptr::null_mut(), None);
            }
        }
        let watch = with_child_source(watched, condition);
        glib_sys::g_source_add_child_source(watch.to_glib_none().0, raw);
        watch
    }
}

unsafe extern "C" fn keep() -> gboolean {
    glib_sys::G_SOURCE_CONTINUE
}

/// Makes a source that calls a `QIOChannelFunc` the child of a watch of this channel, whose
/// callback gets this channel and the conditions of the child: GLib dispatches children first.
///
/// # Safety
///
/// `source` must be new, and call a `QIOChannelFunc`.
unsafe fn child_watch(
    watched: Watched<'_>,
    condition: IOCondition,
    source: glib::Source,
) -> glib::Source {
    let conditions = ChildConditions::default();
    // SAFETY: forwarded: the source is new, and calls a `QIOChannelFunc`.
    unsafe {
        set_recording_callback(&source, conditions.clone());
        let watch = with_child_watch(watched, condition, conditions);
        glib_sys::g_source_add_child_source(watch.to_glib_none().0, source.to_glib_none().0);
        watch
    }
}

/// A watch that fires `G_IO_NVAL` once: there is nothing to wait for.
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
    // SAFETY: the caller promises a live source, whose functions are those of its type. Only the
    // addresses of GLib's tables are taken.
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
