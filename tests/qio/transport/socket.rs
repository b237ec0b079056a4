//! `ChannelSocket`.

mod address;
mod connect;
mod connection;
mod credentials;
mod datagram;
mod full_peer;
mod kinds;
mod listen;
mod options;
mod peek;
mod state;
mod timeouts;
mod zero_copy;

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut},
    path::Path,
};

use gio::prelude::*;
use qio::{ChannelSocket, ReadFlags, prelude::*};

use crate::{common::pattern, skip::skip};

fn loopback(family: gio::SocketFamily) -> gio::SocketAddress {
    gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(family), 0).upcast()
}

fn v4() -> gio::SocketAddress {
    loopback(gio::SocketFamily::Ipv4)
}

/// `None` where the machine has no IPv6: that part of the test is skipped.
fn v6() -> Option<gio::SocketAddress> {
    let address = loopback(gio::SocketFamily::Ipv6);
    match ChannelSocket::listen(&address, 1) {
        Ok(_) => Some(address),
        Err(e) => {
            skip(format_args!("no IPv6 loopback ({e})"));
            None
        }
    }
}

fn unix(path: &Path) -> gio::SocketAddress {
    gio::UnixSocketAddress::new(path).upcast()
}

/// A name that no other process uses.
fn abstract_name(name: &str) -> gio::SocketAddress {
    let name = format!("qio-test-{}-{name}", std::process::id());
    gio::UnixSocketAddress::with_type(UnixSocketAddressPath::Abstract(name.as_bytes())).upcast()
}

fn port_of(address: &gio::SocketAddress) -> u16 {
    address
        .downcast_ref::<gio::InetSocketAddress>()
        .expect("internet")
        .port()
}

/// A listener, and both ends of a connection to it.
#[track_caller]
fn connection(address: &gio::SocketAddress) -> (ChannelSocket, ChannelSocket, ChannelSocket) {
    let listener = ChannelSocket::listen(address, 4).expect("listens");
    let address = listener.local_address().expect("an address");
    let client = ChannelSocket::connect(&address).expect("connects");
    let server = listener.accept().expect("accepts");
    (listener, client, server)
}

#[track_caller]
fn check_transfers(address: &gio::SocketAddress) {
    let (_listener, client, server) = connection(address);
    pattern::transfer_both_modes(&client, &server);
    pattern::transfer_both_modes(&server, &client);
}

#[test]
fn tcp_over_ipv4_transfers_everything_in_both_modes() {
    check_transfers(&v4());
}

#[test]
fn tcp_over_ipv6_transfers_everything_in_both_modes() {
    if let Some(address) = v6() {
        check_transfers(&address);
    }
}

#[test]
fn a_unix_path_transfers_everything_in_both_modes() {
    let directory = tempfile::tempdir().expect("a directory");
    check_transfers(&unix(&directory.path().join("socket")));
}

#[test]
fn an_abstract_name_transfers_everything_in_both_modes() {
    check_transfers(&abstract_name("transfer"));
}

#[test]
fn a_pair_transfers_everything_in_both_modes() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    pattern::transfer_both_modes(&a, &b);
}

#[test]
fn lists_of_few_and_of_many_bytes_keep_their_order() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    for total in [2, 100, 4095, 4096, 4097, 10_000] {
        let data: Vec<u8> = (0..total).map(|i| (i % 251) as u8).collect();
        let (head, tail) = data.split_at(total / 3);
        let sent = [IoSlice::new(head), IoSlice::new(&[]), IoSlice::new(tail)];
        assert_eq!(a.writev(&sent).expect("space"), total);
        for flags in [ReadFlags::PEEK, ReadFlags::empty()] {
            let (mut one, mut two) = (vec![0; total / 2], vec![0; total]);
            let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
            let count = b.readv_full(&mut iov, None, flags).expect("data");
            assert_eq!(count, total);
            assert_eq!([one, two].concat()[..total], data, "{total} bytes");
        }
    }
}

#[test]
fn a_non_blocking_socket_returns_would_block() {
    let (listener, client, server) = connection(&v4());
    listener.set_blocking(false).expect("non-blocking");
    assert_eq!(
        listener.accept().expect_err("no client").kind(),
        ErrorKind::WouldBlock
    );
    client.set_blocking(false).expect("non-blocking");
    assert_eq!(
        client.read(&mut [0]).expect_err("empty").kind(),
        ErrorKind::WouldBlock
    );
    drop(server);
    client.wait(glib::IOCondition::IN).expect("the end comes");
    assert_eq!(client.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn an_accepted_connection_is_blocking_and_close_on_exec() {
    let directory = tempfile::tempdir().expect("a directory");
    for address in [v4(), unix(&directory.path().join("socket"))] {
        let (listener, client, server) = connection(&address);
        assert!(server.is_blocking());
        for channel in [listener, client, server] {
            assert!(
                channel
                    .with_fd(crate::common::fds::is_cloexec)
                    .expect("open")
            );
        }
    }
}
