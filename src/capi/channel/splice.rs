//! Moving data between channels.

use std::{ffi::c_int, io};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib_sys::{GError, gboolean};

use crate::{
    ByteCounter, Channel, ChannelExt, ChannelFutureExt, RelayCounters,
    capi::{async_method, finish_method, try_method},
    error::invalid,
    ffi::{QIOByteCounter, QIOChannel},
    relay_counted, relay_counted_future,
};

/// How many bytes at most: -1 is no limit.
fn limit(count: i64) -> io::Result<Option<u64>> {
    match count {
        -1 => Ok(None),
        count => match u64::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(invalid("Count is negative")),
        },
    }
}

/// A count for C, which has no more than this.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_splice_to(
    ioc: *mut QIOChannel,
    target: *mut QIOChannel,
    count: i64,
    counter: *mut QIOByteCounter,
    error: *mut *mut GError,
) -> i64 {
    try_method!(
        qio_channel_splice_to(ioc: Channel, target: Channel, counter: ByteCounter), error,
        "move data from", value or -1 =>
            ioc.splice_to_counted(&target, limit(count)?, &counter).map(signed)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_splice_to_async(
    ioc: *mut QIOChannel,
    target: *mut QIOChannel,
    count: i64,
    counter: *mut QIOByteCounter,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: glib_sys::gpointer,
) {
    async_method!(
        qio_channel_splice_to_async(ioc: Channel, target: Channel, counter: ByteCounter)
            [io_priority, cancellable, callback, user_data],
        "move data from" => async move {
            ioc.splice_to_counted_future(&target, limit(count)?, &counter).await
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_splice_to_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> i64 {
    finish_method!(
        qio_channel_splice_to_finish, qio_channel_splice_to_async(ioc, result), error,
        u64 => value or -1, signed
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_relay(
    ioc: *mut QIOChannel,
    other: *mut QIOChannel,
    sent: *mut QIOByteCounter,
    received: *mut QIOByteCounter,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_relay(ioc: Channel, other: Channel, sent: ByteCounter, received: ByteCounter),
        error, "relay", success =>
            relay_counted(ioc, &other, &RelayCounters { sent, received }).map(drop)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_relay_async(
    ioc: *mut QIOChannel,
    other: *mut QIOChannel,
    sent: *mut QIOByteCounter,
    received: *mut QIOByteCounter,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: glib_sys::gpointer,
) {
    async_method!(
        qio_channel_relay_async(
            ioc: Channel, other: Channel, sent: ByteCounter, received: ByteCounter
        )[io_priority, cancellable, callback, user_data],
        "relay" => async move {
            let counters = RelayCounters { sent, received };
            relay_counted_future(&ioc, &other, &counters).await.map(drop)
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_relay_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_relay_finish, qio_channel_relay_async(ioc, result), error, () => success
    )
}
