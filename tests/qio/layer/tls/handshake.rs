//! TLS handshakes, in blocking mode, coroutines, futures and callbacks, and refused peers.

mod cancellation;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::future;
use gio::{TlsAuthenticationMode, TlsError, TlsProtocolVersion, prelude::*};
use glib::{ControlFlow, IOCondition};
use qio::{ChannelSocket, ChannelTls, Shutdown, TlsCreds, TlsEndpoint, coroutine, prelude::*};

use super::fixtures::{
    NAME, authority, before_handshake, client_builder, client_cert, client_creds, connected,
    handshake, over, server_builder, server_creds, try_handshake, with,
};
use crate::common::{after_ticks, certs::Request, in_loop, in_time, iterate_until, on_loop};

fn pair() -> (ChannelSocket, ChannelSocket) {
    ChannelSocket::pair().expect("a pair")
}

/// That this is the error that is reported.
#[track_caller]
fn assert_tls(result: io::Result<()>, code: TlsError, words: &str) {
    let e = result.expect_err("it fails");
    assert!(e.to_string().contains(words), "{e}");
    let error = qio::to_glib_error(&e);
    assert_eq!(error.kind::<TlsError>(), Some(code), "{e}");
}

#[test]
fn an_internationalized_name_is_that_of_the_certificate_by_idna() {
    in_time(|| {
        let cert = Request::server("server").dns("xn--bcher-kva.test");
        let cert = cert.signed_by(authority());
        let server = TlsCreds::builder(TlsEndpoint::Server).certificate_pem(cert.pem, cert.key);
        let server = server.build().expect("good");
        for (name, is_right) in [("bücher.test", true), ("bucher.test", false)] {
            let (here, there) = pair();
            let client = ChannelTls::new_client(&here, &client_creds(), name).expect("a client");
            let server = ChannelTls::new_server(&there, &server).expect("a server");
            assert_eq!(client.hostname().as_deref(), Some(name));
            assert_eq!(
                try_handshake(&client, &server).0.is_ok(),
                is_right,
                "{name}"
            );
        }
        let wrong = ChannelTls::new_client(&pair().0, &client_creds(), "ü\u{fffd}.test");
        let e = wrong.expect_err("no name");
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput, "{e}");
    });
}

#[test]
fn negotiated_parameters_are_properties() {
    needs!("glib-networking");
    in_time(|| {
        let client_creds = client_builder().alpn_protocols(["h2", "http/1.1"]);
        let server_creds = server_builder().alpn_protocols(["http/1.1"]);
        let (here, there) = pair();
        let (client, server) = with(
            &here,
            &client_creds.build().expect("good"),
            &there,
            &server_creds.build().expect("good"),
        );
        assert_eq!(client.hostname().as_deref(), Some(NAME));
        assert_eq!(server.hostname(), None);
        assert_eq!(client.protocol_version(), TlsProtocolVersion::Unknown);
        assert_eq!(client.cipher(), None);
        assert_eq!(client.key_size(), None);
        assert_eq!(client.peer_name(), None);
        let reported = Arc::new(AtomicU32::new(0));
        let count = reported.clone();
        client.connect_handshake_done_notify(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        handshake(&client, &server);
        assert_eq!(reported.load(Ordering::Relaxed), 1);
        for end in [&client, &server] {
            assert!(end.is_handshake_done() && !end.is_resumed());
            assert_eq!(end.protocol_version(), TlsProtocolVersion::Tls13);
            assert_eq!(end.cipher().as_deref(), Some("TLS_AES_256_GCM_SHA384"));
            assert_eq!(end.key_size(), Some(32));
            assert_eq!(end.property::<u32>("key-size"), 32);
            assert_eq!(end.alpn_protocol().as_deref(), Some("http/1.1"));
            end.handshake().expect("it is done");
        }
        let certificate = client.peer_certificate().expect("a server shows one");
        assert_eq!(client.peer_name().as_deref(), Some("CN=server,C=UK"));
        assert_eq!(server.peer_name(), None, "it has presented no certificate");
        assert!(certificate.issuer().is_some(), "with its issuer");
        assert!(server.peer_certificate().is_none(), "it was not requested");
        assert_eq!(client.master(), *here.upcast_ref::<qio::Channel>());
        assert_eq!(client.property::<TlsCreds>("creds"), client.creds());
    });
}

#[test]
fn futures_perform_the_handshake_on_one_loop() {
    on_loop(|| async {
        let (client, server) = before_handshake();
        let both = future::join(client.handshake_future(), server.handshake_future());
        let (here, there) = both.await;
        here.and(there).expect("connected");
    });
}

#[test]
fn coroutines_perform_the_handshake_and_the_loop_runs() {
    in_loop(|context| {
        let (client, server) = before_handshake();
        let ticks = after_ticks(|| ());
        let there = coroutine::spawn(move || server.handshake().map(|()| server));
        let here = coroutine::spawn(move || {
            // In blocking mode, by a read.
            client.read(&mut [0; 5]).map(|count| (client, count))
        });
        let server = context
            .block_on(there)
            .expect("no panic")
            .expect("connected");
        server.write_all(b"hello").expect("written");
        let (_client, count) = context.block_on(here).expect("no panic").expect("read");
        assert_eq!(count, 5);
        let _ = ticks;
    });
}

#[test]
fn watches_drive_a_handshake() {
    in_loop(|context| {
        let (client, server) = before_handshake();
        let mut sources = Vec::new();
        for end in [&client, &server] {
            end.set_blocking(false).expect("non-blocking");
            let go_on = |end: &ChannelTls, _| match end.read(&mut [0]) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => ControlFlow::Continue,
                result => panic!("{result:?}"),
            };
            sources.push(end.add_watch_source_local(IOCondition::IN, go_on, Some(context)));
        }
        iterate_until(context, || {
            client.is_handshake_done() && server.is_handshake_done()
        });
        sources.iter().for_each(glib::Source::destroy);
    });
}

