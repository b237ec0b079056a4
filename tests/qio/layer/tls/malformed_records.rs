//! Malformed records of hostile or faulty peers.

use std::{io, thread, time::Duration};

use futures_util::FutureExt as _;
use gio::TlsError;
use openssl::x509::X509;
use qio::{ChannelSocket, ChannelTls, Shutdown, prelude::*};

use super::fixtures::{
    NAME, before_handshake, client_creds, connected, handshake, over, server_creds,
};
use crate::common::{alone::alone, in_time, memory::growth, nonblocking_pair, on_loop};

/// Both kinds of ends, each with a peer that does not speak TLS.
fn victims() -> [(ChannelTls, ChannelSocket); 2] {
    let pair = || ChannelSocket::pair().expect("a pair");
    let ((a, x), (b, y)) = (pair(), pair());
    [
        (
            ChannelTls::new_client(&a, &client_creds(), NAME).expect("a client"),
            x,
        ),
        (
            ChannelTls::new_server(&b, &server_creds()).expect("a server"),
            y,
        ),
    ]
}

fn code(e: &io::Error) -> Option<TlsError> {
    qio::to_glib_error(e).kind::<TlsError>()
}

#[test]
fn garbage_is_one_clear_error() {
    in_time(|| {
        for garbage in [&b"GET / HTTP/1.0\r\n\r\n"[..], &[0xff; 100], &[0; 5000]] {
            for (victim, attacker) in victims() {
                attacker.write_all(garbage).expect("written");
                let e = victim.handshake().unwrap_err();
                assert!(
                    matches!(code(&e), Some(TlsError::NotTls | TlsError::Handshake)),
                    "{e}"
                );
                assert!(
                    e.to_string()
                        .starts_with("Unable to perform the TLS handshake with "),
                    "{e}"
                );
                for again in [
                    victim.handshake().unwrap_err(),
                    victim.read(&mut [0]).unwrap_err(),
                    victim.write(b"x").unwrap_err(),
                    victim.bye().unwrap_err(),
                ] {
                    assert_eq!(again.to_string(), e.to_string());
                }
                victim.close().expect("closed");
            }
        }
    });
}

#[test]
fn half_a_record_and_then_the_end_is_an_error() {
    in_time(|| {
        for (victim, attacker) in victims() {
            attacker
                .write_all(&[22, 3, 1, 1, 0, 1, 0])
                .expect("written");
            attacker.shutdown(Shutdown::Write).expect("shut down");
            let e = victim.handshake().unwrap_err();
            assert_eq!(code(&e), Some(TlsError::Eof), "{e}");
            assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof);
        }
    });
}

#[test]
fn close_notify_in_place_of_a_hello_is_an_error() {
    in_time(|| {
        let [(client, attacker), _] = victims();
        attacker
            .write_all(&[21, 3, 3, 0, 2, 1, 0])
            .expect("written");
        let e = client.handshake().unwrap_err();
        assert_eq!(code(&e), Some(TlsError::Eof), "{e}");
        let message = e.to_string();
        assert!(
            message.ends_with("The peer has closed the connection"),
            "{e}"
        );
    });
}

#[test]
fn an_alert_that_is_unknown_is_reported_by_its_number() {
    in_time(|| {
        let [(client, attacker), _] = victims();
        attacker
            .write_all(&[21, 3, 3, 0, 2, 2, 14])
            .expect("written");
        let message = client.handshake().unwrap_err().to_string();
        assert!(
            message.ends_with("the peer sent the unknown alert 14"),
            "{message}"
        );
    });
}

#[test]
fn claims_of_16_mebibytes_cost_nothing() {
    let name = "layer::tls::malformed_records::claims_of_16_mebibytes_cost_nothing";
    alone(name, || {
        // What is made once is there, and so are the buffers of sockets' and threads'.
        drop(connected());
        claim_16_mebibytes();
        let growth = growth(claim_16_mebibytes);
        assert!(growth < 1 << 20, "{growth} bytes");
    });
}

