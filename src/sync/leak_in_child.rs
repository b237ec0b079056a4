//! A value that a forked child does not destroy.

use std::{mem, ops::Deref};

use super::Creator;

/// A value of the process that made it. A forked child leaks it: GLib takes locks where objects
/// are cancelled, disconnected and destroyed, which another thread of the parent may have held at
/// the fork.
#[derive(Debug)]
pub(crate) struct LeakInChild<T> {
    /// `None` only while it is dropped.
    value: Option<T>,
    creator: Creator,
}

impl<T> LeakInChild<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Some(value),
            creator: Creator::default(),
        }
    }
}

impl<T> Deref for LeakInChild<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("it is not dropped yet")
    }
}

impl<T> Drop for LeakInChild<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        if self.creator.is_parent() {
            mem::forget(value);
        }
    }
}
