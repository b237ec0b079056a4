//! Coroutines of C functions.

use glib::translate::*;
use glib_sys::{GDestroyNotify, gboolean, gpointer};

use super::{callback::Callback, guarded, holds};
use crate::coroutine;

type CoroutineFunc = Option<unsafe extern "C" fn(user_data: gpointer)>;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_coroutine_start(
    func: CoroutineFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) {
    let function = c"qio_coroutine_start";
    holds(function, func.is_some(), c"func != NULL");
    let Some(call) = func else { return };
    let callback = Callback {
        func: call,
        user_data,
        notify,
    };
    // SAFETY: the C contract, at the top of `capi`; the function is called with its data, which is
    // freed after it.
    unsafe {
        guarded(function, std::ptr::null_mut(), (), move || {
            coroutine::spawn_foreign(move || {
                // All of it goes in: the data are freed after the call.
                let callback = callback;
                (callback.func)(callback.user_data);
            });
        });
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_in_coroutine() -> gboolean {
    coroutine::in_coroutine().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_coroutine_yield() -> gboolean {
    let function = c"qio_coroutine_yield";
    let may = holds(function, coroutine::in_coroutine(), c"qio_in_coroutine ()");
    // SAFETY: there is no place for an error.
    let goes_on = may
        && unsafe {
            guarded(function, std::ptr::null_mut(), false, || {
                coroutine::yield_now().is_ok()
            })
        };
    goes_on.into_glib()
}
