//! GIO's socket connections on a main loop of GLib's: their asynchronous functions, and
//! their pollable streams.

use std::{future::Future, marker::PhantomData, mem, os::fd::OwnedFd};

use futures_util::{AsyncReadExt, AsyncWriteExt};
use gio::prelude::*;
use qio::prelude::*;

use super::{
    futures::{End, Runtime},
    on_qio::channel,
};

const PRIORITY: glib::Priority = glib::Priority::DEFAULT;

/// Tasks of the main context, with ends of one kind.
pub(crate) struct Gio<E>(PhantomData<E>);

impl<E: GioEnd> Runtime for Gio<E> {
    type End = E;

    fn run(start: impl FnOnce() + 'static) {
        on_main_loop(|_| start());
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        glib::MainContext::ref_thread_default().spawn_local(task);
    }

    async fn idle(socket: OwnedFd) {
        let count = E::new(socket, 0, 16).receive().await;
        unreachable!("an idle channel read {count} bytes");
    }
}

/// Runs a main loop on a private context, with what `start` has put there, until the
/// process ends.
pub(crate) fn on_main_loop(start: impl FnOnce(&glib::MainContext)) {
    let context = glib::MainContext::new();
    let run = || {
        start(&context);
        glib::MainLoop::new(Some(&context), false).run();
    };
    context.with_thread_default(run).expect("a new context");
}

pub(crate) fn connect(socket: OwnedFd) -> gio::SocketConnection {
    let socket = gio::Socket::from_fd(socket).expect("a socket");
    socket.connection_factory_create_connection()
}

pub(crate) trait GioEnd: End {}

/// What makes a stream of a socket.
pub(crate) trait Connect: 'static {
    fn connect(socket: OwnedFd) -> gio::IOStream;
}

/// GIO's connections.
pub(crate) struct Connections;

impl Connect for Connections {
    fn connect(socket: OwnedFd) -> gio::IOStream {
        connect(socket).upcast()
    }
}

/// Channels as streams of GIO.
pub(crate) struct Channels;

impl Connect for Channels {
    fn connect(socket: OwnedFd) -> gio::IOStream {
        channel(socket).io_stream().upcast()
    }
}

/// `read_async` and `write_all_async`, which take the buffers and return them.
pub(crate) struct Async<C = Connections> {
    _stream: gio::IOStream,
    input: gio::InputStream,
    output: gio::OutputStream,
    message: Vec<u8>,
    buffer: Vec<u8>,
    connect: PhantomData<C>,
}

impl<C: Connect> GioEnd for Async<C> {}

impl<C: Connect> End for Async<C> {
    fn new(socket: OwnedFd, message: usize, capacity: usize) -> Self {
        let stream = C::connect(socket);
        Self {
            input: stream.input_stream(),
            output: stream.output_stream(),
            _stream: stream,
            message: vec![1; message],
            buffer: vec![0; capacity],
            connect: PhantomData,
        }
    }

    async fn send(&mut self) {
        let message = mem::take(&mut self.message);
        let sent = self.output.write_all_future(message, PRIORITY).await;
        let (message, _, error) = sent.expect("the other end is open");
        assert!(error.is_none(), "{error:?}");
        self.message = message;
    }

    async fn receive(&mut self) -> usize {
        let buffer = mem::take(&mut self.buffer);
        let received = self.input.read_future(buffer, PRIORITY).await;
        let (buffer, count) = received.expect("the other end is open");
        self.buffer = buffer;
        count
    }
}

/// Pollable streams behind the traits of `futures_io`.
pub(crate) struct Pollable {
    stream: gio::IOStreamAsyncReadWrite<gio::SocketConnection>,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl GioEnd for Pollable {}

impl End for Pollable {
    fn new(socket: OwnedFd, message: usize, capacity: usize) -> Self {
        let stream = connect(socket).into_async_read_write();
        Self {
            stream: stream.expect("a socket is pollable"),
            message: vec![1; message],
            buffer: vec![0; capacity],
        }
    }

    async fn send(&mut self) {
        let sent = self.stream.write_all(&self.message).await;
        sent.expect("the other end is open");
    }

    async fn receive(&mut self) -> usize {
        let received = self.stream.read(&mut self.buffer).await;
        received.expect("the other end is open")
    }
}
