//! Datagrams: messages stay apart, and none is lost in silence.

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut},
    net::UdpSocket,
    os::fd::{AsFd, OwnedFd},
};

use gio::prelude::*;
use qio::{ChannelSocket, ReadFlags, Shutdown, WriteFlags, prelude::*, to_glib_error};

use super::{abstract_name, unix, v4, v6};
use crate::common::{after_ticks, fds, in_time, on_loop};

const NO_PEER: Option<&gio::SocketAddress> = None;

fn datagrams() -> (ChannelSocket, ChannelSocket) {
    ChannelSocket::pair_of(gio::SocketType::Datagram).expect("a socketpair")
}

/// A socket that receives, and one that sends to it.
#[track_caller]
fn sender(address: &gio::SocketAddress) -> (ChannelSocket, ChannelSocket) {
    let receiver = ChannelSocket::dgram(Some(address), NO_PEER).expect("bound");
    let to = receiver.local_address().expect("an address");
    let sender = ChannelSocket::dgram(gio::SocketAddress::NONE, Some(&to)).expect("connected");
    (receiver, sender)
}

/// All that an error about a message that is too large is.
#[track_caller]
fn check_too_large<T: std::fmt::Debug>(result: std::io::Result<T>) -> String {
    let e = result.expect_err("too large");
    let error = to_glib_error(&e);
    assert!(error.matches(gio::IOErrorEnum::MessageTooLarge), "{error}");
    e.to_string()
}

#[track_caller]
fn check_boundaries(address: &gio::SocketAddress) {
    let (receiver, sender) = sender(address);
    assert_eq!(receiver.socket_type(), gio::SocketType::Datagram);
    assert_eq!(sender.socket_type(), gio::SocketType::Datagram);
    sender.write_all(b"first").expect("sent");
    let parts = [
        IoSlice::new(b"sec"),
        IoSlice::new(b""),
        IoSlice::new(b"ond"),
    ];
    assert_eq!(sender.writev(&parts).expect("sent"), 6);
    let mut buf = [0; 64];
    assert_eq!(receiver.read(&mut buf).expect("a message"), 5);
    assert_eq!(&buf[..5], b"first");
    let (mut one, mut two) = ([0; 4], [0; 4]);
    let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    assert_eq!(receiver.readv(&mut iov).expect("a message"), 6);
    assert_eq!((&one, &two[..2]), (b"seco", &b"nd"[..]));
}

#[test]
fn message_boundaries_are_preserved_over_udp_and_unix() {
    let directory = tempfile::tempdir().expect("a directory");
    check_boundaries(&v4());
    check_boundaries(&unix(&directory.path().join("socket")));
    check_boundaries(&abstract_name("datagrams"));
    if let Some(address) = v6() {
        check_boundaries(&address);
    }
}

#[test]
fn a_message_of_thousands_of_buffers_is_one_message() {
    let (a, b) = datagrams();
    let data: Vec<u8> = (0..3000).map(|i| (i % 251) as u8).collect();
    let iov: Vec<_> = data.chunks(1).map(IoSlice::new).collect();
    assert_eq!(a.writev(&iov).expect("sent"), 3000);
    let mut received = vec![0; 4000];
    let mut iov: Vec<_> = received.chunks_mut(2).map(IoSliceMut::new).collect();
    assert_eq!(b.readv(&mut iov).expect("a message"), 3000);
    assert_eq!(received[..3000], data);
}

#[test]
fn a_truncated_message_is_an_error_and_the_next_one_is_whole() {
    let udp = sender(&v4());
    for (receiver, sender) in [udp, datagrams()] {
        for buffers in [1, 2] {
            sender.write_all(b"longer than that").expect("sent");
            sender.write_all(b"next").expect("sent");
            let mut buf = [0; 8];
            let mut iov: Vec<_> = buf.chunks_mut(8 / buffers).map(IoSliceMut::new).collect();
            let text = check_too_large(receiver.readv(&mut iov));
            assert_eq!(
                text,
                "Message of 16 bytes does not fit into 8: message truncated"
            );
            assert_eq!(&buf, b"longer t");
            assert_eq!(receiver.read(&mut buf).expect("the next"), 4);
            assert_eq!(&buf[..4], b"next");
        }
    }
}

