//! In which context futures and coroutines wait for a channel, and ending their waits.

use glib::translate::*;
use glib_sys::{GMainContext, gboolean};

use crate::{Channel, ChannelWatchExt, capi::method, ffi::QIOChannel};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_attach_aio_context(
    ioc: *mut QIOChannel,
    ctx: *mut GMainContext,
) {
    method!(
        qio_channel_attach_aio_context(ioc: Channel, ctx: Option<glib::MainContext>) =>
            ioc.attach_context(&ctx.unwrap_or_else(glib::MainContext::default))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_detach_aio_context(ioc: *mut QIOChannel) {
    method!(qio_channel_detach_aio_context(ioc: Channel) => ioc.detach_context());
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_follow_coroutine_ctx(
    ioc: *mut QIOChannel,
    enabled: gboolean,
) {
    method!(
        qio_channel_set_follow_coroutine_ctx(ioc: Channel) =>
            ioc.set_follow_coroutine_ctx(from_glib(enabled))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_wake_read(ioc: *mut QIOChannel) {
    method!(qio_channel_wake_read(ioc: Channel) => ioc.wake_read());
}
