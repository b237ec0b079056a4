//! How commands are made.

use std::{
    ffi::{OsStr, c_char, c_int, c_uint},
    io,
    os::fd::{BorrowedFd, OwnedFd},
    ptr,
};

use glib_sys::{GError, GPid};
use libc::size_t;

use crate::{
    Access, ChannelCommand, CommandBuilder, StderrPolicy,
    capi::{
        Argument, c_name,
        descriptors::{CallersFd, Taken},
        function, holds,
    },
    channel::class::array,
    error::with_context,
    ffi::QIOChannelCommand,
    sys::file,
};

/// The ends that the channel has, by the flags of `open()`.
impl Argument<c_int> for Access {
    unsafe fn from_c(flags: c_int, _: &str) -> Result<Self, String> {
        match flags & libc::O_ACCMODE {
            libc::O_RDONLY => Ok(Self::Read),
            libc::O_WRONLY => Ok(Self::Write),
            libc::O_RDWR => Ok(Self::ReadWrite),
            _ => Err("flags are O_RDONLY, O_WRONLY or O_RDWR".to_owned()),
        }
    }
}

/// Descriptors for a command: numbers of the caller's, and those that the command has.
struct FdMap<'a> {
    sources: &'a [c_int],
    targets: &'a [c_int],
}

impl Argument<(*const c_int, *const c_int, size_t)> for FdMap<'_> {
    unsafe fn from_c(
        (sources, targets, n): (*const c_int, *const c_int, size_t),
        _: &str,
    ) -> Result<Self, String> {
        if n > 0 && (sources.is_null() || targets.is_null()) {
            return Err("source_fds != NULL && target_fds != NULL".to_owned());
        }
        // SAFETY: the C contract: two arrays of `n` numbers.
        unsafe {
            Ok(Self {
                sources: array(sources, n),
                targets: array(targets, n),
            })
        }
    }
}

/// A second descriptor for a number of the caller's, which may be closed.
///
/// # Safety
///
/// If it is open it must stay so during the call.
unsafe fn duplicate(fd: c_int) -> io::Result<OwnedFd> {
    file::is_close_on_exec(fd)?;
    // SAFETY: it is open, as was checked, and stays so: forwarded.
    unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()
}

fn builder(
    argv: Vec<&OsStr>,
    envp: Option<Vec<&OsStr>>,
    directory: Option<&OsStr>,
    access: Access,
    stderr: StderrPolicy,
) -> CommandBuilder {
    let mut builder = ChannelCommand::builder(argv).access(access).stderr(stderr);
    if let Some(envp) = envp {
        builder = builder.environ(envp);
    }
    if let Some(directory) = directory {
        builder = builder.directory(directory);
    }
    builder
}

/// A channel over descriptors of the caller, which stay the caller's if that fails.
fn adopt(
    readfd: Option<CallersFd>,
    writefd: Option<CallersFd>,
    pid: u32,
) -> io::Result<ChannelCommand> {
    let take = |fd: Option<CallersFd>| fd.map_or(Ok(Taken(None)), CallersFd::take);
    // One descriptor may serve both directions, but has one owner.
    let is_one = readfd == writefd;
    let mut read = take(readfd)?;
    let mut write = take(writefd.filter(|_| !is_one))?;
    let mut ends = [read.0.take(), write.0.take()];
    let duplicated = match (&ends[0], readfd) {
        (Some(fd), Some(number)) if is_one => {
            let number = number.number();
            fd.try_clone()
                .map(|fd| ends[1] = Some(fd))
                .map_err(|e| with_context(e, format!("Unable to duplicate descriptor {number}")))
        }
        _ => Ok(()),
    };
    let channel = duplicated.and_then(|()| ChannelCommand::adopt(&mut ends, pid));
    // What was not taken over is the caller's, but for the duplicate.
    let [left_to_read, left_to_write] = ends;
    read.0 = left_to_read;
    write.0 = left_to_write.filter(|_| !is_one);
    channel
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_new_spawn(
    argv: *const *const c_char,
    flags: c_int,
    error: *mut *mut GError,
) -> *mut QIOChannelCommand {
    function!(
        qio_channel_command_new_spawn(argv: Vec<&OsStr>, flags: Access), error, pointer =>
            ChannelCommand::new_spawn(argv, flags)
    )
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
    function!(
        qio_channel_command_new_full(
            argv: Vec<&OsStr>, envp: Option<Vec<&OsStr>>, directory: Option<&OsStr>, flags: Access,
            stderr_policy: StderrPolicy
        ), error, pointer => builder(argv, envp, directory, flags, stderr_policy).spawn()
    )
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
    function!(
        qio_channel_command_new_with_fds(
            argv: Vec<&OsStr>, envp: Option<Vec<&OsStr>>, directory: Option<&OsStr>, flags: Access,
            stderr_policy: StderrPolicy, fds: FdMap<'_> = (source_fds, target_fds, n_fds)
        ), error, pointer => {
            let mut builder = builder(argv, envp, directory, flags, stderr_policy);
            for (&source, &target) in fds.sources.iter().zip(fds.targets) {
                let copy = duplicate(source).map_err(|e| {
                    let action = format!("Unable to pass the descriptor {source} to a command");
                    with_context(e, action)
                })?;
                builder = builder.fd(target, copy);
            }
            builder.spawn()
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_command_new_pid(
    writefd: c_int,
    readfd: c_int,
    pid: GPid,
    error: *mut *mut GError,
) -> *mut QIOChannelCommand {
    let process = u32::try_from(pid).unwrap_or_default();
    if !holds(c_name!(qio_channel_command_new_pid), process > 0, "pid > 0") {
        return ptr::null_mut();
    }
    function!(
        qio_channel_command_new_pid(readfd: Option<CallersFd>, writefd: Option<CallersFd>), error,
        pointer => adopt(readfd, writefd, process)
    )
}
