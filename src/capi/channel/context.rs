//! In which context futures and coroutines wait for a channel, and ending their waits.

use crate::capi::method;

use glib::translate::*;
use glib_sys::{GFALSE, GMainContext, gboolean};

use crate::{Channel, ChannelExt, ffi::QIOChannel};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_attach_aio_context(
    ioc: *mut QIOChannel,
    ctx: *mut GMainContext,
) {
    method!(
        qio_channel_attach_aio_context,
        ioc,
        (),
        |channel: &Channel| {
            let context = Option::<glib::MainContext>::from_glib_none(ctx);
            channel.attach_context(&context.unwrap_or_else(glib::MainContext::default));
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_detach_aio_context(ioc: *mut QIOChannel) {
    method!(
        qio_channel_detach_aio_context,
        ioc,
        (),
        |channel: &Channel| {
            channel.detach_context();
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_follow_coroutine_ctx(
    ioc: *mut QIOChannel,
    enabled: gboolean,
) {
    method!(
        qio_channel_set_follow_coroutine_ctx,
        ioc,
        (),
        |channel: &Channel| {
            channel.set_follow_coroutine_ctx(enabled != GFALSE);
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_wake_read(ioc: *mut QIOChannel) {
    method!(qio_channel_wake_read, ioc, (), |channel: &Channel| {
        channel.wake_read();
    });
}
