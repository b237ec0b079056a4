//! Functions of C that are called later.

use glib_sys::{GDestroyNotify, gpointer};

/// A function with its data, which are freed once there are no more calls.
pub(super) struct Callback<F> {
    pub(super) func: F,
    pub(super) user_data: gpointer,
    pub(super) notify: GDestroyNotify,
}

// SAFETY: the declaration of each function that takes one says in which threads it is called, and
// its data are freed; the caller promises that they may be.
unsafe impl<F> Send for Callback<F> {}
// SAFETY: as above, also from several at once where that is said.
unsafe impl<F> Sync for Callback<F> {}

impl<F> Drop for Callback<F> {
    fn drop(&mut self) {
        if let Some(notify) = self.notify {
            // SAFETY: there are no more calls, and this is the one time.
            unsafe { notify(self.user_data) };
        }
    }
}
