//! Threads that run main contexts, and listeners that serve on them.

use std::{
    ffi::{c_int, c_uint},
    ptr,
    time::Duration,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::{prelude::*, translate::*};
use glib_sys::{GDestroyNotify, GError, GMainContext, GType, gpointer};

use super::listener::{ClientCallback, ClientFunc, client_func};
use crate::{
    ContextPool, NetListener,
    capi::{async_method, finish_method, function, instance, method, try_method},
    ffi::QIONetListener,
};

/// The C instance: final, and so opaque.
type QIOContextPool = <ContextPool as ObjectType>::GlibType;

instance!(ContextPool, "QIO_IS_CONTEXT_POOL");

/// A negative number of microseconds is no limit.
fn timeout(microseconds: i64) -> Option<Duration> {
    u64::try_from(microseconds).ok().map(Duration::from_micros)
}

fn count(tasks: usize) -> c_int {
    c_int::try_from(tasks).unwrap_or(c_int::MAX)
}

fn serve_on(
    listener: &NetListener,
    pool: &ContextPool,
    callback: ClientCallback,
) -> std::io::Result<()> {
    listener.call_on(pool, client_func(callback))
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_context_pool_get_type() -> GType {
    ContextPool::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_context_pool_new(
    n_threads: c_uint,
    error: *mut *mut GError,
) -> *mut QIOContextPool {
    function!(qio_context_pool_new(), error, pointer => ContextPool::new(n_threads))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_context_pool_get_n_threads(pool: *mut QIOContextPool) -> c_uint {
    method!(qio_context_pool_get_n_threads(pool: ContextPool) or 0 => pool.n_threads())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_context_pool_get_context(
    pool: *mut QIOContextPool,
    thread: c_uint,
) -> *mut GMainContext {
    method!(
        qio_context_pool_get_context(pool: ContextPool) or ptr::null_mut() =>
            // The pool has a reference of its own.
            pool.context(thread).map_or(ptr::null_mut(), |context| context.as_ptr())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_context_pool_shutdown(
    pool: *mut QIOContextPool,
    timeout_us: i64,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_context_pool_shutdown(pool: ContextPool), error, value or -1 =>
            pool.shutdown(timeout(timeout_us)).map(count)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_context_pool_shutdown_async(
    pool: *mut QIOContextPool,
    timeout_us: i64,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_context_pool_shutdown_async(pool: ContextPool)
            [io_priority, cancellable, callback, user_data]
        => pool.shutdown_future(timeout(timeout_us))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_context_pool_shutdown_finish(
    pool: *mut QIOContextPool,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> c_int {
    finish_method!(
        qio_context_pool_shutdown_finish, qio_context_pool_shutdown_async(pool, result), error,
        usize => value or -1, count
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_net_listener_serve_on(
    listener: *mut QIONetListener,
    pool: *mut QIOContextPool,
    func: ClientFunc,
    user_data: gpointer,
    notify: GDestroyNotify,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_net_listener_serve_on(
            listener: NetListener, pool: ContextPool,
            callback: ClientCallback = (func, user_data, notify)
        ), error, status => serve_on(listener, &pool, callback)
    )
}