#[test]
fn the_size_of_a_message_is_reported_beforehand() {
    let (receiver, sender) = sender(&v4());
    sender.write_all(&[7; 5000]).expect("sent");
    for _ in 0..2 {
        assert_eq!(receiver.next_message_size().expect("a message"), 5000);
    }
    let mut head = [0; 2];
    let iov = &mut [IoSliceMut::new(&mut head)];
    let peeked = receiver.readv_full(iov, None, ReadFlags::PEEK);
    assert_eq!(peeked.expect("a look loses nothing"), 2);
    assert_eq!(receiver.read(&mut [0; 5000]).expect("all of it"), 5000);
    receiver.set_blocking(false).expect("non-blocking");
    let e = receiver.next_message_size().expect_err("none");
    assert_eq!(e.kind(), ErrorKind::WouldBlock);
    let (stream, _peer) = ChannelSocket::pair().expect("a socketpair");
    let e = stream.next_message_size().expect_err("a stream");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
}

#[test]
fn descriptors_are_passed_with_messages_and_closed_with_truncated_ones() {
    let name = "transport::socket::datagram::descriptors_are_passed_with_messages_and_closed_with_truncated_ones";
    crate::common::alone::alone(name, || {
        let (a, b) = datagrams();
        let (read, _write) = std::io::pipe().expect("a pipe");
        let send = |data: &[u8]| {
            let sent = a.writev_full(&[IoSlice::new(data)], &[read.as_fd()], WriteFlags::empty());
            sent.expect("sent");
        };
        let mut received: Vec<OwnedFd> = Vec::new();
        let mut buf = [0; 4];
        send(b"four");
        let iov = &mut [IoSliceMut::new(&mut buf)];
        let count = b.readv_full(iov, Some(&mut received), ReadFlags::empty());
        assert_eq!((count.expect("a message"), received.len()), (4, 1));
        assert_eq!(fds::target(received[0].as_fd()), fds::target(read.as_fd()));
        let before = fds::count();
        send(b"more than four");
        let iov = &mut [IoSliceMut::new(&mut buf)];
        check_too_large(b.readv_full(iov, Some(&mut received), ReadFlags::empty()));
        assert_eq!((received.len(), fds::count()), (1, before));
    });
}

#[test]
fn an_empty_message_is_not_the_end() {
    let (receiver, sender) = sender(&v4());
    let to = receiver.local_address().expect("an address");
    let other = ChannelSocket::dgram(Some(&v4()), NO_PEER).expect("bound");
    assert_eq!(sender.write(b"").expect("nothing to do"), 0);
    other.send_to(b"", &to).expect("sent");
    other.send_to(b"ab", &to).expect("sent");
    other.send_to(b"", &to).expect("sent");
    other.send_to(b"cd", &to).expect("sent");
    assert_eq!(receiver.read(&mut [0; 8]).expect("an empty message"), 0);
    let mut all = [0; 4];
    assert!(receiver.read_all_eof(&mut all).expect("not the end"));
    assert_eq!(&all, b"abcd");
}

#[test]
fn a_message_may_be_gathered_from_many_buffers() {
    let (a, b) = datagrams();
    a.write_all(b"x").expect("sent");
    a.write_all(&[b'y'; 60]).expect("sent");
    let mut received = [0; 61];
    let mut iov: Vec<_> = received.chunks_mut(2).map(IoSliceMut::new).collect();
    b.readv_all(&mut iov).expect("both");
    assert_eq!(received[0], b'x');
    assert_eq!(received[1..], [b'y'; 60]);
}

