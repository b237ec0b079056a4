//! Child processes.

use std::{
    ffi::c_int,
    os::{
        fd::{IntoRawFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
    ptr,
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, GPid, GType, gboolean};

use crate::{
    ChannelCommand, StderrPolicy,
    capi::{Out, instance, method, try_method},
    ffi::{QIOChannelCommand, QIOChannelFile},
};

instance!(ChannelCommand, "QIO_IS_CHANNEL_COMMAND");

/// What failed, in errors.
pub(super) const WAIT: &str = "wait for";
const SIGNAL: &str = "send a signal to";

/// Returns how a command has ended to the caller, and whether it has.
pub(super) fn return_status(
    status: Option<ExitStatus>,
    wait_status: Option<Out<c_int>>,
) -> gboolean {
    if let (Some(status), Some(wait_status)) = (status, wait_status) {
        wait_status.set(status.into_raw());
    }
    status.is_some().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_command_get_type() -> GType {
    ChannelCommand::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_command_stderr_get_type() -> GType {
    StderrPolicy::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_get_stderr(
    command: *mut QIOChannelCommand,
) -> *mut QIOChannelFile {
    // The command has a reference until it is finalized.
    method!(
        qio_channel_command_get_stderr(command: ChannelCommand) or ptr::null_mut() =>
            command.stderr().map_or(ptr::null_mut(), |stderr| stderr.as_ptr())
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_get_pid(command: *mut QIOChannelCommand) -> GPid {
    method!(qio_channel_command_get_pid(command: ChannelCommand) or 0 =>
        command.pid().cast_signed())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_get_pidfd(
    command: *mut QIOChannelCommand,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_command_get_pidfd(command: ChannelCommand), error, "watch the process of",
        value or -1 => command.pidfd().map(OwnedFd::into_raw_fd)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_get_exit_status(
    command: *mut QIOChannelCommand,
    wait_status: *mut c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_get_exit_status(
            command: ChannelCommand, wait_status: Option<Out<c_int>>
        ), error, WAIT, value or 0 => Ok(return_status(command.exit_status()?, wait_status))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_wait_exit(
    command: *mut QIOChannelCommand,
    wait_status: *mut c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_wait_exit(command: ChannelCommand, wait_status: Option<Out<c_int>>),
        error, WAIT, value or 0 => Ok(return_status(Some(command.wait_exit()?), wait_status))
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_send_signal(
    command: *mut QIOChannelCommand,
    signum: c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_send_signal(command: ChannelCommand), error, SIGNAL, success =>
            command.send_signal(signum)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_terminate(
    command: *mut QIOChannelCommand,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_terminate(command: ChannelCommand), error, SIGNAL, success =>
            command.terminate()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_kill(
    command: *mut QIOChannelCommand,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_kill(command: ChannelCommand), error, SIGNAL, success => command.kill()
    )
}
