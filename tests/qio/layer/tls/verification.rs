//! Certificates that do not verify: errors as data, the decision of a handler,
//! alerts, revocation, and sessions that are verified again.

mod chains;
mod resumption;

use std::{
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, SystemTime},
};

use gio::{TlsAuthenticationMode, TlsCertificateFlags, TlsError, TlsProtocolVersion, prelude::*};
use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslMethod},
    x509::X509,
};
use qio::{
    ChannelSocket, ChannelTls, TlsCreds, TlsCredsBuilder, TlsEndpoint, coroutine, prelude::*,
};

use super::fixtures::{
    NAME, authority, client_builder, client_cert, client_creds, handshake, server_builder,
    server_cert, server_creds, try_handshake, with,
};
use crate::common::{
    certs::{Cert, Request},
    classes::Drip,
    in_loop, in_time,
};

const VERSIONS: [TlsProtocolVersion; 2] = [TlsProtocolVersion::Tls12, TlsProtocolVersion::Tls13];

fn server_of(cert: &Cert) -> TlsCreds {
    let builder = TlsCreds::builder(TlsEndpoint::Server);
    let builder = builder.certificate_pem(cert.pem.as_str(), cert.key.as_str());
    builder
        .verify_on_load(false)
        .build()
        .expect("good credentials")
}

fn ends(client: &TlsCreds, server: &TlsCreds) -> (ChannelTls, ChannelTls) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    with(&here, client, &there, server)
}

fn trusts_nothing() -> TlsCreds {
    let unknown_ca = Request::authority("unknown_ca").signed_by_itself();
    let builder = TlsCreds::builder(TlsEndpoint::Client).trust_pem(unknown_ca.pem);
    builder.build().expect("good credentials")
}

fn verdict(builder: TlsCredsBuilder, server: &TlsCreds) -> io::Result<()> {
    let (client, server) = ends(&builder.build().expect("good credentials"), server);
    try_handshake(&client, &server).0
}

#[test]
fn the_errors_of_a_certificate_are_flags() {
    in_time(|| {
        let good = || Request::server("server").dns(NAME);
        let weak = TlsCertificateFlags::empty();
        for (what, request, errors) in [
            ("a good one", good(), weak),
            (
                "another name",
                Request::server("server").dns("other.test"),
                TlsCertificateFlags::BAD_IDENTITY,
            ),
            ("expired", good().expired(), TlsCertificateFlags::EXPIRED),
            (
                "of the future",
                good().not_yet_valid(),
                TlsCertificateFlags::NOT_ACTIVATED,
            ),
            ("revoked", good().serial(7), TlsCertificateFlags::REVOKED),
            (
                "of a client",
                Request::client("server").dns(NAME),
                TlsCertificateFlags::GENERIC_ERROR,
            ),
        ] {
            let client = client_builder().crl_pem(authority().revokes(&[7]));
            let server = server_of(&request.signed_by(authority()));
            let (client, server) = ends(&client.build().expect("good"), &server);
            assert_eq!(
                client.peer_certificate_errors(),
                TlsCertificateFlags::empty()
            );
            let (here, _) = try_handshake(&client, &server);
            assert_eq!(here.is_ok(), errors.is_empty(), "{what}");
            assert_eq!(client.peer_certificate_errors(), errors, "{what}");
            let property = client.property::<TlsCertificateFlags>("peer-certificate-errors");
            assert_eq!(property, errors, "{what}");
        }
        let (client, server) = ends(&trusts_nothing(), &server_creds());
        try_handshake(&client, &server)
            .0
            .expect_err("an unknown CA");
        assert_eq!(
            client.peer_certificate_errors(),
            TlsCertificateFlags::UNKNOWN_CA
        );
    });
}

#[test]
fn a_handler_decides_on_a_certificate_with_all_its_errors() {
    needs!("glib-networking");
    in_time(|| {
        let cert = Request::server("server").dns("other.test").expired();
        let server = server_of(&cert.signed_by(authority()));
        for version in VERSIONS {
            for accepts in [true, false] {
                let client = TlsCreds::builder(TlsEndpoint::Client).max_version(version);
                let unknown_ca = Request::authority("unknown_ca").signed_by_itself();
                let client = client.trust_pem(unknown_ca.pem).build().expect("good");
                let (client, server) = ends(&client, &server);
                let seen = Arc::new(Mutex::new(Vec::new()));
                let log = seen.clone();
                client.connect_accept_certificate(move |client, certificate, errors| {
                    let subject = certificate.subject_name().expect("a name").to_string();
                    let shown = client.peer_certificate().expect("presented");
                    assert!(shown.is_same(certificate));
                    log.lock().expect("whole").push((subject, errors));
                    accepts
                });
                let (here, there) = try_handshake(&client, &server);
                let errors = TlsCertificateFlags::UNKNOWN_CA
                    | TlsCertificateFlags::BAD_IDENTITY
                    | TlsCertificateFlags::EXPIRED;
                let seen = seen.lock().expect("whole");
                assert_eq!(seen.len(), 1);
                assert!(seen[0].0.contains("CN=server"), "{seen:?}");
                assert_eq!(seen[0].1, errors);
                assert_eq!(client.peer_certificate_errors(), errors);
                if accepts {
                    here.expect("accepted");
                    there.expect("accepted");
                    continue;
                }
                let e = here.expect_err("not accepted");
                assert!(
                    qio::to_glib_error(&e).matches(TlsError::BadCertificate),
                    "{e}"
                );
                let e = there.expect_err("an alert");
                assert!(e.to_string().contains("the peer sent the alert"), "{e}");
            }
        }
    });
}

