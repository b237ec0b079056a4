//! Sequences of packets, virtual machines, and adopted sockets of every kind.

use std::{
    io::{ErrorKind, IoSliceMut},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixDatagram,
    },
};

use gio::prelude::*;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, VsockAddr, bind, listen, socket,
};
use qio::{ChannelSocket, Feature, ReadFlags, Shutdown, prelude::*};

use super::{abstract_name, unix, v4};
use crate::{
    common::{in_time, on_loop, pattern},
    skip::skip,
};

const PACKETS: gio::SocketType = gio::SocketType::Seqpacket;

/// A listener for sequences of packets, and both ends of a connection.
#[track_caller]
fn connection(address: &gio::SocketAddress) -> (ChannelSocket, ChannelSocket, ChannelSocket) {
    let listener = ChannelSocket::of_type(PACKETS);
    listener.listen_sync(address, 4).expect("listens");
    let client = ChannelSocket::of_type(PACKETS);
    client.connect_sync(address).expect("connects");
    let server = listener.accept().expect("accepts");
    (listener, client, server)
}

#[track_caller]
fn check_packets(client: &ChannelSocket, server: &ChannelSocket) {
    assert_eq!(
        (client.socket_type(), server.socket_type()),
        (PACKETS, PACKETS)
    );
    client.write_all(b"one").expect("sent");
    client.write_all(b"three").expect("sent");
    let mut buf = [0; 16];
    assert_eq!(server.next_message_size().expect("a packet"), 3);
    assert_eq!(server.read(&mut buf).expect("a packet"), 3);
    let mut small = [0; 2];
    let iov = &mut [IoSliceMut::new(&mut small)];
    let peeked = server.readv_full(iov, None, ReadFlags::PEEK);
    assert_eq!((peeked.expect("a look"), &small), (2, b"th"));
    let e = server.read(&mut small).expect_err("too large");
    assert!(
        qio::to_glib_error(&e).matches(gio::IOErrorEnum::MessageTooLarge),
        "{e}"
    );
    server.write_all(b"back").expect("sent");
    assert_eq!(client.read(&mut buf).expect("a packet"), 4);
}

#[test]
fn packet_boundaries_are_preserved_over_paths_names_and_pairs() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    for address in [unix(&path), abstract_name("packets")] {
        let (listener, client, server) = connection(&address);
        check_packets(&client, &server);
        let passing = Feature::SHUTDOWN | Feature::READ_PEEK | Feature::FD_PASS;
        assert_eq!((client.features(), server.features()), (passing, passing));
        assert_eq!(listener.socket_type(), PACKETS);
    }
    assert!(!path.exists(), "it went with the listener");
    let (a, b) = ChannelSocket::pair_of(PACKETS).expect("a socketpair");
    check_packets(&a, &b);
}

fn send_empty(channel: &ChannelSocket) {
    let flags = nix::sys::socket::MsgFlags::empty();
    let sent = channel.with_fd(|fd| nix::sys::socket::send(fd.as_raw_fd(), b"", flags));
    sent.expect("open").expect("sent");
}

/// A socket that receives two empty messages, `data` and the end.
fn ended_after(kind: gio::SocketType, data: &[u8]) -> ChannelSocket {
    let (a, b) = ChannelSocket::pair_of(kind).expect("a socketpair");
    send_empty(&a);
    send_empty(&a);
    a.write_all(data).expect("sent");
    match kind {
        PACKETS => a.close(),
        _ => b.shutdown(Shutdown::Read),
    }
    .expect("it has ended");
    b
}

#[test]
fn packets_queued_behind_an_empty_one_are_read_after_the_peer_has_closed() {
    for kind in [PACKETS, gio::SocketType::Datagram] {
        let mut data = [0; 5];
        let b = ended_after(kind, b"data\n");
        assert!(b.read_all_eof(&mut data).expect("not the end"));
        assert_eq!(&data, b"data\n");
        assert!(!b.read_all_eof(&mut data).expect("the end"));

        let b = ended_after(kind, b"data\n");
        let all = on_loop(move || async move {
            let all = b.read_all_eof_future(&mut data).await.expect("not the end");
            assert!(!b.read_all_eof_future(&mut [0]).await.expect("the end"));
            all
        });
        assert!(all);

        let b = ended_after(kind, b"data\n");
        let line = b.read_line(100).expect("a line").expect("not the end");
        assert_eq!(line, b"data"[..]);
        assert_eq!(b.read_line(100).expect("the end"), None);

        let b = ended_after(kind, b"data\n");
        let (target, received) = ChannelSocket::pair().expect("a socketpair");
        assert_eq!(b.splice_to(&target, None).expect("the end"), 5);
        received.read_all(&mut data).expect("there");
    }
}

