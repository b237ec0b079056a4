//! Keys that both ends have already.

use gio::TlsProtocolVersion::{Tls12, Tls13};

use qio::{TlsCreds, TlsCredsBuilder, TlsPskHash};

use super::{client, connect, refused, server};
use crate::common::certs::{Directory, Request};

const KEY: &[u8] = b"0123456789abcdef";

fn accepts(name: &str, key: &[u8]) -> TlsCreds {
    server().psk(name, key).build().expect("a key")
}

fn has(name: &str, key: &[u8]) -> TlsCredsBuilder {
    client().psk(name, key)
}

fn over(builder: TlsCredsBuilder, version: gio::TlsProtocolVersion) -> TlsCreds {
    builder.max_version(version).build().expect("a key")
}

#[test]
fn a_key_in_common_is_enough_in_either_version() {
    let server = accepts("qemu", KEY);
    for version in [Tls12, Tls13] {
        let client = over(has("qemu", KEY), version);
        assert!(!client.verifies_peer());
        let (connected, accepted) = connect(&client, &server, "anything");
        let (connected, accepted) = (connected.expect("agreed"), accepted.expect("agreed"));
        assert_eq!(connected.version, version);
        assert_eq!((connected.peer, accepted.peer), (None, None));
    }
}

#[test]
fn a_key_goes_with_its_hash_and_the_server_finds_out_which() {
    let server = accepts("qemu", KEY);
    for (hash, end) in [
        (TlsPskHash::Sha256, "SHA256"),
        (TlsPskHash::Sha384, "SHA384"),
    ] {
        let client = over(has("qemu", KEY).psk_hash(hash), Tls13);
        let (connected, accepted) = connect(&client, &server, "anything");
        let connected = connected.expect("agreed");
        assert!(connected.cipher.ends_with(end), "{}", connected.cipher);
        accepted.expect("agreed");
    }
}

#[test]
fn both_hashes_work_with_tls_1_2() {
    let server = accepts("qemu", KEY);
    for (cipher, name) in [
        (
            "DHE-PSK-AES256-GCM-SHA384",
            "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384",
        ),
        (
            "DHE-PSK-AES128-GCM-SHA256",
            "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256",
        ),
        (
            "ECDHE-PSK-CHACHA20-POLY1305",
            "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
        ),
        ("PSK-AES256-GCM-SHA384", "TLS_PSK_WITH_AES_256_GCM_SHA384"),
    ] {
        let client = over(has("qemu", KEY).ciphers(cipher), Tls12);
        let (connected, accepted) = connect(&client, &server, "anything");
        assert_eq!(connected.expect("agreed").cipher, name);
        accepted.expect("agreed");
    }
}

#[test]
fn another_key_and_another_name_are_refused() {
    let server = accepts("qemu", KEY);
    for version in [Tls12, Tls13] {
        for (name, key) in [("qemu", &b"another key"[..]), ("quemu", KEY)] {
            let client = over(has(name, key), version);
            let (connected, accepted) = connect(&client, &server, "anything");
            connected.expect_err("the client fails");
            accepted.expect_err("the server refuses");
        }
    }
}

/// A client with a key expects it to be known: a server with a certificate instead is another one.
#[test]
fn a_client_with_a_key_accepts_no_certificate_instead() {
    needs!("glib-networking");
    let authority = Request::authority("qio CA").signed_by_itself();
    let cert = Request::server("qio.example")
        .dns("qio.example")
        .signed_by(&authority);
    let server = server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    let server = server.build().expect("good");
    let client = over(has("qemu", KEY), Tls13);
    let (connected, _) = connect(&client, &server, "qio.example");
    refused(
        connected,
        "unable to get local issuer certificate: \
         C=UK,CN=qio.example was issued by C=UK,CN=qio CA",
    );
    let client = over(has("qemu", KEY), Tls12);
    let (connected, _) = connect(&client, &server, "qio.example");
    connected.expect_err("nothing in common");
    // Unless it trusts an authority as well.
    let both = has("qemu", KEY).trust_pem(authority.pem.as_str()).build();
    let both = both.expect("good");
    assert!(both.verifies_peer());
    let (connected, _) = connect(&both, &server, "qio.example");
    assert_eq!(
        connected.expect("agreed").peer.as_deref(),
        Some("qio.example")
    );
    let (connected, _) = connect(&both, &server, "other.example");
    refused(
        connected,
        "hostname mismatch: C=UK,CN=qio.example is for qio.example",
    );
}

#[test]
fn a_server_takes_keys_and_certificates_side_by_side() {
    needs!("glib-networking");
    let authority = Request::authority("qio CA").signed_by_itself();
    let cert = Request::server("qio.example")
        .dns("qio.example")
        .signed_by(&authority);
    let server = server()
        .certificate_pem(cert.pem.as_str(), cert.key.as_str())
        .psk("qemu", KEY)
        .build()
        .expect("good");
    for version in [Tls12, Tls13] {
        let by_key = over(has("qemu", KEY), version);
        let (connected, _) = connect(&by_key, &server, "anything");
        assert_eq!(connected.expect("agreed").peer, None);
        let by_certificate = over(client().trust_pem(authority.pem.as_str()), version);
        let (connected, _) = connect(&by_certificate, &server, "qio.example");
        assert_eq!(
            connected.expect("agreed").peer.as_deref(),
            Some("qio.example")
        );
    }
}

#[test]
fn a_session_is_resumed_without_the_psk() {
    for version in [Tls12, Tls13] {
        let client = over(has("qemu", KEY), version);
        let server = accepts("qemu", KEY);
        for first in [true, false] {
            let (connected, accepted) = connect(&client, &server, "anything");
            let connected = connected.expect("agreed");
            accepted.expect("agreed");
            // OpenSSL reports this of every key of TLS 1.3.
            assert!(connected.resumed || first);
        }
        // A server without the session accepts the key.
        let (connected, accepted) = connect(&client, &accepts("qemu", KEY), "anything");
        connected.expect("agreed");
        accepted.expect("agreed");
        // A server with another key rejects both.
        let (connected, accepted) = connect(&client, &accepts("qemu", b"another"), "anything");
        connected.expect_err("the client fails");
        accepted.expect_err("the server refuses");
    }
}

#[test]
fn a_file_has_the_keys_of_several() {
    let files = Directory::new();
    // Names may be in hexadecimal digits too, and have colons.
    let keys = "anne:00ff\nbob:6b6579\r\n\n#636172:6f6c:abcd\n#6361726f6c:c0ffee\n";
    let file = files.write("keys.psk", keys.replace("#636172:6f6c", "d:e"));
    let server = server().psk_file(&file).build().expect("keys");
    for (name, key) in [
        ("anne", &[0x00, 0xff][..]),
        ("bob", b"key"),
        ("d:e", &[0xab, 0xcd]),
        ("carol", &[0xc0, 0xff, 0xee]),
    ] {
        for version in [Tls12, Tls13] {
            let (connected, accepted) =
                connect(&over(has(name, key), version), &server, "anything");
            connected.expect("the client agrees");
            accepted.expect("the server agrees");
            let same = client().psk_file(&file).psk_user(name);
            let (connected, _) = connect(&over(same, version), &server, "anything");
            connected.expect("the client agrees");
        }
    }
}
