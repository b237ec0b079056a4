//! The child of a layered channel's watch: a watch of the lower channel, for conditions that no
//! descriptor reports.

use std::cell::{Cell, RefCell};

use glib::{IOCondition, translate::*};
use glib_sys::GSource;

use super::child::{ChildConditions, set_recording_callback};

/// How a layered channel waits for the channel below it.
#[derive(Clone, Copy)]
pub(crate) struct LayerVtable {
    /// The conditions of the lower channel that make an attempt worthwhile for a condition of this
    /// object. Empty: only waking its waiters does.
    pub(crate) needs: fn(&glib::Object, IOCondition) -> IOCondition,
    /// Creates a watch of the lower channel.
    pub(crate) watch: fn(&glib::Object, IOCondition) -> Option<glib::Source>,
}

/// The child of a layer's watch.
pub(super) struct LowerWatch {
    pub(super) layer: LayerVtable,
    conditions: ChildConditions,
    child: RefCell<Option<glib::Source>>,
    /// What the child waits for.
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
            return false;
        };
        // SAFETY: `LayerVtable::watch` returns a new watch, whose callback is a `QIOChannelFunc`;
        // the caller promises that the parent is alive.
        unsafe {
            set_recording_callback(&child, self.conditions.clone());
            glib_sys::g_source_add_child_source(parent, child.to_glib_none().0);
        }
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
        let Some(child) = self.child.take() else {
            return;
        };
        let raw: *mut GSource = child.to_glib_none().0;
        // SAFETY: `child` holds a reference, and this thread owns the context. `follow` made it a
        // child of the parent, which it is until it is destroyed.
        unsafe {
            if !child.is_destroyed() {
                glib_sys::g_source_remove_child_source(parent, raw);
            }
        }
    }

    /// Returns the conditions that the child has reported since the last call.
    pub(super) fn take_conditions(&self) -> IOCondition {
        self.conditions.take()
    }
}
