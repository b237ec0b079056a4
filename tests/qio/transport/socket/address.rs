//! Connecting: addresses, and errors.

use std::{
    io::ErrorKind,
    os::fd::{AsRawFd, OwnedFd},
};

use gio::prelude::*;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, socket};
use qio::{ChannelSocket, prelude::*, to_glib_error};

use super::{abstract_name, connection, port_of, unix, v4, v6};

/// A port that is taken, by a socket that does not listen: connecting to it is refused.
pub(super) fn deaf() -> (OwnedFd, gio::SocketAddress) {
    let fd = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    let fd = fd.expect("a socket");
    bind(fd.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).expect("bound");
    let port = getsockname::<SockaddrIn>(fd.as_raw_fd())
        .expect("a name")
        .port();
    let address = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    (fd, gio::InetSocketAddress::new(&address, port).upcast())
}

#[test]
fn port_zero_becomes_a_real_one() {
    for address in [Some(v4()), v6()].into_iter().flatten() {
        let listener = ChannelSocket::listen(&address, 1).expect("listens");
        let local = listener.local_address().expect("an address");
        assert_ne!(port_of(&local), 0);
        assert_eq!(local.family(), address.family());
    }
}

#[test]
fn both_ends_report_the_address_of_each_other() {
    for address in [Some(v4()), v6()].into_iter().flatten() {
        let (listener, client, server) = connection(&address);
        let text = |address: gio::SocketAddress| SocketConnectableExt::to_string(&address);
        let local = |channel: &ChannelSocket| text(channel.local_address().expect("an address"));
        let remote = |channel: &ChannelSocket| text(channel.remote_address().expect("an address"));
        assert_eq!(remote(&client), local(&listener));
        assert_eq!(local(&server), local(&listener));
        assert_eq!(remote(&server), local(&client));
        let e = listener.remote_address().expect_err("no other end");
        assert_eq!(e.kind(), ErrorKind::NotConnected);
    }
}

#[test]
fn the_address_of_an_accepted_peer_is_returned_after_its_reset_and_not_after_the_close() {
    for address in [Some(v4()), v6()].into_iter().flatten() {
        let (_listener, client, server) = connection(&address);
        let text = |address: gio::SocketAddress| SocketConnectableExt::to_string(&address);
        let expected = text(client.local_address().expect("an address"));
        client.abort();
        let e = server.read(&mut [0]).expect_err("a reset");
        assert_eq!(e.kind(), ErrorKind::ConnectionReset);
        let remote = server.remote_address().expect("an address");
        assert_eq!(text(remote), expected);
        server.close().expect("open");
        server.remote_address().expect_err("closed");
    }
}

#[test]
fn addresses_are_properties() {
    let (listener, client, _server) = connection(&v4());
    let property =
        |channel: &ChannelSocket, name| channel.property::<Option<gio::SocketAddress>>(name);
    let local = property(&client, "local-address").expect("an address");
    let remote = property(&client, "remote-address").expect("an address");
    assert_eq!(
        port_of(&local),
        port_of(&client.local_address().expect("an address"))
    );
    assert_eq!(
        port_of(&remote),
        port_of(&listener.local_address().expect("an address"))
    );
    assert!(property(&listener, "remote-address").is_none());
    assert_eq!(client.property::<i32>("fd"), client.fd());
    client.close().expect("closed");
    assert!(property(&client, "local-address").is_none());
    assert_eq!((client.fd(), client.property::<i32>("fd")), (-1, -1));
}

#[test]
fn unix_addresses_are_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let (_listener, client, server) = connection(&unix(&path));
    for address in [client.remote_address(), server.local_address()] {
        let address = address.expect("an address");
        let address = address.downcast::<gio::UnixSocketAddress>().expect("unix");
        let reported = address.path();
        assert!(
            matches!(reported, Some(UnixSocketAddressPath::Path(reported)) if reported == path)
        );
    }
    let (_listener, client, _server) = connection(&abstract_name("reported"));
    let address = client.remote_address().expect("an address");
    let address = address.downcast::<gio::UnixSocketAddress>().expect("unix");
    assert!(address.is_abstract());
    let name = address.path_as_array().expect("a name");
    assert!(name.starts_with(b"qio-test-"));
}

#[test]
fn a_name_is_resolved_and_its_addresses_tried() {
    // Only IPv4 listens, whichever family "localhost" resolves to first.
    let listener = ChannelSocket::listen(&v4(), 1).expect("listens");
    let port = port_of(&listener.local_address().expect("an address"));
    let client = ChannelSocket::connect(&gio::NetworkAddress::new("localhost", port));
    let client = client.expect("connects");
    let server = listener.accept().expect("accepts");
    client.write_all(b"x").expect("written");
    server.read_all(&mut [0]).expect("read");
}

#[test]
fn a_refused_connection_names_the_address() {
    let (_fd, address) = deaf();
    let e = ChannelSocket::connect(&address).expect_err("refused");
    assert_eq!(e.kind(), ErrorKind::ConnectionRefused);
    let port = port_of(&address);
    assert_eq!(
        e.to_string(),
        format!("Unable to connect to 127.0.0.1:{port}: Connection refused")
    );
    assert!(to_glib_error(&e).matches(gio::IOErrorEnum::ConnectionRefused));
}

#[test]
fn a_channel_may_try_again_after_a_refusal() {
    let (_fd, address) = deaf();
    let listener = ChannelSocket::listen(&v4(), 1).expect("listens");
    let channel = ChannelSocket::new();
    channel.connect_sync(&address).expect_err("refused");
    let address = listener.local_address().expect("an address");
    channel.connect_sync(&address).expect("connects");
}

#[test]
fn a_missing_unix_path_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("missing");
    let e = ChannelSocket::connect(&unix(&path)).expect_err("missing");
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let text = format!(
        "Unable to connect to {}: No such file or directory",
        path.display()
    );
    assert_eq!(e.to_string(), text);
}

#[test]
fn an_address_in_use_is_named() {
    let listener = ChannelSocket::listen(&v4(), 1).expect("listens");
    let address = listener.local_address().expect("an address");
    let e = ChannelSocket::listen(&address, 1).expect_err("in use");
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    let port = port_of(&address);
    assert_eq!(
        e.to_string(),
        format!("Unable to listen on 127.0.0.1:{port}: Address already in use")
    );
    assert!(to_glib_error(&e).matches(gio::IOErrorEnum::AddressInUse));
}

#[test]
fn a_unix_path_in_use_is_named_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = ChannelSocket::listen(&unix(&path), 1).expect("listens");
    let e = ChannelSocket::listen(&unix(&path), 1).expect_err("in use");
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    assert!(e.to_string().contains(path.to_str().expect("text")), "{e}");
    ChannelSocket::connect(&unix(&path)).expect("the first one still listens");
    drop(listener);
}
