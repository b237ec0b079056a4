//! Coroutines of C functions.

use glib::translate::*;
use glib_sys::{GDestroyNotify, gboolean, gpointer};

use super::{c_name, callback::Callback, function, holds};
use crate::coroutine;

type CoroutineFunc = Option<unsafe extern "C-unwind" fn(user_data: gpointer)>;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_coroutine_start(
    func: CoroutineFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) {
    // The closure owns all of it: `notify` is called after the call.
    function!(
        qio_coroutine_start(callback: Callback<_> = (func, user_data, notify)) => {
            coroutine::spawn_foreign(move || {
                let callback = callback;
                callback.call(|func, data| func(data));
            });
        }
    );
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_in_coroutine() -> gboolean {
    coroutine::in_coroutine().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_coroutine_yield() -> gboolean {
    let function = c_name!(qio_coroutine_yield);
    if !holds(function, coroutine::in_coroutine(), "qio_in_coroutine ()") {
        return 0;
    }
    function!(qio_coroutine_yield() or 0 => coroutine::yield_now().is_ok().into_glib())
}
