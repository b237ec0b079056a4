//! New keys in the middle of data, in both directions.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use gio::TlsProtocolVersion;
use qio::{ChannelSocket, prelude::*};

use super::fixtures::{before_handshake, client_builder, connected, handshake, server_creds, with};
use crate::common::{in_time, pattern::transfer};

#[test]
fn keys_change_under_load_in_both_directions() {
    in_time(|| {
        for blocking in [true, false] {
            let (client, server) = connected();
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut round = 0;
                    while !over.load(Ordering::Relaxed) {
                        round += 1;
                        for (end, request_peer) in
                            [(&client, round % 2 == 0), (&server, round % 3 == 0)]
                        {
                            if let Err(e) = end.update_keys(request_peer) {
                                // Too many are on their way.
                                assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
                            }
                        }
                        thread::yield_now();
                    }
                });
                let there = scope.spawn(|| transfer(&client, &server, blocking, |_| ()));
                transfer(&server, &client, blocking, |_| ());
                there.join().expect("no panic");
                over.store(true, Ordering::Relaxed);
            });
        }
    });
}

#[test]
fn keys_stay_without_tls_13() {
    in_time(|| {
        let (client, _server) = before_handshake();
        client.set_blocking(false).expect("non-blocking");
        let e = client.update_keys(true).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");

        let old = client_builder().max_version(TlsProtocolVersion::Tls12);
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let (client, server) = with(&here, &old.build().expect("good"), &there, &server_creds());
        handshake(&client, &server);
        let e = client.update_keys(false).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::Unsupported, "{e}");
    });
}