#[test]
fn addresses_are_verified_too() {
    in_time(|| {
        for (name, good) in [
            ("127.0.0.1", true),
            (NAME, true),
            ("SERVER.test.", true),
            ("127.0.0.2", false),
            ("other.test", false),
        ] {
            let (here, there) = pair();
            let client = ChannelTls::new_client(&here, &client_creds(), name).expect("a client");
            let server = ChannelTls::new_server(&there, &server_creds()).expect("a server");
            let (here, there) = try_handshake(&client, &server);
            if good {
                here.and(there).expect(name);
                continue;
            }
            assert_tls(here, TlsError::BadCertificate, "mismatch");
            assert_tls(there, TlsError::Handshake, "bad certificate");
            let again = client.write(b"x").unwrap_err().to_string();
            assert!(
                again.contains(&format!(
                    "Unable to perform the TLS handshake with {name}: "
                )),
                "{again}"
            );
        }
    });
}

#[test]
fn errors_of_a_handshake_have_the_reason_and_the_peer() {
    needs!("glib-networking");
    in_time(|| {
        let other = Request::authority("other").signed_by_itself();
        let client = TlsCreds::builder(TlsEndpoint::Client).trust_pem(other.pem);
        let (here, there) = pair();
        let (client, server) = with(
            &here,
            &client.build().expect("good"),
            &there,
            &server_creds(),
        );
        let (here, there) = try_handshake(&client, &server);
        assert_tls(
            here,
            TlsError::BadCertificate,
            "self-signed certificate in certificate chain",
        );
        assert_tls(there, TlsError::Handshake, "unknown ca");
        let refused = client.peer_certificate().expect("it was shown");
        assert!(refused.issuer().is_some(), "with its issuers");
    });
}

#[test]
fn a_client_that_has_no_certificate_is_refused_where_one_is_needed() {
    in_time(|| {
        let needy = server_builder().client_certificates(TlsAuthenticationMode::Required);
        let (here, there) = pair();
        let (client, server) = with(
            &here,
            &client_creds(),
            &there,
            &needy.build().expect("good"),
        );
        let (_, there) = try_handshake(&client, &server);
        assert_tls(
            there,
            TlsError::CertificateRequired,
            "did not return a certificate",
        );
        // With TLS 1.3 a client learns of it by its first read.
        let e = client.read(&mut [0]).unwrap_err();
        assert!(e.to_string().contains("certificate required"), "{e}");
    });
}

#[test]
fn the_distinguished_name_of_a_peer_is_that_of_rfc_4514_with_escapes_also_after_resumption() {
    in_time(|| {
        let cert = Request::client("al,ice+bob \"é\" ").signed_by(authority());
        let requesting = server_builder().client_certificates(TlsAuthenticationMode::Required);
        let shown = client_builder().certificate_pem(cert.pem.as_str(), cert.key.as_str());
        let (shown, requesting) = (
            shown.build().expect("good"),
            requesting.build().expect("good"),
        );
        for is_resumed in [false, true] {
            let (here, there) = pair();
            let (client, server) = with(&here, &shown, &there, &requesting);
            handshake(&client, &server);
            server.write_all(b"x").expect("space");
            client.read_all(&mut [0]).expect("also the ticket");
            assert_eq!(server.is_resumed(), is_resumed);
            let expected = "CN=al\\,ice\\+bob \\\"é\\\"\\ ,C=UK";
            assert_eq!(server.peer_name().as_deref(), Some(expected));
            assert_eq!(
                server.property::<Option<String>>("peer-name").as_deref(),
                Some(expected)
            );
        }
    });
}

