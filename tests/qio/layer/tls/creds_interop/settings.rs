//! Settings of the protocol: ALPN, SNI, versions, ciphers, key logging.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    sync::{Arc, Mutex},
};

use gio::TlsProtocolVersion::{Tls12, Tls13};
use qio::{TlsCredsBuilder, prelude::*};

use super::{client, connect, refused, server, talk};
use crate::common::certs::{Cert, Directory, Request};

const NAME: &str = "qio.example";

/// Builders of both ends, to be completed.
fn ends() -> (TlsCredsBuilder, TlsCredsBuilder, Cert) {
    let authority = Request::authority("qio CA").signed_by_itself();
    let cert = Request::server(NAME)
        .dns(NAME)
        .ip("192.0.2.1")
        .ip("2001:db8::1")
        .signed_by(&authority);
    let server = server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    (client().trust_pem(authority.pem.as_str()), server, cert)
}

#[test]
fn the_server_chooses_the_first_of_its_protocols_that_the_client_offers() {
    let (client, server, _) = ends();
    let server = server
        .alpn_protocols(["h2", "http/1.1"])
        .build()
        .expect("good");
    let chosen = |offered: &[&str]| {
        let client = client.clone().alpn_protocols(offered).build();
        let (connected, accepted) = connect(&client.expect("good"), &server, NAME);
        let (connected, accepted) = (connected?, accepted?);
        assert_eq!(connected.alpn, accepted.alpn);
        Ok::<_, String>(connected.alpn)
    };
    assert_eq!(chosen(&["http/1.1", "h2"]), Ok(Some("h2".to_owned())));
    assert_eq!(
        chosen(&["spdy", "http/1.1"]),
        Ok(Some("http/1.1".to_owned()))
    );
    assert_eq!(chosen(&[]), Ok(None));
    let refused = chosen(&["spdy"]).expect_err("nothing in common");
    assert!(refused.contains("no application protocol"), "{refused}");
}

#[test]
fn a_server_reports_the_sni_name_that_the_client_sent() {
    let (client, server, _) = ends();
    let server = server.build().expect("good");
    for version in [Tls12, Tls13] {
        // It is a name only that is reported.
        let client = client.clone().max_version(version).build().expect("good");
        for (name, reported) in [
            (NAME, Some(NAME)),
            ("qio.example.", Some(NAME)),
            // The session is resumed, with its name.
            (NAME, Some(NAME)),
            ("192.0.2.1", None),
            ("[2001:db8::1]", None),
        ] {
            let (client, server) = super::ends(&client, &server, name);
            assert_eq!(server.hostname(), None);
            let (connected, accepted) = talk(&client, &server);
            connected.and(accepted).expect("agreed");
            assert_eq!(client.hostname().as_deref(), Some(name));
            assert_eq!(
                server.hostname().as_deref(),
                reported,
                "{name}, {version:?}"
            );
            let property = server.property::<Option<String>>("hostname");
            assert_eq!(property.as_deref(), reported);
        }
    }
}

#[test]
fn names_of_protocols_have_1_to_255_bytes() {
    for name in [String::new(), "x".repeat(256)] {
        let e = client()
            .alpn_protocols([name])
            .build()
            .expect_err("no name");
        assert_eq!(
            e.to_string(),
            "Unable to use a name of a protocol: it has 1 to 255 bytes"
        );
    }
    let many = (0..300).map(|_| "x".repeat(255));
    let e = client().alpn_protocols(many).build().expect_err("too many");
    assert_eq!(
        e.to_string(),
        "Unable to use the names of protocols: they are too many"
    );
}

#[test]
fn versions_and_ciphers_are_as_they_are_reported() {
    let (client, server, _) = ends();
    let server = server.build().expect("good");
    let seen = |client: TlsCredsBuilder| {
        let (connected, _) = connect(&client.build().expect("good"), &server, NAME);
        let connected = connected.expect("agreed");
        (connected.version, connected.cipher)
    };
    let (version, _) = seen(client.clone());
    assert_eq!(version, Tls13);
    let old = client.clone().max_version(Tls12);
    let (version, cipher) = seen(old.ciphers("ECDHE+AES128+AESGCM"));
    assert_eq!(version, Tls12);
    assert_eq!(cipher, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    let (_, suite) = seen(client.clone().ciphersuites("TLS_CHACHA20_POLY1305_SHA256"));
    assert_eq!(suite, "TLS_CHACHA20_POLY1305_SHA256");

    let (_, server, _) = ends();
    let new = server.min_version(Tls13).build().expect("good");
    let old = client.max_version(Tls12).build().expect("good");
    let (connected, accepted) = connect(&old, &new, NAME);
    connected.expect_err("the client fails");
    refused(accepted, "unsupported protocol: no common protocol version");
}

#[test]
fn secrets_are_logged_only_with_a_key_log() {
    let (client, server, _) = ends();
    let files = Directory::new();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = lines.clone();
    let client = client
        .key_log(move |line| log.lock().expect("whole").push(line.to_owned()))
        .build()
        .expect("good");
    let file = files.file("keys.log");
    let server = server.key_log_file(&file).build().expect("good");
    let (connected, accepted) = connect(&client, &server, NAME);
    connected.expect("agreed");
    accepted.expect("agreed");
    let lines = lines.lock().expect("whole");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")),
        "{lines:?}"
    );
    // Both ends log the same secrets.
    let mut theirs: Vec<String> = lines.clone();
    let text = fs::read_to_string(&file).expect("readable");
    let mut ours: Vec<_> = text.lines().map(str::to_owned).collect();
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);
    let mode = fs::metadata(&file).expect("there").mode();
    assert_eq!(mode & 0o077, 0, "readable by its owner only");
}
