//! Waiting, in threads and in coroutines.

use std::{io, time::Duration};

use gio_sys::GCancellable;
use glib::{IOCondition, translate::*};
use glib_sys::{GError, GIOCondition, gboolean};

use crate::{
    Channel, ChannelWatchExt,
    capi::{Out, c_name, holds, method, try_method},
    coroutine::in_coroutine,
    ffi::QIOChannel,
};

/// Logs the error of a function that has no `GError **`.
fn complain_of(channel: &Channel, result: io::Result<IOCondition>) {
    if let Err(e) = result {
        glib::g_warning!("Qio", "Unable to wait for {}: {}", channel.label(), e);
    }
}

/// Returns what is ready to the caller.
fn return_ready(got: IOCondition, ready: Option<Out<GIOCondition>>) -> io::Result<()> {
    if let Some(ready) = ready {
        ready.set(got.into_glib());
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_wait(ioc: *mut QIOChannel, condition: GIOCondition) {
    method!(
        qio_channel_wait(ioc: Channel) => complain_of(ioc, ioc.wait(from_glib(condition)))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_wait_timeout(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    timeout_us: i64,
    ready: *mut GIOCondition,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_wait_timeout(ioc: Channel, ready: Option<Out<GIOCondition>>), error, "wait for",
        success => {
            let condition = from_glib(condition);
            let result = match u64::try_from(timeout_us) {
                Ok(us) => ioc.wait_timeout(condition, Duration::from_micros(us)),
                // Less than nothing is no limit.
                Err(_) => ioc.wait(condition),
            };
            return_ready(result?, ready)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_wait_cancellable(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    cancellable: *mut GCancellable,
    ready: *mut GIOCondition,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_wait_cancellable(
            ioc: Channel, cancellable: Option<gio::Cancellable>, ready: Option<Out<GIOCondition>>
        ), error, "wait for", success => {
            let condition = from_glib(condition);
            let result = match cancellable {
                Some(cancellable) => ioc.wait_cancellable(condition, &cancellable),
                None => ioc.wait(condition),
            };
            return_ready(result?, ready)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_yield(ioc: *mut QIOChannel, condition: GIOCondition) {
    if holds(
        c_name!(qio_channel_yield),
        in_coroutine(),
        "qio_in_coroutine ()",
    ) {
        method!(
            qio_channel_yield(ioc: Channel) =>
                complain_of(ioc, ioc.yield_until(from_glib(condition)))
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_yield_full(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    ready: *mut GIOCondition,
    error: *mut *mut GError,
) -> gboolean {
    if !holds(
        c_name!(qio_channel_yield_full),
        in_coroutine(),
        "qio_in_coroutine ()",
    ) {
        return 0;
    }
    try_method!(
        qio_channel_yield_full(ioc: Channel, ready: Option<Out<GIOCondition>>), error, "wait for",
        success => return_ready(ioc.yield_until(from_glib(condition))?, ready)
    )
}
