//! `gnutls-cli`, which connects to us.

mod suites;

use std::{
    io::{self, Read as _, Write as _},
    thread,
};

use gio::{
    TlsAuthenticationMode, TlsError,
    TlsProtocolVersion::{Tls12, Tls13},
};
use glib::IOCondition;
use qio::{ChannelTls, prelude::*};

use super::{Client, files, lines, priority};
use crate::{
    common::in_time,
    layer::tls::fixtures::{NAME, client_cert, server_builder, server_creds},
};

/// It trusts the certificate authority, and requests the name of the server.
const TRUST: [&str; 6] = [
    "--x509cafile",
    "ca-cert.pem",
    "--sni-hostname",
    NAME,
    "--verify-hostname",
    NAME,
];

fn trusting<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&TRUST, more].concat()
}

/// Several MiB in both directions at once, and then close_notify from both ends.
fn exchange(client: &mut Client, server: &ChannelTls) {
    let text = lines();
    let mut input = client.input();
    thread::scope(|scope| {
        let sent = scope.spawn(|| input.write_all(&text).map(|()| input));
        scope.spawn(|| server.write_all(&text).expect("written"));
        let received = scope.spawn(|| {
            let mut got = vec![0; text.len()];
            client.output().read_exact(&mut got).expect("read");
            got
        });
        let mut got = vec![0; text.len()];
        server.read_all(&mut got).expect("read");
        assert!(got == text);
        assert!(received.join().expect("no panic") == text);
        // It exits when its input ends and the server has sent close_notify.
        drop(sent.join().expect("no panic").expect("taken"));
        assert_eq!(server.read(&mut [0]).expect("a clean end"), 0);
        server.bye().expect("sent");
    });
    assert_eq!(client.got(), (Vec::new(), true));
}

#[test]
fn they_show_certificates_and_megabytes_go_both_ways() {
    needs!("gnutls-bin");
    in_time(|| {
        for version in [Tls12, Tls13] {
            let requesting = server_builder()
                .client_certificates(TlsAuthenticationMode::Required)
                .alpn_protocols(["echo"]);
            let arguments = [
                "--x509certfile",
                "client-cert.pem",
                "--x509keyfile",
                "client-key.pem",
                "--alpn",
                "other",
                "--alpn",
                "echo",
                "--priority",
                &priority(version),
            ];
            let mut client = Client::start(files(), &trusting(&arguments));
            let server = client.server(&requesting.build().expect("good"));
            assert_eq!(server.hostname(), None, "no name was requested yet");
            server.handshake().expect("connected");
            assert_eq!(server.protocol_version(), version);
            assert_eq!(server.alpn_protocol().as_deref(), Some("echo"));
            assert_eq!(server.hostname().as_deref(), Some(NAME));
            let shown = server.peer_certificate().expect("it was requested");
            assert!(shown.subject_name().expect("a name").contains("client"));
            exchange(&mut client, &server);
        }
    });
}

#[test]
fn they_are_refused_without_a_certificate_where_one_is_needed() {
    needs!("gnutls-bin");
    in_time(|| {
        for version in [Tls12, Tls13] {
            let requesting = server_builder().client_certificates(TlsAuthenticationMode::Required);
            let priority = priority(version);
            let mut client = Client::start(files(), &trusting(&["--priority", &priority]));
            let server = client.server(&requesting.build().expect("good"));
            let e = server.handshake().expect_err("it has none");
            assert_eq!(
                e.to_string(),
                "Unable to perform the TLS handshake with the client: peer did not return a certificate"
            );
            server.close().expect("closed");
            let (_, content) = client.got();
            assert!(!content, "{}", client.log());
        }
    });
}

#[test]
fn they_report_what_they_have_against_us() {
    needs!("gnutls-bin");
    in_time(|| {
        for version in [Tls12, Tls13] {
            let directory = files();
            directory.write("ca-cert.pem", &client_cert().pem);
            let priority = priority(version);
            let mut client = Client::start(directory, &trusting(&["--priority", &priority]));
            let server = client.server(&server_creds());
            // With TLS 1.3, it verifies the certificate after all else.
            let e = server.handshake().and_then(|()| server.read_all(&mut [0]));
            let e = e.expect_err("it does not trust us");
            assert!(e.to_string().contains("the peer sent the alert \""), "{e}");
            assert!(!client.got().1, "{}", client.log());
        }
    });
}

/// With TLS 1.3 gnutls-cli requests a KeyUpdate of both ends. With TLS 1.2 it requests a
/// renegotiation, which is refused: gnutls-cli reports that, and continues or not.
#[test]
fn they_get_new_keys_but_no_second_handshake() {
    needs!("gnutls-bin");
    in_time(|| {
        let priority = priority(Tls13);
        let arguments = ["--rehandshake", "--priority", &priority];
        let mut client = Client::start(files(), &trusting(&arguments));
        let server = client.server(&server_creds());
        server.handshake().expect("connected");
        exchange(&mut client, &server);
        let log = client.log();
        assert!(log.contains("ReHandshake was completed"), "{log}");

        let priority = super::priority(Tls12);
        let arguments = ["--rehandshake", "--priority", &priority];
        let mut client = Client::start(files(), &trusting(&arguments));
        let server = client.server(&server_creds());
        server.handshake().expect("connected");
        // gnutls-cli 3.7 requests it repeatedly, and then gives up.
        let end = server.read(&mut [0]);
        match end {
            Ok(count) => assert_eq!(count, 0),
            Err(e) => {
                let text = e.to_string();
                assert!(text.starts_with("TLS with the client failed: "), "{text}");
            }
        }
        drop(server);
        assert_eq!(client.got().0, b"");
        let log = client.log();
        assert!(log.contains("No renegotiation is allowed"), "{log}");
    });
}

