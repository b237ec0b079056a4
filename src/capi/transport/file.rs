//! Files, pipes, terminals.

use crate::capi::{c_name, method, try_method};
use std::{
    ffi::{c_char, c_int, c_uint},
    ptr,
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean};

use super::{CallersFd, os_str, own};
use crate::{
    ChannelFile,
    capi::{fail_without_channel, give, guarded, holds, instance, success},
    ffi::QIOChannelFile,
};

instance!(ChannelFile, c"QIO_IS_CHANNEL_FILE (file)");

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_file_get_type() -> GType {
    ChannelFile::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_new_fd(
    fd: c_int,
    error: *mut *mut GError,
) -> *mut QIOChannelFile {
    let function = c"qio_channel_file_new_fd";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        let Some(mut fd) = own(function, fd, error) else {
            return ptr::null_mut();
        };
        guarded(function, error, ptr::null_mut(), || {
            let file: ChannelFile = glib::Object::new();
            give(file.adopt_fd_from(&mut fd.0).map(|()| file), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_new_dupfd(
    fd: c_int,
    error: *mut *mut GError,
) -> *mut QIOChannelFile {
    let function = c"qio_channel_file_new_dupfd";
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        // It is never taken over.
        let Some(CallersFd(Some(fd))) = &own(function, fd, error) else {
            return ptr::null_mut();
        };
        guarded(function, error, ptr::null_mut(), || {
            give(ChannelFile::duplicate(fd), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_new_path(
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
    error: *mut *mut GError,
) -> *mut QIOChannelFile {
    let function = c"qio_channel_file_new_path";
    if !holds(function, !path.is_null(), c"path != NULL") {
        return ptr::null_mut();
    }
    // SAFETY: the C contract, at the top of `capi`.
    unsafe {
        guarded(function, error, ptr::null_mut(), || {
            give(ChannelFile::new_path(os_str(path), flags, mode), error)
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_new_pipe(
    reader: *mut *mut QIOChannelFile,
    writer: *mut *mut QIOChannelFile,
    error: *mut *mut GError,
) -> gboolean {
    let function = c"qio_channel_file_new_pipe";
    if !holds(function, !reader.is_null(), c"reader != NULL")
        || !holds(function, !writer.is_null(), c"writer != NULL")
    {
        return 0;
    }
    // SAFETY: the C contract, at the top of `capi`; the places were checked.
    unsafe {
        guarded(function, error, 0, || match ChannelFile::pipe() {
            Ok((read, write)) => {
                *reader = give(Ok(read), error);
                *writer = give(Ok(write), error);
                1
            }
            Err(e) => {
                fail_without_channel(error, &e);
                0
            }
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_adopt_fd(
    file: *mut QIOChannelFile,
    fd: c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_file_adopt_fd,
        file,
        error,
        0,
        |file: &ChannelFile| {
            let Some(mut fd) = own(c_name!(qio_channel_file_adopt_fd), fd, error) else {
                return 0;
            };
            success(
                file.adopt_fd_from(&mut fd.0),
                error,
                file.upcast_ref(),
                "open",
            )
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_get_fd(file: *mut QIOChannelFile) -> c_int {
    method!(qio_channel_file_get_fd, file, -1, ChannelFile::fd)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_get_path(file: *mut QIOChannelFile) -> *mut c_char {
    method!(
        qio_channel_file_get_path,
        file,
        ptr::null_mut(),
        |file: &ChannelFile| file.path().to_glib_full()
    )
}