fn claim_16_mebibytes() {
    in_time(|| {
        for claim in [
            // A record that is longer than there can be.
            &[22, 3, 3, 255, 255][..],
            // A message of a handshake, a hello, of 16 MiB.
            &[22, 3, 1, 64, 0, 1, 255, 255, 255],
            &[22, 3, 1, 64, 0, 2, 255, 255, 255],
        ] {
            for (victim, attacker) in victims() {
                attacker.set_blocking(false).expect("non-blocking");
                attacker.write_all(claim).expect("written");
                let attack = thread::spawn(move || {
                    let mut sent = 0_u64;
                    // Until the peer does not read any more.
                    while let Ok(count) = attacker.write(&[0; 4096]) {
                        sent += count as u64;
                        if sent > 1 << 26 {
                            break;
                        }
                    }
                    (attacker, sent)
                });
                let e = victim.handshake().unwrap_err();
                assert!(code(&e).is_some(), "{e}");
                let (_attacker, sent) = attack.join().expect("no panic");
                assert!(sent < 1 << 22, "{sent} bytes were taken");
            }
        }
    });
}

#[test]
fn silence_is_cut_at_the_deadline() {
    on_loop(|| async {
        for (victim, _attacker) in victims() {
            let moment = Duration::from_millis(30);
            let e = victim
                .handshake_future()
                .or_timeout(moment)
                .await
                .unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::TimedOut);
            victim.close().expect("closed");
        }
    });
}

#[test]
fn a_record_that_was_changed_is_an_error() {
    in_time(|| {
        let (client, server) = connected();
        client
            .master()
            .write_all(&[23, 3, 3, 0, 40])
            .expect("written");
        client.master().write_all(&[7; 40]).expect("written");
        let e = server.read(&mut [0; 8]).unwrap_err();
        assert_eq!(code(&e), Some(TlsError::Misc), "{e}");
        assert!(e.to_string().contains("bad record mac"), "{e}");
        let again = server.read(&mut [0; 8]).unwrap_err();
        assert_eq!(again.to_string(), e.to_string());
        let reported = client.read(&mut [0; 8]).unwrap_err();
        assert!(
            reported
                .to_string()
                .contains("the peer sent the alert \"bad record mac\""),
            "{reported}"
        );
    });
}

#[test]
fn what_came_before_a_broken_record_is_read_first() {
    in_time(|| {
        let (client, server) = connected();
        client.write_all(b"good").expect("written");
        client.master().write_all(&[99; 30]).expect("written");
        let mut got = [0; 64];
        assert_eq!(server.read(&mut got).expect("it came before"), 4);
        server.read(&mut got).expect_err("it is broken");
    });
}

#[test]
fn close_notify_in_mid_handshake_is_the_end() {
    in_time(|| {
        let (client, server) = over(nonblocking_pair());
        for end in [&client, &server] {
            end.set_blocking(false).expect("non-blocking");
            let e = end.read(&mut [0]).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        }
        let close_notify = [21, 3, 3, 0, 2, 1, 0];
        client.master().write_all(&close_notify).expect("written");
        let e = server.handshake().unwrap_err();
        assert_eq!(code(&e), Some(TlsError::Eof), "{e}");
        assert!(e.to_string().contains("closed the connection"), "{e}");
    });
}

#[test]
fn what_others_have_left_in_openssl_is_not_ours() {
    in_time(|| {
        let left = X509::from_pem(b"no certificate").unwrap_err();
        let (client, server) = before_handshake();
        server.set_blocking(false).expect("non-blocking");
        left.put();
        // What is polled here is in a context that this thread has.
        let e = glib::MainContext::default()
            .with_thread_default(|| server.handshake_future().now_or_never())
            .expect("nothing else has this context");
        assert!(e.is_none(), "{e:?}");
        handshake(&client, &server);
        for _ in 0..2 {
            left.put();
            let e = server.read(&mut [0]).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        }
        left.put();
        server.write_all(b"x").expect("written");
        client.read_all(&mut [0]).expect("read");
        left.put();
        client.write_all(b"x").expect("written");
        left.put();
        server.read_all(&mut [0]).expect("read");
        left.put();
        client.update_keys(true).expect("new keys");
        left.put();
        client.bye().expect("sent");
        left.put();
        assert!(!server.read_all_eof(&mut [0]).expect("a clean end"));
    });
}
