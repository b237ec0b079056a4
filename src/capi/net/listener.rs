//! Listening on several addresses at once.

use std::{
    ffi::{c_char, c_int, c_uint},
    ptr,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GSocketConnectable};
use glib::{prelude::*, translate::*};
use glib_sys::{GDestroyNotify, GError, GList, GMainContext, GType, gboolean, gpointer};

use crate::{
    ChannelSocket, NetListener,
    capi::{
        async_method, callback::Callback, finish_method, function, instance, method, try_method,
    },
    ffi::{QIOChannelSocket, QIONetListener},
};

instance!(NetListener, "QIO_IS_NET_LISTENER");

/// What is called for each client.
pub(super) type ClientFunc = Option<
    unsafe extern "C-unwind" fn(
        listener: *mut QIONetListener,
        client: *mut QIOChannelSocket,
        user_data: gpointer,
    ),
>;

pub(super) type ClientCallback =
    Callback<unsafe extern "C-unwind" fn(*mut QIONetListener, *mut QIOChannelSocket, gpointer)>;

/// A function that calls it for a client.
pub(super) fn client_func(
    callback: ClientCallback,
) -> impl Fn(&NetListener, &ChannelSocket) + Send + Sync + 'static {
    move |listener, client| {
        // SAFETY: the objects live as long as the call, and the data as long as the callback, which
        // the closure owns; the threads are those of the C contract.
        callback.call(|func, data| unsafe {
            func(listener.to_glib_none().0, client.to_glib_none().0, data);
        });
    }
}

fn set_client_func(
    listener: &NetListener,
    callback: Option<ClientCallback>,
    context: Option<&glib::MainContext>,
) {
    let Some(callback) = callback else {
        return listener.unset_client_func();
    };
    let func = client_func(callback);
    let func = move |listener: &NetListener, client: ChannelSocket| func(listener, &client);
    listener.set_client_func_full(func, context);
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_net_listener_get_type() -> GType {
    NetListener::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_net_listener_new() -> *mut QIONetListener {
    function!(qio_net_listener_new(), pointer => NetListener::new())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_sync(
    listener: *mut QIONetListener,
    address: *mut GSocketConnectable,
    backlog: c_uint,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_net_listener_open_sync(listener: NetListener, address: gio::SocketConnectable), error,
        status => listener.open_sync(&address, backlog)
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
    async_method!(
        qio_net_listener_open_async(listener: NetListener, address: gio::SocketConnectable)
            [io_priority, cancellable, callback, user_data]
        local => listener.open_future(&address, backlog)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_finish(
    listener: *mut QIONetListener,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_net_listener_open_finish, qio_net_listener_open_async(listener, result), error,
        () => success
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_port(
    listener: *mut QIONetListener,
    port: u16,
    backlog: c_uint,
    error: *mut *mut GError,
) -> u16 {
    try_method!(
        qio_net_listener_open_port(listener: NetListener), error, value or 0 =>
            listener.open_port(port, backlog)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_open_activated(
    listener: *mut QIONetListener,
    name: *const c_char,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_net_listener_open_activated(listener: NetListener, name: Option<&str>), error,
        value or -1 => {
            let count = listener.open_activated(name)?;
            Ok(c_int::try_from(count).unwrap_or(c_int::MAX))
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
        qio_net_listener_add(listener: NetListener, socket: ChannelSocket), error, status =>
            listener.add(&socket)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_disconnect(listener: *mut QIONetListener) {
    method!(qio_net_listener_disconnect(listener: NetListener) => listener.disconnect());
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_is_connected(listener: *mut QIONetListener) -> gboolean {
    method!(
        qio_net_listener_is_connected(listener: NetListener) or 0 =>
            listener.is_connected().into_glib()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_get_local_addresses(
    listener: *mut QIONetListener,
) -> *mut GList {
    method!(
        qio_net_listener_get_local_addresses(listener: NetListener) or ptr::null_mut() =>
            ToGlibContainerFromSlice::to_glib_full_from_slice(&listener.local_addresses())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_client_func(
    listener: *mut QIONetListener,
    func: ClientFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
) {
    method!(
        qio_net_listener_set_client_func(
            listener: NetListener, func: Option<Callback<_>> = (func, user_data, notify)
        ) => set_client_func(listener, func, None)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_set_client_func_full(
    listener: *mut QIONetListener,
    func: ClientFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
    context: *mut GMainContext,
) {
    method!(
        qio_net_listener_set_client_func_full(
            listener: NetListener, func: Option<Callback<_>> = (func, user_data, notify),
            context: Option<glib::MainContext>
        ) => set_client_func(listener, func, context.as_ref())
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_wait_client(
    listener: *mut QIONetListener,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    try_method!(
        qio_net_listener_wait_client(listener: NetListener), error, pointer =>
            listener.wait_client()
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
    async_method!(
        qio_net_listener_accept_async(listener: NetListener)
            [io_priority, cancellable, callback, user_data]
        => listener.accept_future()
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_accept_finish(
    listener: *mut QIONetListener,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> *mut QIOChannelSocket {
    finish_method!(
        qio_net_listener_accept_finish, qio_net_listener_accept_async(listener, result), error,
        ChannelSocket => pointer
    )
}
