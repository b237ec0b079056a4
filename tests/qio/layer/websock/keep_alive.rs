//! `src/layer/websock/keep_alive.rs`.

use std::{
    io::{self, Write as _},
    thread,
    time::Duration,
};

use qio::{WebsockOptions, prelude::*};

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
