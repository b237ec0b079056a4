//! Calls of streams whose class may end the thread.
//!
//! When Python exits, it ends the other threads that execute its code, by pthread_exit(3): that
//! unwinds the stack, and would abort the process at the first frame that catches panics. The
//! thread stops in place of that, as threads of newer versions of Python do.

use std::{mem, ptr, thread};

use gio_sys::{GCancellable, GIOStream, GInputStream, GOutputStream, GSeekable};
use glib::{prelude::*, translate::*};
use glib_sys::{GError, GSeekType, gboolean};
use libc::{size_t, ssize_t};

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

/// Stops the thread where the stack is unwound past it.
struct StopOnUnwind;

impl Drop for StopOnUnwind {
    fn drop(&mut self) {
        loop {
            thread::park();
        }
    }
}

fn call<T>(
    cancellable: Option<&gio::Cancellable>,
    function: impl FnOnce(*mut GCancellable, *mut *mut GError) -> T,
) -> Result<T, glib::Error> {
    let mut error = ptr::null_mut();
    let cancellable = cancellable.map_or(ptr::null_mut(), ObjectType::as_ptr);
    let guard = StopOnUnwind;
    let result = function(cancellable, &mut error);
    mem::forget(guard);
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
    // SAFETY: live objects, and a buffer of this length.
    call(Some(cancellable), |cancellable, error| unsafe {
        let (buffer, count) = (buf.as_mut_ptr(), buf.len());
        g_input_stream_read(stream.as_ptr(), buffer, count, cancellable, error)
    })
}

pub(super) fn write(
    stream: &gio::OutputStream,
    buf: &[u8],
    cancellable: &gio::Cancellable,
) -> Result<isize, glib::Error> {
    // SAFETY: live objects, and a buffer of this length.
    call(Some(cancellable), |cancellable, error| unsafe {
        g_output_stream_write(stream.as_ptr(), buf.as_ptr(), buf.len(), cancellable, error)
    })
}

/// Returns whether the class has succeeded, as the functions below.
pub(super) fn flush(
    stream: &gio::OutputStream,
    cancellable: &gio::Cancellable,
) -> Result<bool, glib::Error> {
    // SAFETY: live objects.
    call(Some(cancellable), |cancellable, error| unsafe {
        from_glib(g_output_stream_flush(stream.as_ptr(), cancellable, error))
    })
}

pub(super) fn close_input(
    stream: &gio::InputStream,
    cancellable: Option<&gio::Cancellable>,
) -> Result<bool, glib::Error> {
    // SAFETY: live objects.
    call(cancellable, |cancellable, error| unsafe {
        from_glib(g_input_stream_close(stream.as_ptr(), cancellable, error))
    })
}

pub(super) fn close_output(
    stream: &gio::OutputStream,
    cancellable: Option<&gio::Cancellable>,
) -> Result<bool, glib::Error> {
    // SAFETY: live objects.
    call(cancellable, |cancellable, error| unsafe {
        from_glib(g_output_stream_close(stream.as_ptr(), cancellable, error))
    })
}

pub(super) fn close(
    stream: &gio::IOStream,
    cancellable: Option<&gio::Cancellable>,
) -> Result<bool, glib::Error> {
    // SAFETY: live objects.
    call(cancellable, |cancellable, error| unsafe {
        from_glib(g_io_stream_close(stream.as_ptr(), cancellable, error))
    })
}

pub(super) fn seek(
    seekable: &gio::Seekable,
    offset: i64,
    kind: glib::SeekType,
) -> Result<bool, glib::Error> {
    call(None, |cancellable, error| {
        // SAFETY: a live object of that interface, and `error` is writable.
        let moved = unsafe {
            g_seekable_seek(
                seekable.as_ptr(),
                offset,
                kind.into_glib(),
                cancellable,
                error,
            )
        };
        moved != 0
    })
}
