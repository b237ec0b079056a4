//! Calls of streams whose class may end the thread: see [`stop_on_unwind`].

use std::ptr;

use gio_sys::{GCancellable, GIOStream, GInputStream, GOutputStream, GSeekable};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GSeekType, gboolean};
use libc::{size_t, ssize_t};

use crate::sys::thread::{may_unwind, stop_on_unwind};

unsafe extern "C-unwind" {
    fn g_input_stream_read(
        stream: *mut GInputStream,
        buffer: *mut u8,
        count: size_t,
        cancellable: *mut GCancellable,
        error: *mut *mut GError,
    ) -> ssize_t;
    fn g_input_stream_close(
        stream: *mut GInputStream,
        cancellable: *mut GCancellable,
        error: *mut *mut GError,
    ) -> gboolean;
    fn g_output_stream_write(
        stream: *mut GOutputStream,
        buffer: *const u8,
        count: size_t,
        cancellable: *mut GCancellable,
        error: *mut *mut GError,
    ) -> ssize_t;
    fn g_output_stream_flush(
        stream: *mut GOutputStream,
        cancellable: *mut GCancellable,
        error: *mut *mut GError,
    ) -> gboolean;
    fn g_output_stream_close(
        stream: *mut GOutputStream,
        cancellable: *mut GCancellable,
        error: *mut *mut GError,
    ) -> gboolean;
    fn g_seekable_seek(
        seekable: *mut GSeekable,
        offset: i64,
        kind: GSeekType,
        cancellable: *mut GCancellable,
        error: *mut *mut GError,
    ) -> gboolean;
    fn g_io_stream_close(
        stream: *mut GIOStream,
        cancellable: *mut GCancellable,
        error: *mut *mut GError,
    ) -> gboolean;
}

fn call<T>(
    cancellable: Option<&gio::Cancellable>,
    function: impl FnOnce(*mut GCancellable, *mut *mut GError) -> T,
) -> Result<T, glib::Error> {
    let mut error = ptr::null_mut();
    let cancellable = cancellable.map_or(ptr::null_mut(), ObjectType::as_ptr);
    let result = stop_on_unwind(|| function(cancellable, &mut error));
    match error.is_null() {
        true => Ok(result),
        // SAFETY: the function has set the error, which the caller owns.
        false => Err(unsafe { from_glib_full(error) }),
    }
}

pub(super) fn read(
    stream: &gio::InputStream,
    buf: &mut [u8],
    cancellable: &gio::Cancellable,
) -> Result<isize, glib::Error> {
    type Read = unsafe extern "C-unwind" fn(
        *mut GInputStream,
        *mut u8,
        size_t,
        *mut GCancellable,
        *mut *mut GError,
    ) -> ssize_t;
    let read = may_unwind::<Read>(g_input_stream_read);
    let (buffer, count) = (buf.as_mut_ptr(), buf.len());
    // SAFETY: live objects, and a buffer of this length.
    call(Some(cancellable), |cancellable, error| unsafe {
        read(stream.as_ptr(), buffer, count, cancellable, error)
    })
}

pub(super) fn write(
    stream: &gio::OutputStream,
    buf: &[u8],
    cancellable: &gio::Cancellable,
) -> Result<isize, glib::Error> {
    type Write = unsafe extern "C-unwind" fn(
        *mut GOutputStream,
        *const u8,
        size_t,
        *mut GCancellable,
        *mut *mut GError,
    ) -> ssize_t;
    let write = may_unwind::<Write>(g_output_stream_write);
    // SAFETY: live objects, and a buffer of this length.
    call(Some(cancellable), |cancellable, error| unsafe {
        write(stream.as_ptr(), buf.as_ptr(), buf.len(), cancellable, error)
    })
}

/// Returns whether the class has succeeded, as the functions below.
pub(super) fn flush(
    stream: &gio::OutputStream,
    cancellable: &gio::Cancellable,
) -> Result<bool, glib::Error> {
    status(g_output_stream_flush, stream, Some(cancellable))
}

pub(super) fn close_input(
    stream: &gio::InputStream,
    cancellable: Option<&gio::Cancellable>,
) -> Result<bool, glib::Error> {
    status(g_input_stream_close, stream, cancellable)
}

pub(super) fn close_output(
    stream: &gio::OutputStream,
    cancellable: Option<&gio::Cancellable>,
) -> Result<bool, glib::Error> {
    status(g_output_stream_close, stream, cancellable)
}

pub(super) fn close(
    stream: &gio::IOStream,
    cancellable: Option<&gio::Cancellable>,
) -> Result<bool, glib::Error> {
    status(g_io_stream_close, stream, cancellable)
}

type Status<T> =
    unsafe extern "C-unwind" fn(*mut T, *mut GCancellable, *mut *mut GError) -> gboolean;

fn status<T: ObjectType>(
    function: Status<T::GlibType>,
    stream: &T,
    cancellable: Option<&gio::Cancellable>,
) -> Result<bool, glib::Error> {
    let function = may_unwind(function);
    // SAFETY: live objects, and a function of the class of `stream`.
    call(cancellable, |cancellable, error| unsafe {
        from_glib(function(stream.as_ptr(), cancellable, error))
    })
}

pub(super) fn seek(
    seekable: &gio::Seekable,
    offset: i64,
    kind: glib::SeekType,
) -> Result<bool, glib::Error> {
    type Seek = unsafe extern "C-unwind" fn(
        *mut GSeekable,
        i64,
        GSeekType,
        *mut GCancellable,
        *mut *mut GError,
    ) -> gboolean;
    let seek = may_unwind::<Seek>(g_seekable_seek);
    // SAFETY: a live object of that interface, and `error` is writable.
    call(None, |cancellable, error| unsafe {
        let kind = kind.into_glib();
        from_glib(seek(seekable.as_ptr(), offset, kind, cancellable, error))
    })
}
