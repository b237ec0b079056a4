//! Listening on a name without blocking.

use std::io::ErrorKind;

use super::*;
use crate::common::on_loop;

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
fn an_address_is_a_name_of_its_own() {
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
fn a_name_that_nobody_knows_is_told_of() {
    let e = on_loop(|| async {
        let channel = ChannelSocket::new();
        let name = gio::NetworkAddress::new("nowhere.invalid", 1);
        channel.listen_future(&name, 4).await.expect_err("unknown")
    });
    let e = qio::to_glib_error(&e);
    assert!(e.message().contains("nowhere.invalid"), "{e}");
}
