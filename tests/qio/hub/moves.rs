//! Readiness of a channel that moves to another task, thread or hub.

use std::{
    cell::Cell, fs::File, future::poll_fn, io::IoSlice, os::fd::AsFd, pin::Pin, rc::Rc, task::Poll,
};

use futures_util::AsyncRead;
use qio::{ChannelSocket, Shutdown, WriteFlags, prelude::*};

use super::*;
use crate::common::in_loop;

/// Reads until the end, on the hub of a context.
fn read_to_end(context: &MainContext, channel: &ChannelSocket) -> usize {
    let channel = channel.clone();
    let task = qio::spawn_local_in(context, glib::Priority::DEFAULT, async move {
        let (mut all, mut buf) = (0, [0; 64]);
        loop {
            match channel.read_future(&mut buf).await.expect("read") {
                0 => return all,
                count => all += count,
            }
        }
    });
    context.block_on(task).expect("no panic")
}

#[test]
fn a_reader_after_a_handler_is_reported_the_end() {
    in_loop(|context| {
        let address = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
        let listener = ChannelSocket::listen(&gio::InetSocketAddress::new(&address, 0), 1);
        let listener = listener.expect("a listener");
        let client = ChannelSocket::connect(&listener.local_address().expect("bound"));
        let (client, server) = (
            client.expect("connected"),
            listener.accept().expect("there"),
        );
        server.set_blocking(false).expect("a mode");
        client.write_all(b"abcdef").expect("space");
        client.shutdown(Shutdown::Write).expect("shut down");
        server
            .wait(glib::IOCondition::HUP | glib::IOCondition::IN)
            .expect("there");

        let (reader, taken) = (server.clone(), Rc::new(Cell::new(0)));
        let counted = taken.clone();
        let handler = move || {
            counted.set(counted.get() + reader.read(&mut [0]).unwrap_or(0));
        };
        server.set_fd_handler_local(Some(context), Some(Box::new(handler)), None);
        iterate_until(context, || taken.get() >= 3);
        server.set_fd_handler_local(Some(context), None, None);

        assert_eq!(read_to_end(context, &server), 6 - taken.get());
    });
}

#[test]
fn a_stream_that_waited_in_one_context_goes_on_in_another() {
    in_loop(|context| {
        let (a, b) = ChannelSocket::pair().expect("a pair");
        let mut stream = a.async_stream();
        let mut buf = [0; 8];
        let before = MainContext::new();
        before.block_on(poll_fn(|cx| {
            assert!(Pin::new(&mut stream).poll_read(cx, &mut buf).is_pending());
            Poll::Ready(())
        }));
        b.write_all(b"x").expect("space");
        let read = poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut buf));
        assert_eq!(context.block_on(read).expect("read"), 1);
    });
}

#[test]
fn a_loop_inside_a_task_does_not_rely_on_the_assumed_readiness_of_the_outer_one() {
    in_loop(|context| {
        let (a, b) = ChannelSocket::pair().expect("a pair");
        let inner = MainContext::new();
        // Both hubs watch it.
        for context in [context, &inner] {
            let reader = a.clone();
            let waits = qio::spawn_local_in(context, glib::Priority::DEFAULT, async move {
                reader.read_future(&mut [0]).await.expect("read")
            });
            settle(context);
            b.write_all(b"1").expect("space");
            assert_eq!(context.block_on(waits).expect("no panic"), 1);
        }
        let outer = qio::spawn_local_in(context, glib::Priority::DEFAULT, async move {
            inner.block_on(async {
                let null = File::open("/dev/null").expect("open");
                let message = [IoSlice::new(b"xx")];
                b.writev_full(&message, &[null.as_fd()], WriteFlags::empty())
                    .expect("space");
                b.write_all(b"yy").expect("space");
                let mut buf = [0; 16];
                // It ends where the descriptor is.
                assert_eq!(a.read_future(&mut buf).await.expect("read"), 2);
                assert_eq!(a.read_future(&mut buf).await.expect("read"), 2);
            });
        });
        context.block_on(outer).expect("no panic");
    });
}