#[test]
fn a_datagram_socket_that_was_shut_down_has_ended() {
    for blocking in [true, false] {
        let (a, b) = datagrams();
        a.set_blocking(blocking).expect("the mode");
        b.write_all(b"last").expect("sent");
        a.shutdown(Shutdown::Read).expect("shut down");
        let ends = in_time(move || {
            let mut last = [0; 4];
            let at_end = a.read_all_eof(&mut last).expect("what was there");
            (
                at_end,
                last,
                a.read(&mut [0; 1]),
                a.read_all_eof(&mut [0; 1]),
            )
        });
        assert!(ends.0 && &ends.1 == b"last");
        assert_eq!(ends.2.expect("the end"), 0);
        assert!(!ends.3.expect("the end"));
    }
}

#[test]
fn a_thread_that_waits_for_a_message_returns_when_the_socket_is_closed() {
    let (receiver, _sender) = sender(&v4());
    let reader = receiver.clone();
    let result = in_time(move || {
        let waiting = std::thread::spawn(move || reader.read(&mut [0; 8]));
        receiver.close().expect("closed");
        waiting.join().expect("no panic")
    });
    match result {
        // It may have been closed before it was read, or while.
        Ok(count) => assert_eq!(count, 0),
        Err(e) => assert_eq!(e.kind(), ErrorKind::NotConnected),
    }
}

#[test]
fn the_source_address_of_a_message_is_reported_and_can_be_answered() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = [directory.path().join("one"), directory.path().join("two")];
    for [one, two] in [[v4(), v4()], [unix(&paths[0]), unix(&paths[1])]] {
        let server = ChannelSocket::dgram(Some(&one), NO_PEER).expect("bound");
        let address = server.local_address().expect("an address");
        let client = ChannelSocket::dgram(Some(&two), Some(&address)).expect("connected");
        client.write_all(b"question").expect("sent");
        let mut buf = [0; 64];
        let (count, from) = server.recv_from(&mut buf).expect("a message");
        assert_eq!(&buf[..count], b"question");
        let from = from.expect("an address");
        let own = client.local_address().expect("an address");
        assert_eq!(
            SocketConnectableExt::to_string(&from),
            SocketConnectableExt::to_string(&own)
        );
        assert_eq!(server.send_to(b"answer", &from).expect("sent"), 6);
        assert_eq!(client.read(&mut buf).expect("a message"), 6);
        assert_eq!(&buf[..6], b"answer");
        client.write_all(b"too long").expect("sent");
        check_too_large(server.recv_from(&mut [0; 3]));
    }
    // The files were removed with the channels.
    assert_eq!(std::fs::read_dir(&directory).expect("open").count(), 0);
}

#[test]
fn unbound_unix_sender_has_no_address_and_autobound_sender_has_one() {
    let (receiver, sender) = sender(&abstract_name("unbound"));
    let to = receiver.local_address().expect("an address");
    sender.write_all(b"x").expect("sent");
    assert!(receiver.recv_from(&mut [0]).expect("it").1.is_none());
    let anonymous = gio::UnixSocketAddress::with_type(UnixSocketAddressPath::Anonymous);
    let named = ChannelSocket::dgram(Some(&anonymous), Some(&to)).expect("connected");
    named.write_all(b"x").expect("sent");
    let from = receiver.recv_from(&mut [0]).expect("it").1;
    receiver
        .send_to(b"y", &from.expect("a name"))
        .expect("it can be answered");
    assert_eq!(named.read(&mut [0]).expect("the answer"), 1);
}

