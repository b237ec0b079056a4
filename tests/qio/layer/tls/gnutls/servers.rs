//! `gnutls-serv`, which sends back what it gets.

use std::{io, thread};

use gio::{
    TlsError,
    TlsProtocolVersion::{self, Tls12, Tls13},
};
use qio::{ChannelTls, TlsCreds, TlsCredsBuilder, TlsEndpoint, prelude::*};

use super::{Server, echo, files, lines, priority};
use crate::{
    common::in_time,
    layer::tls::fixtures::{NAME, client_builder, client_cert},
};

/// It shows our certificate.
const SHOWS: [&str; 6] = [
    "--x509cafile",
    "ca-cert.pem",
    "--x509certfile",
    "server-cert.pem",
    "--x509keyfile",
    "server-key.pem",
];

#[track_caller]
fn server(version: TlsProtocolVersion, more: &[&str]) -> Server {
    let priority = priority(version);
    let arguments = [&SHOWS[..], &["--priority", &priority], more].concat();
    Server::start(&files(), &arguments)
}

fn with_certificate() -> TlsCredsBuilder {
    client_builder().certificate_pem(client_cert().pem.as_str(), client_cert().key.as_str())
}

fn creds() -> TlsCreds {
    client_builder().build().expect("good")
}

/// Several MiB there and back.
fn echo_all(client: &ChannelTls) {
    let text = lines();
    thread::scope(|scope| {
        scope.spawn(|| client.write_all(&text).expect("written"));
        let mut got = vec![0; text.len()];
        client.read_all(&mut got).expect("read");
        assert!(got == text);
    });
}

#[test]
fn servers_request_client_certificates_and_echo_megabytes() {
    needs!("gnutls-bin");
    in_time(|| {
        for version in [Tls12, Tls13] {
            let arguments = [
                "--require-client-cert",
                "--verify-client-cert",
                "--alpn",
                "echo",
                "--alpn-fatal",
                "--sni-hostname",
                NAME,
                "--sni-hostname-fatal",
            ];
            let mut server = server(version, &arguments);
            let creds = with_certificate().alpn_protocols(["other", "echo"]).build();
            let client = server.client(&creds.expect("good"), Some(NAME));
            client.handshake().expect("connected");
            assert_eq!(client.protocol_version(), version);
            assert_eq!(client.alpn_protocol().as_deref(), Some("echo"));
            let shown = client.peer_certificate().expect("a server shows one");
            assert!(shown.subject_name().expect("a name").contains("server"));
            echo_all(&client);
            client.bye().expect("sent");
            assert_eq!(client.read(&mut [0]).expect("a clean end"), 0);
        }
    });
}

#[test]
fn programs_refuse_our_ends_with_alerts() {
    needs!("gnutls-bin");
    in_time(|| {
        for version in [Tls12, Tls13] {
            let talk = |client: ChannelTls| {
                // With TLS 1.3 it may have exited already.
                let _ = client.write_all(b"hello\n");
                let e = client.read_all(&mut [0]).expect_err("it is refused");
                assert!(
                    e.to_string().contains("the peer sent the alert \""),
                    "{version:?}: {e}"
                );
                e
            };
            let mut needy = server(version, &["--require-client-cert"]);
            talk(needy.client(&creds(), Some(NAME)));
            let mut picky = server(
                version,
                &["--sni-hostname", "other.test", "--sni-hostname-fatal"],
            );
            let e = talk(picky.client(&creds(), Some(NAME)));
            assert!(e.to_string().contains("unrecognized name"), "{e}");
            let mut choosy = server(version, &["--alpn", "h2", "--alpn-fatal"]);
            let other = client_builder().alpn_protocols(["smtp"]).build();
            let e = talk(choosy.client(&other.expect("good"), Some(NAME)));
            assert!(e.to_string().contains("no application protocol"), "{e}");
        }
    });
}

#[test]
fn untrusted_programs_are_refused_with_alerts() {
    needs!("gnutls-bin");
    in_time(|| {
        let unknown_ca = TlsCreds::builder(TlsEndpoint::Client)
            .trust_pem(client_cert().pem.as_str())
            .verify_on_load(false)
            .build()
            .expect("not looked at");
        let names = "C=UK,CN=server is for server.test, 127.0.0.1";
        let (other_name, other_address) = (
            format!("hostname mismatch: {names}"),
            format!("IP address mismatch: {names}"),
        );
        for version in [Tls12, Tls13] {
            let mut server = server(version, &[]);
            for (creds, name, reason) in [
                (creds(), "other.test", other_name.as_str()),
                (creds(), "127.0.0.2", &other_address),
                (
                    unknown_ca.clone(),
                    NAME,
                    "unable to get local issuer certificate: \
                     C=UK,CN=server was issued by C=UK,CN=authority",
                ),
            ] {
                let client = server.client(&creds, Some(name));
                let e = client.handshake().expect_err("we do not trust it");
                assert_eq!(
                    e.to_string(),
                    format!("Unable to perform the TLS handshake with {name}: {reason}")
                );
                assert!(qio::to_glib_error(&e).matches(TlsError::BadCertificate));
            }
        }
    });
}

