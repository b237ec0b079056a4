//! Sources and targets that keep messages apart.

use std::{
    future::Future as _,
    pin::pin,
    task::{Context, Waker},
};

use qio::{ByteCounter, ChannelNull, ChannelSocket, Shutdown, prelude::*};

use super::fixtures::rest;
use crate::common::{in_loop, in_time, iterate_until, settle};

fn pair(kind: gio::SocketType) -> (ChannelSocket, ChannelSocket) {
    ChannelSocket::pair_of(kind).expect("a pair")
}

fn udp() -> (ChannelSocket, ChannelSocket) {
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let any = gio::InetSocketAddress::new(&loopback, 0);
    let no_peer = gio::SocketConnectable::NONE;
    let one = ChannelSocket::dgram(Some(&any), no_peer).expect("opened");
    let address = one.local_address().expect("an address");
    let other = ChannelSocket::dgram(gio::SocketAddress::NONE, Some(&address)).expect("connects");
    (one, other)
}

#[test]
fn an_empty_message_is_not_the_end() {
    in_loop(|context| {
        let (source, peer) = udp();
        let to = source.local_address().expect("an address");
        let counter = ByteCounter::new();
        let (target, reader) = ChannelSocket::pair().expect("a pair");
        let (counts, from) = (counter.clone(), source.clone());
        let task = context.spawn_local(async move {
            from.splice_to_counted_future(&target, Some(9), &counts)
                .await
        });
        peer.write_all(b"some").expect("sent");
        iterate_until(context, || counter.count() == 4);
        peer.send_to(b"", &to).expect("sent");
        peer.write_all(b"more.").expect("sent");
        let moved = context.block_on(task).expect("no panic");
        assert_eq!(moved.expect("moved"), 9);
        assert_eq!(rest(&reader), b"somemore.");
    });
}

#[test]
fn an_empty_message_is_not_end_of_file_in_blocking_mode() {
    in_time(|| {
        let (peer, source) = udp();
        let to = source.local_address().expect("an address");
        peer.send_to(b"", &to).expect("sent");
        peer.send_to(b"some", &to).expect("sent");
        let moved = source.splice_to(&ChannelNull::new(), Some(4));
        assert_eq!(moved.expect("moved"), 4);
        source.shutdown(Shutdown::Read).expect("shut down");
        let moved = source.splice_to(&ChannelNull::new(), None);
        assert_eq!(moved.expect("the end"), 0);
    });
}

#[test]
fn the_part_of_a_message_beyond_the_count_is_pushed_back() {
    in_loop(|context| {
        for kind in [gio::SocketType::Datagram, gio::SocketType::Seqpacket] {
            for by_future in [false, true] {
                let (source, peer) = pair(kind);
                let (target, reader) = pair(kind);
                peer.write_all(b"0123456789").expect("sent");
                peer.write_all(b"next").expect("sent");
                let moved = match by_future {
                    true => context.block_on(source.splice_to_future(&target, Some(4))),
                    false => source.splice_to(&target, Some(4)),
                };
                assert_eq!(moved.expect("moved"), 4);
                let mut buf = [0; 20];
                assert_eq!(reader.read(&mut buf).expect("read"), 4);
                assert_eq!(&buf[..4], b"0123");
                assert_eq!(source.read(&mut buf).expect("read"), 6);
                assert_eq!(&buf[..6], b"456789");
                assert_eq!(source.read(&mut buf).expect("read"), 4);
            }
        }
    });
}

#[test]
fn message_boundaries_are_preserved() {
    in_loop(|context| {
        for kind in [gio::SocketType::Datagram, gio::SocketType::Seqpacket] {
            let (source, peer) = pair(kind);
            let (target, reader) = pair(kind);
            let sizes = [1, 70_000, 3, 100_000];
            for size in sizes {
                peer.write_all(&vec![7; size]).expect("sent");
            }
            let all = sizes.iter().sum::<usize>() as u64;
            let moved = context.block_on(source.splice_to_future(&target, Some(all)));
            assert_eq!(moved.expect("moved"), all);
            let mut buf = vec![0; 200_000];
            for size in sizes {
                assert_eq!(reader.read(&mut buf).expect("read"), size);
            }
        }
    });
}

#[test]
fn other_tasks_run_while_many_small_messages_are_spliced() {
    const MESSAGES: u64 = 200;
    in_loop(|context| {
        let (source, peer) = udp();
        for _ in 0..MESSAGES {
            peer.write_all(b"x").expect("sent");
        }
        let (target, _reader) = ChannelSocket::pair().expect("a pair");
        let counter = ByteCounter::new();
        let future = source.splice_to_counted_future(&target, Some(MESSAGES), &counter);
        let mut future = pin!(future);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut before, mut most) = (0, 0);
        while before < MESSAGES {
            let _ = future.as_mut().poll(&mut cx);
            let now = counter.count();
            most = most.max(now - before);
            before = now;
            settle(context);
        }
        assert!(most < MESSAGES, "{most} at once");
    });
}
