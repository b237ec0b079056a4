//! Child processes.

use crate::capi::{method, try_method};
use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_uint},
    io,
    os::{
        fd::{BorrowedFd, IntoRawFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
    ptr,
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, GPid, GType, gboolean};
use libc::size_t;

use super::{CallersFd, os_str, own};
use crate::{
    Access, ChannelCommand, CommandBuilder, StderrPolicy,
    capi::{give, guarded, holds, instance, success, value, with},
    error::with_context,
    ffi::{QIOChannelCommand, QIOChannelFile},
    sys::file,
};

instance!(ChannelCommand, c"QIO_IS_CHANNEL_COMMAND (command)");

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_command_get_type() -> GType {
    ChannelCommand::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_command_stderr_get_type() -> GType {
    StderrPolicy::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_new_spawn(
    argv: *const *const c_char,
    flags: c_int,
    error: *mut *mut GError,
) -> *mut QIOChannelCommand {
    let function = c"qio_channel_command_new_spawn";
    let (true, Some(access)) = (
        holds(function, !argv.is_null(), c"argv != NULL"),
        access(function, flags),
    ) else {
        return ptr::null_mut();
    };
    // SAFETY: the C contract, at the top of `capi`; the list was checked.
    unsafe {
        guarded(function, error, ptr::null_mut(), || {
            give(ChannelCommand::new_spawn(strings(argv), access), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_new_full(
    argv: *const *const c_char,
    envp: *const *const c_char,
    directory: *const c_char,
    flags: c_int,
    stderr_policy: c_uint,
    error: *mut *mut GError,
) -> *mut QIOChannelCommand {
    let function = c"qio_channel_command_new_full";
    let (true, Some(access), Some(stderr)) = (
        holds(function, !argv.is_null(), c"argv != NULL"),
        access(function, flags),
        policy(function, stderr_policy),
    ) else {
        return ptr::null_mut();
    };
    // SAFETY: the C contract, at the top of `capi`; the lists and the string are looked at where
    // they are not NULL.
    unsafe {
        guarded(function, error, ptr::null_mut(), || {
            let builder = builder(argv, envp, directory, access, stderr);
            give(builder.spawn(), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_new_with_fds(
    argv: *const *const c_char,
    envp: *const *const c_char,
    directory: *const c_char,
    flags: c_int,
    stderr_policy: c_uint,
    source_fds: *const c_int,
    target_fds: *const c_int,
    n_fds: size_t,
    error: *mut *mut GError,
) -> *mut QIOChannelCommand {
    let function = c"qio_channel_command_new_with_fds";
    let has_fds = n_fds == 0 || !source_fds.is_null() && !target_fds.is_null();
    let (true, true, Some(access), Some(stderr)) = (
        holds(function, !argv.is_null(), c"argv != NULL"),
        holds(
            function,
            has_fds,
            c"source_fds != NULL && target_fds != NULL",
        ),
        access(function, flags),
        policy(function, stderr_policy),
    ) else {
        return ptr::null_mut();
    };
    // SAFETY: the C contract, at the top of `capi`; the lists and the string are looked at where
    // they are not NULL.
    unsafe {
        guarded(function, error, ptr::null_mut(), || {
            let builder = builder(argv, envp, directory, access, stderr);
            let fds = (0..n_fds).map(|i| (*source_fds.add(i), *target_fds.add(i)));
            let builder = fds
                .into_iter()
                .try_fold(builder, |builder, (source, target)| {
                    Ok(builder.fd(target, duplicate(source)?))
                });
            give(builder.and_then(CommandBuilder::spawn), error)
        })
    }
}

/// A second descriptor for a number of the caller's.
///
/// # Safety
///
/// The number must not be closed meanwhile; it may be no descriptor.
unsafe fn duplicate(fd: c_int) -> io::Result<OwnedFd> {
    file::is_close_on_exec(fd)?;
    // SAFETY: it is open, and stays so: the caller's promise.
    unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()
}

/// # Safety
///
/// As for the functions of this module; the list of arguments is not NULL.
unsafe fn builder(
    argv: *const *const c_char,
    envp: *const *const c_char,
    directory: *const c_char,
    access: Access,
    stderr: StderrPolicy,
) -> CommandBuilder {
    // SAFETY: the caller's promise.
    unsafe {
        let mut builder = ChannelCommand::builder(strings(argv))
            .access(access)
            .stderr(stderr);
        if !envp.is_null() {
            builder = builder.environ(strings(envp));
        }
        if !directory.is_null() {
            builder = builder.directory(os_str(directory));
        }
        builder
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_get_stderr(
    command: *mut QIOChannelCommand,
) -> *mut QIOChannelFile {
    let (function, no_error) = (c"qio_channel_command_get_stderr", ptr::null_mut());
    let none = ptr::null_mut();
    // SAFETY: the C contract, at the top of `capi`; the command has a reference as long as it
    // lives.
    unsafe {
        with(
            function,
            command,
            no_error,
            none,
            |command: &ChannelCommand| {
                let stderr = command.stderr();
                stderr.map_or(none, |stderr| stderr.as_ptr())
            },
        )
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_new_pid(
    writefd: c_int,
    readfd: c_int,
    pid: GPid,
    error: *mut *mut GError,
) -> *mut QIOChannelCommand {
    let function = c"qio_channel_command_new_pid";
    let pid = u32::try_from(pid).unwrap_or_default();
    if !holds(function, pid > 0, c"pid > 0") {
        return ptr::null_mut();
    }
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let (Ok(mut read), Ok(mut write)) = (
            own_if_any(function, readfd, error),
            // One descriptor may serve both directions, but has one owner.
            own_if_any(
                function,
                if writefd == readfd { -1 } else { writefd },
                error,
            ),
        ) else {
            return ptr::null_mut();
        };
        guarded(function, error, ptr::null_mut(), || {
            let is_one = writefd == readfd;
            let mut ends = [read.0.take(), write.0.take()];
            let channel = match &ends[0] {
                Some(fd) if is_one => fd.try_clone().map(|fd| ends[1] = Some(fd)),
                _ => Ok(()),
            };
            let duplicate = |e| with_context(e, format!("Unable to duplicate descriptor {readfd}"));
            let channel = channel.map_err(duplicate);
            let channel = channel.and_then(|()| ChannelCommand::adopt(&mut ends, pid));
            // What was not taken over is the caller's, but for the duplicate.
            let [left_to_read, left_to_write] = ends;
            read.0 = left_to_read;
            write.0 = left_to_write.filter(|_| !is_one);
            give(channel, error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_get_pid(command: *mut QIOChannelCommand) -> GPid {
    method!(
        qio_channel_command_get_pid,
        command,
        0,
        |command: &ChannelCommand| command.pid().cast_signed()
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_get_pidfd(
    command: *mut QIOChannelCommand,
    error: *mut *mut GError,
) -> c_int {
    try_method!(
        qio_channel_command_get_pidfd,
        command,
        error,
        -1,
        |command: &ChannelCommand| {
            let fd = command.pidfd().map(OwnedFd::into_raw_fd);
            value(fd, -1, error, command.upcast_ref(), "watch the process of")
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_get_exit_status(
    command: *mut QIOChannelCommand,
    wait_status: *mut c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_get_exit_status,
        command,
        error,
        0,
        |command: &ChannelCommand| {
            let status = command.exit_status();
            let status = value(status, None, error, command.upcast_ref(), WAIT);
            write_wait_status(status, wait_status)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_wait_exit(
    command: *mut QIOChannelCommand,
    wait_status: *mut c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_wait_exit,
        command,
        error,
        0,
        |command: &ChannelCommand| {
            let status = command.wait_exit().map(Some);
            let status = value(status, None, error, command.upcast_ref(), WAIT);
            write_wait_status(status, wait_status)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_send_signal(
    command: *mut QIOChannelCommand,
    signum: c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_send_signal,
        command,
        error,
        0,
        |command: &ChannelCommand| {
            let result = command.send_signal(signum);
            success(result, error, command.upcast_ref(), SIGNAL)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_terminate(
    command: *mut QIOChannelCommand,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_terminate,
        command,
        error,
        0,
        |command: &ChannelCommand| {
            success(command.terminate(), error, command.upcast_ref(), SIGNAL)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_kill(
    command: *mut QIOChannelCommand,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_command_kill,
        command,
        error,
        0,
        |command: &ChannelCommand| { success(command.kill(), error, command.upcast_ref(), SIGNAL) }
    )
}

/// What failed, in errors.
pub(super) const WAIT: &str = "wait for";
const SIGNAL: &str = "send a signal to";

/// The ends that the channel has, by the flags of `open()`.
fn access(function: &CStr, flags: c_int) -> Option<Access> {
    let access = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => Some(Access::Read),
        libc::O_WRONLY => Some(Access::Write),
        libc::O_RDWR => Some(Access::ReadWrite),
        _ => None,
    };
    let expected = c"flags are O_RDONLY, O_WRONLY or O_RDWR";
    holds(function, access.is_some(), expected);
    access
}

fn policy(function: &CStr, policy: c_uint) -> Option<StderrPolicy> {
    // SAFETY: any number may be asked about.
    let policy = unsafe { StderrPolicy::try_from_glib(policy.cast_signed()) }.ok();
    let expected = c"stderr_policy is a QIOChannelCommandStderr";
    holds(function, policy.is_some(), expected);
    policy
}

/// As [`own`]; -1 is none.
///
/// # Safety
///
/// As for [`own`].
unsafe fn own_if_any(function: &CStr, fd: c_int, error: *mut *mut GError) -> Result<CallersFd, ()> {
    match fd {
        -1 => Ok(CallersFd(None)),
        // SAFETY: the caller's promise.
        fd => unsafe { own(function, fd, error) }.ok_or(()),
    }
}

/// The strings of a list that ends in NULL.
///
/// # Safety
///
/// As for the functions of this module; not NULL.
unsafe fn strings<'a>(list: *const *const c_char) -> Vec<&'a OsStr> {
    // SAFETY: the caller's promise: nothing behind the NULL is looked at.
    (0..)
        .map(|i| unsafe { *list.add(i) })
        .take_while(|string| !string.is_null())
        .map(|string| unsafe { os_str(string) })
        .collect()
}

/// Writes how a command has ended to its out argument; returns whether it has.
///
/// # Safety
///
/// As for the functions of this module; the place may be NULL.
pub(super) unsafe fn write_wait_status(
    status: Option<ExitStatus>,
    wait_status: *mut c_int,
) -> gboolean {
    if let Some(status) = status
        && !wait_status.is_null()
    {
        // SAFETY: the caller's promise.
        unsafe { *wait_status = status.into_raw() };
    }
    status.is_some().into_glib()
}
