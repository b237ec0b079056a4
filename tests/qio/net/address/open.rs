//! Addresses in use: with GIO, to connect and to listen.

mod descriptors;

use std::{
    io::ErrorKind,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

use gio::prelude::*;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use qio::{
    ChannelFile, ChannelSocket, NetAddress, NetListener, Shutdown, prelude::*, to_glib_error,
};

use super::{canonical, named, parsed, tcp, unix};
use crate::{
    common::{alone::alone, fds, in_time, on_loop},
    skip::skip,
};

/// What GIO calls an address.
#[track_caller]
fn gio_text(address: &NetAddress) -> String {
    let connectable = address.to_connectable().expect("an address of GIO");
    SocketConnectableExt::to_string(&connectable).into()
}

fn socket_address(address: &NetAddress) -> gio::SocketAddress {
    let connectable = address.to_connectable().expect("an address of GIO");
    connectable.downcast().expect("no name")
}

/// Sends a byte there and back.
#[track_caller]
fn check_connects(address: &NetAddress, listener: &ChannelSocket) {
    let client = address.connect().unwrap_or_else(|e| panic!("{e}"));
    let server = listener.accept().expect("accepts");
    client.write_all(b"x").expect("written");
    server.read_all(&mut [0]).expect("read");
    server.write_all(b"y").expect("written");
    client.read_all(&mut [0]).expect("read");
}

/// The same, without holding up the main loop.
#[track_caller]
fn check_connects_in_a_future(address: &NetAddress, listener: &ChannelSocket) {
    let address = address.clone();
    let client = on_loop(move || address.connect_future());
    let client = client.unwrap_or_else(|e| panic!("{e}"));
    client.write_all(b"x").expect("written");
    let server = listener.accept().expect("accepts");
    server.read_all(&mut [0]).expect("read");
}

/// The address that a listener has got.
fn address_of(listener: &ChannelSocket) -> NetAddress {
    let address = listener.local_address().expect("an address");
    NetAddress::try_from(&address).expect("written")
}

#[track_caller]
fn check_listens_and_connects(address: &NetAddress) -> NetAddress {
    let listener = address.listen(4).unwrap_or_else(|e| panic!("{e}"));
    let bound = address_of(&listener);
    check_connects(&bound, &listener);
    check_connects_in_a_future(&bound, &listener);
    bound
}

#[test]
fn a_name_stays_a_name() {
    let connectable = tcp("localhost", 80).to_connectable().expect("a name");
    let address = connectable.downcast_ref::<gio::NetworkAddress>();
    let address = address.expect("a name");
    assert_eq!(
        (address.hostname().as_str(), address.port()),
        ("localhost", 80)
    );
}

#[test]
fn gio_has_the_same_address() {
    for (address, text) in [
        (tcp("127.0.0.1", 80), "127.0.0.1:80"),
        (tcp("::1", 80), "[::1]:80"),
        (tcp("", 80), "[::]:80"),
        (unix("/tmp/x"), "/tmp/x"),
    ] {
        assert_eq!(gio_text(&address), text);
    }
    let scoped = socket_address(&tcp("fe80::1%1", 80));
    let scoped = scoped
        .downcast_ref::<gio::InetSocketAddress>()
        .expect("internet");
    assert_eq!((scoped.scope_id(), scoped.port()), (1, 80));
}

#[test]
fn socket_addresses_are_displayed_and_parsed_again() {
    for (text, address) in canonical() {
        // Descriptors have none, and scopes become numbers.
        if text.starts_with("fd:") || text.contains("fe80:") {
            continue;
        }
        let connectable = address.to_connectable().expect("an address of GIO");
        let Ok(socket_address) = connectable.downcast::<gio::SocketAddress>() else {
            continue;
        };
        let again = NetAddress::try_from(&socket_address).expect("written");
        match text {
            "tcp::0" | "tcp::80" => assert!(again.to_string().starts_with("tcp:[::]:")),
            _ => assert_eq!(again, address, "{text}"),
        }
    }
}

#[test]
fn a_scope_is_displayed_by_its_number() {
    let address = socket_address(&tcp("fe80::1%lo", 80));
    let again = NetAddress::try_from(&address).expect("written");
    assert_eq!(again.to_string(), "tcp:[fe80::1%1]:80");
}

#[test]
fn a_padded_abstract_name_is_displayed_with_its_padding() {
    let address = gio::UnixSocketAddress::with_type(UnixSocketAddressPath::AbstractPadded(b"n"));
    let address =
        NetAddress::try_from(address.upcast_ref::<gio::SocketAddress>()).expect("written");
    assert_eq!(address.to_string(), format!("unix:@n{}", "%00".repeat(106)));
}

#[test]
fn an_unnamed_socket_has_no_string_representation() {
    let (one, _other) = ChannelSocket::pair().expect("a pair");
    let address = one.local_address().expect("an address");
    let e = NetAddress::try_from(&address).expect_err("no name");
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    assert_eq!(
        e.to_string(),
        "The socket address anonymous has no string representation"
    );
}

#[test]
fn a_scope_must_be_an_interface() {
    let e = tcp("fe80::1%nosuch0", 80)
        .connect()
        .expect_err("no interface");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        e.to_string(),
        "There is no socket address for tcp:[fe80::1%nosuch0]:80: the scope is no network interface here"
    );
}

#[test]
fn tcp_listens_and_connects() {
    check_listens_and_connects(&tcp("127.0.0.1", 0));
    match tcp("::1", 0).listen(1) {
        Ok(_) => drop(check_listens_and_connects(&tcp("::1", 0))),
        Err(e) => skip(format_args!("no IPv6 loopback ({e})")),
    }
}