#[test]
fn a_future_opens_a_datagram_socket_by_name_and_receives_from_any_peer() {
    on_loop(|| async {
        let server = ChannelSocket::new();
        server
            .dgram_future(Some(&v4()), NO_PEER)
            .await
            .expect("bound");
        let address = server.local_address().expect("an address");
        let port = super::port_of(&address);
        let name = gio::NetworkAddress::new("127.0.0.1", port);
        let client = ChannelSocket::new();
        client
            .dgram_future(gio::SocketAddress::NONE, Some(&name))
            .await
            .expect("connected");
        let sender = client.clone();
        let ticks = after_ticks(move || sender.write_all(b"hello").expect("sent"));
        let mut buf = [0; 8];
        let (count, from) = server.recv_from_future(&mut buf).await.expect("a message");
        assert_eq!(&buf[..count], b"hello");
        assert!(from.is_some() && ticks.load(std::sync::atomic::Ordering::Relaxed) > 2);
        client.write_all_future(b"again").await.expect("sent");
        let mut all = [0; 5];
        server.read_all_future(&mut all).await.expect("read");
        assert_eq!(&all, b"again");
        let e = client.dgram_future(Some(&v4()), NO_PEER).await;
        assert_eq!(e.expect_err("open").kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn an_error_of_dgram_names_both_addresses() {
    let none = gio::SocketAddress::NONE;
    let e = ChannelSocket::dgram(none, NO_PEER).expect_err("nothing");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    let directory = tempfile::tempdir().expect("a directory");
    let absent = unix(&directory.path().join("absent"));
    let e = ChannelSocket::dgram(none, Some(&absent)).expect_err("no receiver");
    let path = directory.path().join("absent");
    let expected = format!(
        "Unable to send to {}: No such file or directory",
        path.display()
    );
    assert_eq!(e.to_string(), expected);
    let taken = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let port = taken.local_addr().expect("an address").port();
    let local = gio::InetSocketAddress::new(
        &gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4),
        port,
    );
    let e = ChannelSocket::dgram(Some(&local), NO_PEER).expect_err("taken");
    let expected = format!("Unable to receive on 127.0.0.1:{port}: Address already in use");
    assert_eq!(e.to_string(), expected);
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
}

#[test]
fn a_refused_datagram_is_an_error_of_the_next_call() {
    let gone = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let port = gone.local_addr().expect("an address").port();
    drop(gone);
    let name = gio::NetworkAddress::new("127.0.0.1", port);
    let sender = ChannelSocket::dgram(gio::SocketAddress::NONE, Some(&name)).expect("connected");
    sender.write_all(b"a probe").expect("sent");
    let e = in_time(move || sender.read(&mut [0])).expect_err("no receiver");
    assert_eq!(e.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn datagram_sockets_do_not_listen_and_leave_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let channel = ChannelSocket::of_type(gio::SocketType::Datagram);
    let e = channel
        .listen_sync(&unix(&directory.path().join("socket")), 1)
        .expect_err("unable");
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert_eq!(std::fs::read_dir(&directory).expect("open").count(), 0);
    // It is still to be opened, and connects as what it is.
    let receiver = ChannelSocket::dgram(Some(&v4()), NO_PEER).expect("bound");
    let address = receiver.local_address().expect("an address");
    channel.connect_sync(&address).expect("connected");
    channel.write_all(b"x").expect("sent");
    assert_eq!(receiver.read(&mut [0]).expect("it"), 1);
}

#[test]
fn a_full_receiver_blocks_the_sender_and_loses_nothing() {
    let (a, b) = datagrams();
    a.set_blocking(false).expect("non-blocking");
    let mut sent = 0u32;
    while a.write(&sent.to_ne_bytes()).is_ok() {
        sent += 1;
    }
    assert!(sent > 0);
    in_time(move || {
        let reader = std::thread::spawn(move || {
            for expected in 0..=sent {
                let mut number = [0; 4];
                assert_eq!(b.read(&mut number).expect("a message"), 4);
                assert_eq!(u32::from_ne_bytes(number), expected);
            }
        });
        a.write_all(&sent.to_ne_bytes())
            .expect("once the buffer has space");
        reader.join().expect("all came, in order");
    });
}

#[test]
fn a_stream_of_std_takes_one_message_at_a_time() {
    let (a, b) = datagrams();
    a.write_all(b"one").expect("sent");
    a.write_all(b"two").expect("sent");
    let mut buf = [0; 16];
    assert_eq!(
        std::io::Read::read(&mut &b, &mut buf).expect("a message"),
        3
    );
    assert_eq!(
        std::io::Read::read(&mut b.blocking_io(), &mut buf).expect("a message"),
        3
    );
    assert_eq!(&buf[..3], b"two");
}
