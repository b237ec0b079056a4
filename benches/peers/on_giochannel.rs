//! GIOChannel with `g_io_create_watch`, as a C program uses it: without encoding or buffer.

#![allow(unsafe_code)] // a C interface

use std::{
    mem,
    os::fd::{IntoRawFd, OwnedFd},
    ptr,
};

use glib::translate::ToGlibPtr;
use glib_sys as ffi;

use super::{
    on_gio::on_main_loop,
    ping_pong::PingPong,
    sample::Meter,
    sockets::{self, Transport},
};

/// A ping-pong of two watches among `idle` ones.
pub(crate) fn ping_pong(transport: Transport, size: usize, idle: usize) {
    on_main_loop(|context| {
        for socket in sockets::idle(idle) {
            Channel::new(socket).watch(context, |_| unreachable!("an idle channel is ready"));
        }
        let [a, b] = sockets::pair(transport).map(Channel::new);
        let client = PingPong::client(size, &Meter::new());
        a.write(&client.message);
        b.take_turns(context, PingPong::server(size));
        a.take_turns(context, client);
    });
}

/// A ping-pong of a watch with another process, which echoes.
pub(crate) fn remote(transport: Transport, size: usize) {
    on_main_loop(|context| {
        let channel = Channel::new(sockets::remote(transport));
        let turn = PingPong::client(size, &Meter::new());
        channel.write(&turn.message);
        channel.take_turns(context, turn);
    });
}

/// A channel that is never freed.
#[derive(Clone, Copy)]
struct Channel(*mut ffi::GIOChannel);

impl Channel {
    fn new(socket: OwnedFd) -> Self {
        // SAFETY: a new channel that owns its descriptor; no encoding means
        // bytes, and only then may the channel go without a buffer.
        unsafe {
            let channel = ffi::g_io_channel_unix_new(socket.into_raw_fd());
            let status = ffi::g_io_channel_set_encoding(channel, ptr::null(), ptr::null_mut());
            assert_eq!(status, ffi::G_IO_STATUS_NORMAL);
            ffi::g_io_channel_set_buffered(channel, ffi::GFALSE);
            Self(channel)
        }
    }

    fn take_turns(self, context: &glib::MainContext, mut turn: PingPong) {
        self.watch(context, move |channel| {
            let count = channel.read(&mut turn.buffer);
            if turn.received(count) {
                channel.write(&turn.message);
            }
        });
    }

    fn read(self, buffer: &mut [u8]) -> usize {
        let mut count = 0;
        // SAFETY: the channel is alive, the pointer and the length are those of the buffer.
        let status = unsafe {
            ffi::g_io_channel_read_chars(
                self.0,
                buffer.as_mut_ptr(),
                buffer.len(),
                &mut count,
                ptr::null_mut(),
            )
        };
        assert_eq!(status, ffi::G_IO_STATUS_NORMAL);
        count
    }

    fn write(self, message: &[u8]) {
        let mut count = 0;
        // SAFETY: as in `read`; the function only reads from the buffer.
        let status = unsafe {
            ffi::g_io_channel_write_chars(
                self.0,
                message.as_ptr().cast_mut(),
                message.len() as isize,
                &mut count,
                ptr::null_mut(),
            )
        };
        assert!(status == ffi::G_IO_STATUS_NORMAL && count == message.len());
    }

    /// `g_io_add_watch`, which supports the default context only.
    fn watch<F: FnMut(Self) + 'static>(self, context: &glib::MainContext, callback: F) {
        let data = Box::into_raw(Box::new(callback));
        // SAFETY: the callback of this source is called with a channel and the data, which
        // are never freed.
        unsafe {
            let condition = ffi::G_IO_IN | ffi::G_IO_HUP | ffi::G_IO_ERR;
            let source = ffi::g_io_create_watch(self.0, condition);
            let function: unsafe extern "C" fn(_, _, _) -> _ = ready::<F>;
            let function =
                mem::transmute::<IoFunc, unsafe extern "C" fn(ffi::gpointer) -> i32>(function);
            ffi::g_source_set_callback(source, Some(function), data.cast(), None);
            ffi::g_source_attach(source, context.to_glib_none().0);
            ffi::g_source_unref(source);
        }
    }
}

type IoFunc =
    unsafe extern "C" fn(*mut ffi::GIOChannel, ffi::GIOCondition, ffi::gpointer) -> ffi::gboolean;

unsafe extern "C" fn ready<F: FnMut(Channel)>(
    channel: *mut ffi::GIOChannel,
    _: ffi::GIOCondition,
    data: ffi::gpointer,
) -> ffi::gboolean {
    // SAFETY: `watch` gives this function the closure of its type, which only the thread of
    // the context calls.
    let callback = unsafe { &mut *data.cast::<F>() };
    callback(Channel(channel));
    ffi::GTRUE
}