#[test]
fn a_name_listens_and_connects() {
    let listener = parsed("tcp:localhost:0").listen(4).expect("listens");
    let port = listener.local_address().expect("an address");
    let port = port
        .downcast::<gio::InetSocketAddress>()
        .expect("internet")
        .port();
    check_connects(&tcp("localhost", port), &listener);
}

#[test]
fn no_host_listens_on_all_addresses_and_is_nothing_to_connect_to() {
    let listener = tcp("", 0).listen(4).expect("listens");
    let port = listener.local_address().expect("an address");
    let port = port
        .downcast::<gio::InetSocketAddress>()
        .expect("internet")
        .port();
    check_connects(&tcp("127.0.0.1", port), &listener);
    let address = tcp("", port);
    let failed = on_loop(move || address.connect_future());
    failed.expect_err("no host");
    let e = tcp("", port).connect().expect_err("no host");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        e.to_string(),
        format!("Unable to connect to tcp::{port}: there is no host")
    );
}

/// Listens on an address by a listener, blocking or not, and returns the addresses that it has got.
fn opened(address: &NetAddress) -> [(NetListener, Vec<NetAddress>); 2] {
    let (now, later) = (NetListener::new(), NetListener::new());
    now.open_address(address, 4).expect("listens");
    let (listener, address) = (later.clone(), address.clone());
    let opened = on_loop(move || listener.open_address_future(&address, 4));
    opened.expect("listens");
    [now, later].map(|listener| {
        let addresses = listener.local_addresses();
        let addresses = addresses.iter().map(NetAddress::try_from);
        let addresses = addresses.map(|it| it.expect("written")).collect();
        (listener, addresses)
    })
}

#[test]
fn listeners_are_opened_on_all_addresses_of_a_string() {
    for (listener, addresses) in opened(&tcp("127.0.0.1", 0)) {
        let client = addresses[0].connect().expect("connects");
        let server = in_time(move || listener.wait_client()).expect("accepted");
        client.write_all(b"x").expect("written");
        server.read_all(&mut [0]).expect("read");
    }
    let has_v6 = tcp("::1", 0).listen(1).is_ok();
    for text in ["tcp:localhost:0", "tcp::0"] {
        for (_listener, addresses) in opened(&parsed(text)) {
            assert_eq!(addresses.len(), 1 + usize::from(has_v6), "{text}");
        }
    }
    let name = format!("qio-test-opened-{}", std::process::id());
    let listener = NetListener::new();
    listener
        .open_address(&named(name.as_bytes()), 4)
        .expect("listens");
    named(name.as_bytes()).connect().expect("connects");
}

#[test]
fn unix_paths_of_all_bytes_listen_and_connect() {
    use std::os::unix::ffi::OsStrExt;
    let directory = tempfile::tempdir().expect("a directory");
    for name in [&b"plain"[..], b"@%\n\xff", "größe".as_bytes()] {
        let path = directory.path().join(std::ffi::OsStr::from_bytes(name));
        let address = unix(&path);
        assert_eq!(check_listens_and_connects(&address), address);
        assert!(!path.exists());
    }
}

/// GIO itself may count the NUL after the path, as the kernel does.
#[test]
fn a_gio_socket_address_is_displayed_and_used_as_any() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let socket = gio::Socket::new(
        gio::SocketFamily::Unix,
        gio::SocketType::Stream,
        gio::SocketProtocol::Default,
    )
    .expect("a socket");
    let address = gio::UnixSocketAddress::new(&path);
    socket.bind(&address, false).expect("bound");
    let address = socket.local_address().expect("an address");
    assert_eq!(
        NetAddress::try_from(&address).expect("written"),
        unix(&path)
    );
    std::fs::remove_file(&path).expect("there");
    let listener = ChannelSocket::listen(&address, 1).expect("listens");
    assert_eq!(address_of(&listener), unix(&path));
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn abstract_names_of_all_bytes_listen_and_connect() {
    let mut name = format!("qio-test-{}\0", std::process::id()).into_bytes();
    for end in [&b"x"[..], b"\0", b"\xff%\n"] {
        name.extend(end);
        let address = named(&name);
        assert_eq!(check_listens_and_connects(&address), address);
    }
    name.resize(107, 0);
    assert_eq!(check_listens_and_connects(&named(&name)), named(&name));
}

#[test]
fn vsock_listens_and_connects_on_this_machine() {
    let listener = match NetAddress::vsock(1, u32::MAX).listen(4) {
        Ok(listener) => listener,
        Err(e) => {
            let message = "Unable to listen on vsock:1:4294967295: ";
            assert!(e.to_string().starts_with(message), "{e}");
            return skip(format_args!("no vsock loopback ({e})"));
        }
    };
    check_connects(&address_of(&listener), &listener);
}

#[test]
fn failures_name_the_address() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("missing");
    let e = unix(&path).connect().expect_err("no socket at the path");
    let path = path.display();
    assert_eq!(
        e.to_string(),
        format!("Unable to connect to {path}: No such file or directory")
    );
    let listener = tcp("127.0.0.1", 0).listen(1).expect("listens");
    let address = address_of(&listener);
    let e = address.listen(1).expect_err("in use");
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    // Whether there are such sockets here or not: this machine has another CID.
    let e = NetAddress::vsock(123_456_789, 1).listen(1);
    let e = e.expect_err("another machine").to_string();
    assert!(
        e.starts_with("Unable to listen on vsock:123456789:1: "),
        "{e}"
    );
}
