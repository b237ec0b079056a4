//! What a socket can do before it is open, while it is, and afterwards.

use std::{io::ErrorKind, net::UdpSocket, os::unix::net::UnixStream};

use qio::{ChannelSocket, Feature, Shutdown, prelude::*, to_glib_error};

use super::{connection, unix, v4};
use crate::common::alone::alone;

fn basic() -> Feature {
    Feature::SHUTDOWN | Feature::READ_PEEK
}

#[test]
fn features_distinguish_the_kinds() {
    let directory = tempfile::tempdir().expect("a directory");
    let (listener, client, server) = connection(&v4());
    assert_eq!(listener.features(), basic() | Feature::LISTEN);
    let tcp = basic() | Feature::WRITE_ZERO_COPY;
    assert_eq!((client.features(), server.features()), (tcp, tcp));
    let (listener, client, server) = connection(&unix(&directory.path().join("socket")));
    assert_eq!(listener.features(), basic() | Feature::LISTEN);
    let passing = basic() | Feature::FD_PASS;
    assert_eq!((client.features(), server.features()), (passing, passing));
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    assert_eq!((a.features(), b.features()), (passing, passing));
    // What every socket can do once it is open.
    assert_eq!(ChannelSocket::new().features(), Feature::SHUTDOWN);
}

#[test]
fn an_adopted_socket_has_the_features_of_its_kind_and_its_mode() {
    let (one, _other) = UnixStream::pair().expect("a socketpair");
    one.set_nonblocking(true).expect("non-blocking");
    let channel = ChannelSocket::new_fd(one.into()).expect("a socket");
    assert_eq!(channel.features(), basic() | Feature::FD_PASS);
    assert!(!channel.is_blocking());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    let channel = ChannelSocket::new_fd(listener.into()).expect("a socket");
    assert_eq!(channel.features(), basic() | Feature::LISTEN);
    assert!(channel.is_blocking());
}

#[test]
fn a_descriptor_that_is_not_a_socket_is_refused_named_and_closed() {
    let (mut read, write) = std::io::pipe().expect("a pipe");
    let number = std::os::fd::AsRawFd::as_raw_fd(&write);
    let e = ChannelSocket::new_fd(write.into()).expect_err("no socket");
    let text = e.to_string();
    assert!(text.contains(&format!("fd {number}")), "{text}");
    assert!(text.ends_with("Socket operation on non-socket"), "{text}");
    let end = std::io::Read::read(&mut read, &mut [0]).expect("no writer is left");
    assert_eq!(end, 0);
}

#[test]
fn a_datagram_socket_can_be_adopted() {
    let peer = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    socket
        .connect(peer.local_addr().expect("an address"))
        .expect("connected");
    let channel = ChannelSocket::new_fd(socket.into()).expect("a socket");
    channel.write_all(b"datagram").expect("sent");
    let mut buf = [0; 64];
    assert_eq!(peer.recv(&mut buf).expect("received"), 8);
}

#[test]
fn nothing_works_before_it_is_connected() {
    let channel = ChannelSocket::new();
    assert_eq!(channel.fd(), -1);
    for e in [
        channel.read(&mut [0]).expect_err("not open"),
        channel.write(b"x").expect_err("not open"),
        channel.read_all(&mut [0]).expect_err("not open"),
        channel.write_all(b"x").expect_err("not open"),
        channel.shutdown(Shutdown::Both).expect_err("not open"),
        channel.set_blocking(false).expect_err("not open"),
        channel.local_address().expect_err("not open"),
        channel.remote_address().expect_err("not open"),
        channel.with_fd(|_| ()).expect_err("not open"),
        channel.accept().expect_err("not open"),
    ] {
        assert_eq!(e.kind(), ErrorKind::NotConnected);
        assert!(
            to_glib_error(&e).matches(gio::IOErrorEnum::NotConnected),
            "{e}"
        );
    }
    channel.close().expect("nothing to close");
}

#[test]
fn a_channel_is_opened_once() {
    let (listener, client, server) = connection(&v4());
    let address = listener.local_address().expect("an address");
    for channel in [&listener, &client, &server] {
        let connect = channel.connect_sync(&address).expect_err("open already");
        let listen = channel.listen_sync(&v4(), 1).expect_err("open already");
        assert_eq!(connect.kind(), ErrorKind::AlreadyExists);
        assert_eq!(listen.kind(), ErrorKind::AlreadyExists);
    }
    client.close().expect("closed");
    client.connect_sync(&address).expect_err("closed");
}

#[test]
fn a_closed_channel_is_not_opened() {
    let listener = ChannelSocket::listen(&v4(), 1).expect("listens");
    let address = listener.local_address().expect("an address");
    let channel = ChannelSocket::new();
    channel.close().expect("nothing to close");
    let e = channel.connect_sync(&address).expect_err("closed");
    assert!(to_glib_error(&e).matches(gio::IOErrorEnum::Closed), "{e}");
    let e = channel.listen_sync(&v4(), 1).expect_err("closed");
    assert!(to_glib_error(&e).matches(gio::IOErrorEnum::Closed), "{e}");
}

#[test]
fn only_a_listener_accepts() {
    let (_listener, client, _server) = connection(&v4());
    assert_eq!(
        client.accept().expect_err("unable").kind(),
        ErrorKind::Unsupported
    );
}

#[test]
fn shutting_one_direction_down_leaves_the_other() {
    let (_listener, client, server) = connection(&v4());
    client.shutdown(Shutdown::Write).expect("shut down");
    assert_eq!(server.read(&mut [0]).expect("the end"), 0);
    assert_eq!(
        client.write(b"x").expect_err("shut").kind(),
        ErrorKind::BrokenPipe
    );
    server.write_all(b"back").expect("written");
    client.read_all(&mut [0; 4]).expect("read");
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.shutdown(Shutdown::Read).expect("shut down");
    assert_eq!(a.read(&mut [0]).expect("the end"), 0);
    a.write_all(b"x").expect("written");
    b.read_all(&mut [0]).expect("read");
}

#[test]
fn the_peer_of_a_closed_socket_reads_the_end_after_the_data() {
    let (_listener, client, server) = connection(&v4());
    client.write_all(b"last words").expect("written");
    client.close().expect("closed");
    server.read_all(&mut [0; 10]).expect("read");
    assert_eq!(server.read(&mut [0]).expect("the end"), 0);
}

/// Another thread that registers it meanwhile would wait for the lock that GLib holds while a class
/// is initialized, and the class for that thread.
#[test]
fn the_type_of_addresses_is_registered_before_the_class_is_initialized() {
    alone(
        "transport::socket::state::the_type_of_addresses_is_registered_before_the_class_is_initialized",
        || {
            let registered = || glib::Type::from_name("GSocketAddress").is_some();
            assert!(!registered());
            ChannelSocket::static_type();
            assert!(registered());
        },
    );
}
