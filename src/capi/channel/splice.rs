//! Moving data between channels, and counting it.

use crate::capi::{async_call, c_name, finish_method, try_method};
use std::{
    ffi::{CStr, c_int},
    io,
    sync::Arc,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean};

use crate::{
    ByteCounter, Channel, ChannelExt, ChannelFutureExt, RelayCounters,
    capi::{holds, is_a, success, task::start, value},
    error::invalid,
    ffi::{QIOByteCounter, QIOChannel},
    relay_counted, relay_counted_future,
};

#[unsafe(no_mangle)]
pub extern "C" fn qio_byte_counter_get_type() -> GType {
    ByteCounter::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_byte_counter_new() -> *mut QIOByteCounter {
    Arc::into_raw(ByteCounter::new().0).cast_mut()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_byte_counter_ref(counter: *mut QIOByteCounter) -> *mut QIOByteCounter {
    if is_counter(c"qio_byte_counter_ref", counter) {
        // SAFETY: the C contract, at the top of `capi`: what is not NULL is a counter, which came
        // from `Arc::into_raw`.
        unsafe { Arc::increment_strong_count(counter) };
    }
    counter
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_byte_counter_unref(counter: *mut QIOByteCounter) {
    if is_counter(c"qio_byte_counter_unref", counter) {
        // SAFETY: as above; the reference is the caller's.
        unsafe { Arc::decrement_strong_count(counter) };
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_byte_counter_get_count(counter: *mut QIOByteCounter) -> u64 {
    if !is_counter(c"qio_byte_counter_get_count", counter) {
        return 0;
    }
    // SAFETY: the C contract, at the top of `capi`.
    unsafe { some_counter(counter) }.count()
}

fn is_counter(function: &CStr, counter: *mut QIOByteCounter) -> bool {
    holds(function, !counter.is_null(), c"counter != NULL")
}

/// The caller's counter, or one that is not read.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn some_counter(counter: *mut QIOByteCounter) -> ByteCounter {
    if counter.is_null() {
        return ByteCounter::new();
    }
    // SAFETY: it came from `Arc::into_raw`, and the reference is one more.
    unsafe {
        Arc::increment_strong_count(counter);
        ByteCounter(Arc::from_raw(counter))
    }
}

/// # Safety
///
/// As for the functions of this module.
unsafe fn counters(sent: *mut QIOByteCounter, received: *mut QIOByteCounter) -> RelayCounters {
    // SAFETY: the caller's promise.
    unsafe {
        RelayCounters {
            sent: some_counter(sent),
            received: some_counter(received),
        }
    }
}

/// The other channel of two. Complains, and returns `None`, if it is none.
///
/// # Safety
///
/// As for the functions of this module.
unsafe fn some_channel(function: &CStr, ioc: *mut QIOChannel, expected: &CStr) -> Option<Channel> {
    // SAFETY: the caller's promise.
    unsafe { holds(function, is_a::<Channel>(ioc.cast()), expected).then(|| from_glib_none(ioc)) }
}

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
        qio_channel_splice_to,
        ioc,
        error,
        -1,
        |channel: &Channel| {
            let Some(target) = some_channel(
                c_name!(qio_channel_splice_to),
                target,
                c"QIO_IS_CHANNEL (target)",
            ) else {
                return -1;
            };
            let counter = some_counter(counter);
            let result =
                limit(count).and_then(|count| channel.splice_to_counted(&target, count, &counter));
            value(result.map(signed), -1, error, channel, "move data from")
        }
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
    let call = async_call!(qio_channel_splice_to_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let expected = c"QIO_IS_CHANNEL (target)";
        let Some(target) = some_channel(call.name, target, expected) else {
            return;
        };
        let counter = some_counter(counter);
        start(ioc, call, "move data from", |channel| async move {
            let count = limit(count)?;
            channel
                .splice_to_counted_future(&target, count, &counter)
                .await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_splice_to_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> i64 {
    finish_method!(
        qio_channel_splice_to_finish,
        qio_channel_splice_to_async,
        ioc,
        result,
        error,
        -1,
        signed
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
    try_method!(qio_channel_relay, ioc, error, 0, |channel: &Channel| {
        let Some(other) =
            some_channel(c_name!(qio_channel_relay), other, c"QIO_IS_CHANNEL (other)")
        else {
            return 0;
        };
        let counters = counters(sent, received);
        let result = relay_counted(channel, &other, &counters);
        success(result.map(drop), error, channel, "relay")
    })
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
    let call = async_call!(qio_channel_relay_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let expected = c"QIO_IS_CHANNEL (other)";
        let Some(other) = some_channel(call.name, other, expected) else {
            return;
        };
        let counters = counters(sent, received);
        start(ioc, call, "relay", |channel| async move {
            let relayed = relay_counted_future(&channel, &other, &counters).await;
            relayed.map(drop)
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_relay_finish(
    ioc: *mut QIOChannel,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_relay_finish,
        qio_channel_relay_async,
        ioc,
        result,
        error,
        0,
        |()| 1
    )
}
