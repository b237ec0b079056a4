//! Listening on a name without blocking.

use std::io::ErrorKind;

use qio::{NetListener, coroutine};

use super::*;
use crate::common::{
    alone::alone,
    in_loop, on_loop,
    resolver::{Answer, set_answers, set_service},
    settle,
};

#[test]
fn a_channel_listens_on_the_first_address_of_a_name() {
    on_loop(|| async {
        let channel = ChannelSocket::new();
        let name = gio::NetworkAddress::new("localhost", 0);
        channel.listen_future(&name, 4).await.expect("listens");
        let client = connect_to(&channel.local_address().expect("bound"));
        is_connection(&client, &channel.accept().expect("a client"));
        let e = channel.listen_future(&name, 4).await.expect_err("open");
        assert_eq!(e.kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn an_address_resolves_to_itself() {
    on_loop(|| async {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let channel = ChannelSocket::new();
        channel
            .listen_future(&unix(&path), 4)
            .await
            .expect("listens");
        is_connection(
            &connect_to(&unix(&path)),
            &channel.accept().expect("a client"),
        );
        let e = ChannelSocket::new().listen_future(&unix(&path), 4).await;
        let expected = format!(
            "Unable to listen on {}: Address already in use",
            path.display()
        );
        assert_eq!(e.expect_err("taken").to_string(), expected);
    });
}

#[test]
fn a_name_that_is_unknown_is_reported() {
    let e = on_loop(|| async {
        let channel = ChannelSocket::new();
        let name = gio::NetworkAddress::new("nowhere.invalid", 1);
        channel.listen_future(&name, 4).await.expect_err("unknown")
    });
    let e = qio::to_glib_error(&e);
    assert!(e.message().contains("nowhere.invalid"), "{e}");
}

#[test]
fn in_a_coroutine_the_blocking_call_suspends() {
    const NAME: &str = "net::listen_future::in_a_coroutine_the_blocking_call_suspends";
    alone(NAME, || {
        set_answers([
            ("here.test", Answer::Addresses(&["127.0.0.1"])),
            ("silent.test", Answer::Silence),
        ]);
        in_loop(|context| {
            let opened = coroutine::spawn(|| {
                let listener = NetListener::new();
                let name = gio::NetworkAddress::new("here.test", 0);
                listener.open_sync(&name, 4).map(|()| listener)
            });
            let listener = context.block_on(opened).expect("no panic");
            assert!(listener.expect("listens").is_connected());

            let waits = coroutine::spawn(|| {
                let name = gio::NetworkAddress::new("silent.test", 0);
                NetListener::new().open_sync(&name, 4)
            });
            settle(context);
            assert!(!waits.is_finished());
            waits.abort();
            settle(context);
        });
    });
}

#[test]
fn a_service_is_looked_up_again() {
    const NAME: &str = "net::listen_future::a_service_is_looked_up_again";
    alone(NAME, || {
        set_answers([("here.test", Answer::Addresses(&["127.0.0.1"]))]);
        set_service("_qio._tcp.here.test", &["here.test"], 0);
        let service = gio::NetworkService::new("qio", "tcp", "here.test");
        for _ in 0..2 {
            NetListener::new().open_sync(&service, 4).expect("listens");
        }
    });
}
