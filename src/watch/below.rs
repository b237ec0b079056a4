//! What the watch of a layer waits for where the object below has no descriptor to tell: the watch of
//! that one, as a child.

use std::{
    cell::{Cell, RefCell},
    sync::atomic::Ordering,
};

use glib::{IOCondition, translate::*};
use glib_sys::GSource;

use super::{
    foreign::set_recording_callback,
    source::{ChildConditions, conditions_of},
};

/// What a layer knows of the object below it.
#[derive(Clone, Copy)]
pub(crate) struct LayerVtable {
    /// The conditions below that make one of this object worth trying. None: only waking its waiters
    /// does.
    pub(crate) needs: fn(&glib::Object, IOCondition) -> IOCondition,
    /// Makes a watch of what is below.
    pub(crate) watch: fn(&glib::Object, IOCondition) -> Option<glib::Source>,
}

/// The child of a layer's watch.
pub(super) struct LowerWatch {
    pub(super) layer: LayerVtable,
    told: ChildConditions,
    child: RefCell<Option<glib::Source>>,
    /// What the child waits for.
    watched: Cell<IOCondition>,
}

impl LowerWatch {
    pub(super) fn new(layer: LayerVtable) -> Self {
        Self {
            layer,
            told: ChildConditions::default(),
            child: RefCell::new(None),
            watched: Cell::new(IOCondition::empty()),
        }
    }

    /// Makes the child wait for these conditions. Whether it is new: then GLib has asked all children
    /// before it was there, and has to begin anew.
    ///
    /// # Safety
    ///
    /// `parent` must be the source that this belongs to, and this the thread that owns its context.
    pub(super) unsafe fn follow(
        &self,
        parent: *mut GSource,
        object: &glib::Object,
        conditions: IOCondition,
    ) -> bool {
        let there = self.child.borrow().as_ref().map(glib::Source::is_destroyed);
        if self.watched.get() == conditions && there != Some(true) {
            return false;
        }
        // SAFETY: passed on from the caller.
        unsafe { self.leave(parent) };
        self.watched.set(conditions);
        if conditions.is_empty() {
            return false;
        }
        let Some(child) = (self.layer.watch)(object, conditions) else {
            return false;
        };
        // SAFETY: a watch, and new; the parent is alive.
        unsafe {
            set_recording_callback(&child, self.told.clone());
            glib_sys::g_source_add_child_source(parent, child.to_glib_none().0);
        }
        self.child.replace(Some(child));
        true
    }

    pub(super) fn has_child(&self) -> bool {
        self.child.borrow().is_some()
    }

    /// Waits for nothing any more.
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
        // SAFETY: it is alive, and of this thread; it was made a child of the parent, which it is until it is destroyed.
        unsafe {
            if !child.is_destroyed() {
                glib_sys::g_source_remove_child_source(parent, raw);
            }
        }
    }

    /// What the child has told since the last time.
    pub(super) fn take_conditions(&self) -> IOCondition {
        conditions_of(self.told.swap(0, Ordering::Relaxed))
    }
}
