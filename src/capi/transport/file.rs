//! Files, pipes, terminals.

use std::{
    ffi::{OsStr, c_char, c_int, c_uint},
    io,
};

use glib::{prelude::*, translate::*};
use glib_sys::{GError, GType, gboolean};

use crate::{
    ChannelFile,
    capi::{Out, descriptors::CallersFd, function, instance, method, try_method},
    ffi::QIOChannelFile,
};

instance!(ChannelFile, "QIO_IS_CHANNEL_FILE");

#[unsafe(no_mangle)]
pub extern "C" fn qio_channel_file_get_type() -> GType {
    ChannelFile::static_type().into_glib()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_new_fd(
    fd: c_int,
    error: *mut *mut GError,
) -> *mut QIOChannelFile {
    function!(
        qio_channel_file_new_fd(fd: CallersFd), error, pointer => {
            let file: ChannelFile = glib::Object::new();
            file.adopt_fd_from(&mut fd.take()?.0)?;
            Ok(file)
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_new_dupfd(
    fd: c_int,
    error: *mut *mut GError,
) -> *mut QIOChannelFile {
    function!(
        qio_channel_file_new_dupfd(fd: CallersFd), error, pointer => match &fd.take()?.0 {
            // The caller keeps it.
            Some(fd) => ChannelFile::duplicate(fd),
            None => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_new_path(
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
    error: *mut *mut GError,
) -> *mut QIOChannelFile {
    function!(
        qio_channel_file_new_path(path: &OsStr), error, pointer =>
            ChannelFile::new_path(path, flags, mode)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_new_pipe(
    reader: *mut *mut QIOChannelFile,
    writer: *mut *mut QIOChannelFile,
    error: *mut *mut GError,
) -> gboolean {
    function!(
        qio_channel_file_new_pipe(
            reader: Out<*mut QIOChannelFile>, writer: Out<*mut QIOChannelFile>
        ), error, success => {
            let (read, write) = ChannelFile::pipe()?;
            reader.set(read.into_glib_ptr());
            writer.set(write.into_glib_ptr());
            Ok(())
        }
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_adopt_fd(
    file: *mut QIOChannelFile,
    fd: c_int,
    error: *mut *mut GError,
) -> gboolean {
    try_method!(
        qio_channel_file_adopt_fd(file: ChannelFile, fd: CallersFd), error, "open", success =>
            file.adopt_fd_from(&mut fd.take()?.0)
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_get_fd(file: *mut QIOChannelFile) -> c_int {
    method!(qio_channel_file_get_fd(file: ChannelFile) or -1 => file.fd())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn qio_channel_file_get_path(file: *mut QIOChannelFile) -> *mut c_char {
    method!(qio_channel_file_get_path(file: ChannelFile), string => file.path())
}
