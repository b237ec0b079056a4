//! A value that is made at most once, and rarely: an absent one takes one pointer.

use std::{
    fmt,
    marker::PhantomData,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// As `OnceLock<Box<T>>`, in the size of a pointer. Threads that make the value at the same time
/// each make one, and all but the first are dropped.
pub(crate) struct OnceBox<T> {
    value: AtomicPtr<T>,
    owned: PhantomData<Box<T>>,
}

impl<T> OnceBox<T> {
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        let value = self.value.load(Ordering::Acquire);
        // SAFETY: null, or the box that `get_or_init` has stored, completely, and that is freed
        // only by `drop`, which has exclusive access.
        unsafe { value.as_ref() }
    }

    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let made = Box::into_raw(Box::new(make()));
        let (release, acquire) = (Ordering::AcqRel, Ordering::Acquire);
        let stored = self
            .value
            .compare_exchange(ptr::null_mut(), made, release, acquire);
        // SAFETY: `made` is a box that no other code has if it was not stored; the pointer that is
        // stored stays as in `get`.
        unsafe {
            match stored {
                Ok(_) => &*made,
                Err(first) => {
                    drop(Box::from_raw(made));
                    &*first
                }
            }
        }
    }
}

impl<T> Default for OnceBox<T> {
    fn default() -> Self {
        Self {
            value: AtomicPtr::new(ptr::null_mut()),
            owned: PhantomData,
        }
    }
}

impl<T> Drop for OnceBox<T> {
    fn drop(&mut self) {
        let value = *self.value.get_mut();
        if !value.is_null() {
            // SAFETY: the box that `get_or_init` has stored, and this has exclusive access.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceBox").field(&self.get()).finish()
    }
}

// SAFETY: the value is set once, by an atomic exchange that publishes it, and shared references to
// it are given out afterwards, which needs `T: Sync`. It may be made in one thread and dropped in
// another one, which needs `T: Send`.
unsafe impl<T: Send + Sync> Sync for OnceBox<T> {}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Barrier},
        thread,
    };

    use super::OnceBox;

    #[test]
    fn threads_that_make_a_value_at_the_same_time_get_one_value_and_leak_none() {
        let counted = Arc::new(());
        let place = OnceBox::default();
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    place.get_or_init(|| counted.clone());
                });
            }
        });
        assert_eq!(Arc::strong_count(&counted), 2);
        assert!(Arc::ptr_eq(place.get().expect("made"), &counted));
        drop(place);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
