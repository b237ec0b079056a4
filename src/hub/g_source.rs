//! Sources of GLib with state of Rust in them.

use std::ptr;

use glib_sys::{G_SOURCE_CONTINUE, GSource, GSourceFuncs, gboolean, gpointer};

/// The functions of a kind of source, in a static.
#[derive(Debug)]
pub(crate) struct SourceFuncs(pub(crate) GSourceFuncs);

// SAFETY: the struct has function pointers, and fields that are private to GLib and that it does
// not write: `g_source_new` documents the struct as constant. The field is public, but a static
// without interior mutability is never written.
unsafe impl Sync for SourceFuncs {}

/// A source that GLib allocates and frees. The state is written once when the source is created,
/// and dropped by [`finalize`](Self::finalize).
#[repr(C)]
pub(crate) struct StateSource<T> {
    source: GSource,
    state: T,
}

impl<T> StateSource<T> {
    /// Creates a source. The caller gets the reference.
    ///
    /// # Safety
    ///
    /// `funcs` must be for this type, with its `finalize`.
    pub(crate) unsafe fn create(funcs: &'static SourceFuncs, state: T) -> *mut GSource {
        // SAFETY: `g_source_new` allocates the size of this type, and the state is written before
        // any other code gets the source.
        unsafe {
            let funcs = ptr::from_ref(&funcs.0).cast_mut();
            let source = glib_sys::g_source_new(funcs, size_of::<Self>() as u32);
            ptr::write(&raw mut (*source.cast::<Self>()).state, state);
            source
        }
    }

    /// # Safety
    ///
    /// `source` must be a source that [`create`](Self::create) made and that is not finalized.
    pub(crate) unsafe fn state<'a>(source: *mut GSource) -> &'a T {
        // SAFETY: `create` wrote the state, and it stays valid until `finalize`.
        unsafe { &(*source.cast::<Self>()).state }
    }

    /// # Safety
    ///
    /// GLib calls this once, for a source that [`create`](Self::create) made, when no reference is
    /// left.
    pub(crate) unsafe extern "C" fn finalize(source: *mut GSource) {
        // SAFETY: `create` wrote the state, which is not used after this.
        unsafe { ptr::drop_in_place(&raw mut (*source.cast::<Self>()).state) };
    }
}

/// The callback of a source that has no callback of a user.
pub(crate) unsafe extern "C" fn no_callback(_: gpointer) -> gboolean {
    G_SOURCE_CONTINUE
}
