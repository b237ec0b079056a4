//! Listening on several addresses at once.

use crate::capi::{async_call, c_name, try_method};
use std::{
    ffi::{CStr, c_char, c_int, c_uint},
    io, ptr,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GSocketConnectable};
use glib::{prelude::*, translate::*};
use glib_sys::{GDestroyNotify, GError, GList, GMainContext, GType, gboolean, gpointer};

use crate::{
    ChannelSocket, NetListener,
    capi::{
        callback::Callback,
        fail_without_channel, give, guarded, instance,
        task::{finish, finish_success, start_anywhere, start_local_of},
        with,
    },
    ffi::{QIOChannelSocket, QIONetListener},
    to_glib_error,
};

instance!(NetListener, c"QIO_IS_NET_LISTENER (listener)");

/// What is called for each client.
type ClientFunc = Option<
    unsafe extern "C" fn(
        listener: *mut QIONetListener,
        client: *mut QIOChannelSocket,
        user_data: gpointer,
    ),
>;

/// Numbers that stand for nothing.
const NOTHING: c_uint = c_uint::MAX;

fn some(number: c_uint) -> Option<u32> {
    Some(number).filter(|number| *number != NOTHING)
}

/// A string, or none.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn string(string: *const c_char) -> Option<glib::GString> {
    // SAFETY: the caller's promise.
    unsafe { from_glib_none(string) }
}

/// The value, or `failed` with an error.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn value<R>(result: io::Result<R>, failed: R, error: *mut *mut GError) -> R {
    result.unwrap_or_else(|e| {
        // SAFETY: the caller's promise.
        unsafe { fail_without_channel(error, &e) };
        failed
    })
}