/// New keys at any time, while data goes both ways. GnuTLS takes eight of ours in a second.
#[test]
fn they_change_keys_in_the_middle() {
    needs!("gnutls-bin");
    in_time(|| {
        let priority = priority(Tls13);
        let arguments = ["--inline-commands", "--priority", &priority];
        let mut client = Client::start(files(), &trusting(&arguments));
        let server = client.server(&server_creds());
        server.handshake().expect("connected");
        let mut input = client.input();
        for round in 0..2 {
            // For both ends, and for its own only.
            for line in [&b"^rekey^\n"[..], b"^rekey1^\n"] {
                input.write_all(line).expect("taken");
                // It takes one line for a command: here it is.
                let below = server.master();
                below.wait(IOCondition::IN).expect("a note of new keys");
                server.write_all(b"before\n").expect("written");
                input.write_all(b"hello\n").expect("taken");
                let mut got = [0; 6];
                server.read_all(&mut got).expect("read");
                assert_eq!(&got, b"hello\n", "round {round}");
                server.write_all(b"after\n").expect("written");
                let mut got = [0; 13];
                client.output().read_exact(&mut got).expect("read");
                assert_eq!(&got, b"before\nafter\n", "round {round}");
                server.update_keys(false).expect("new keys");
            }
        }
        drop(input);
        assert_eq!(server.read(&mut [0]).expect("a clean end"), 0);
        server.bye().expect("sent");
        assert!(client.got().1, "{}", client.log());
    });
}

#[test]
fn they_go_on_with_a_session() {
    needs!("gnutls-bin");
    in_time(|| {
        let creds = server_creds();
        for version in [Tls12, Tls13] {
            let priority = priority(version);
            let arguments = ["--resume", "--waitresumption", "--priority", &priority];
            let mut client = Client::start(files(), &trusting(&arguments));
            let server = client.server(&creds);
            server.handshake().expect("connected");
            assert!(!server.is_resumed());
            // With TLS 1.3 the ticket goes with the first data.
            server.write_all(b"hello\n").expect("written");
            assert_eq!(server.read(&mut [0]).expect("a clean end"), 0);
            drop(server);
            let server = client.server(&creds);
            server.handshake().expect("connected");
            assert!(server.is_resumed(), "{version:?}");
            assert_eq!(server.hostname().as_deref(), Some(NAME));
            exchange(&mut client, &server);
            let log = client.log();
            assert!(log.contains("This is a resumed session"), "{log}");
        }
    });
}

#[test]
fn clients_may_request_no_server_name_and_no_common_protocol() {
    needs!("gnutls-bin");
    in_time(|| {
        let creds = server_builder().alpn_protocols(["echo"]).build();
        let creds = creds.expect("good");
        let mut client = Client::start(files(), &trusting(&["--disable-sni"]));
        let server = client.server(&creds);
        server.handshake().expect("connected");
        assert_eq!((server.hostname(), server.alpn_protocol()), (None, None));

        let mut client = Client::start(files(), &trusting(&["--alpn", "other"]));
        let server = client.server(&creds);
        let e = server.handshake().expect_err("nothing in common");
        assert_eq!(
            e.to_string(),
            "Unable to perform the TLS handshake with the client: no application protocol"
        );
        assert!(!client.got().1);
        let log = client.log();
        assert!(
            log.is_empty() || log.contains("application protocol"),
            "{log}"
        );
    });
}

#[test]
fn they_end_at_any_time() {
    needs!("gnutls-bin");
    in_time(|| {
        let reported = |result: io::Result<()>, words: &str| {
            let e = result.expect_err("it is gone");
            assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof, "{e}");
            assert!(qio::to_glib_error(&e).matches(TlsError::Eof), "{e}");
            assert!(e.to_string().ends_with(words), "{e}");
        };
        // Before it has sent anything.
        let mut client = Client::start(files(), &trusting(&["--starttls"]));
        let server = client.server(&server_creds());
        drop(client);
        reported(server.handshake(), "The peer has closed the connection");
        for version in [Tls12, Tls13] {
            let priority = priority(version);
            let mut client = Client::start(files(), &trusting(&["--priority", &priority]));
            let server = client.server(&server_creds());
            server.handshake().expect("connected");
            let mut input = client.input();
            input.write_all(b"last words").expect("taken");
            server.read_all(&mut [0; 10]).expect("read");
            drop(client);
            reported(server.read_all(&mut [0]), "data may have been truncated");
        }
    });
}
