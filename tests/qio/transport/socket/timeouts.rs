//! The options that are numbers: sizes of buffers, and how long a silent peer is waited for.

use std::{cell::Cell, io, rc::Rc, time::Duration};

use gio::prelude::*;
use qio::{ChannelSocket, prelude::*};

use super::{connection, v4};

#[test]
fn the_sizes_of_buffers_are_what_the_system_makes_of_them() {
    let (_listener, client, _server) = connection(&v4());
    for (set, get) in [
        (
            ChannelSocket::set_send_buffer_size as fn(&ChannelSocket, u32) -> io::Result<()>,
            ChannelSocket::send_buffer_size as fn(&ChannelSocket) -> io::Result<u32>,
        ),
        (
            ChannelSocket::set_receive_buffer_size,
            ChannelSocket::receive_buffer_size,
        ),
    ] {
        set(&client, 20_000).expect("set");
        // Linux doubles it.
        assert_eq!(get(&client).expect("supported"), 40_000);
        set(&client, u32::MAX).expect_err("too large");
    }
}

#[test]
fn a_small_buffer_holds_little() {
    let (a, _b) = ChannelSocket::pair().expect("a socketpair");
    a.set_blocking(false).expect("non-blocking");
    a.set_send_buffer_size(4096).expect("set");
    let (large, _peer) = ChannelSocket::pair().expect("a socketpair");
    large.set_blocking(false).expect("non-blocking");
    assert!(crate::common::fill(&a) * 4 < crate::common::fill(&large));
}

#[test]
fn keep_alive_and_timeouts_are_kept_in_the_units_of_the_system() {
    let (_listener, client, server) = connection(&v4());
    assert!(!client.keep_alive().expect("supported"));
    client.set_keep_alive(true).expect("set");
    assert!(client.keep_alive().expect("supported"));
    assert!(
        !server.keep_alive().expect("supported"),
        "each end for itself"
    );
    client
        .set_keep_alive_idle(Duration::from_millis(6_001))
        .expect("set");
    client
        .set_keep_alive_interval(Duration::from_secs(5))
        .expect("set");
    client.set_keep_alive_count(4).expect("set");
    client
        .set_user_timeout(Duration::from_micros(1_500))
        .expect("set");
    let seconds = |time: io::Result<Duration>| time.expect("supported").as_secs();
    assert_eq!(
        seconds(client.keep_alive_idle()),
        7,
        "no shorter than requested"
    );
    assert_eq!(seconds(client.keep_alive_interval()), 5);
    assert_eq!(client.keep_alive_count().expect("supported"), 4);
    let timeout = client.user_timeout().expect("supported");
    assert_eq!(timeout, Duration::from_millis(2));
    client.set_user_timeout(Duration::ZERO).expect("set");
    assert_eq!(client.user_timeout().expect("supported"), Duration::ZERO);
}

#[test]
fn errors_name_the_option() {
    let (_listener, client, _server) = connection(&v4());
    let e = client.set_keep_alive_count(1_000).expect_err("too many");
    assert_eq!(
        e.to_string(),
        "Unable to set the option TCP_KEEPCNT to 1000: Invalid argument"
    );
    let e = client.set_keep_alive_idle(Duration::ZERO).expect_err("no");
    assert_eq!(
        e.to_string(),
        "Unable to set the option TCP_KEEPIDLE to 0: Invalid argument"
    );
    client
        .set_user_timeout(Duration::MAX)
        .expect_err("too long");
    let (pair, _other) = ChannelSocket::pair().expect("a socketpair");
    for e in [
        pair.set_user_timeout(Duration::from_secs(1))
            .expect_err("not on unix sockets"),
        pair.user_timeout().expect_err("not on unix sockets"),
    ] {
        assert!(e.to_string().contains("the option TCP_USER_TIMEOUT"), "{e}");
    }
    let e = ChannelSocket::new().keep_alive().expect_err("not open");
    assert_eq!(e.kind(), io::ErrorKind::NotConnected);
}

#[test]
fn options_are_properties_that_report_changes() {
    let (_listener, client, _server) = connection(&v4());
    let changes = Rc::new(Cell::new(0));
    let seen = changes.clone();
    client.connect_notify_local(None, move |_, _| seen.set(seen.get() + 1));
    client.set_property("keep-alive", true);
    client.set_property("send-buffer-size", 10_000u32);
    client.set_property("receive-buffer-size", 10_000u32);
    client.set_property("user-timeout", 1_234u32);
    assert_eq!(changes.get(), 4);
    assert!(client.keep_alive().expect("supported"));
    assert_eq!(client.property::<u32>("send-buffer-size"), 20_000);
    assert_eq!(client.property::<u32>("receive-buffer-size"), 20_000);
    assert_eq!(client.property::<u32>("user-timeout"), 1_234);
    let timeout = client.user_timeout().expect("supported");
    assert_eq!(timeout, Duration::from_millis(1_234));
    // Before it is open there is no value to report.
    assert_eq!(ChannelSocket::new().property::<u32>("user-timeout"), 0);
}
