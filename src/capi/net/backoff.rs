//! Connecting again after failures: a boxed type with the options.

use std::{
    ffi::{c_double, c_int, c_uint},
    ptr,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable, GSocketClient, GSocketConnectable};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean, gpointer};

use crate::{
    Backoff as QIOBackoff, ChannelSocket,
    capi::{Boxed, InPlace, Owned, async_method, boxed, finish_method, function, try_method},
    ffi::QIOChannelSocket,
    types::milliseconds,
};

impl Boxed for QIOBackoff {}

/// What an error of a connect is called.
const CONNECT: &str = "connect";

#[unsafe(no_mangle)]
pub extern "C" fn qio_backoff_get_type() -> GType {
    QIOBackoff::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_backoff_new() -> *mut QIOBackoff {
    boxed(QIOBackoff::new())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_backoff_copy(backoff: *const QIOBackoff) -> *mut QIOBackoff {
    function!(qio_backoff_copy(backoff: &QIOBackoff) or ptr::null_mut() => boxed(*backoff))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_backoff_free(backoff: *mut QIOBackoff) {
    function!(qio_backoff_free(backoff: Owned<QIOBackoff>) => drop(backoff.0));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_backoff_set_attempts(backoff: *mut QIOBackoff, attempts: c_uint) {
    function!(
        qio_backoff_set_attempts(backoff: InPlace<'_, QIOBackoff>) =>
            *backoff.0 = backoff.0.attempts(attempts)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_backoff_set_delays(
    backoff: *mut QIOBackoff,
    initial: c_uint,
    max: c_uint,
) {
    function!(qio_backoff_set_delays(backoff: InPlace<'_, QIOBackoff>) => {
        let [initial, max] = [initial, max].map(milliseconds);
        *backoff.0 = backoff.0.delays(initial, max);
    });
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_backoff_set_factor(backoff: *mut QIOBackoff, factor: c_double) {
    function!(
        qio_backoff_set_factor(backoff: InPlace<'_, QIOBackoff>) =>
            *backoff.0 = backoff.0.factor(factor)
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_backoff_set_jitter(backoff: *mut QIOBackoff, jitter: gboolean) {
    function!(
        qio_backoff_set_jitter(backoff: InPlace<'_, QIOBackoff>) =>
            *backoff.0 = backoff.0.jitter(from_glib(jitter))
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_backoff_get_delay(
    backoff: *const QIOBackoff,
    failures: c_uint,
) -> c_uint {
    function!(qio_backoff_get_delay(backoff: &QIOBackoff) or 0 => {
        // Rounded up: a limit of less than a millisecond is no busy loop.
        let delay = backoff.delay(failures).as_nanos().div_ceil(1_000_000);
        c_uint::try_from(delay).unwrap_or(c_uint::MAX)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_connect_with_backoff_sync(
    socket: *mut QIOChannelSocket,
    address: *mut GSocketConnectable,
    backoff: *const QIOBackoff,
    cancellable: *mut GCancellable,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_socket_connect_with_backoff_sync(
            socket: ChannelSocket, address: gio::SocketConnectable, backoff: &QIOBackoff,
            cancellable: Option<gio::Cancellable>
        ),
        error, CONNECT, status =>
            socket.connect_with_backoff_sync(&address, backoff, cancellable.as_ref())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_connect_with_backoff_async(
    socket: *mut QIOChannelSocket,
    address: *mut GSocketConnectable,
    backoff: *const QIOBackoff,
    client: *mut GSocketClient,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_socket_connect_with_backoff_async(
            socket: ChannelSocket, address: gio::SocketConnectable, backoff: &QIOBackoff,
            client: Option<gio::SocketClient>
        )[io_priority, cancellable, callback, user_data],
        local CONNECT => {
            let backoff = *backoff;
            async move {
                let connecting =
                    socket.connect_with_backoff_async(&address, &backoff, client.as_ref());
                connecting.await
            }
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_socket_connect_with_backoff_finish(
    socket: *mut QIOChannelSocket,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_socket_connect_with_backoff_finish,
        qio_channel_socket_connect_with_backoff_async(socket, result), error,
        () => success
    )
}
