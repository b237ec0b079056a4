//! The pace of a context.

use std::{ffi::c_int, time::Duration};

use glib::translate::*;
use glib_sys::{GError, GMainContext, gboolean};

use super::function;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_context_set_busy_poll(
    context: *mut GMainContext,
    io_priority: c_int,
    spin_us: i64,
    error: *mut *mut GError,
) -> gboolean {
    function!(
        qio_context_set_busy_poll(context: Option<glib::MainContext>), error, success => {
            let context = context.unwrap_or_else(glib::MainContext::default);
            // Less than nothing is nothing.
            let spin = Duration::from_micros(u64::try_from(spin_us).unwrap_or(0));
            crate::set_busy_poll(&context, from_glib(io_priority), spin)
        }
    )
}
