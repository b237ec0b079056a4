//! Session resumption.

use std::time::{Duration, SystemTime};

use gio::TlsProtocolVersion::{self, Tls12, Tls13};
use glib::subclass::prelude::*;

use openssl::ssl::SslSession;

use super::{TlsCreds, client, connect, server};
use crate::layer::tls::{creds::sessions::Sessions, peer::Offered, shim, tests::certs::Request};

const NAME: &str = "qio.example";

fn take(sessions: &Sessions, name: &str) -> Option<(SslSession, Offered)> {
    sessions.take(name.as_bytes())
}

/// Keeps a session, of the same certificates, until then.
fn put(
    sessions: &Sessions,
    name: &str,
    (session, offered): &(SslSession, Offered),
    until: SystemTime,
) {
    let offered = Offered {
        expiry: until,
        ..offered.clone()
    };
    sessions.put(name.as_bytes(), session.clone(), offered, 256);
}

fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(60)
}

fn ends(version: TlsProtocolVersion) -> (TlsCreds, TlsCreds) {
    let authority = Request::authority("qio CA").signed_by_itself();
    let cert = Request::server(NAME).dns(NAME).signed_by(&authority);
    let server = server()
        .certificate_pem(cert.pem.as_str(), cert.key.as_str())
        .build()
        .expect("good");
    let client = client()
        .trust_pem(authority.pem.as_str())
        .max_version(version)
        .build()
        .expect("good");
    (client, server)
}

#[test]
fn a_session_of_tls_1_3_is_given_once_and_others_again() {
    for (version, once) in [(Tls12, false), (Tls13, true)] {
        let (client, server) = ends(version);
        connect(&client, &server, NAME);
        let mut given = 0;
        while given < 10 && take(&client.imp().config().sessions, NAME).is_some() {
            given += 1;
        }
        assert_eq!(given < 10, once, "{version:?}");
    }
}

#[test]
fn a_client_keeps_so_many_sessions() {
    let (client, server) = ends(Tls12);
    connect(&client, &server, NAME);
    let sessions = &client.imp().config().sessions;
    let session = take(sessions, NAME).expect("it is kept");
    for number in 0..1000 {
        put(sessions, &format!("{number}.example"), &session, later());
    }
    let kept = (0..1000).filter(|number| take(sessions, &format!("{number}.example")).is_some());
    assert_eq!(kept.count(), 256);
    assert!(take(sessions, "999.example").is_some());
    assert!(take(sessions, NAME).is_none(), "the oldest go first");
}

#[test]
fn a_server_that_sends_many_sessions_displaces_none_of_others() {
    let (client, server) = ends(Tls13);
    connect(&client, &server, NAME);
    let sessions = &client.imp().config().sessions;
    let session = take(sessions, NAME).expect("it is kept");
    put(sessions, "quiet.example", &session, later());
    for _ in 0..1000 {
        put(sessions, "loud.example", &session, later());
    }
    assert!(take(sessions, "quiet.example").is_some());
    let kept = (0..1000).filter(|_| take(sessions, "loud.example").is_some());
    assert_eq!(kept.count(), 8);
}

#[test]
fn a_session_is_resumed_within_a_day_of_the_full_handshake() {
    for version in [Tls12, Tls13] {
        let (client, server) = ends(version);
        let sessions = &client.imp().config().sessions;
        connect(&client, &server, NAME);
        let session = take(sessions, NAME).expect("it is kept");
        let day = Duration::from_secs(24 * 60 * 60);
        let left = session
            .1
            .expiry
            .duration_since(SystemTime::now())
            .expect("it is later");
        assert!(left <= day && left > day / 2, "{left:?}");
        let there = server.imp().config().sessions.newest_expiry();
        let there = there.expect("it is kept").duration_since(SystemTime::now());
        let there = there.expect("it is later");
        assert!(there <= day && there > day / 2, "{there:?}");
        // What is made of it does not live longer.
        while take(sessions, NAME).is_some() && version == Tls13 {}
        let soon = SystemTime::now() + Duration::from_secs(30);
        put(sessions, NAME, &session, soon);
        assert!(connect(&client, &server, NAME));
        let (_, next) = take(sessions, NAME).expect("it is kept");
        assert_eq!(next.expiry, soon, "{version:?}");
        put(sessions, "old.example", &session, SystemTime::now());
        assert!(take(sessions, "old.example").is_none());
    }
}

#[test]
fn a_server_resumes_no_session_that_has_expired() {
    for version in [Tls12, Tls13] {
        let (client, server) = ends(version);
        assert!(!connect(&client, &server, NAME));
        assert!(connect(&client, &server, NAME), "{version:?}");
        // The client's are still good.
        server.imp().config().sessions.expire();
        assert!(!connect(&client, &server, NAME), "{version:?}");
    }
}

#[test]
fn a_session_lives_no_longer_than_the_certificates_of_its_handshake() {
    let authority = Request::authority("qio CA").signed_by_itself();
    let cert = Request::server(NAME)
        .dns(NAME)
        .expires_in(Duration::from_secs(3600));
    let cert = cert.signed_by(&authority);
    let server = server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    let client = client().trust_pem(authority.pem.as_str());
    let (client, server) = (client.build().expect("good"), server.build().expect("good"));
    connect(&client, &server, NAME);
    let (_, kept) = take(&client.imp().config().sessions, NAME).expect("it is kept");
    assert!(kept.expiry <= SystemTime::now() + Duration::from_secs(3600));
}

#[test]
fn a_session_ticket_is_an_identifier_and_not_encrypted() {
    let (client, server) = ends(Tls12);
    connect(&client, &server, NAME);
    let (session, _) = take(&client.imp().config().sessions, NAME).expect("it is kept");
    assert_eq!(shim::ticket(&session), b"", "TLS 1.2 has an identifier");
    let (client, server) = ends(Tls13);
    connect(&client, &server, NAME);
    let (session, _) = take(&client.imp().config().sessions, NAME).expect("it is kept");
    let ticket = shim::ticket(&session);
    assert_eq!(ticket.len(), 32);
    let sessions = &server.imp().config().sessions;
    assert!(
        sessions.take(ticket).is_some(),
        "the key of the server's cache"
    );
}
