//! The virtual functions of streams that gtk-rs has no traits for: the asynchronous ones, those of
//! several buffers, and those of the pollable interfaces.
//!
//! # Safety
//!
//! GIO calls these functions with instances of the types below, with buffers that are valid for the
//! length of a call, or until the callback of an asynchronous one, and with a place for an error
//! that is NULL or holds NULL: that is the contract of its classes.
#![allow(unsafe_code)]

use std::{
    ffi::c_int,
    io::{self, IoSlice, IoSliceMut},
    slice,
};

use gio_sys::{
    GAsyncReadyCallback, GAsyncResult, GCancellable, GIOStream, GInputStream, GOutputStream,
    GOutputVector, GPollableInputStream, GPollableInputStreamInterface, GPollableOutputStream,
    GPollableOutputStreamInterface, GPollableReturn,
};
use glib::{Class, IOCondition, Interface, prelude::*, subclass::prelude::*, translate::*};
use glib_sys::{GError, GFALSE, GSource, GTRUE, gboolean, gpointer};
use gobject_sys::GObject;
use libc::{size_t, ssize_t};

use super::{
    half::{ChannelCell, no_channel},
    input::{self, InputStream},
    output::{self, OutputStream},
    stream::{self, IoStream},
    task::{self, Call},
};
use crate::{
    channel::{
        Channel, ChannelFutureExt as _, ChannelWatchExt as _, class::describe, imp::prepare_tasks,
        now,
    },
    error::to_glib_error,
};

/// What belongs to a stream, or to one of its operations: a half, or the caller's buffer.
#[derive(Debug)]
pub(super) struct Confined<T>(T);

// SAFETY: by the contract of GIO, a stream and its halves are used in one thread at a time, and the
// buffer of an operation belongs to that until its callback. References are counted atomically.
unsafe impl<T> Send for Confined<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Confined<T> {}

impl<T> Confined<T> {
    pub(super) fn new(content: T) -> Self {
        Self(content)
    }

    // Functions, so that a closure captures this and not its content.
    pub(super) fn get(&self) -> &T {
        &self.0
    }

    fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

pub(super) fn fill_input(class: &mut Class<InputStream>) {
    let class: &mut gio_sys::GInputStreamClass =
        class.upcast_ref_mut::<gio::InputStream>().as_mut();
    prepare_tasks();
    class.read_async = Some(read_async);
    class.read_finish = Some(read_finish);
    class.close_async = Some(close_input_async);
    class.close_finish = Some(close_input_finish);
}

pub(super) fn fill_output(class: &mut Class<OutputStream>) {
    let class: &mut gio_sys::GOutputStreamClass =
        class.upcast_ref_mut::<gio::OutputStream>().as_mut();
    prepare_tasks();
    class.writev_fn = Some(writev);
    class.write_async = Some(write_async);
    class.write_finish = Some(write_finish);
    class.writev_async = Some(writev_async);
    class.writev_finish = Some(writev_finish);
    class.flush_async = Some(flush_async);
    class.flush_finish = Some(flush_finish);
    class.close_async = Some(close_output_async);
    class.close_finish = Some(close_output_finish);
}

pub(super) fn fill_io_stream(class: &mut Class<IoStream>) {
    let class: &mut gio_sys::GIOStreamClass = class.upcast_ref_mut::<gio::IOStream>().as_mut();
    prepare_tasks();
    class.get_input_stream = Some(get_input_stream);
    class.get_output_stream = Some(get_output_stream);
    class.close_async = Some(close_io_stream_async);
    class.close_finish = Some(close_io_stream_finish);
}

// SAFETY: the functions are those of an instance of `InputStream`.
unsafe impl IsImplementable<input::imp::InputStream> for gio::PollableInputStream {
    fn interface_init(iface: &mut Interface<Self>) {
        let iface: &mut GPollableInputStreamInterface = iface.as_mut();
        iface.can_poll = Some(can_poll_input);
        iface.is_readable = Some(is_readable);
        iface.create_source = Some(create_input_source);
        iface.read_nonblocking = Some(read_nonblocking);
    }
}

// SAFETY: the functions are those of an instance of `OutputStream`.
unsafe impl IsImplementable<output::imp::OutputStream> for gio::PollableOutputStream {
    fn interface_init(iface: &mut Interface<Self>) {
        let iface: &mut GPollableOutputStreamInterface = iface.as_mut();
        iface.can_poll = Some(can_poll_output);
        iface.is_writable = Some(is_writable);
        iface.create_source = Some(create_output_source);
        iface.write_nonblocking = Some(write_nonblocking);
        iface.writev_nonblocking = Some(writev_nonblocking);
    }
}

/// An instance that GIO has passed.
///
/// # Safety
///
/// `instance` must be one of `T`, and live for `'a`.
unsafe fn imp<'a, T: ObjectSubclass>(instance: gpointer) -> &'a T {
    // SAFETY: the caller's promise.
    unsafe { (*instance.cast::<T::Instance>()).imp() }
}

/// # Safety
///
/// `instance` must be an `InputStream`.
unsafe fn input<'a>(instance: *mut GInputStream) -> &'a input::imp::InputStream {
    // SAFETY: the caller's promise.
    unsafe { imp(instance.cast()) }
}

/// # Safety
///
/// `instance` must be an `OutputStream`.
unsafe fn output<'a>(instance: *mut GOutputStream) -> &'a output::imp::OutputStream {
    // SAFETY: the caller's promise.
    unsafe { imp(instance.cast()) }
}

/// The buffers of vectors, which have the layout of `iovec`.
///
/// # Safety
///
/// `vectors` must have `count` items, whose buffers must be valid for `'a`.
unsafe fn slices<'a>(vectors: *const GOutputVector, count: size_t) -> Vec<IoSlice<'a>> {
    let slice = |vector: &GOutputVector| match vector.size {
        0 => IoSlice::new(&[]),
        // SAFETY: the caller promises valid buffers.
        size => IoSlice::new(unsafe { slice::from_raw_parts(vector.buffer.cast(), size) }),
    };
    match count {
        0 => Vec::new(),
        // SAFETY: the caller promises `count` items.
        _ => unsafe { slice::from_raw_parts(vectors, count) }
            .iter()
            .map(slice)
            .collect(),
    }
}

/// Reports an error, where there is a place for it.
///
/// # Safety
///
/// `out` must be NULL, or writable.
unsafe fn fail(out: *mut *mut GError, error: glib::Error) {
    if !out.is_null() {
        // SAFETY: the caller promises a writable `out`, which takes ownership.
        unsafe { *out = error.into_glib_ptr() };
    }
}

/// Starts an operation of a channel for a stream.
///
/// # Safety
///
/// `stream` and the pointers of `call` must be live objects, or NULL where GIO allows it.
unsafe fn start<T, F>(
    stream: *mut GObject,
    cell: &ChannelCell,
    call: Call,
    action: &'static str,
    operation: impl FnOnce(Channel) -> F + Send + 'static,
) where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let channel = cell.get().cloned();
    let named = channel.clone();
    let future = async move {
        match channel {
            Some(channel) => operation(channel).await,
            None => Err(no_channel()),
        }
    };
    let to_error = move |e: &io::Error| match &named {
        Some(channel) => describe(e, channel, action),
        None => to_glib_error(e),
    };
    // SAFETY: the caller's promise.
    unsafe { task::start(stream, &call, future, to_error) };
}

/// The result of an operation that the function `$begin` has started.
macro_rules! finish {
    ($stream:ident, $result:ident, $error:ident, $begin:ident, $failed:expr, $convert:expr) => {{
        let tag = $begin as *const () as usize;
        // SAFETY: GIO passes the result of the operation of this stream, which is a task of
        // `start`; its type is checked, and the tag stands for the type of the value.
        let value = unsafe {
            match task::is_valid($stream.cast(), $result, tag) {
                true => task::finish($result, $error),
                false => None,
            }
        };
        value.map_or($failed, $convert)
    }};
}

/// How GIO has called an asynchronous function.
macro_rules! call {
    ($function:ident($priority:ident, $cancellable:ident, $callback:ident, $user_data:ident)) => {
        Call {
            tag: $function as *const () as usize,
            io_priority: $priority,
            cancellable: $cancellable,
            callback: $callback,
            user_data: $user_data,
        }
    };
}

fn success((): ()) -> gboolean {
    GTRUE
}

fn signed(count: usize) -> ssize_t {
    count.cast_signed()
}

unsafe extern "C" fn read_async(
    stream: *mut GInputStream,
    buffer: *mut u8,
    count: size_t,
    priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    // SAFETY: GIO's contract, at the top: the buffer is valid until the callback.
    unsafe {
        let mut buffer = Confined(slice::from_raw_parts_mut(buffer, count));
        let call = call!(read_async(priority, cancellable, callback, user_data));
        let read =
            move |channel: Channel| async move { channel.read_future(buffer.get_mut()).await };
        start(
            stream.cast(),
            &input(stream).channel,
            call,
            "read from",
            read,
        );
    }
}

