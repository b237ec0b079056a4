//! Handshakes that end anywhere leave nothing behind.

use std::time::Duration;

use futures_util::future;
use qio::{ChannelSocket, ChannelTls, prelude::*};

use super::ends::{NAME, client_creds, server_creds};
use crate::common::{alone::alone, fds, settle};

/// Channels that are alive are counted by their weak references.
fn drop_handshakes(rounds: u64) {
    let context = glib::MainContext::new();
    let (here, there) = (client_creds(), server_creds());
    let mut alive = Vec::new();
    let mut open = 0;
    let body = || {
        for round in 0..rounds + 10 {
            if round == 10 {
                // What is made once is there.
                settle(&context);
                open = fds::count();
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
                    let _ = server.write(b"to nobody");
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
    assert_eq!(fds::count(), open);
}

#[test]
fn handshakes_that_are_dropped_leave_nothing() {
    alone(
        "layer::tls::leaks::handshakes_that_are_dropped_leave_nothing",
        || {
            drop_handshakes(100);
        },
    );
}

#[test]
#[ignore = "takes a while: `make soak`"]
fn a_thousand_handshakes_that_are_dropped_leave_nothing() {
    alone(
        "layer::tls::leaks::a_thousand_handshakes_that_are_dropped_leave_nothing",
        || {
            drop_handshakes(1000);
        },
    );
}
