//! All that a command reads and writes, at once, and asynchronous waiting for its end.

use std::{
    ffi::c_int,
    process::{ExitStatus, Output},
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::translate::*;
use glib_sys::{GBytes, GError, gboolean, gpointer};

use super::command::{WAIT, return_status};
use crate::{
    ChannelCommand,
    capi::{Out, async_method, finish_method, try_method},
    ffi::QIOChannelCommand,
};

/// What failed, in errors.
const COMMUNICATE: &str = "communicate with";

fn no_bytes() -> glib::Bytes {
    glib::Bytes::from_static(&[])
}

/// Returns what a command has written, and how it has ended, to the caller.
fn return_output(
    result: Output,
    output: Option<Out<*mut GBytes>>,
    errors: Option<Out<*mut GBytes>>,
    wait_status: Option<Out<c_int>>,
) -> gboolean {
    for (place, data) in [(output, result.stdout), (errors, result.stderr)] {
        if let Some(place) = place {
            place.set(glib::Bytes::from_owned(data).into_glib_ptr());
        }
    }
    return_status(Some(result.status), wait_status)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_wait_exit_async(
    command: *mut QIOChannelCommand,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_command_wait_exit_async(command: ChannelCommand)
            [io_priority, cancellable, callback, user_data],
        WAIT => async move { command.wait_exit_future().await }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_wait_exit_finish(
    command: *mut QIOChannelCommand,
    result: *mut GAsyncResult,
    wait_status: *mut c_int,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_command_wait_exit_finish, qio_channel_command_wait_exit_async(command, result),
        error, ExitStatus => value or 0, |status| return_status(Some(status), Out::new(wait_status))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_communicate(
    command: *mut QIOChannelCommand,
    input: *mut GBytes,
    max: i64,
    output: *mut *mut GBytes,
    errors: *mut *mut GBytes,
    wait_status: *mut c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_communicate(
            command: ChannelCommand, input: Option<glib::Bytes>, output: Option<Out<*mut GBytes>>,
            errors: Option<Out<*mut GBytes>>, wait_status: Option<Out<c_int>>
        ), error, COMMUNICATE, value or 0 => {
            let input = input.unwrap_or_else(no_bytes);
            let result = command.communicate(&input, u64::try_from(max).ok())?;
            Ok(return_output(result, output, errors, wait_status))
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_communicate_async(
    command: *mut QIOChannelCommand,
    input: *mut GBytes,
    max: i64,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    async_method!(
        qio_channel_command_communicate_async(command: ChannelCommand, input: Option<glib::Bytes>)
            [io_priority, cancellable, callback, user_data],
        COMMUNICATE => async move {
            let input = input.unwrap_or_else(no_bytes);
            command.communicate_future(&input, u64::try_from(max).ok()).await
        }
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_communicate_finish(
    command: *mut QIOChannelCommand,
    result: *mut GAsyncResult,
    output: *mut *mut GBytes,
    errors: *mut *mut GBytes,
    wait_status: *mut c_int,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_command_communicate_finish,
        qio_channel_command_communicate_async(command, result), error,
        Output => value or 0, |result| return_output(
            result, Out::new(output), Out::new(errors), Out::new(wait_status)
        )
    )
}