#[test]
fn end_of_file_is_reported_after_the_last_empty_packet() {
    let (a, b) = ChannelSocket::pair_of(PACKETS).expect("a socketpair");
    send_empty(&a);
    send_empty(&a);
    a.close().expect("closed");
    let ended = in_time(move || b.read_all_eof(&mut [0; 4]));
    assert!(!ended.expect("the end"));
}

#[test]
fn the_end_of_a_sequence_of_packets_is_distinguished_from_an_empty_one() {
    let (a, b) = ChannelSocket::pair_of(PACKETS).expect("a socketpair");
    send_empty(&a);
    a.write_all(b"data").expect("sent");
    let mut data = [0; 4];
    assert!(b.read_all_eof(&mut data).expect("not the end"));
    assert_eq!(&data, b"data");
    a.close().expect("closed");
    assert!(!b.read_all_eof(&mut data).expect("the end"));
    assert_eq!(b.read(&mut data).expect("the end"), 0);
}

#[test]
fn futures_read_packets_and_accept_connections() {
    on_loop(|| async {
        let address = abstract_name("future packets");
        let listener = ChannelSocket::of_type(PACKETS);
        listener.listen_sync(&address, 4).expect("listens");
        let client = ChannelSocket::of_type(PACKETS);
        client.connect_sync(&address).expect("connects");
        let server = listener.accept_future().await.expect("accepts");
        let writer = client.clone();
        qio::spawn_local(async move {
            for packet in [&b"a"[..], b"bc", b"def"] {
                writer.write_all_future(packet).await.expect("sent");
            }
            writer.close().expect("closed");
        });
        let mut buf = [0; 16];
        for size in [1, 2, 3, 0] {
            assert_eq!(server.read_future(&mut buf).await.expect("a packet"), size);
        }
    });
}

#[test]
fn another_type_cannot_connect() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = unix(&directory.path().join("socket"));
    let listener = ChannelSocket::listen(&address, 1).expect("listens");
    assert_eq!(listener.socket_type(), gio::SocketType::Stream);
    let client = ChannelSocket::of_type(PACKETS);
    let e = client.connect_sync(&address).expect_err("a stream");
    assert!(
        e.to_string().ends_with("Protocol wrong type for socket"),
        "{e}"
    );
    // TCP has no such type.
    let listener = ChannelSocket::of_type(PACKETS);
    listener.listen_sync(&v4(), 1).expect_err("not on TCP");
}

fn adopt(family: AddressFamily, kind: SockType) -> Option<ChannelSocket> {
    let fd = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).ok()?;
    Some(ChannelSocket::new_fd(fd).expect("a socket"))
}

#[test]
fn adopted_sockets_of_every_kind_have_the_features_of_their_kind() {
    use AddressFamily as Family;
    let any = Feature::SHUTDOWN | Feature::READ_PEEK;
    let copies = any | Feature::WRITE_ZERO_COPY;
    let passes = any | Feature::FD_PASS;
    for (family, kind, type_, features) in [
        (
            Family::Inet,
            SockType::Stream,
            gio::SocketType::Stream,
            copies,
        ),
        (
            Family::Inet,
            SockType::Datagram,
            gio::SocketType::Datagram,
            copies,
        ),
        (
            Family::Inet6,
            SockType::Stream,
            gio::SocketType::Stream,
            copies,
        ),
        (
            Family::Inet6,
            SockType::Datagram,
            gio::SocketType::Datagram,
            copies,
        ),
        (
            Family::Unix,
            SockType::Stream,
            gio::SocketType::Stream,
            passes,
        ),
        (
            Family::Unix,
            SockType::Datagram,
            gio::SocketType::Datagram,
            passes,
        ),
        (Family::Unix, SockType::SeqPacket, PACKETS, passes),
        (
            Family::Vsock,
            SockType::Stream,
            gio::SocketType::Stream,
            any,
        ),
        (
            Family::Netlink,
            SockType::Raw,
            gio::SocketType::Invalid,
            any,
        ),
    ] {
        let Some(channel) = adopt(family, kind) else {
            skip(format_args!("no sockets of {family:?}, {kind:?}"));
            continue;
        };
        assert_eq!(channel.socket_type(), type_, "{family:?} {kind:?}");
        assert_eq!(channel.features(), features, "{family:?} {kind:?}");
        assert_eq!(channel.property::<gio::SocketType>("socket-type"), type_);
    }
    assert_eq!(
        ChannelSocket::of_type(PACKETS).property::<gio::SocketType>("socket-type"),
        PACKETS
    );
}

