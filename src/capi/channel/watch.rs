//! Watches and handlers.

use std::{
    ffi::{c_int, c_uint, c_void},
    mem, ptr,
};

use glib::{MainContext, translate::*};
use glib_sys::{
    GDestroyNotify, GIOCondition, GMainContext, GSource, GSourceFunc, gboolean, gpointer,
};

use crate::{
    Channel, ChannelWatchExt, FdHandlers,
    capi::{Argument, method},
    channel::class::VFuncs,
    ffi::{IOHandler, QIOChannel},
    watch::adopt,
};

/// What a watch calls.
type ChannelFunc = Option<
    unsafe extern "C" fn(
        ioc: *mut QIOChannel,
        condition: GIOCondition,
        user_data: gpointer,
    ) -> gboolean,
>;

/// What a watch calls, with its data and how they are freed.
struct WatchFunc {
    func: ChannelFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
}

impl Argument<(ChannelFunc, gpointer, GDestroyNotify)> for WatchFunc {
    unsafe fn from_c(
        (func, user_data, notify): (ChannelFunc, gpointer, GDestroyNotify),
        name: &str,
    ) -> Result<Self, String> {
        match func.is_some() {
            true => Ok(Self {
                func,
                user_data,
                notify,
            }),
            false => Err(format!("{name} != NULL")),
        }
    }
}

impl WatchFunc {
    fn watch(self, channel: &Channel, condition: GIOCondition) -> glib::Source {
        // SAFETY: the source is a watch: it calls its callback with the arguments of a
        // `ChannelFunc`, and GLib frees the data after the last call. They are the caller's to give
        // up: the C contract, which `from_c` demands.
        unsafe {
            let source = channel.create_watch(from_glib(condition));
            let func = mem::transmute::<ChannelFunc, GSourceFunc>(self.func);
            let raw: *mut GSource = source.to_glib_none().0;
            glib_sys::g_source_set_callback(raw, func, self.user_data, self.notify);
            source
        }
    }

    fn attach(
        self,
        channel: &Channel,
        condition: GIOCondition,
        context: Option<&MainContext>,
    ) -> glib::Source {
        let source = self.watch(channel, condition);
        source.attach(context);
        source
    }
}

/// The id of an attached source.
fn id_of(source: &glib::Source) -> c_uint {
    // SAFETY: the reference keeps the source alive.
    unsafe { glib_sys::g_source_get_id(source.to_glib_none().0) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_create_watch(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
) -> *mut GSource {
    method!(
        qio_channel_create_watch(ioc: Channel), pointer => ioc.create_watch(from_glib(condition))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_create_watch_full(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    func: ChannelFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) -> *mut GSource {
    method!(
        qio_channel_create_watch_full(ioc: Channel, func: WatchFunc = (func, user_data, notify)),
        pointer => func.watch(ioc, condition)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_add_watch(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    func: ChannelFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) -> c_uint {
    method!(
        qio_channel_add_watch(ioc: Channel, func: WatchFunc = (func, user_data, notify)) or 0 =>
            id_of(&func.attach(ioc, condition, None))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_add_watch_full(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    func: ChannelFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
    context: *mut GMainContext,
) -> c_uint {
    method!(
        qio_channel_add_watch_full(
            ioc: Channel, func: WatchFunc = (func, user_data, notify), context: Option<MainContext>
        ) or 0 => id_of(&func.attach(ioc, condition, context.as_ref()))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_add_watch_source(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    func: ChannelFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
    context: *mut GMainContext,
) -> *mut GSource {
    method!(
        qio_channel_add_watch_source(
            ioc: Channel, func: WatchFunc = (func, user_data, notify), context: Option<MainContext>
        ),
        pointer => func.attach(ioc, condition, context.as_ref())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_create_fd_watch(
    ioc: *mut QIOChannel,
    fd: c_int,
    condition: GIOCondition,
) -> *mut GSource {
    method!(
        qio_channel_create_fd_watch(ioc: Channel), pointer =>
            ioc.create_fd_watch(fd, from_glib(condition))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_create_fd_pair_watch(
    ioc: *mut QIOChannel,
    fdread: c_int,
    fdwrite: c_int,
    condition: GIOCondition,
) -> *mut GSource {
    method!(
        qio_channel_create_fd_pair_watch(ioc: Channel), pointer =>
            ioc.create_fd_pair_watch(fdread, fdwrite, from_glib(condition))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_create_child_watch(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    source: *mut GSource,
) -> *mut GSource {
    // The watch takes over a reference of its own.
    method!(
        qio_channel_create_child_watch(ioc: Channel, source: glib::Source) or ptr::null_mut() => {
            let source = source.into_glib_ptr();
            ioc.watched(|watched| adopt(watched, from_glib(condition), source)).into_glib_ptr()
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_set_aio_fd_handler(
    ioc: *mut QIOChannel,
    ctx: *mut GMainContext,
    io_read: IOHandler,
    io_write: IOHandler,
    opaque: *mut c_void,
) {
    method!(
        qio_channel_set_aio_fd_handler(ioc: Channel, ctx: Option<MainContext>) => {
            let handlers = FdHandlers::new(io_read, io_write, opaque);
            VFuncs::of(ioc).set_fd_handler(ctx.as_ref(), &handlers);
        }
    );
}
