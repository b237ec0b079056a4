//! Looking at data that stays: on sockets of every kind, and at what a dropped future has left.

use std::{
    future::Future,
    io::{ErrorKind, IoSlice, IoSliceMut},
    os::fd::{AsFd, OwnedFd},
    pin::pin,
    task::{Context, Poll, Waker},
};

use gio::prelude::*;
use qio::{Channel, ChannelFile, ChannelNull, ChannelSocket, ReadFlags, WriteFlags, prelude::*};

use super::{connection, v4};
use crate::common::on_loop;

fn peek(channel: &impl IsA<Channel>, buf: &mut [u8]) -> std::io::Result<usize> {
    channel.readv_full(&mut [IoSliceMut::new(buf)], None, ReadFlags::PEEK)
}

/// Both ends of sockets of every kind.
fn every_kind() -> Vec<(ChannelSocket, ChannelSocket)> {
    let types = [
        gio::SocketType::Stream,
        gio::SocketType::Datagram,
        gio::SocketType::Seqpacket,
    ];
    let pairs = types.map(|kind| ChannelSocket::pair_of(kind).expect("a socketpair"));
    let (_listener, client, server) = connection(&v4());
    let none: Option<&gio::SocketAddress> = None;
    let udp = ChannelSocket::dgram(Some(&v4()), none).expect("bound");
    let to = udp.local_address().expect("an address");
    let sender = ChannelSocket::dgram(none, Some(&to)).expect("connected");
    pairs
        .into_iter()
        .chain([(client, server), (sender, udp)])
        .collect()
}

#[test]
fn a_peek_leaves_the_data_on_every_kind_of_socket() {
    for (writer, reader) in every_kind() {
        writer.write_all(b"look").expect("written");
        reader.wait(glib::IOCondition::IN).expect("it comes");
        let mut buf = [0; 8];
        for _ in 0..2 {
            assert_eq!(peek(&reader, &mut buf).expect("a look"), 4);
            assert_eq!(&buf[..4], b"look");
        }
        assert_eq!(peek(&reader, &mut buf[..2]).expect("a look"), 2);
        assert_eq!(reader.read(&mut buf).expect("read"), 4);
        reader.set_blocking(false).expect("non-blocking");
        let e = peek(&reader, &mut buf).expect_err("nothing");
        assert_eq!(e.kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_peek_leaves_the_descriptors() {
    for kind in [gio::SocketType::Stream, gio::SocketType::Datagram] {
        let (a, b) = ChannelSocket::pair_of(kind).expect("a socketpair");
        let (read, _write) = std::io::pipe().expect("a pipe");
        a.writev_full(&[IoSlice::new(b"x")], &[read.as_fd()], WriteFlags::empty())
            .expect("sent");
        let mut fds: Vec<OwnedFd> = Vec::new();
        let (mut one, mut two) = ([0], [0]);
        let iov = &mut [IoSliceMut::new(&mut one)];
        let look = b.readv_full(iov, Some(&mut fds), ReadFlags::PEEK);
        assert_eq!((look.expect("a look"), fds.len()), (1, 0));
        let iov = &mut [IoSliceMut::new(&mut two)];
        let read = b.readv_full(iov, Some(&mut fds), ReadFlags::empty());
        assert_eq!((read.expect("it"), fds.len()), (1, 1));
    }
}

#[test]
fn a_peek_future_waits_for_data() {
    on_loop(|| async {
        for (writer, reader) in every_kind() {
            qio::spawn_local(async move {
                writer.write_all_future(b"later").await.expect("written");
            });
            let mut buf = [0; 8];
            for flags in [ReadFlags::PEEK, ReadFlags::PEEK, ReadFlags::empty()] {
                let iov = &mut [IoSliceMut::new(&mut buf)];
                let count = reader.readv_full_future(iov, None, flags).await;
                assert_eq!(count.expect("it"), 5);
                assert_eq!(&buf[..5], b"later");
            }
        }
    });
}

#[test]
fn a_peek_returns_pushed_back_data_of_a_dropped_future() {
    on_loop(|| async {
        let (a, b) = ChannelSocket::pair().expect("a socketpair");
        a.write_all(b"part").expect("written");
        {
            let mut buf = [0; 8];
            let mut whole = pin!(b.read_all_future(&mut buf));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(matches!(whole.as_mut().poll(&mut cx), Poll::Pending));
        }
        a.write_all(b"more").expect("written");
        let mut buf = [0; 8];
        assert_eq!(peek(&b, &mut buf[..2]).expect("a look"), 2);
        assert_eq!(peek(&b, &mut buf).expect("a look"), 4);
        assert_eq!(&buf[..4], b"part");
        let iov = &mut [IoSliceMut::new(&mut buf)];
        let look = b.readv_full_future(iov, None, ReadFlags::PEEK).await;
        assert_eq!(look.expect("a look"), 4);
        b.read_all_future(&mut buf).await.expect("all");
        assert_eq!(&buf, b"partmore");
    });
}

#[test]
fn peeking_is_unsupported_without_the_feature() {
    let (read, _write) = ChannelFile::pipe().expect("a pipe");
    for channel in [read.upcast::<Channel>(), ChannelNull::new().upcast()] {
        let e = peek(&channel, &mut [0]).expect_err("unable");
        assert_eq!(e.to_string(), "Channel does not support peeking");
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn relaxed_eof_has_no_effect_without_close_notify() {
    for (writer, reader) in every_kind() {
        writer.write_all(b"abc").expect("written");
        let mut buf = [0; 8];
        let iov = &mut [IoSliceMut::new(&mut buf)];
        let count = reader.readv_full(iov, None, ReadFlags::RELAXED_EOF);
        assert_eq!(count.expect("read"), 3);
    }
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    drop(write);
    let mut buf = [0];
    let iov = &mut [IoSliceMut::new(&mut buf)];
    let end = read.readv_full(iov, None, ReadFlags::RELAXED_EOF);
    assert_eq!(end.expect("the end"), 0);
}
