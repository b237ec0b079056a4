//! The virtual functions of streams that gtk-rs has no traits for: the asynchronous ones, those of
//! several buffers, and those of the pollable interfaces.
//!
//! # Safety
//!
//! GIO calls these functions with instances of the types below, with buffers that are valid for the
//! length of a call, or until the callback of an asynchronous one, and with a place for an error
//! that is NULL or holds NULL: that is the contract of its classes.
#![allow(unsafe_code)]

mod asynchronous;
pub(super) mod foreign;
mod pollable;
mod terminated;

use std::io::IoSlice;

use gio_sys::{GCancellable, GIOStream, GInputStream, GOutputStream, GOutputVector};
use glib::{Class, prelude::*, subclass::prelude::*, translate::*};
use glib_sys::{GError, GFALSE, GTRUE, gboolean, gpointer};
use libc::{size_t, ssize_t};

use super::{
    input::{self, InputStream},
    output::{self, OutputStream},
    stream::{self, IoStream},
};
use crate::channel::{
    class::{PoolRef, array},
    imp::prepare_tasks,
};

/// What belongs to a stream, or to one of its operations.
#[derive(Debug)]
pub(super) struct Confined<T>(T);

/// The types that are confined.
trait OfStream {}

impl OfStream for InputStream {}
impl OfStream for OutputStream {}
impl OfStream for IoStream {}
impl OfStream for PoolRef<gio::InputStream> {}
impl OfStream for PoolRef<gio::OutputStream> {}
impl OfStream for PoolRef<gio::IOStream> {}
impl OfStream for &mut [u8] {}

// SAFETY: references to streams are counted atomically. By the contract of GIO a stream and its
// halves are used in any thread, and in one at a time: GIO calls them in threads as well, and
// gtk-rs requires `Send` of classes in Rust. The buffer of a read belongs to the operation until
// its callback.
unsafe impl<T: OfStream> Send for Confined<T> {}
// SAFETY: by the contract of GIO a stream is not used in two threads at a time, so that a shared
// reference gives no concurrent access. Streams of other libraries get one call at a time in each
// direction, by `State::begin` of `transport/io_stream`.
unsafe impl<T: OfStream> Sync for Confined<T> {}

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
    class.read_async = Some(asynchronous::read_async);
    class.read_finish = Some(asynchronous::read_finish);
    class.close_async = Some(asynchronous::close_input_async);
    class.close_finish = Some(asynchronous::close_input_finish);
}

pub(super) fn fill_output(class: &mut Class<OutputStream>) {
    let class: &mut gio_sys::GOutputStreamClass =
        class.upcast_ref_mut::<gio::OutputStream>().as_mut();
    prepare_tasks();
    class.writev_fn = Some(writev);
    class.write_async = Some(asynchronous::write_async);
    class.write_finish = Some(asynchronous::write_finish);
    class.writev_async = Some(asynchronous::writev_async);
    class.writev_finish = Some(asynchronous::writev_finish);
    class.flush_async = Some(asynchronous::flush_async);
    class.flush_finish = Some(asynchronous::flush_finish);
    class.close_async = Some(asynchronous::close_output_async);
    class.close_finish = Some(asynchronous::close_output_finish);
}

pub(super) fn fill_io_stream(class: &mut Class<IoStream>) {
    let class: &mut gio_sys::GIOStreamClass = class.upcast_ref_mut::<gio::IOStream>().as_mut();
    prepare_tasks();
    class.get_input_stream = Some(get_input_stream);
    class.get_output_stream = Some(get_output_stream);
    class.close_async = Some(asynchronous::close_io_stream_async);
    class.close_finish = Some(asynchronous::close_io_stream_finish);
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

/// The buffers of vectors.
///
/// # Safety
///
/// `vectors` must have `count` items, whose buffers must be valid for `'a`.
unsafe fn slices<'a>(vectors: *const GOutputVector, count: size_t) -> Vec<IoSlice<'a>> {
    // SAFETY: forwarded: so many vectors, with valid buffers.
    unsafe {
        let slice = |vector: &GOutputVector| IoSlice::new(array(vector.buffer.cast(), vector.size));
        array(vectors, count).iter().map(slice).collect()
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

fn signed(count: usize) -> ssize_t {
    count.cast_signed()
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
