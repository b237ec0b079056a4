//! The functions of the pollable interfaces.

use std::{
    io::{IoSlice, IoSliceMut},
    time::Duration,
};

use gio_sys::{
    GCancellable, GOutputVector, GPollableInputStream, GPollableInputStreamInterface,
    GPollableOutputStream, GPollableOutputStreamInterface, GPollableReturn,
};
use glib::{IOCondition, Interface, subclass::prelude::*, translate::*};
use glib_sys::{GError, GSource, gboolean};
use gobject_sys::GObject;
use libc::{size_t, ssize_t};

use super::{fail, input, output, signed, slices, store};
use crate::{
    channel::{
        Channel, ChannelWatchExt as _,
        class::{array, array_mut},
        now,
    },
    gio::{half::ChannelCell, input as reading, output as writing},
};

// SAFETY: the functions are those of an instance of `InputStream`.
unsafe impl IsImplementable<reading::imp::InputStream> for gio::PollableInputStream {
    fn interface_init(iface: &mut Interface<Self>) {
        let iface: &mut GPollableInputStreamInterface = iface.as_mut();
        iface.can_poll = Some(can_poll_input);
        iface.is_readable = Some(is_readable);
        iface.create_source = Some(create_input_source);
        iface.read_nonblocking = Some(read_nonblocking);
    }
}

// SAFETY: the functions are those of an instance of `OutputStream`.
unsafe impl IsImplementable<writing::imp::OutputStream> for gio::PollableOutputStream {
    fn interface_init(iface: &mut Interface<Self>) {
        let iface: &mut GPollableOutputStreamInterface = iface.as_mut();
        iface.can_poll = Some(can_poll_output);
        iface.is_writable = Some(is_writable);
        iface.create_source = Some(create_output_source);
        iface.write_nonblocking = Some(write_nonblocking);
        iface.writev_nonblocking = Some(writev_nonblocking);
    }
}

/// Whether waiting in the main loop serves for this channel. A file on disk is always ready, and
/// blocks: GIO uses its threads then.
fn can_poll(cell: &ChannelCell) -> gboolean {
    cell.get().is_none_or(Channel::can_poll).into_glib()
}

/// Whether an operation would not block: where there is no channel it fails at once.
fn is_ready(cell: &ChannelCell, condition: IOCondition) -> gboolean {
    cell.get()
        .is_none_or(|channel| now::is_ready(channel, condition))
        .into_glib()
}

/// A source that GIO dispatches as one of the stream, with a watch of the channel as its child.
///
/// # Safety
///
/// `stream` must be a stream with this channel, and `cancellable` NULL or live.
unsafe fn create_source(
    stream: *mut GObject,
    cell: &ChannelCell,
    condition: IOCondition,
    cancellable: *mut GCancellable,
) -> *mut GSource {
    let watch = match cell.get() {
        Some(channel) => channel.create_watch(condition),
        None => glib::timeout_source_new(Duration::ZERO, None, glib::Priority::DEFAULT, || {
            glib::ControlFlow::Continue
        }),
    };
    // SAFETY: the caller's promise; the new source takes references. GIO sets the callback of the
    // child.
    unsafe { gio_sys::g_pollable_source_new_full(stream, watch.to_glib_none().0, cancellable) }
}

unsafe extern "C" fn can_poll_input(stream: *mut GPollableInputStream) -> gboolean {
    // SAFETY: GIO's contract, at the top of `ffi`.
    can_poll(unsafe { &input(stream.cast()).channel })
}

unsafe extern "C" fn is_readable(stream: *mut GPollableInputStream) -> gboolean {
    // SAFETY: GIO's contract, at the top of `ffi`.
    is_ready(unsafe { &input(stream.cast()).channel }, IOCondition::IN)
}

unsafe extern "C" fn create_input_source(
    stream: *mut GPollableInputStream,
    cancellable: *mut GCancellable,
) -> *mut GSource {
    // SAFETY: GIO's contract, at the top of `ffi`.
    unsafe {
        let cell = &input(stream.cast()).channel;
        create_source(stream.cast(), cell, IOCondition::IN, cancellable)
    }
}

unsafe extern "C" fn read_nonblocking(
    stream: *mut GPollableInputStream,
    buffer: *mut u8,
    count: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: GIO's contract, at the top of `ffi`.
    unsafe {
        let buffer = array_mut(buffer, count);
        let read = |channel: &Channel| now::readv(channel, &mut [IoSliceMut::new(buffer)]);
        match input(stream.cast()).channel.with("read from", read) {
            Ok(count) => signed(count),
            Err(e) => {
                fail(error, e);
                -1
            }
        }
    }
}

unsafe extern "C" fn can_poll_output(stream: *mut GPollableOutputStream) -> gboolean {
    // SAFETY: GIO's contract, at the top of `ffi`.
    can_poll(unsafe { &output(stream.cast()).channel })
}

unsafe extern "C" fn is_writable(stream: *mut GPollableOutputStream) -> gboolean {
    // SAFETY: GIO's contract, at the top of `ffi`.
    is_ready(unsafe { &output(stream.cast()).channel }, IOCondition::OUT)
}

unsafe extern "C" fn create_output_source(
    stream: *mut GPollableOutputStream,
    cancellable: *mut GCancellable,
) -> *mut GSource {
    // SAFETY: GIO's contract, at the top of `ffi`.
    unsafe {
        let cell = &output(stream.cast()).channel;
        create_source(stream.cast(), cell, IOCondition::OUT, cancellable)
    }
}

unsafe extern "C" fn write_nonblocking(
    stream: *mut GPollableOutputStream,
    buffer: *mut u8,
    count: size_t,
    error: *mut *mut GError,
) -> ssize_t {
    // SAFETY: GIO's contract, at the top of `ffi`.
    unsafe {
        let iov = [IoSlice::new(array(buffer, count))];
        match try_writev(stream, &iov) {
            Ok(count) => signed(count),
            Err(e) => {
                fail(error, e);
                -1
            }
        }
    }
}

unsafe extern "C" fn writev_nonblocking(
    stream: *mut GPollableOutputStream,
    vectors: *const GOutputVector,
    count: size_t,
    written: *mut size_t,
    error: *mut *mut GError,
) -> GPollableReturn {
    // SAFETY: GIO's contract, at the top of `ffi`.
    unsafe {
        let result = try_writev(stream, &slices(vectors, count));
        store(written, *result.as_ref().unwrap_or(&0));
        match result {
            Ok(_) => gio_sys::G_POLLABLE_RETURN_OK,
            Err(e) if e.matches(gio::IOErrorEnum::WouldBlock) => {
                gio_sys::G_POLLABLE_RETURN_WOULD_BLOCK
            }
            Err(e) => {
                fail(error, e);
                gio_sys::G_POLLABLE_RETURN_FAILED
            }
        }
    }
}

/// # Safety
///
/// As for the functions of this module.
unsafe fn try_writev(
    stream: *mut GPollableOutputStream,
    iov: &[IoSlice<'_>],
) -> Result<usize, glib::Error> {
    // SAFETY: the caller's promise.
    let cell = unsafe { &output(stream.cast()).channel };
    cell.with("write to", |channel| now::writev(channel, iov))
}
