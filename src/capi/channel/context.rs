//! In which context futures and coroutines wait for a channel, and ending their waits.

use std::ptr;

use glib::translate::*;
use glib_sys::{GFALSE, GMainContext, gboolean};

use crate::{Channel, ChannelExt, capi::with, ffi::QIOChannel};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_attach_aio_context(
    ioc: *mut QIOChannel,
    ctx: *mut GMainContext,
) {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with(
            c"qio_channel_attach_aio_context",
            ioc,
            ptr::null_mut(),
            (),
            |channel: &Channel| {
                let context = Option::<glib::MainContext>::from_glib_none(ctx);
                channel.attach_context(&context.unwrap_or_else(glib::MainContext::default));
            },
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_detach_aio_context(ioc: *mut QIOChannel) {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with(
            c"qio_channel_detach_aio_context",
            ioc,
            ptr::null_mut(),
            (),
            |channel: &Channel| {
                channel.detach_context();
            },
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_follow_coroutine_ctx(
    ioc: *mut QIOChannel,
    enabled: gboolean,
) {
    let function = c"qio_channel_set_follow_coroutine_ctx";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with(function, ioc, ptr::null_mut(), (), |channel: &Channel| {
            channel.set_follow_coroutine_ctx(enabled != GFALSE);
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_wake_read(ioc: *mut QIOChannel) {
    let function = c"qio_channel_wake_read";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        with(function, ioc, ptr::null_mut(), (), |channel: &Channel| {
            channel.wake_read();
        });
    }
}
