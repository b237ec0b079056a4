//! Going on where an earlier connection was.

use gio::TlsProtocolVersion::{self, Tls12, Tls13};
use qio::TlsCreds;

use super::{client, connect, server};
use crate::common::certs::{Cert, Request};

const NAME: &str = "qio.example";

fn ends(version: TlsProtocolVersion) -> (TlsCreds, TlsCreds, Cert) {
    let authority = Request::authority("qio CA").signed_by_itself();
    let cert = Request::server(NAME)
        .dns(NAME)
        .dns("other.example")
        .signed_by(&authority);
    let server = server()
        .certificate_pem(cert.pem.as_str(), cert.key.as_str())
        .build()
        .expect("good");
    let client = client()
        .trust_pem(authority.pem.as_str())
        .max_version(version)
        .build()
        .expect("good");
    (client, server, authority)
}

#[track_caller]
fn resumed(client: &TlsCreds, server: &TlsCreds, name: &str) -> bool {
    let (connected, accepted) = connect(client, server, name);
    let (connected, accepted) = (connected.expect("agreed"), accepted.expect("agreed"));
    assert_eq!(connected.resumed, accepted.resumed);
    // The peer certificate is that of the first handshake.
    assert_eq!(connected.peer.as_deref(), Some(NAME));
    connected.resumed
}

#[test]
fn a_session_is_resumed_by_a_later_connection() {
    needs!("glib-networking");
    for version in [Tls12, Tls13] {
        let (client, server, _) = ends(version);
        assert!(!resumed(&client, &server, NAME));
        for _ in 0..3 {
            assert!(resumed(&client, &server, NAME), "{version:?}");
        }
        // It is that of one name.
        assert!(!resumed(&client, &server, "other.example"));
    }
}

#[test]
fn another_server_does_not_resume_a_session() {
    needs!("glib-networking");
    for version in [Tls12, Tls13] {
        let (client, server, authority) = ends(version);
        assert!(!resumed(&client, &server, NAME));
        let cert = Request::server(NAME).dns(NAME).signed_by(&authority);
        let another = super::server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
        let another = another.build().expect("good");
        assert!(!resumed(&client, &another, NAME));
    }
}

#[test]
fn resumption_can_be_disabled_at_either_end() {
    needs!("glib-networking");
    for version in [Tls12, Tls13] {
        let (client, server, authority) = ends(version);
        let forgets = super::client()
            .trust_pem(authority.pem.as_str())
            .max_version(version)
            .resumption(false)
            .build()
            .expect("good");
        for _ in 0..2 {
            assert!(!resumed(&forgets, &server, NAME));
        }
        let cert = Request::server(NAME).dns(NAME).signed_by(&authority);
        let forgets = super::server()
            .certificate_pem(cert.pem.as_str(), cert.key.as_str())
            .resumption(false)
            .build()
            .expect("good");
        for _ in 0..2 {
            assert!(!resumed(&client, &forgets, NAME));
        }
    }
}
