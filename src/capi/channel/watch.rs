//! Watches, waiting, contexts and handlers.

use crate::capi::{c_name, method, try_method};
use std::{
    ffi::{CStr, c_int, c_uint, c_void},
    io, mem, ptr,
    time::Duration,
};

use gio_sys::GCancellable;
use glib::{IOCondition, translate::*};
use glib_sys::{
    GDestroyNotify, GError, GIOCondition, GMainContext, GSource, GSourceFunc, gboolean, gpointer,
};

use crate::{
    Channel, ChannelExt, FdHandlers,
    capi::{holds, some, success, with},
    channel::class::VFuncs,
    ffi::{IOHandler, QIOChannel},
    watch::{Watched, adopt},
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
struct Callback {
    func: ChannelFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
}

impl Callback {
    /// # Safety
    ///
    /// As for the functions of this module.
    unsafe fn watch(self, channel: &Channel, condition: GIOCondition) -> glib::Source {
        // SAFETY: the source is a watch: it calls its callback with the arguments of a
        // `ChannelFunc`, and GLib frees the data after the last call.
        unsafe {
            let source = channel.create_watch(from_glib(condition));
            let func = mem::transmute::<ChannelFunc, GSourceFunc>(self.func);
            let raw: *mut GSource = source.to_glib_none().0;
            glib_sys::g_source_set_callback(raw, func, self.user_data, self.notify);
            source
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_create_watch(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
) -> *mut GSource {
    method!(
        qio_channel_create_watch,
        ioc,
        ptr::null_mut(),
        |channel: &Channel| channel.create_watch(from_glib(condition)).to_glib_full()
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
        qio_channel_create_watch_full,
        ioc,
        ptr::null_mut(),
        |channel: &Channel| {
            if !holds(
                c_name!(qio_channel_create_watch_full),
                func.is_some(),
                c"func != NULL",
            ) {
                return ptr::null_mut();
            }
            let callback = Callback {
                func,
                user_data,
                notify,
            };
            callback.watch(channel, condition).to_glib_full()
        }
    )
}

/// Makes a watch and attaches it.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn attach(
    function: &CStr,
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    callback: Callback,
    context: *mut GMainContext,
) -> *mut GSource {
    let failed = ptr::null_mut();
    // SAFETY: the caller's promise.
    unsafe {
        with(
            function,
            ioc,
            ptr::null_mut(),
            failed,
            |channel: &Channel| {
                if !holds(function, callback.func.is_some(), c"func != NULL") {
                    return failed;
                }
                let source = callback.watch(channel, condition);
                let raw: *mut GSource = source.to_glib_full();
                glib_sys::g_source_attach(raw, context);
                raw
            },
        )
    }
}

/// As [`attach`], and returns the id of the source.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn attach_with_id(
    function: &CStr,
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    callback: Callback,
    context: *mut GMainContext,
) -> c_uint {
    // SAFETY: the caller's promise; the reference is given back.
    unsafe {
        let source = attach(function, ioc, condition, callback, context);
        if source.is_null() {
            return 0;
        }
        let id = glib_sys::g_source_get_id(source);
        glib_sys::g_source_unref(source);
        id
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_add_watch(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    func: ChannelFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) -> c_uint {
    let callback = Callback {
        func,
        user_data,
        notify,
    };
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        attach_with_id(
            c"qio_channel_add_watch",
            ioc,
            condition,
            callback,
            ptr::null_mut(),
        )
    }
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
    let callback = Callback {
        func,
        user_data,
        notify,
    };
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        attach_with_id(
            c"qio_channel_add_watch_full",
            ioc,
            condition,
            callback,
            context,
        )
    }
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
    let callback = Callback {
        func,
        user_data,
        notify,
    };
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        attach(
            c"qio_channel_add_watch_source",
            ioc,
            condition,
            callback,
            context,
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_create_fd_watch(
    ioc: *mut QIOChannel,
    fd: c_int,
    condition: GIOCondition,
) -> *mut GSource {
    method!(
        qio_channel_create_fd_watch,
        ioc,
        ptr::null_mut(),
        |channel: &Channel| {
            channel
                .create_fd_watch(fd, from_glib(condition))
                .to_glib_full()
        }
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
        qio_channel_create_fd_pair_watch,
        ioc,
        ptr::null_mut(),
        |channel: &Channel| {
            let source = channel.create_fd_pair_watch(fdread, fdwrite, from_glib(condition));
            source.to_glib_full()
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_create_child_watch(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    source: *mut GSource,
) -> *mut GSource {
    let function = c"qio_channel_create_child_watch";
    let failed = ptr::null_mut();
    // SAFETY: the C contract, at the top of `capi`; the watch takes a reference of its own.
    unsafe {
        if !holds(function, !source.is_null(), c"source != NULL") {
            return failed;
        }
        with(
            function,
            ioc,
            ptr::null_mut(),
            failed,
            |channel: &Channel| {
                let source = glib_sys::g_source_ref(source);
                let adopt = |watched: Watched<'_>| adopt(watched, from_glib(condition), source);
                channel.watched(adopt).to_glib_full()
            },
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_wait(ioc: *mut QIOChannel, condition: GIOCondition) {
    method!(qio_channel_wait, ioc, (), |channel: &Channel| {
        complain_of(channel, channel.wait(from_glib(condition)));
    });
}

/// There is no place for an error.
fn complain_of(channel: &Channel, result: io::Result<IOCondition>) {
    if let Err(e) = result {
        glib::g_warning!("Qio", "Unable to wait for {}: {}", channel.label(), e);
    }
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
        qio_channel_wait_timeout,
        ioc,
        error,
        0,
        |channel: &Channel| {
            let condition = from_glib(condition);
            let result = match u64::try_from(timeout_us) {
                Ok(us) => channel.wait_timeout(condition, Duration::from_micros(us)),
                // Less than nothing is no limit.
                Err(_) => channel.wait(condition),
            };
            success(write_ready(result, ready), error, channel, "wait for")
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
        qio_channel_wait_cancellable,
        ioc,
        error,
        0,
        |channel: &Channel| {
            let Ok(cancellable) =
                some::<gio::Cancellable>(c_name!(qio_channel_wait_cancellable), cancellable)
            else {
                return 0;
            };
            let condition = from_glib(condition);
            let result = match cancellable {
                Some(cancellable) => channel.wait_cancellable(condition, &cancellable),
                None => channel.wait(condition),
            };
            success(write_ready(result, ready), error, channel, "wait for")
        }
    )
}

/// Writes what is ready to its out argument, if there is one.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn write_ready(result: io::Result<IOCondition>, ready: *mut GIOCondition) -> io::Result<()> {
    let got = result?;
    if !ready.is_null() {
        // SAFETY: the caller's promise.
        unsafe { *ready = got.into_glib() };
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_yield(ioc: *mut QIOChannel, condition: GIOCondition) {
    method!(qio_channel_yield, ioc, (), |channel: &Channel| {
        if holds(
            c_name!(qio_channel_yield),
            crate::coroutine::in_coroutine(),
            c"qio_in_coroutine ()",
        ) {
            complain_of(channel, channel.yield_until(from_glib(condition)));
        }
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_yield_full(
    ioc: *mut QIOChannel,
    condition: GIOCondition,
    ready: *mut GIOCondition,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_yield_full,
        ioc,
        error,
        0,
        |channel: &Channel| {
            let inside = crate::coroutine::in_coroutine();
            if !holds(
                c_name!(qio_channel_yield_full),
                inside,
                c"qio_in_coroutine ()",
            ) {
                return 0;
            }
            let result = channel.yield_until(from_glib(condition));
            success(write_ready(result, ready), error, channel, "wait for")
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
        qio_channel_set_aio_fd_handler,
        ioc,
        (),
        |channel: &Channel| {
            let context = Option::<glib::MainContext>::from_glib_none(ctx);
            let handlers = FdHandlers::new(io_read, io_write, opaque);
            VFuncs::of(channel).set_fd_handler(context.as_ref(), &handlers);
        }
    );
}