#[test]
fn authorize_peer_is_emitted_with_the_certificate() {
    needs!("glib-networking");
    in_time(|| {
        for accepted in [true, false] {
            let requesting = server_builder().client_certificates(TlsAuthenticationMode::Required);
            let shown = client_builder()
                .certificate_pem(client_cert().pem.as_str(), client_cert().key.as_str());
            let (here, there) = pair();
            let (client, server) = with(
                &here,
                &shown.build().expect("good"),
                &there,
                &requesting.build().expect("good"),
            );
            let emitted = Arc::new(AtomicU32::new(0));
            let count = emitted.clone();
            server.connect_authorize_peer(move |server, certificate| {
                assert!(!server.is_handshake_done());
                assert!(
                    certificate
                        .subject_name()
                        .expect("a name")
                        .contains("client")
                );
                assert_eq!(
                    server.peer_certificate().map(|it| it.subject_name()),
                    Some(certificate.subject_name())
                );
                count.fetch_add(1, Ordering::Relaxed);
                accepted
            });
            server.connect_authorize_peer(|_, _| true);
            let (_, there) = try_handshake(&client, &server);
            assert_eq!(emitted.load(Ordering::Relaxed), 1);
            match accepted {
                true => there.expect("accepted"),
                false => {
                    assert_tls(
                        there,
                        TlsError::BadCertificate,
                        "rejected by authorize-peer",
                    );
                    let e = client.read(&mut [0]).unwrap_err();
                    assert!(e.to_string().contains("\"bad certificate\""), "{e}");
                }
            }
        }
    });
}

#[test]
fn a_session_is_resumed_at_both_ends() {
    needs!("glib-networking");
    in_time(|| {
        for version in [TlsProtocolVersion::Tls12, TlsProtocolVersion::Tls13] {
            let here = client_builder().max_version(version).build().expect("good");
            let there = server_creds();
            for resumed in [false, true, true] {
                let (a, b) = pair();
                let (client, server) = with(&a, &here, &b, &there);
                handshake(&client, &server);
                assert_eq!(client.protocol_version(), version);
                assert_eq!(
                    (client.is_resumed(), server.is_resumed()),
                    (resumed, resumed)
                );
                // Tickets come with the data.
                server.write_all(b"x").expect("written");
                client.read_all(&mut [0]).expect("read");
                assert!(client.peer_certificate().is_some());
            }
            let (a, b) = pair();
            let other = ChannelTls::new_client(&a, &here, "127.0.0.1").expect("a client");
            let server = ChannelTls::new_server(&b, &there).expect("a server");
            handshake(&other, &server);
            assert!(!other.is_resumed(), "it is another name");
        }
    });
}

#[test]
fn credentials_are_for_one_end() {
    let (here, _there) = pair();
    let e = ChannelTls::new_client(&here, &server_creds(), NAME).unwrap_err();
    assert_eq!(e.to_string(), "These credentials are for servers");
    let e = ChannelTls::new_server(&here, &client_creds()).unwrap_err();
    assert_eq!(e.to_string(), "These credentials are for clients");
    let e = ChannelTls::new_client(&here, &client_creds(), None).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::InvalidInput, "{e}");
}

#[test]
fn no_common_alpn_protocol_is_an_alert() {
    in_time(|| {
        let (here, there) = pair();
        let (client, server) = with(
            &here,
            &client_builder()
                .alpn_protocols(["smtp"])
                .build()
                .expect("good"),
            &there,
            &server_builder()
                .alpn_protocols(["h2"])
                .build()
                .expect("good"),
        );
        let (here, _) = try_handshake(&client, &server);
        assert_tls(here, TlsError::Handshake, "no application protocol");
    });
}

#[test]
fn tls_in_tls_in_tls() {
    in_time(|| {
        let (client, server) = over(over(connected()));
        crate::common::pattern::transfer_both_modes(&client, &server);
        assert_eq!(client.read_bytes(0).expect("nothing").len(), 0);
    });
    on_loop(|| async {
        let (client, server) = over(over(connected()));
        crate::common::pattern::transfer_by_futures(&client, &server, true).await;
        crate::common::pattern::transfer_by_futures(&server, &client, false).await;
    });
}
