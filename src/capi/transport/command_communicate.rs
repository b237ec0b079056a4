//! All that a command reads and writes, at once, and asynchronous waiting for its end.

use crate::capi::{async_call, finish_method, try_method};
use std::{
    ffi::{CStr, c_int},
    process::Output,
};

use gio_sys::{GAsyncReadyCallback, GAsyncResult, GCancellable};
use glib::{prelude::*, translate::*};
use glib_sys::{GBytes, GError, gboolean, gpointer};

use super::command::{WAIT, write_wait_status};
use crate::{
    ChannelCommand,
    capi::{holds, is_a, task::start, value},
    ffi::QIOChannelCommand,
};

/// What failed, in errors.
const COMMUNICATE: &str = "communicate with";

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_wait_exit_async(
    command: *mut QIOChannelCommand,
    io_priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    let call = async_call!(qio_channel_command_wait_exit_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(this) = some_command(call.name, command) else {
            return;
        };
        start(command.cast(), call, WAIT, |_| async move {
            this.wait_exit_future().await
        });
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_wait_exit_finish(
    command: *mut QIOChannelCommand,
    result: *mut GAsyncResult,
    wait_status: *mut c_int,
    error: *mut *mut GError,
) -> gboolean {
    finish_method!(
        qio_channel_command_wait_exit_finish,
        qio_channel_command_wait_exit_async,
        command,
        result,
        error,
        0,
        |status| { write_wait_status(Some(status), wait_status) }
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
        qio_channel_command_communicate,
        command,
        error,
        0,
        |command: &ChannelCommand| {
            let input = input_of(input);
            let result = command
                .communicate(&input, u64::try_from(max).ok())
                .map(Some);
            match value(result, None, error, command.upcast_ref(), COMMUNICATE) {
                Some(result) => write_output(result, output, errors, wait_status),
                None => 0,
            }
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
    let call = async_call!(qio_channel_command_communicate_async(
        io_priority,
        cancellable,
        callback,
        user_data
    ));
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(this) = some_command(call.name, command) else {
            return;
        };
        let input = input_of(input);
        start(command.cast(), call, COMMUNICATE, |_| async move {
            this.communicate_future(&input, u64::try_from(max).ok())
                .await
        });
    }
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
        qio_channel_command_communicate_async,
        command,
        result,
        error,
        0,
        |result| { write_output(result, output, errors, wait_status) }
    )
}

/// # Safety
///
/// As for the functions of this module.
unsafe fn some_command(function: &CStr, command: *mut QIOChannelCommand) -> Option<ChannelCommand> {
    // SAFETY: the caller's promise.
    unsafe {
        let valid = is_a::<ChannelCommand>(command.cast());
        holds(function, valid, c"QIO_IS_CHANNEL_COMMAND (command)").then(|| from_glib_none(command))
    }
}

/// # Safety
///
/// `input` must be NULL or bytes.
unsafe fn input_of(input: *mut GBytes) -> glib::Bytes {
    // SAFETY: the caller's promise.
    let input: Option<glib::Bytes> = unsafe { from_glib_none(input) };
    input.unwrap_or_else(|| glib::Bytes::from_static(&[]))
}

/// Writes what a command has written, and how it has ended, to the out arguments.
///
/// # Safety
///
/// As for the functions of this module; the places may be NULL.
unsafe fn write_output(
    result: Output,
    output: *mut *mut GBytes,
    errors: *mut *mut GBytes,
    wait_status: *mut c_int,
) -> gboolean {
    for (place, data) in [(output, result.stdout), (errors, result.stderr)] {
        if !place.is_null() {
            // SAFETY: the caller's promise.
            unsafe { *place = glib::Bytes::from_owned(data).into_glib_ptr() };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { write_wait_status(Some(result.status), wait_status) }
}
