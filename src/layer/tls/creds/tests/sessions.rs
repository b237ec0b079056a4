//! Going on where an earlier connection was.

use gio::TlsProtocolVersion::{self, Tls12, Tls13};
use glib::subclass::prelude::*;

use super::{
    TlsCreds,
    certs::{Cert, Request},
    client, connect, server,
};

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
    let (asked, answered) = connect(client, server, name);
    let (asked, answered) = (asked.expect("agreed"), answered.expect("agreed"));
    assert_eq!(asked.resumed, answered.resumed);
    // It is still known who the other one was.
    assert_eq!(asked.peer.as_deref(), Some(NAME));
    asked.resumed
}

#[test]
fn a_later_connection_goes_on_with_the_session_of_an_earlier_one() {
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
fn another_server_does_not_go_on_with_it() {
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
fn either_end_can_do_without() {
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

#[test]
fn a_session_of_tls_1_3_is_given_once_and_others_again() {
    for (version, once) in [(Tls12, false), (Tls13, true)] {
        let (client, server, _) = ends(version);
        resumed(&client, &server, NAME);
        let mut given = 0;
        while given < 10 && client.imp().made().sessions.take(NAME).is_some() {
            given += 1;
        }
        assert_eq!(given < 10, once, "{version:?}");
    }
}

#[test]
fn a_client_keeps_so_many_sessions() {
    let (client, server, _) = ends(Tls12);
    resumed(&client, &server, NAME);
    let session = client.imp().made().sessions.take(NAME).expect("it is kept");
    for number in 0..1000 {
        let name = format!("{number}.example");
        client.imp().made().sessions.put(&name, session.clone());
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