/// Makes a server request a renegotiation, or a KeyUpdate. It confirms the command.
fn request_rehandshake(client: &ChannelTls) {
    client.write_all(b"**REHANDSHAKE**\n").expect("written");
    let expected = b"Successfully executed command\n";
    let mut got = vec![0; expected.len()];
    client.read_all(&mut got).expect("read");
    assert_eq!(got, expected);
}

/// A server that requests a renegotiation gets no_renegotiation, and continues or
/// not; with TLS 1.3 it is its keys that it changes.
#[test]
fn they_change_their_keys_but_get_no_second_handshake() {
    needs!("gnutls-bin");
    in_time(|| {
        let mut newer = server(Tls13, &[]);
        let client = newer.client(&creds(), Some(NAME));
        for _ in 0..3 {
            request_rehandshake(&client);
            echo(&client, b"hello\n").expect("it goes on");
            client.update_keys(true).expect("new keys");
        }
        echo_all(&client);
        let mut older = server(Tls12, &[]);
        let client = older.client(&creds(), Some(NAME));
        client.handshake().expect("connected");
        request_rehandshake(&client);
        // gnutls-serv 3.7 takes the answer for an error, and leaves.
        if let Err(e) = echo(&client, b"hello\n") {
            assert!(qio::to_glib_error(&e).matches(TlsError::Eof), "{e}");
        }
    });
}

#[test]
fn we_go_on_with_a_session_of_theirs() {
    needs!("gnutls-bin");
    in_time(|| {
        for version in [Tls12, Tls13] {
            for more in [&[][..], &["--noticket"]] {
                let mut server = server(version, more);
                let creds = creds();
                for round in 0..3 {
                    let client = server.client(&creds, Some(NAME));
                    client.handshake().expect("connected");
                    echo(&client, b"hello\n").expect("they are");
                    let possible = version == Tls12 || more.is_empty();
                    assert_eq!(
                        client.is_resumed(),
                        round > 0 && possible,
                        "{version:?} {more:?}"
                    );
                    assert!(client.peer_certificate().is_some(), "as known from then");
                    client.bye().expect("sent");
                    assert_eq!(client.read(&mut [0]).expect("a clean end"), 0);
                }
            }
        }
    });
}

#[test]
fn they_end_at_any_time() {
    needs!("gnutls-bin");
    in_time(|| {
        for version in [Tls12, Tls13] {
            let mut server = server(version, &[]);
            let client = server.client(&creds(), Some(NAME));
            echo(&client, b"hello\n").expect("connected");
            drop(server);
            let e = client.read(&mut [0]).expect_err("it is gone");
            assert!(qio::to_glib_error(&e).matches(TlsError::Eof), "{e}");
            assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof);
        }
    });
}

#[test]
fn what_is_too_old_is_refused() {
    needs!("gnutls-bin");
    in_time(|| {
        for version in ["1.1", "1.0"] {
            let priority = format!("NORMAL:-VERS-ALL:+VERS-TLS{version}");
            let arguments = [&SHOWS[..], &["--priority", &priority]].concat();
            let mut server = Server::start(&files(), &arguments);
            let client = server.client(&creds(), Some(NAME));
            let e = client.handshake().expect_err("it is too old");
            assert_eq!(
                e.to_string(),
                "Unable to perform the TLS handshake with server.test: \
                 unsupported protocol: no common protocol version"
            );
            assert!(qio::to_glib_error(&e).matches(TlsError::Handshake), "{e}");
            assert_eq!(e.kind(), io::ErrorKind::Other);
        }
    });
}

#[test]
fn they_speak_in_many_ways() {
    needs!("gnutls-bin");
    in_time(|| {
        for (priority, cipher) in [
            ("SECURE128", "TLS_AES_256_GCM_SHA384"),
            (
                "NORMAL:-CIPHER-ALL:+AES-128-GCM:%SERVER_PRECEDENCE",
                "TLS_AES_128_GCM_SHA256",
            ),
            (
                "NORMAL:-GROUP-ALL:+GROUP-SECP384R1",
                "TLS_AES_256_GCM_SHA384",
            ),
            (
                "NORMAL:-VERS-TLS1.3:%NO_SESSION_HASH:%NO_TICKETS",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            ),
            (
                "NORMAL:-VERS-TLS1.3:-CIPHER-ALL:+AES-256-CBC:%NO_ETM",
                "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
            ),
        ] {
            let arguments = [&SHOWS[..], &["--priority", priority]].concat();
            let mut server = Server::start(&files(), &arguments);
            let client = server.client(&creds(), Some("127.0.0.1"));
            echo(&client, b"hello\n").unwrap_or_else(|e| panic!("{priority}: {e}"));
            assert_eq!(client.cipher().as_deref(), Some(cipher), "{priority}");
        }
    });
}
