//! `src/layer/websock/keep_alive.rs`.

use std::{
    io::{self, Write as _},
    thread,
    time::Duration,
};

use gio::prelude::*;
use qio::{IoFutureExt as _, WebsockOptions, prelude::*};

use super::fixtures::{REQUEST, frame, raw_client, read_frame, read_head};
use crate::common::on_loop;

fn options(timeout: u64) -> WebsockOptions {
    let options = WebsockOptions::builder()
        .ping_interval(Duration::from_millis(20))
        .pong_timeout(Duration::from_millis(timeout));
    options.build().expect("good options")
}

#[test]
fn an_idle_peer_gets_pings_and_one_that_answers_none_is_an_error() {
    on_loop(|| async {
        let (mut far, server) = raw_client(&options(50));
        far.write_all(REQUEST.as_bytes()).expect("written");
        server.handshake_future().await.expect("accepted");
        read_head(&mut far);
        let error = server
            .read_future(&mut [0; 9])
            .await
            .expect_err("no answer");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(
            error.to_string(),
            "The client has not answered a ping in time"
        );
        assert_eq!(read_frame(&mut far), (0x89, Vec::new()));
    });
}

#[test]
fn a_peer_that_answers_pings_stays_connected_without_a_reader_of_this_end() {
    on_loop(|| async {
        let (mut far, server) = raw_client(&options(10_000));
        far.write_all(REQUEST.as_bytes()).expect("written");
        server.handshake_future().await.expect("accepted");
        read_head(&mut far);
        let peer = thread::spawn(move || {
            for _ in 0..3 {
                let (first, payload) = read_frame(&mut far);
                assert_eq!(first, 0x89);
                far.write_all(&frame(0x8a, &payload)).expect("written");
            }
            far
        });
        let (sender, receiver) = futures_util::future::abortable(std::future::pending::<()>());
        let waiter = thread::spawn(move || {
            let far = peer.join().expect("no panic");
            receiver.abort();
            far
        });
        sender.await.expect_err("the peer has got three pings");
        let mut far = waiter.join().expect("no panic");
        far.write_all(&frame(0x82, b"x")).expect("written");
        assert_eq!(server.read_future(&mut [0; 9]).await.expect("data"), 1);
    });
}

#[test]
fn nothing_is_concluded_while_data_waits_for_a_reader() {
    on_loop(|| async {
        let (mut far, server) = raw_client(&options(20));
        let bytes = [REQUEST.as_bytes(), &frame(0x82, b"ab")].concat();
        far.write_all(&bytes).expect("written");
        server.handshake_future().await.expect("accepted");
        let mut data = [0; 1];
        assert_eq!(server.read_future(&mut data).await.expect("data"), 1);
        glib::timeout_future(Duration::from_millis(200)).await;
        assert_eq!(server.read_future(&mut data).await.expect("data"), 1);
        assert_eq!(&data, b"b");
    });
}

#[test]
fn pings_can_be_enabled_and_disabled_on_an_open_connection() {
    on_loop(|| async {
        let (mut far, server) = raw_client(&WebsockOptions::default());
        far.write_all(REQUEST.as_bytes()).expect("written");
        server.handshake_future().await.expect("accepted");
        read_head(&mut far);
        let notified = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = notified.clone();
        server.connect_notify_local(Some("ping-interval"), move |_, _| {
            count.set(count.get() + 1);
        });
        server.set_property("ping-interval", 20_u32);
        server.set_ping_interval(Duration::from_millis(20));
        assert_eq!(
            (notified.get(), server.property("ping-interval")),
            (1, 20_u32)
        );
        let (far, pinged) = gio::spawn_blocking(move || {
            let pinged = read_frame(&mut far);
            (far, pinged)
        })
        .await
        .expect("no panic");
        assert_eq!(pinged, (0x89, Vec::new()));
        // Without a limit nothing is concluded from a silent peer.
        server.set_pong_timeout(Duration::from_millis(30));
        assert_eq!(server.pong_timeout(), Duration::from_millis(30));
        let error = server.read_future(&mut [0; 9]).await.expect_err("silent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(far);

        let (mut far, server) = raw_client(&options(30));
        far.write_all(REQUEST.as_bytes()).expect("written");
        server.handshake_future().await.expect("accepted");
        server.set_ping_interval(Duration::ZERO);
        let mut data = [0; 9];
        let silent = server
            .read_future(&mut data)
            .or_timeout(Duration::from_millis(200));
        silent.await.expect_err("nothing comes");
        far.write_all(&frame(0x82, b"x")).expect("written");
        assert_eq!(server.read_future(&mut [0; 9]).await.expect("data"), 1);
    });
}
