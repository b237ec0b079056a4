//! Functions of C that are called later.

use std::mem;

use glib_sys::{GDestroyNotify, gpointer};

use super::Argument;
use crate::sys::{release::release, thread::stop_on_unwind};

type Notify = unsafe extern "C" fn(gpointer);

/// The same function, which may end the thread.
type UnwindingNotify = unsafe extern "C-unwind" fn(gpointer);

/// A function with its data, which are freed once there are no more calls.
pub(super) struct Callback<F> {
    func: F,
    user_data: gpointer,
    notify: GDestroyNotify,
}

// SAFETY: the C contract: the declaration of each function that takes one names the threads in
// which it is called and its data are freed, and the caller's function and data allow that.
unsafe impl<F> Send for Callback<F> {}
// SAFETY: the C contract: the declaration of each function that takes one also states whether
// several threads call it at once, and the caller's function and data allow that.
unsafe impl<F> Sync for Callback<F> {}

impl<F: Copy> Callback<F> {
    /// Calls the function by `call`, which gets it and its data.
    pub(super) fn call<R>(&self, call: impl FnOnce(F, gpointer) -> R) -> R {
        stop_on_unwind(|| call(self.func, self.user_data))
    }
}

/// A function, its data, and how they are freed: also if the function is NULL.
impl<F> Argument<(Option<F>, gpointer, GDestroyNotify)> for Callback<F> {
    unsafe fn from_c(
        (func, user_data, notify): (Option<F>, gpointer, GDestroyNotify),
        _: &str,
    ) -> Result<Self, String> {
        let data = Callback {
            func: (),
            user_data,
            notify,
        };
        let func = func.ok_or_else(|| "func != NULL".to_owned())?;
        mem::forget(data);
        Ok(Self {
            func,
            user_data,
            notify,
        })
    }
}

/// NULL is none, and its data are not freed.
impl<F> Argument<(Option<F>, gpointer, GDestroyNotify)> for Option<Callback<F>> {
    unsafe fn from_c(
        (func, user_data, notify): (Option<F>, gpointer, GDestroyNotify),
        _: &str,
    ) -> Result<Self, String> {
        Ok(func.map(|func| Callback {
            func,
            user_data,
            notify,
        }))
    }
}

impl<F> Drop for Callback<F> {
    fn drop(&mut self) {
        if let Some(notify) = self.notify {
            // SAFETY: the ABI is the same but for unwinding.
            let notify = unsafe { mem::transmute::<Notify, UnwindingNotify>(notify) };
            // SAFETY: the C contract: `notify` takes these data, once. Calls borrow the callback,
            // which is dropped here: there are no more.
            release(|| unsafe { notify(self.user_data) });
        }
    }
}
