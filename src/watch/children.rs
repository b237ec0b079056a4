//! Watches with a child: a source of another type, a watch of another channel, or, for a layered
//! channel, a watch of the lower channel.
//!
//! Sources of other types are those that `io_create_watch` of a class returned, and those of
//! `create_child_watch`. `close` wakes the watch of this crate that is their parent, and its
//! callback gets the channel, whatever arguments the type of the child passes to callbacks. GLib
//! dispatches children first.

use std::{
    cell::{Cell, RefCell},
    mem, ptr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use glib::{ControlFlow, IOCondition, translate::*};
use glib_sys::{GSource, GSourceFuncs, gboolean};

use super::{
    Watched,
    callback::{PlainFunc, set_callback_unchecked},
    source::{WatchKind, by_query, create, is_of, is_watch},
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

/// What a child watch has reported since its parent took it.
#[derive(Clone, Default)]
pub(super) struct ChildConditions(Arc<AtomicU32>);

impl ChildConditions {
    pub(super) fn take(&self) -> IOCondition {
        IOCondition::from_bits_truncate(self.0.swap(0, Ordering::Relaxed))
    }

    /// Makes `child`, which calls a `QIOChannelFunc`, record its conditions here, and adds it to
    /// its parent.
    ///
    /// # Safety
    ///
    /// `child` must be new and call a `QIOChannelFunc`; `parent` must be live, and this thread must
    /// own its context, if it has one.
    unsafe fn record(&self, parent: *mut GSource, child: &glib::Source) {
        let Self(conditions) = self.clone();
        let callback = move |_: &glib::Object, condition: IOCondition| {
            conditions.fetch_or(condition.bits(), Ordering::Relaxed);
            ControlFlow::Continue
        };
        // SAFETY: forwarded: `child` calls a `QIOChannelFunc`, with some object. The callback
        // calls nothing that could dispatch it again. Both sources are live.
        unsafe {
            set_callback_unchecked(child, callback);
            glib_sys::g_source_add_child_source(parent, child.to_glib_none().0);
        }
    }
}

/// Makes a watch of a source that `io_create_watch` returned. NULL becomes a watch that fires
/// `G_IO_NVAL`.
///
/// # Safety
///
/// `source` must be NULL or a new source whose reference the caller passes. Unless its type has a
/// `closure_callback`, it must call a `QIOChannelFunc`, as classes of QEMU do.
pub(crate) unsafe fn adopt(
    watched: Watched<'_>,
    condition: IOCondition,
    source: *mut GSource,
) -> glib::Source {
    if source.is_null() {
        return nval_watch(watched, condition);
    }
    // SAFETY: the caller promises a new source, and passes its reference. If it is no watch of this
    // crate, and GObject cannot call a closure for it, it calls a `QIOChannelFunc`.
    unsafe {
        let calls_channel_func = !is_watch(source) && !has_closure_callback(source);
        let source = from_glib_full(source);
        match calls_channel_func {
            true => child_watch(watched, condition, &source),
            false => adopt_any(watched, condition, source),
        }
    }
}

/// As [`adopt`], for a source whose callback may take any arguments, as safe code can create: it
/// gets a callback that ignores them, so the conditions that it reports are not known.
pub(crate) fn adopt_any(
    watched: Watched<'_>,
    condition: IOCondition,
    source: glib::Source,
) -> glib::Source {
    let raw: *mut GSource = source.to_glib_none().0;
    // SAFETY: `source` holds a reference. A watch calls a `QIOChannelFunc`. The dummy callback is
    // for all types that GObject can call a closure for; `keep` ignores all arguments, however many
    // there are.
    unsafe {
        if is_watch(raw) {
            return match is_of(raw, watched.object) {
                true => source,
                false => child_watch(watched, condition, &source),
            };
        }
        if has_closure_callback(raw) {
            g_source_set_dummy_callback(raw);
        } else {
            let keep = mem::transmute::<unsafe extern "C" fn() -> gboolean, PlainFunc>(keep);
            glib_sys::g_source_set_callback(raw, Some(keep), ptr::null_mut(), None);
        }
        let watch = create(watched, condition, WatchKind::ChildSource, None);
        glib_sys::g_source_add_child_source(watch.to_glib_none().0, raw);
        watch
    }
}

unsafe extern "C" fn keep() -> gboolean {
    glib_sys::G_SOURCE_CONTINUE
}

/// Makes a source the child of a watch of this channel, whose callback gets this channel and the
/// conditions of the child.
///
/// # Safety
///
/// `source` must be new, and call a `QIOChannelFunc`.
unsafe fn child_watch(
    watched: Watched<'_>,
    condition: IOCondition,
    source: &glib::Source,
) -> glib::Source {
    let conditions = ChildConditions::default();
    let kind = WatchKind::ChildWatch(conditions.clone());
    let watch = create(watched, condition, kind, None);
    // SAFETY: forwarded: the source is new, and calls a `QIOChannelFunc`.
    unsafe { conditions.record(watch.to_glib_none().0, source) };
    watch
}

/// A watch that fires when one of its children does: a watch of this channel for reading, and one
/// for writing.
pub(crate) fn either(
    watched: Watched<'_>,
    condition: IOCondition,
    children: [glib::Source; 2],
) -> glib::Source {
    let conditions = ChildConditions::default();
    let kind = WatchKind::ChildWatch(conditions.clone());
    let watch = create(watched, condition, kind, None);
    for child in children {
        // SAFETY: a watch calls a `QIOChannelFunc`; both are new.
        unsafe { conditions.record(watch.to_glib_none().0, &child) };
    }
    watch
}

/// A watch that fires `G_IO_NVAL` once: there is nothing to wait for.
pub(crate) fn nval_watch(watched: Watched<'_>, condition: IOCondition) -> glib::Source {
    by_query(watched, condition | IOCondition::IN, |_, _| {
        Readiness::Watch
    })
}

/// Whether GObject can call a closure in place of a source's callback: for all sources of GLib and
/// GIO.
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

/// How a layered channel waits for its lower channel.
#[derive(Clone, Copy)]
pub(crate) struct LayerVtable {
    /// The conditions of the lower channel that make an attempt worthwhile for a condition of this
    /// object. Empty: only waking its waiters does.
    pub(crate) needs: fn(&glib::Object, IOCondition) -> IOCondition,
    /// Creates a watch of the lower channel.
    pub(crate) watch: fn(&glib::Object, IOCondition) -> Option<glib::Source>,
}

/// The child of a layer's watch: a watch of the lower channel, for conditions that no descriptor
/// reports.
pub(super) struct LowerWatch {
    pub(super) layer: LayerVtable,
    pub(super) conditions: ChildConditions,
    child: RefCell<Option<glib::Source>>,
    watched: Cell<IOCondition>,
}

impl LowerWatch {
    pub(super) fn new(layer: LayerVtable) -> Self {
        Self {
            layer,
            conditions: ChildConditions::default(),
            child: RefCell::new(None),
            watched: Cell::new(IOCondition::empty()),
        }
    }

    /// Makes the child wait for these conditions. Returns whether the child is new: GLib has
    /// prepared the children before it was added, and must iterate once more.
    ///
    /// # Safety
    ///
    /// `parent` must be the source that this belongs to, and this thread must own its context.
    pub(super) unsafe fn follow(
        &self,
        parent: *mut GSource,
        object: &glib::Object,
        conditions: IOCondition,
    ) -> bool {
        let destroyed = self.child.borrow().as_ref().map(glib::Source::is_destroyed);
        if self.watched.get() == conditions && destroyed != Some(true) {
            return false;
        }
        // SAFETY: forwarded: this thread owns the context of `parent`.
        unsafe { self.leave(parent) };
        self.watched.set(conditions);
        if conditions.is_empty() {
            return false;
        }
        let Some(child) = (self.layer.watch)(object, conditions) else {
            // The next `prepare` tries again.
            self.watched.set(IOCondition::empty());
            return false;
        };
        // SAFETY: `LayerVtable::watch` returns a new watch; the caller promises that the parent is
        // alive.
        unsafe { self.conditions.record(parent, &child) };
        self.child.replace(Some(child));
        true
    }

    pub(super) fn has_child(&self) -> bool {
        self.child.borrow().is_some()
    }

    /// Destroys the child.
    ///
    /// # Safety
    ///
    /// As for [`follow`](Self::follow).
    pub(super) unsafe fn leave(&self, parent: *mut GSource) {
        self.watched.set(IOCondition::empty());
        if let Some(child) = self.child.take()
            && !child.is_destroyed()
        {
            // SAFETY: `child` holds a reference, and this thread owns the context. `follow` made it
            // a child of the parent, which it is until it is destroyed.
            unsafe { glib_sys::g_source_remove_child_source(parent, child.to_glib_none().0) };
        }
    }
}
