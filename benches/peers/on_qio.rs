//! This crate, in all of its styles.

use std::{future::Future, marker::PhantomData, os::fd::OwnedFd};

use glib::{ControlFlow, IOCondition, MainContext, Priority};
use qio::{ChannelSocket, prelude::*};

use super::{
    futures::{End, Runtime},
    on_gio::on_main_loop,
    ping_pong::{PingPong, READ_SIZE},
    sample::Meter,
    sockets::{self, Transport},
};

/// Tasks of a priority.
pub(crate) struct Tasks<P>(PhantomData<P>);

pub(crate) type Qio = Tasks<AtDefault>;
pub(crate) type QioIdle = Tasks<AtIdle>;

pub(crate) trait At: 'static {
    const PRIORITY: Priority;
}

pub(crate) struct AtDefault;

impl At for AtDefault {
    const PRIORITY: Priority = Priority::DEFAULT;
}

/// Behind a redraw.
pub(crate) struct AtIdle;

impl At for AtIdle {
    const PRIORITY: Priority = Priority::DEFAULT_IDLE;
}

impl<P: At> Runtime for Tasks<P> {
    type End = QioEnd;

    fn run(start: impl FnOnce() + 'static) {
        on_main_loop(|_| start());
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        // Dropping the handle detaches the task.
        drop(qio::spawn_local_with_priority(P::PRIORITY, task));
    }

    async fn idle(socket: OwnedFd) {
        let count = channel(socket).read_future(&mut [0; 16]).await;
        unreachable!("an idle channel read {count:?}");
    }
}

pub(crate) fn channel(socket: OwnedFd) -> ChannelSocket {
    let channel = ChannelSocket::new_fd(socket).expect("a socket");
    channel.set_blocking(false).expect("a socket can be");
    channel
}

pub(crate) struct QioEnd {
    channel: ChannelSocket,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl End for QioEnd {
    fn new(socket: OwnedFd, message: usize, capacity: usize) -> Self {
        Self {
            channel: channel(socket),
            message: vec![1; message],
            buffer: vec![0; capacity],
        }
    }

    async fn send(&mut self) {
        let sent = self.channel.write_all_future(&self.message).await;
        sent.expect("the other end is open");
    }

    async fn receive(&mut self) -> usize {
        let received = self.channel.read_future(&mut self.buffer).await;
        received.expect("the other end is open")
    }
}

/// A ping-pong of two watches among `idle` ones.
pub(crate) fn watches(transport: Transport, size: usize, idle: usize) {
    on_main_loop(|context| {
        for socket in sockets::idle(idle) {
            watch(channel(socket), context, |_| {
                unreachable!("an idle channel is ready")
            });
        }
        for (channel, mut turn) in begin(transport, size) {
            watch(channel, context, move |channel| {
                ping_pong(channel, &mut turn);
            });
        }
    });
}

fn watch(
    channel: ChannelSocket,
    context: &MainContext,
    mut callback: impl FnMut(&ChannelSocket) + 'static,
) {
    let ready = move |channel: &ChannelSocket, _| {
        callback(channel);
        ControlFlow::Continue
    };
    channel.add_watch_full_local(IOCondition::IN, ready, Some(context));
}

/// A ping-pong of two handlers among `idle` ones.
pub(crate) fn handlers(transport: Transport, size: usize, idle: usize) {
    on_main_loop(|context| {
        for socket in sockets::idle(idle) {
            handle(channel(socket), context, |_| {
                unreachable!("an idle channel is ready")
            });
        }
        for (channel, mut turn) in begin(transport, size) {
            handle(channel, context, move |channel| {
                ping_pong(channel, &mut turn);
            });
        }
    });
}

fn handle(
    channel: ChannelSocket,
    context: &MainContext,
    mut callback: impl FnMut(&ChannelSocket) + 'static,
) {
    let own = channel.clone();
    let ready = Box::new(move || callback(&own));
    channel.set_fd_handler_local(Some(context), Some(ready), None);
}

/// A ping-pong of a watch with another process, which echoes.
pub(crate) fn remote_watch(transport: Transport, size: usize) {
    on_main_loop(|context| {
        let channel = channel(sockets::remote(transport));
        let mut turn = PingPong::client(size, &Meter::new());
        let sent = channel.write(&turn.message).expect("space");
        assert_eq!(sent, size);
        watch(channel, context, move |channel| {
            ping_pong(channel, &mut turn);
        });
    });
}

/// Both ends of a ping-pong, which has begun.
fn begin(transport: Transport, size: usize) -> [(ChannelSocket, PingPong); 2] {
    let [a, b] = sockets::pair(transport).map(channel);
    let client = PingPong::client(size, &Meter::new());
    let sent = a.write(&client.message).expect("space");
    assert_eq!(sent, size);
    [(b, PingPong::server(size)), (a, client)]
}

fn ping_pong(channel: &ChannelSocket, turn: &mut PingPong) {
    let count = channel.read(&mut turn.buffer).expect("it is ready");
    if turn.received(count) {
        let sent = channel.write(&turn.message).expect("space");
        assert_eq!(sent, turn.message.len());
    }
}

/// A ping-pong of two coroutines, written as if they blocked.
pub(crate) fn coroutines(transport: Transport, size: usize) {
    on_main_loop(|_| {
        let [a, b] = sockets::pair(transport).map(channel);
        let (message, mut buffer) = (vec![1; size], vec![0; READ_SIZE]);
        drop(qio::coroutine::spawn(move || {
            loop {
                read_all(&b, &mut buffer[..size]);
                write_all(&b, &message);
            }
        }));
        let (message, mut buffer) = (vec![1; size], vec![0; READ_SIZE]);
        drop(qio::coroutine::spawn(move || {
            let meter = Meter::new();
            loop {
                write_all(&a, &message);
                read_all(&a, &mut buffer[..size]);
                meter.tick();
            }
        }));
    });
}

fn read_all(channel: &ChannelSocket, buffer: &mut [u8]) {
    channel.read_all(buffer).expect("the other end is open");
}

fn write_all(channel: &ChannelSocket, message: &[u8]) {
    channel.write_all(message).expect("the other end is open");
}
