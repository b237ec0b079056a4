//! Going on where an earlier connection was.

use std::time::{Duration, SystemTime};

use gio::TlsProtocolVersion::{self, Tls12, Tls13};
use glib::subclass::prelude::*;

use super::{TlsCreds, certs::Request, client, connect, server};

const NAME: &str = "qio.example";

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
        while given < 10 && client.imp().made().sessions.take(NAME).is_some() {
            given += 1;
        }
        assert_eq!(given < 10, once, "{version:?}");
    }
}

#[test]
fn a_client_keeps_so_many_sessions() {
    let (client, server) = ends(Tls12);
    connect(&client, &server, NAME);
    let session = client.imp().made().sessions.take(NAME).expect("it is kept");
    for number in 0..1000 {
        let name = format!("{number}.example");
        client
            .imp()
            .made()
            .sessions
            .put(&name, session.0.clone(), later());
    }
    let kept = (0..1000).filter(|number| {
        client
            .imp()
            .made()
            .sessions
            .take(&format!("{number}.example"))
            .is_some()
    });
    assert_eq!(kept.count(), 256);
    assert!(client.imp().made().sessions.take("999.example").is_some());
    assert!(
        client.imp().made().sessions.take(NAME).is_none(),
        "the oldest go first"
    );
}

#[test]
fn a_server_that_gives_many_sessions_takes_no_room_of_others() {
    let (client, server) = ends(Tls13);
    connect(&client, &server, NAME);
    let sessions = &client.imp().made().sessions;
    let (session, _) = sessions.take(NAME).expect("it is kept");
    sessions.put("quiet.example", session.clone(), later());
    for _ in 0..1000 {
        sessions.put("loud.example", session.clone(), later());
    }
    assert!(sessions.take("quiet.example").is_some());
    let kept = (0..1000).filter(|_| sessions.take("loud.example").is_some());
    assert_eq!(kept.count(), 8);
}

#[test]
fn a_session_is_resumed_within_a_day_of_the_full_handshake() {
    for version in [Tls12, Tls13] {
        let (client, server) = ends(version);
        let sessions = &client.imp().made().sessions;
        connect(&client, &server, NAME);
        let (session, first) = sessions.take(NAME).expect("it is kept");
        let day = Duration::from_secs(24 * 60 * 60);
        let left = first
            .duration_since(SystemTime::now())
            .expect("it is later");
        assert!(left <= day && left > day / 2, "{left:?}");
        // What is made of it does not live longer.
        while sessions.take(NAME).is_some() && version == Tls13 {}
        let soon = SystemTime::now() + Duration::from_secs(30);
        sessions.put(NAME, session.clone(), soon);
        connect(&client, &server, NAME);
        let (_, next) = sessions.take(NAME).expect("it is kept");
        assert_eq!(next, soon, "{version:?}");
        sessions.put("old.example", session, SystemTime::now());
        assert!(sessions.take("old.example").is_none());
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
    let (_, expiry) = client.imp().made().sessions.take(NAME).expect("it is kept");
    assert!(expiry <= SystemTime::now() + Duration::from_secs(3600));
}
