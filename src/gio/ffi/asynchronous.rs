//! The asynchronous functions.

use std::{ffi::c_int, io};

use gio_sys::{
    GAsyncReadyCallback, GAsyncResult, GCancellable, GIOStream, GInputStream, GOutputStream,
    GOutputVector,
};
use glib::subclass::prelude::*;
use glib_sys::{GError, GFALSE, GTRUE, gboolean, gpointer};
use gobject_sys::GObject;
use libc::{size_t, ssize_t};

use super::{Confined, imp, input, output, signed, slices, store};
use crate::{
    channel::{
        Channel, ChannelFutureExt as _,
        class::{array, array_mut, describe},
    },
    error::to_glib_error,
    gio::{
        half::{ChannelCell, no_channel},
        output::close_future,
        stream,
        task::{self, Call},
    },
};

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

/// An asynchronous function of a class, which starts an operation with a `Call`, and the function
/// that returns the result of that.
macro_rules! asynchronous {
    (
        $begin:ident($stream:ident: $class:ty $(, $arg:ident: $type:ty)*), |$call:ident| $start:expr;
        $finish:ident($($out:ident: $out_type:ty)?) -> $returns:ty,
        |$value:ident: $result:ty| $convert:expr, or $failed:expr
    ) => {
        pub(super) unsafe extern "C" fn $begin(
            $stream: *mut $class,
            $($arg: $type,)*
            io_priority: c_int,
            cancellable: *mut GCancellable,
            callback: GAsyncReadyCallback,
            user_data: gpointer,
        ) {
            let $call = Call {
                tag: $begin as *const () as usize,
                io_priority,
                cancellable,
                callback,
                user_data,
            };
            // SAFETY: GIO's contract, at the top of `ffi`: live objects, and buffers that are valid
            // until the callback.
            unsafe { $start }
        }

        pub(super) unsafe extern "C" fn $finish(
            $stream: *mut $class,
            result: *mut GAsyncResult,
            $($out: $out_type,)?
            error: *mut *mut GError,
        ) -> $returns {
            // SAFETY: GIO passes the result of an operation of this stream. Its type is checked,
            // and `$begin`, which alone has the tag, has started an operation with this result.
            unsafe {
                let tag = $begin as *const () as usize;
                let value = match task::is_valid($stream.cast(), result, tag) {
                    true => task::finish::<$result>(result, error),
                    false => None,
                };
                match value {
                    Some($value) => $convert,
                    None => $failed,
                }
            }
        }
    };
}

asynchronous! {
    read_async(stream: GInputStream, buffer: *mut u8, count: size_t), |call| {
        let mut buffer = Confined::new(array_mut(buffer, count));
        let read =
            move |channel: Channel| async move { channel.read_future(buffer.get_mut()).await };
        start(stream.cast(), &input(stream).channel, call, "read from", read);
    };
    read_finish() -> ssize_t, |count: usize| signed(count), or -1
}

asynchronous! {
    close_input_async(stream: GInputStream), |call| {
        // The channel stays open for the other half.
        task::start(stream.cast(), &call, async { Ok(()) }, to_glib_error);
    };
    close_input_finish() -> gboolean, |_done: ()| GTRUE, or GFALSE
}

asynchronous! {
    write_async(stream: GOutputStream, buffer: *mut u8, count: size_t), |call| {
        let buffer: &'static [u8] = array(buffer, count);
        let write = move |channel: Channel| async move { channel.write_future(buffer).await };
        start(stream.cast(), &output(stream).channel, call, "write to", write);
    };
    write_finish() -> ssize_t, |count: usize| signed(count), or -1
}

asynchronous! {
    writev_async(stream: GOutputStream, vectors: *const GOutputVector, count: size_t), |call| {
        let iov = slices(vectors, count);
        let write = move |channel: Channel| async move { channel.writev_future(&iov).await };
        start(stream.cast(), &output(stream).channel, call, "write to", write);
    };
    writev_finish(written: *mut size_t) -> gboolean, |count: usize| store(written, count), or GFALSE
}

asynchronous! {
    flush_async(stream: GOutputStream), |call| {
        let flush = |channel: Channel| async move { channel.flush_future().await.map(|_| ()) };
        start(stream.cast(), &output(stream).channel, call, "flush", flush);
    };
    flush_finish() -> gboolean, |_done: ()| GTRUE, or GFALSE
}

asynchronous! {
    close_output_async(stream: GOutputStream), |call| {
        let this = output(stream);
        let is_detached = this.is_detached();
        let close = move |channel: Channel| async move {
            match is_detached {
                true => Ok(()),
                false => close_future(&channel).await,
            }
        };
        // It does not wait. GIO marks the half as closed also if it is cancelled.
        start(stream.cast(), &this.channel, call.uncancellable(), "shut down", close);
    };
    close_output_finish() -> gboolean, |_done: ()| GTRUE, or GFALSE
}

asynchronous! {
    close_io_stream_async(stream: GIOStream), |call| {
        let this: &stream::imp::IoStream = imp(stream.cast());
        let owner = Confined::new(this.obj().clone());
        let cancellable = call.cancellable();
        let close = move |channel: Channel| async move {
            let close_halves = || owner.get().imp().close_halves();
            stream::close_future(&channel, cancellable, close_halves).await
        };
        // The operation observes the cancellable itself.
        start(stream.cast(), &this.channel, call.uncancellable(), "close", close);
    };
    close_io_stream_finish() -> gboolean, |_done: ()| GTRUE, or GFALSE
}