unsafe extern "C" fn read_finish(
    stream: *mut GInputStream,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> ssize_t {
    finish!(stream, result, error, read_async, -1, signed)
}

unsafe extern "C" fn close_input_async(
    stream: *mut GInputStream,
    priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    // SAFETY: GIO's contract, at the top.
    unsafe {
        let call = call!(close_input_async(
            priority,
            cancellable,
            callback,
            user_data
        ));
        task::start(stream.cast(), &call, async { Ok(()) }, to_glib_error);
    }
}

unsafe extern "C" fn close_input_finish(
    stream: *mut GInputStream,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish!(stream, result, error, close_input_async, GFALSE, success)
}

unsafe extern "C" fn writev(
    stream: *mut GOutputStream,
    vectors: *const GOutputVector,
    count: size_t,
    written: *mut size_t,
    cancellable: *mut GCancellable,
    error: *mut *mut GError,
) -> gboolean {
    // SAFETY: GIO's contract, at the top.
    unsafe {
        let iov = slices(vectors, count);
        let cancellable: Borrowed<Option<gio::Cancellable>> = from_glib_borrow(cancellable);
        match output(stream).writev(&iov, cancellable.as_ref().as_ref()) {
            Ok(count) => store(written, count),
            Err(e) => {
                fail(error, e);
                GFALSE
            }
        }
    }
}

/// # Safety
///
/// `written` must be NULL, or writable.
unsafe fn store(written: *mut size_t, count: usize) -> gboolean {
    if !written.is_null() {
        // SAFETY: the caller promises a writable place.
        unsafe { *written = count };
    }
    GTRUE
}

unsafe extern "C" fn write_async(
    stream: *mut GOutputStream,
    buffer: *mut u8,
    count: size_t,
    priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    // SAFETY: GIO's contract, at the top: the buffer is valid until the callback.
    unsafe {
        let buffer: &'static [u8] = slice::from_raw_parts(buffer, count);
        let call = call!(write_async(priority, cancellable, callback, user_data));
        let write = move |channel: Channel| async move { channel.write_future(buffer).await };
        start(
            stream.cast(),
            &output(stream).channel,
            call,
            "write to",
            write,
        );
    }
}

unsafe extern "C" fn write_finish(
    stream: *mut GOutputStream,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> ssize_t {
    finish!(stream, result, error, write_async, -1, signed)
}

unsafe extern "C" fn writev_async(
    stream: *mut GOutputStream,
    vectors: *const GOutputVector,
    count: size_t,
    priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    // SAFETY: GIO's contract, at the top: the buffers are valid until the callback.
    unsafe {
        let iov: Vec<IoSlice<'static>> = slices(vectors, count);
        let call = call!(writev_async(priority, cancellable, callback, user_data));
        let write = move |channel: Channel| async move { channel.writev_future(&iov).await };
        start(
            stream.cast(),
            &output(stream).channel,
            call,
            "write to",
            write,
        );
    }
}

unsafe extern "C" fn writev_finish(
    stream: *mut GOutputStream,
    result: *mut GAsyncResult,
    written: *mut size_t,
    error: *mut *mut GError,
) -> gboolean {
    finish!(stream, result, error, writev_async, GFALSE, |count| {
        // SAFETY: GIO passes NULL, or a writable place.
        unsafe { store(written, count) }
    })
}

unsafe extern "C" fn flush_async(
    stream: *mut GOutputStream,
    priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    // SAFETY: GIO's contract, at the top.
    unsafe {
        let call = call!(flush_async(priority, cancellable, callback, user_data));
        let flush = |channel: Channel| async move { channel.flush_future().await.map(|_| ()) };
        start(stream.cast(), &output(stream).channel, call, "flush", flush);
    }
}

unsafe extern "C" fn flush_finish(
    stream: *mut GOutputStream,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish!(stream, result, error, flush_async, GFALSE, success)
}

unsafe extern "C" fn close_output_async(
    stream: *mut GOutputStream,
    priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    // SAFETY: GIO's contract, at the top.
    unsafe {
        let this = output(stream);
        let is_detached = this.is_detached();
        let call = call!(close_output_async(
            priority,
            cancellable,
            callback,
            user_data
        ));
        let close = move |channel: Channel| async move {
            match is_detached {
                true => Ok(()),
                false => output::close_future(&channel).await,
            }
        };
        start(stream.cast(), &this.channel, call, "shut down", close);
    }
}

unsafe extern "C" fn close_output_finish(
    stream: *mut GOutputStream,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish!(stream, result, error, close_output_async, GFALSE, success)
}

unsafe extern "C" fn get_input_stream(stream: *mut GIOStream) -> *mut GInputStream {
    // SAFETY: GIO's contract, at the top. The stream keeps its reference to the half.
    let this: &stream::imp::IoStream = unsafe { imp(stream.cast()) };
    this.input().get().upcast_ref::<gio::InputStream>().as_ptr()
}

unsafe extern "C" fn get_output_stream(stream: *mut GIOStream) -> *mut GOutputStream {
    // SAFETY: GIO's contract, at the top. The stream keeps its reference to the half.
    let this: &stream::imp::IoStream = unsafe { imp(stream.cast()) };
    this.output()
        .get()
        .upcast_ref::<gio::OutputStream>()
        .as_ptr()
}

unsafe extern "C" fn close_io_stream_async(
    stream: *mut GIOStream,
    priority: c_int,
    cancellable: *mut GCancellable,
    callback: GAsyncReadyCallback,
    user_data: gpointer,
) {
    // SAFETY: GIO's contract, at the top.
    unsafe {
        let this: &stream::imp::IoStream = imp(stream.cast());
        let call = call!(close_io_stream_async(
            priority,
            cancellable,
            callback,
            user_data
        ));
        let owner = Confined(this.obj().clone());
        let close = move |channel: Channel| async move {
            stream::close_future(&channel, || owner.get().imp().close_halves()).await
        };
        start(stream.cast(), &this.channel, call, "close", close);
    }
}

unsafe extern "C" fn close_io_stream_finish(
    stream: *mut GIOStream,
    result: *mut GAsyncResult,
    error: *mut *mut GError,
) -> gboolean {
    finish!(
        stream,
        result,
        error,
        close_io_stream_async,
        GFALSE,
        success
    )
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
        None => glib::timeout_source_new(
            std::time::Duration::ZERO,
            None,
            glib::Priority::DEFAULT,
            || glib::ControlFlow::Continue,
        ),
    };
    // SAFETY: the caller's promise; the new source takes references. GIO sets the callback of the
    // child.
    unsafe { gio_sys::g_pollable_source_new_full(stream, watch.to_glib_none().0, cancellable) }
}

unsafe extern "C" fn can_poll_input(stream: *mut GPollableInputStream) -> gboolean {
    // SAFETY: GIO's contract, at the top.
    can_poll(unsafe { &input(stream.cast()).channel })
}

unsafe extern "C" fn is_readable(stream: *mut GPollableInputStream) -> gboolean {
    // SAFETY: GIO's contract, at the top.
    is_ready(unsafe { &input(stream.cast()).channel }, IOCondition::IN)
}

unsafe extern "C" fn create_input_source(
    stream: *mut GPollableInputStream,
    cancellable: *mut GCancellable,
) -> *mut GSource {
    // SAFETY: GIO's contract, at the top.
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
    // SAFETY: GIO's contract, at the top.
    unsafe {
        let buffer = match count {
            0 => &mut [],
            _ => slice::from_raw_parts_mut(buffer, count),
        };
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
    // SAFETY: GIO's contract, at the top.
    can_poll(unsafe { &output(stream.cast()).channel })
}

unsafe extern "C" fn is_writable(stream: *mut GPollableOutputStream) -> gboolean {
    // SAFETY: GIO's contract, at the top.
    is_ready(unsafe { &output(stream.cast()).channel }, IOCondition::OUT)
}

unsafe extern "C" fn create_output_source(
    stream: *mut GPollableOutputStream,
    cancellable: *mut GCancellable,
) -> *mut GSource {
    // SAFETY: GIO's contract, at the top.
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
    let mut written = 0;
    let vector = GOutputVector {
        buffer: buffer.cast_const().cast(),
        size: count,
    };
    // SAFETY: GIO's contract, at the top.
    match unsafe { try_writev(stream, &raw const vector, 1, &mut written) } {
        Ok(()) => signed(written),
        Err(e) => {
            // SAFETY: GIO's contract, at the top.
            unsafe { fail(error, e) };
            -1
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
    let mut done = 0;
    // SAFETY: GIO's contract, at the top.
    unsafe {
        let result = try_writev(stream, vectors, count, &mut done);
        store(written, done);
        match result {
            Ok(()) => gio_sys::G_POLLABLE_RETURN_OK,
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
    vectors: *const GOutputVector,
    count: size_t,
    written: &mut usize,
) -> Result<(), glib::Error> {
    // SAFETY: the caller's promise.
    let (this, iov) = unsafe { (output(stream.cast()), slices(vectors, count)) };
    *written = this
        .channel
        .with("write to", |channel| now::writev(channel, &iov))?;
    Ok(())
}
