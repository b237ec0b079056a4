//! The conditions that a child watch reports to its parent.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use glib::{IOCondition, translate::*};
use glib_sys::{GIOCondition, GSource, gboolean, gpointer};
use gobject_sys::GObject;

use super::callback::{PlainFunc, WatchFunc};

/// What a child watch has reported since its parent took it.
#[derive(Clone, Default)]
pub(super) struct ChildConditions(Arc<AtomicU32>);

impl ChildConditions {
    /// Returns the conditions that the child has reported since the last call.
    pub(super) fn take(&self) -> IOCondition {
        IOCondition::from_bits_truncate(self.0.swap(0, Ordering::Relaxed))
    }
}

/// Sets a callback that records the conditions.
///
/// # Safety
///
/// `source` must call a `QIOChannelFunc`.
pub(super) unsafe fn set_recording_callback(source: &glib::Source, conditions: ChildConditions) {
    let source: *mut GSource = source.to_glib_none().0;
    let data = Arc::into_raw(conditions.0).cast_mut().cast();
    // SAFETY: the caller promises that the source calls a `QIOChannelFunc`, which `record` is. The
    // data is a reference, which `release` drops.
    unsafe {
        let record = mem::transmute::<WatchFunc, PlainFunc>(record);
        glib_sys::g_source_set_callback(source, Some(record), data, Some(release));
    }
}

unsafe extern "C" fn record(
    _object: *mut GObject,
    condition: GIOCondition,
    conditions: gpointer,
) -> gboolean {
    // SAFETY: the data of the callback is the reference that `set_recording_callback` gave to GLib,
    // which keeps it while the callback runs.
    let conditions = unsafe { &*conditions.cast::<AtomicU32>() };
    conditions.fetch_or(condition, Ordering::Relaxed);
    glib_sys::G_SOURCE_CONTINUE
}

unsafe extern "C" fn release(conditions: gpointer) {
    // SAFETY: the reference that `set_recording_callback` gave to GLib, which releases it once.
    drop(unsafe { Arc::from_raw(conditions.cast::<AtomicU32>().cast_const()) });
}