#[test]
fn a_handler_is_not_called_for_a_certificate_that_verifies() {
    needs!("glib-networking");
    in_time(|| {
        let (client, server) = ends(&client_creds(), &server_creds());
        client.connect_accept_certificate(|_, _, _| panic!("nothing is wrong"));
        handshake(&client, &server);
    });
}

#[test]
fn a_leaf_certificate_can_be_pinned() {
    needs!("glib-networking");
    in_time(|| {
        let impostor = Request::server("server").dns(NAME);
        let impostor = impostor.signed_by(&Request::authority("authority").signed_by_itself());
        for (cert, is_it) in [(server_cert(), true), (&impostor, false)] {
            let (client, server) = ends(&trusts_nothing(), &server_of(cert));
            client.connect_accept_certificate(|_, certificate, _| {
                let pinned = gio::TlsCertificate::from_pem(&server_cert().pem);
                certificate.is_same(&pinned.expect("a certificate"))
            });
            assert_eq!(try_handshake(&client, &server).0.is_ok(), is_it);
        }
        // Or as a trust anchor.
        let own = Request::server("server").dns(NAME).signed_by_itself();
        for (cert, is_it) in [(&own, true), (server_cert(), false)] {
            let builder = TlsCreds::builder(TlsEndpoint::Client).trust_pem(own.pem.as_str());
            // It is no certificate authority, which is an error otherwise.
            let client = builder
                .verify_on_load(false)
                .build()
                .expect("good credentials");
            let (client, server) = ends(&client, &server_of(cert));
            assert_eq!(try_handshake(&client, &server).0.is_ok(), is_it);
        }
    });
}

#[test]
fn a_connection_that_a_handler_has_accepted_is_not_resumed() {
    needs!("glib-networking");
    in_time(|| {
        for version in VERSIONS {
            let client = TlsCreds::builder(TlsEndpoint::Client).max_version(version);
            let unknown_ca = Request::authority("unknown_ca").signed_by_itself();
            let creds = client.trust_pem(unknown_ca.pem).build().expect("good");
            let there = server_creds();
            for _ in 0..2 {
                let (client, server) = ends(&creds, &there);
                client.connect_accept_certificate(|_, _, _| true);
                handshake(&client, &server);
                assert!(!client.is_resumed());
                server.write_all(b"x").expect("written");
                client.read_all(&mut [0]).expect("read");
            }
        }
    });
}

#[test]
fn a_server_sends_an_alert_to_a_client_whose_certificate_does_not_verify() {
    in_time(|| {
        for version in VERSIONS {
            let requesting = server_builder().client_certificates(TlsAuthenticationMode::Required);
            let unknown_ca = Request::authority("unknown_ca").signed_by_itself();
            let cert = Request::client("client").signed_by(&unknown_ca);
            let client = client_builder()
                .max_version(version)
                .certificate_pem(cert.pem, cert.key)
                .build()
                .expect("good");
            let (client, server) = ends(&client, &requesting.build().expect("good"));
            let (here, there) = try_handshake(&client, &server);
            there.expect_err("an unknown CA");
            assert_eq!(
                server.peer_certificate_errors(),
                TlsCertificateFlags::UNKNOWN_CA
            );
            let e = here
                .and_then(|()| client.read_all(&mut [0]))
                .expect_err("an alert");
            assert!(e.to_string().contains("\"unknown ca\""), "{e}");
        }
    });
}