/// Calls a method that has no place for an error.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn call<R: Copy>(
    function: &CStr,
    listener: *mut QIONetListener,
    failed: R,
    method: impl FnOnce(&NetListener) -> R,
) -> R {
    // SAFETY: the caller's promise.
    unsafe { with(function, listener, ptr::null_mut(), failed, method) }
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_net_listener_get_type() -> GType {
    NetListener::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_net_listener_new() -> *mut QIONetListener {
    let (function, no_error) = (c"qio_net_listener_new", ptr::null_mut());
    // SAFETY: there is no place for an error.
    unsafe {
        guarded(function, no_error, ptr::null_mut(), || {
            give(Ok(NetListener::new()), no_error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_sync(
    listener: *mut QIONetListener,
    address: *mut GSocketConnectable,
    backlog: c_uint,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_net_listener_open_sync,
        listener,
        error,
        -1,
        |listener: &NetListener| {
            let open = |address: &gio::SocketConnectable| {
                let result = listener.open_sync(address, backlog);
                value(result.map(|()| 0), -1, error)
            };
            with(
                c_name!(qio_net_listener_open_sync),
                address,
                error,
                -1,
                open,
            )
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_async(
    listener: *mut QIONetListener,
    address: *mut GSocketConnectable,
    backlog: c_uint,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let how = async_call!(qio_net_listener_open_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(how.name, listener, (), |this| {
            let open = |address: &gio::SocketConnectable| {
                let future = this.open_future(address, backlog);
                start_local_of(listener.cast(), &how, future, to_glib_error);
            };
            with(how.name, address, ptr::null_mut(), (), open);
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_finish(
    listener: *mut QIONetListener,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    // SAFETY: the C contract, at the top of `capi`; what has this tag has no result.
    unsafe {
        finish_success(
            c"qio_net_listener_open_finish",
            listener.cast(),
            result,
            qio_net_listener_open_async as *const () as usize,
            error,
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_port(
    listener: *mut QIONetListener,
    port: u16,
    backlog: c_uint,
    error: *mut *mut GError,
) -> u16 {
    try_method!(
        qio_net_listener_open_port,
        listener,
        error,
        0,
        |listener: &NetListener| { value(listener.open_port(port, backlog), 0, error) }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_activated(
    listener: *mut QIONetListener,
    name: *const c_char,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_net_listener_open_activated,
        listener,
        error,
        -1,
        |listener: &NetListener| {
            let result = listener.open_activated(string(name).as_deref());
            let count = |count| c_int::try_from(count).unwrap_or(c_int::MAX);
            value(result.map(count), -1, error)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_add(
    listener: *mut QIONetListener,
    socket: *mut QIOChannelSocket,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_net_listener_add,
        listener,
        error,
        -1,
        |listener: &NetListener| {
            let add = |socket: &ChannelSocket| {
                let result = listener.add(socket);
                value(result.map(|()| 0), -1, error)
            };
            with(c_name!(qio_net_listener_add), socket, error, -1, add)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_disconnect(listener: *mut QIONetListener) {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(
            c"qio_net_listener_disconnect",
            listener,
            (),
            NetListener::disconnect,
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_is_connected(listener: *mut QIONetListener) -> gboolean {
    let function = c"qio_net_listener_is_connected";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { call(function, listener, false, NetListener::is_connected) }.into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_local_addresses(
    listener: *mut QIONetListener,
) -> *mut GList {
    let function = c"qio_net_listener_get_local_addresses";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(function, listener, ptr::null_mut(), |listener| {
            let addresses = listener.local_addresses();
            ToGlibContainerFromSlice::to_glib_full_from_slice(&addresses)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_client_func(
    listener: *mut QIONetListener,
    func: ClientFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) {
    let function = c"qio_net_listener_set_client_func";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        set_client_func(function, listener, func, user_data, notify, ptr::null_mut());
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_client_func_full(
    listener: *mut QIONetListener,
    func: ClientFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
    context: *mut GMainContext,
) {
    let function = c"qio_net_listener_set_client_func_full";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { set_client_func(function, listener, func, user_data, notify, context) }
}

/// # Safety
///
/// As for the functions of this module.
unsafe fn set_client_func(
    function: &CStr,
    listener: *mut QIONetListener,
    func: ClientFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
    context: *mut GMainContext,
) {
    // SAFETY: the caller's promise.
    unsafe {
        call(function, listener, (), |listener| {
            let context = Option::<glib::MainContext>::from_glib_none(context);
            let Some(func) = func else {
                return listener.unset_client_func();
            };
            let callback = Callback {
                func,
                user_data,
                notify,
            };
            let func = move |listener: &NetListener, client: ChannelSocket| {
                // All of it goes in.
                let callback = &callback;
                let (listener, client) = (listener.to_glib_none(), client.to_glib_none());
                // The objects live through the call, and the data until `notify` is called.
                (callback.func)(listener.0, client.0, callback.user_data);
            };
            listener.set_client_func_full(func, context.as_ref());
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_wait_client(
    listener: *mut QIONetListener,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    try_method!(
        qio_net_listener_wait_client,
        listener,
        error,
        ptr::null_mut(),
        |listener: &NetListener| give(listener.wait_client(), error)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_accept_async(
    listener: *mut QIONetListener,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let how = async_call!(qio_net_listener_accept_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(how.name, listener, (), |this| {
            start_anywhere(listener.cast(), &how, this.accept_future(), to_glib_error);
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_accept_finish(
    listener: *mut QIONetListener,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    // SAFETY: the C contract, at the top of `capi`; what has this tag has a socket for its result.
    unsafe {
        finish(
            c"qio_net_listener_accept_finish",
            listener.cast(),
            result,
            qio_net_listener_accept_async as *const () as usize,
            error,
            ptr::null_mut(),
            |accepted: ChannelSocket| give(Ok(accepted), error),
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_name(
    listener: *mut QIONetListener,
    name: *const c_char,
) {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(c"qio_net_listener_set_name", listener, (), |listener| {
            listener.set_name(string(name).as_deref());
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_name(listener: *mut QIONetListener) -> *mut c_char {
    let (function, failed) = (c"qio_net_listener_get_name", ptr::null_mut());
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(function, listener, failed, |listener| {
            listener.name().into_glib_ptr()
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_max_clients(
    listener: *mut QIONetListener,
    limit: c_uint,
) {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(
            c"qio_net_listener_set_max_clients",
            listener,
            (),
            |listener| {
                listener.set_max_clients(limit);
            },
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_max_clients(listener: *mut QIONetListener) -> c_uint {
    let function = c"qio_net_listener_get_max_clients";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { call(function, listener, 0, NetListener::max_clients) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_max_handshakes(
    listener: *mut QIONetListener,
    limit: c_uint,
) {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(
            c"qio_net_listener_set_max_handshakes",
            listener,
            (),
            |listener| {
                listener.set_max_handshakes(limit);
            },
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_max_handshakes(
    listener: *mut QIONetListener,
) -> c_uint {
    let function = c"qio_net_listener_get_max_handshakes";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { call(function, listener, 0, NetListener::max_handshakes) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_clients(listener: *mut QIONetListener) -> c_uint {
    let function = c"qio_net_listener_get_clients";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { call(function, listener, 0, NetListener::clients) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_reuse_port(
    listener: *mut QIONetListener,
    enabled: gboolean,
) {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(
            c"qio_net_listener_set_reuse_port",
            listener,
            (),
            |listener| {
                listener.set_reuse_port(enabled != 0);
            },
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_reuse_port(
    listener: *mut QIONetListener,
) -> gboolean {
    let function = c"qio_net_listener_get_reuse_port";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { call(function, listener, false, NetListener::reuses_port) }.into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_replace_stale(
    listener: *mut QIONetListener,
    enabled: gboolean,
) {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(
            c"qio_net_listener_set_replace_stale",
            listener,
            (),
            |listener| {
                listener.set_replace_stale(enabled != 0);
            },
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_replace_stale(
    listener: *mut QIONetListener,
) -> gboolean {
    let function = c"qio_net_listener_get_replace_stale";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { call(function, listener, false, NetListener::replaces_stale) }.into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_path_mode(
    listener: *mut QIONetListener,
    mode: c_uint,
) {
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(
            c"qio_net_listener_set_path_mode",
            listener,
            (),
            |listener| {
                listener.set_path_mode(some(mode));
            },
        );
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_path_mode(listener: *mut QIONetListener) -> c_uint {
    let function = c"qio_net_listener_get_path_mode";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { call(function, listener, None, NetListener::path_mode) }.unwrap_or(NOTHING)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_path_owner(
    listener: *mut QIONetListener,
    uid: c_uint,
    gid: c_uint,
) {
    let function = c"qio_net_listener_set_path_owner";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        call(function, listener, (), |listener| {
            listener.set_path_owner(some(uid), some(gid));
        });
    }
}