#[test]
fn the_type_of_a_socket_can_be_set_until_it_is_open() {
    let channel = ChannelSocket::new();
    assert_eq!(channel.socket_type(), gio::SocketType::Stream);
    channel.set_property("socket-type", PACKETS);
    assert_eq!(channel.socket_type(), PACKETS);
    let (open, _other) = ChannelSocket::pair().expect("a pair");
    open.set_property("socket-type", PACKETS);
    assert_eq!(open.socket_type(), gio::SocketType::Stream, "a warning");
}

#[test]
fn an_adopted_datagram_socket_preserves_message_boundaries() {
    let (one, other) = UnixDatagram::pair().expect("a socketpair");
    let channel = qio::channel_for_fd(OwnedFd::from(one)).expect("a channel");
    other.send(b"ab").expect("sent");
    other.send(b"cd").expect("sent");
    let mut buf = [0; 16];
    assert_eq!(channel.read(&mut buf).expect("a message"), 2);
    assert_eq!(channel.read(&mut buf).expect("a message"), 2);
}

/// A socket of a virtual machine or its host that listens, and the CID by which it can be
/// reached from here.
fn vsock_listener(kind: SockType, cid: u32) -> nix::Result<OwnedFd> {
    let fd = socket(AddressFamily::Vsock, kind, SockFlag::SOCK_CLOEXEC, None)?;
    bind(fd.as_raw_fd(), &VsockAddr::new(cid, libc::VMADDR_PORT_ANY))?;
    listen(&fd, Backlog::new(4)?)?;
    Ok(fd)
}

#[test]
fn vsock_errors_name_the_address() {
    let listener = match vsock_listener(SockType::Stream, libc::VMADDR_CID_ANY) {
        Ok(fd) => ChannelSocket::new_fd(fd).expect("a socket"),
        Err(e) => return skip(format_args!("no vsock ({e})")),
    };
    assert!(listener.has_feature(Feature::LISTEN));
    let address = listener.local_address().expect("an address");
    assert!(address.is::<gio::NativeSocketAddress>());
    listener.close().expect("closed");
    // The same number can be listened on again, and by no other socket.
    let again = ChannelSocket::listen(&address, 4).expect("listens");
    let e = ChannelSocket::listen(&address, 4).expect_err("taken");
    let text = e.to_string();
    assert!(
        text.starts_with("Unable to listen on vsock:4294967295:"),
        "{text}"
    );
    drop(again);
}

#[test]
fn vsock_transfers_everything_where_this_machine_is_its_own_peer() {
    const LOCAL: u32 = 1; // VMADDR_CID_LOCAL
    for kind in [SockType::Stream, SockType::SeqPacket] {
        let listener = match vsock_listener(kind, LOCAL) {
            Ok(fd) => ChannelSocket::new_fd(fd).expect("a socket"),
            Err(e) => {
                skip(format_args!("no vsock loopback for {kind:?} ({e})"));
                continue;
            }
        };
        let address = listener.local_address().expect("an address");
        let client = ChannelSocket::of_type(listener.socket_type());
        in_time(move || {
            client.connect_sync(&address).expect("connects");
            let server = listener.accept().expect("accepts");
            match kind {
                SockType::Stream => pattern::transfer_both_modes(&client, &server),
                _ => check_packets(&client, &server),
            }
            client.close().expect("closed");
            assert_eq!(server.read(&mut [0; 8]).expect("the end"), 0);
        });
    }
}

#[test]
fn closing_ends_a_wait_for_a_packet() {
    let (a, _b) = ChannelSocket::pair_of(PACKETS).expect("a socketpair");
    let reader = a.clone();
    let waiting = std::thread::spawn(move || reader.read(&mut [0; 8]));
    a.close().expect("closed");
    match in_time(move || waiting.join().expect("no panic")) {
        Ok(count) => assert_eq!(count, 0),
        Err(e) => assert_eq!(e.kind(), ErrorKind::NotConnected),
    }
    assert!(a.with_fd(|fd| fd.as_fd().as_raw_fd()).is_err());
}
