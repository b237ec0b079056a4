//! The pace of a context.

use crate::capi::function;
use std::{ffi::c_int, time::Duration};

use glib::translate::*;
use glib_sys::{GError, GMainContext, gboolean};

use super::fail_without_channel;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_context_set_busy_poll(
    context: *mut GMainContext,
    io_priority: c_int,
    spin_us: i64,
    error: *mut *mut GError,
) -> gboolean {
    function!(qio_context_set_busy_poll, error, 0, || {
        let context = Option::<glib::MainContext>::from_glib_none(context);
        let context = context.unwrap_or_else(glib::MainContext::default);
        // Less than nothing is nothing.
        let spin = Duration::from_micros(u64::try_from(spin_us).unwrap_or(0));
        match crate::set_busy_poll(&context, from_glib(io_priority), spin) {
            Ok(()) => 1,
            Err(e) => {
                fail_without_channel(error, &e);
                0
            }
        }
    })
}
