//! Peers that have us answer and do not listen.

use std::{cell::Cell, io, rc::Rc};

use qio::{ChannelTls, prelude::*};

use super::fixtures::{handshake, over};
use crate::common::{FEW, in_loop, in_time, iterate_until, iterations, nonblocking_pair, settle};

fn nonblocking_friends() -> (ChannelTls, ChannelTls) {
    let (client, server) = over(nonblocking_pair());
    handshake(&client, &server);
    client.set_blocking(false).expect("non-blocking");
    server.set_blocking(false).expect("non-blocking");
    (client, server)
}

#[track_caller]
fn assert_blocks<T: std::fmt::Debug>(result: io::Result<T>) {
    let e = result.expect_err("there is nothing");
    assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
}

/// Requests KeyUpdates until the lower channel takes no more, and reads none of the responses.
fn request_key_updates(attacker: &ChannelTls, victim: &ChannelTls) -> usize {
    for count in 0..60_000 {
        if let Err(e) = attacker.update_keys(true) {
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
            return count;
        }
        if count % 100 == 0 {
            assert_blocks(victim.read(&mut [0]));
        }
    }
    panic!("the victim has taken all, and kept the answers");
}

#[test]
fn responses_that_are_not_read_are_bounded() {
    in_time(|| {
        let (client, server) = nonblocking_friends();
        request_key_updates(&client, &server);
        assert_blocks(server.read(&mut [0]));
        // The same limit applies to a KeyUpdate of this end.
        assert_blocks(client.update_keys(false));
    });
}

#[test]
fn a_reader_that_waits_for_pending_responses_does_not_spin() {
    in_loop(|context| {
        let (client, server) = nonblocking_friends();
        // Waits before any of them, for data to come.
        let (reader, done) = (server.clone(), Rc::new(Cell::new(false)));
        let note = done.clone();
        qio::spawn_local(async move {
            let mut got = [0; 4];
            reader.read_all_future(&mut got).await.expect("read");
            assert_eq!(&got, b"data");
            note.set(true);
        });
        settle(context);
        request_key_updates(&client, &server);
        assert!(iterations(context) <= FEW);
        // The peer reads at last, so that its own pending output is taken.
        let writer = client.clone();
        qio::spawn_local(async move { writer.write_all_future(b"data").await.expect("written") });
        let listener = client.clone();
        let listen = qio::spawn_local(async move { listener.read_all_future(&mut [0]).await });
        iterate_until(context, || done.get());
        listen.abort();
    });
}
