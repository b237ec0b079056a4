//! References that a thread of the pool may release.

use std::{mem::ManuallyDrop, ops::Deref};

use glib::object::ObjectType;
use gobject_sys::GObject;

use crate::sys::{release::release, thread::may_unwind};

unsafe extern "C-unwind" {
    fn g_object_unref(object: *mut GObject);
}

/// A reference to an object of an application, or with data of one. Its release may call the
/// application: disposal, weak references, and the wrapper that Python has for the object.
#[derive(Debug)]
pub(crate) struct PoolRef<T: ObjectType>(ManuallyDrop<T>);

impl<T: ObjectType> PoolRef<T> {
    pub(crate) fn new(object: T) -> Self {
        Self(ManuallyDrop::new(object))
    }
}

impl<T: ObjectType> Clone for PoolRef<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ObjectType> Deref for PoolRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ObjectType> Drop for PoolRef<T> {
    fn drop(&mut self) {
        let object = self.0.as_ptr().cast();
        let unref = may_unwind::<unsafe extern "C-unwind" fn(_)>(g_object_unref);
        // SAFETY: `new` and `clone` have taken a reference, which only this releases, as
        // `ManuallyDrop` does not.
        release(|| unsafe { unref(object) });
    }
}
