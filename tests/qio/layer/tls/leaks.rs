//! Handshakes that end anywhere leave nothing behind.

use std::time::Duration;

use futures_util::future;
use qio::{ChannelSocket, ChannelTls, prelude::*};

use super::{
    fixtures::{NAME, client_creds, handshake, server_creds, with},
    openssl_since,
};
use crate::common::{alone::alone, fds, memory::allocated, native::sources, settle};

/// Channels that are alive are counted by their weak references.
fn drop_handshakes(rounds: u64) {
    let context = glib::MainContext::new();
    let (here, there) = (client_creds(), server_creds());
    let mut alive = Vec::new();
    let mut before = (0, 0);
    let body = || {
        for round in 0..rounds + 10 {
            if round == 10 {
                // What is made once is there.
                settle(&context);
                before = (fds::count(), sources(&context));
            }
            let (a, b) = ChannelSocket::pair().expect("a pair");
            let client = ChannelTls::new_client(&a, &here, NAME).expect("a client");
            let server = ChannelTls::new_server(&b, &there).expect("a server");
            alive.extend([client.downgrade(), server.downgrade()]);
            let masters = [a.downgrade(), b.downgrade()];
            drop((a, b));
            context.block_on(async {
                // From "at once" to "long after the end", in steps that fall everywhere.
                let moment = Duration::from_micros(round * 7919 % 6000);
                let both = future::join(client.handshake_future(), server.handshake_future());
                let both = async { Ok(both.await) };
                let _ = both.or_timeout(moment).await;
            });
            match round % 3 {
                0 => drop((client, server)),
                1 => {
                    client.close().expect("closed");
                    drop((server, client));
                }
                _ => {
                    server.set_blocking(false).expect("non-blocking");
                    let _ = server.write(b"unread");
                    drop((server, client));
                }
            }
            assert!(
                masters.iter().all(|it| it.upgrade().is_none()),
                "round {round}"
            );
        }
        settle(&context);
    };
    context.with_thread_default(body).expect("its own");
    assert!(alive.iter().all(|it| it.upgrade().is_none()));
    assert_eq!((fds::count(), sources(&context)), before);
}

#[test]
fn a_thousand_handshakes_that_are_dropped_leave_nothing() {
    alone(
        "layer::tls::leaks::a_thousand_handshakes_that_are_dropped_leave_nothing",
        || {
            drop_handshakes(1000);
        },
    );
}

#[test]
fn idle_connections_keep_no_record_buffers() {
    alone(
        "layer::tls::leaks::idle_connections_keep_no_record_buffers",
        || {
            let (here, there) = (client_creds(), server_creds());
            let mut connections = Vec::new();
            let mut before = 0;
            for round in 0..150 {
                if round == 50 {
                    before = allocated();
                }
                let (a, b) = ChannelSocket::pair().expect("a pair");
                let (client, server) = with(&a, &here, &b, &there);
                handshake(&client, &server);
                // Records of the largest size, in both directions.
                let mut record = [7; 16 * 1024];
                client.write_all(&record).expect("written");
                server.read_all(&mut record).expect("read");
                server.write_all(&record).expect("written");
                client.read_all(&mut record).expect("read");
                connections.push((client, server));
            }
            let each = (allocated() - before) / 200;
            // The ephemeral keys of ML-KEM, with which OpenSSL agrees on secrets since 3.5: it
            // keeps them as long as the connection, 7.6 kB in a client and 6.1 kB in a server, and
            // frees them by no function.
            let keys = match openssl_since(3, 5) {
                true => 7 * 1024,
                false => 0,
            };
            // A buffer for one record would be as much again. Session tickets leave some that has
            // to be freed.
            assert!(each < 20 * 1024 + keys, "{each} bytes");
        },
    );
}