/// A CA has two certificates, with an old and a new key. The path by the old one, which is tried
/// first, does not verify; the rest of the handshake has not arrived yet.
#[test]
fn a_server_accepts_a_client_certificate_by_another_path_before_the_rest_of_its_handshake() {
    in_time(|| {
        let root = Request::authority("root").signed_by_itself();
        let old = Request::authority("issuer").signed_by(&root);
        let new = Request::authority("issuer").signed_by(&root);
        let cert = Request::client("client").signed_by(&new);
        let chain = [cert.pem.as_str(), &old.pem, &new.pem].concat();
        let requesting = server_builder()
            .trust_pem(root.pem)
            .client_certificates(TlsAuthenticationMode::Required);
        let requesting = requesting.build().expect("good");
        for version in VERSIONS {
            let client = client_builder()
                .max_version(version)
                .certificate_pem(chain.as_str(), cert.key.as_str())
                .build()
                .expect("good");
            let (here, there) = ChannelSocket::pair().expect("a pair");
            let there = Drip::new(there, &[64]);
            let (client, server) = with(&here, &client, &there, &requesting);
            thread::scope(|scope| {
                let served = scope.spawn(|| server.handshake().map_err(|e| (e, server.close())));
                let connected = client.handshake();
                served.join().expect("no panic").expect("another path");
                connected.expect("the server accepts it");
            });
        }
    });
}

#[test]
fn a_server_that_selects_a_protocol_that_was_not_offered_is_refused() {
    in_time(|| {
        for offered in [&b"\x04echo"[..], b"\x05other"] {
            let (here, there) = UnixStream::pair().expect("a pair");
            let channel = ChannelSocket::new_fd(OwnedFd::from(here)).expect("a socket");
            let client = client_builder()
                .alpn_protocols(["echo"])
                .build()
                .expect("good");
            let client = ChannelTls::new_client(&channel, &client, NAME).expect("a client");
            let answers = thread::spawn(move || {
                let mut context = SslContext::builder(SslMethod::tls_server()).expect("a server");
                let cert = X509::from_pem(server_cert().pem.as_bytes()).expect("PEM");
                let key = PKey::private_key_from_pem(server_cert().key.as_bytes()).expect("PEM");
                context.set_certificate(&cert).expect("good");
                context.set_private_key(&key).expect("good");
                context.set_alpn_select_callback(|_, _| Ok(&offered[1..]));
                let ssl = Ssl::new(&context.build()).expect("a connection");
                // With TLS 1.3 an alert comes after the server's end of the handshake.
                let mut accepted = ssl.accept(there).map_err(|e| e.to_string())?;
                accepted.read_exact(&mut [0]).map_err(|e| e.to_string())
            });
            let result = client.write_all(b"x");
            assert_eq!(result.is_ok(), &offered[1..] == b"echo", "{result:?}");
            client.close().expect("closed");
            let seen = answers.join().expect("no panic");
            assert_eq!(result.is_ok(), seen.is_ok(), "{seen:?}");
            if let Err(alert) = seen {
                let either = ["alert decode error", "alert illegal parameter"];
                assert!(either.iter().any(|it| alert.contains(it)), "{alert}");
            }
        }
    });
}

#[test]
fn a_certificate_with_two_common_names_and_no_others_is_for_none() {
    in_time(|| {
        for (request, is_for_it) in [
            (Request::server(NAME), true),
            (Request::server(NAME).also_named("other.test"), false),
            (Request::server("other.test").also_named(NAME), false),
        ] {
            let cert = request.signed_by(authority());
            let result = verdict(client_builder(), &server_of(&cert));
            assert_eq!(result.is_ok(), is_for_it, "{result:?}");
        }
    });
}

#[test]
fn a_message_names_what_a_certificate_is_for_by_alternative_names_first() {
    in_time(|| {
        let cert = Request::server(NAME)
            .email("a@b.test")
            .signed_by(authority());
        let e = verdict(client_builder(), &server_of(&cert)).expect_err("no name");
        let text = e.to_string();
        assert!(
            text.ends_with("hostname mismatch: C=UK,CN=server.test is for no host"),
            "{text}"
        );
    });
}

/// Waits in a coroutine for something else than the peer.
fn consents_later(end: &ChannelTls) {
    let (waits, other) = ChannelSocket::pair().expect("a pair");
    let other = Mutex::new(Some(other));
    end.connect_authorize_peer(move |_, _| {
        let other = other.lock().expect("whole").take().expect("once");
        let later = coroutine::spawn(move || other.write_all(b"yes"));
        let read = waits.read_all(&mut [0; 3]);
        drop(later);
        read.is_ok()
    });
}

#[test]
fn a_handler_in_a_coroutine_waits_while_other_tasks_run() {
    needs!("glib-networking");
    in_loop(|context| {
        for version in VERSIONS {
            let required = server_builder().client_certificates(TlsAuthenticationMode::Required);
            let cert = client_cert();
            let shown = client_builder()
                .max_version(version)
                .certificate_pem(cert.pem.as_str(), cert.key.as_str());
            let (client, server) = ends(
                &shown.build().expect("good"),
                &required.build().expect("good"),
            );
            consents_later(&client);
            consents_later(&server);
            let (here, there) = (client.clone(), server.clone());
            let here = coroutine::spawn(move || here.handshake());
            let there = coroutine::spawn(move || there.handshake());
            context.block_on(here).expect("no panic").expect("accepted");
            context
                .block_on(there)
                .expect("no panic")
                .expect("accepted");
        }
    });
}
