//! Relays with TLS at one end: how they end.

use std::os::fd::AsFd as _;

use nix::sys::socket::{setsockopt, sockopt::SndBuf};
use qio::{
    ChannelSocket, ChannelTls, RelayCounters, Shutdown, prelude::*, relay_counted_future,
    relay_future,
};

use super::fixtures::{connected, handshake, over};
use crate::common::{fill, in_loop, in_time, iterate_until, settle};

/// Connected ends of which the server can send a few records to the client, none of which
/// is there.
fn narrow() -> (ChannelTls, ChannelTls) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let least = there.with_fd(|fd| setsockopt(&fd.as_fd(), SndBuf, &1));
    least.expect("open").expect("set");
    let (client, server) = over((here, there));
    handshake(&client, &server);
    server.write_all(b"!").expect("written");
    client.read_all(&mut [0]).expect("read");
    server.set_blocking(false).expect("set");
    (client, server)
}

/// How many records of one byte fit.
fn capacity() -> usize {
    let (_client, server) = narrow();
    let mut count = 0;
    while server.write(b"x").is_ok() {
        count += 1;
    }
    // The last one stays pending.
    count - 1
}

#[test]
fn close_notify_waits_until_the_lower_channel_takes_it() {
    in_loop(|context| {
        let capacity = capacity();
        let (client, server) = narrow();
        for _ in 1..capacity {
            server.write_all(b"x").expect("there is space");
        }
        let (feeder, source) = ChannelSocket::pair().expect("a pair");
        feeder.write_all(b"x").expect("written");
        feeder.close().expect("closed");
        client.bye().expect("sent");

        let counters = RelayCounters::default();
        let (counted, relayed) = (counters.clone(), server.clone());
        let relay =
            qio::spawn_local(
                async move { relay_counted_future(&source, &relayed, &counted).await },
            );
        iterate_until(context, || counters.counts().sent == 1);
        settle(context);
        assert!(!relay.is_finished(), "close_notify is not sent yet");
        let mut got = vec![0; capacity];
        context
            .block_on(client.read_all_future(&mut got))
            .expect("read");
        context.block_on(relay).expect("no panic").expect("relayed");
        server.close().expect("all was sent");
        let end = context.block_on(client.read_future(&mut [0]));
        assert_eq!(end.expect("a clean end"), 0);
    });
}

#[test]
fn no_error_is_reported_after_close_notify_of_a_peer_that_disconnected() {
    in_loop(|context| {
        let (client, server) = connected();
        let (user, target) = ChannelSocket::pair().expect("a pair");
        client.write_all(b"all there is").expect("written");
        client.close().expect("closed");
        user.shutdown(Shutdown::Write).expect("shut down");
        let relay = relay_future(&server, &target);
        let relayed = context.block_on(relay).expect("a clean end");
        assert_eq!((relayed.sent, relayed.received), (12, 0));
        let mut got = [0; 12];
        user.read_all(&mut got).expect("read");
        assert_eq!(&got, b"all there is");
    });
}

#[test]
fn a_peer_that_disconnected_before_it_got_all_is_an_error() {
    in_time(|| {
        let (client, server) = connected();
        let (user, target) = ChannelSocket::pair().expect("a pair");
        user.set_blocking(false).expect("set");
        fill(&user);
        user.shutdown(Shutdown::Write).expect("shut down");
        client.close().expect("closed");
        let e = qio::relay(&server, &target).expect_err("no peer");
        assert_eq!(e.kind(), std::io::ErrorKind::BrokenPipe, "{e}");
    });
}
