//! The hints for TCP, and peeking.

use std::{
    io::{ErrorKind, IoSliceMut},
    time::Duration,
};

use nix::sys::socket::{getsockopt, sockopt::TcpNoDelay};
use qio::{ChannelSocket, ReadFlags, prelude::*};

use super::{connection, v4};

fn no_delay(channel: &ChannelSocket) -> bool {
    let value = channel.with_fd(|fd| getsockopt(&fd, TcpNoDelay));
    value.expect("open").expect("the option")
}

/// Whether nothing arrives for a while of what is written.
fn holds_back(client: &ChannelSocket, server: &ChannelSocket) -> bool {
    client.write_all(b"small").expect("written");
    let arrived = server.wait_timeout(glib::IOCondition::IN, Duration::from_millis(20));
    client.set_cork(false);
    server.read_all(&mut [0; 5]).expect("sent");
    arrived.is_err()
}

#[test]
fn delay_is_the_inverse_of_nodelay() {
    let (_listener, client, _server) = connection(&v4());
    for delay in [false, true, false] {
        client.set_delay(delay);
        assert_eq!(no_delay(&client), !delay);
    }
}

#[test]
fn cork_holds_data_back_until_it_is_cleared() {
    let (_listener, client, server) = connection(&v4());
    client.set_delay(false);
    assert!(!holds_back(&client, &server));
    // The kernel sends corked data by itself after 200 ms, which this thread may sleep through: one
    // success is enough.
    let corked = || {
        client.set_cork(true);
        holds_back(&client, &server)
    };
    assert!((0..20).any(|_| corked()));
}

#[test]
fn hints_are_ignored_where_they_mean_nothing() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.set_delay(false);
    a.set_cork(true);
    a.write_all(b"x").expect("written");
    b.read_all(&mut [0]).expect("read");
    a.close().expect("closed");
    a.set_delay(true);
    a.set_cork(false);
    ChannelSocket::new().set_cork(true);
}

#[test]
fn a_peek_leaves_the_data_in_the_channel() {
    let (_listener, client, server) = connection(&v4());
    client.write_all(b"look").expect("written");
    server.wait(glib::IOCondition::IN).expect("it comes");
    let (mut one, mut two) = ([0; 2], [0; 8]);
    let once = server.readv_full(&mut [IoSliceMut::new(&mut two)], None, ReadFlags::PEEK);
    assert_eq!(&two[..once.expect("peeked")], b"look");
    let iov = &mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    let again = server.readv_full(iov, None, ReadFlags::PEEK);
    assert_eq!(again.expect("peeked"), 4);
    assert_eq!((&one, &two[..2]), (b"lo", &b"ok"[..]));
    assert_eq!(server.read(&mut two).expect("read"), 4);
    server.set_blocking(false).expect("non-blocking");
    let e = server.readv_full(&mut [IoSliceMut::new(&mut two)], None, ReadFlags::PEEK);
    assert_eq!(e.expect_err("empty").kind(), ErrorKind::WouldBlock);
}
