//! Whether clients are asked for certificates, and who else is asked about a peer.

use std::{
    sync::{Arc, Mutex},
    thread,
};

use gio::{
    TlsAuthenticationMode::{self, None as NotAsked, Requested, Required},
    TlsProtocolVersion::{Tls12, Tls13},
    prelude::*,
};
use qio::{ChannelTls, TlsCreds, prelude::*};

use super::{client, connect, ends, refused, server, talk};
use crate::common::certs::{Cert, Request};

const NAME: &str = "qio.example";

struct Certs {
    authority: Cert,
    server: Cert,
    client: Cert,
}

fn certs() -> Certs {
    let authority = Request::authority("qio CA").signed_by_itself();
    Certs {
        server: Request::server(NAME).dns(NAME).signed_by(&authority),
        client: Request::client("client.test").signed_by(&authority),
        authority,
    }
}

fn asks(certs: &Certs, mode: TlsAuthenticationMode) -> TlsCreds {
    let builder = server()
        .certificate_pem(certs.server.pem.as_str(), certs.server.key.as_str())
        .trust_pem(certs.authority.pem.as_str());
    builder.client_certificates(mode).build().expect("good")
}

fn shows(certs: &Certs, cert: &Cert) -> TlsCreds {
    let builder = client().trust_pem(certs.authority.pem.as_str());
    let builder = builder.certificate_pem(cert.pem.as_str(), cert.key.as_str());
    builder.build().expect("good")
}

#[test]
fn a_server_asks_for_certificates_as_it_is_reported() {
    needs!("glib-networking");
    let certs = certs();
    let with = shows(&certs, &certs.client);
    let without = client().trust_pem(certs.authority.pem.as_str()).build();
    let without = without.expect("good");
    let peer = |client: &TlsCreds, mode| {
        let (asked, answered) = connect(client, &asks(&certs, mode), NAME);
        asked.expect("agreed");
        answered.expect("agreed").peer
    };
    assert_eq!(peer(&with, NotAsked), None);
    assert_eq!(peer(&with, Requested).as_deref(), Some("client.test"));
    assert_eq!(peer(&with, Required).as_deref(), Some("client.test"));
    assert_eq!(peer(&without, NotAsked), None);
    assert_eq!(peer(&without, Requested), None);
    let (asked, answered) = connect(&without, &asks(&certs, Required), NAME);
    refused(answered, "peer did not return a certificate");
    refused(asked, "the peer sent the alert \"certificate required\"");
    // What is shown must be good, even where nothing has to be.
    let unknown_ca = Request::authority("another CA").signed_by_itself();
    let bad = Request::client("unknown_ca").signed_by(&unknown_ca);
    let (asked, answered) = connect(&shows(&certs, &bad), &asks(&certs, Requested), NAME);
    refused(
        answered,
        "unable to get local issuer certificate: \
         C=UK,CN=unknown_ca was issued by C=UK,CN=another CA",
    );
    refused(asked, "the peer sent the alert \"unknown ca\"");
}

/// Names, from the end of a chain to its root.
fn names(certificate: &gio::TlsCertificate) -> Vec<String> {
    let mut next = Some(certificate.clone());
    let mut names = Vec::new();
    while let Some(certificate) = next {
        let subject = certificate.subject_name().expect("a name").to_string();
        let mut parts = subject.split(',').map(str::trim);
        let name = parts.find_map(|part| part.strip_prefix("CN="));
        names.push(name.expect("a name").to_owned());
        next = certificate.issuer();
    }
    names
}

/// The certificates that a handler got, and in which thread.
type Asked = Arc<Mutex<Vec<(Vec<String>, thread::ThreadId)>>>;

fn ask(end: &ChannelTls, accepted: bool) -> Asked {
    let asked = Asked::default();
    let log = asked.clone();
    end.connect_authorize_peer(move |end, certificate| {
        assert!(!end.is_handshake_done());
        let id = thread::current().id();
        log.lock().expect("whole").push((names(certificate), id));
        accepted
    });
    asked
}

#[test]
fn handlers_of_authorize_peer_see_the_whole_chain_at_both_ends() {
    needs!("glib-networking");
    let certs = certs();
    let first = Request::authority("level 1").signed_by(&certs.authority);
    let second = Request::authority("level 2").signed_by(&first);
    let chain = |own: &Cert| {
        let all = [own, &second, &first].map(|cert| cert.pem.as_str());
        own.with_pem(all.concat())
    };
    let server_chain = chain(&Request::server(NAME).dns(NAME).signed_by(&second));
    let client_chain = chain(&Request::client("client.test").signed_by(&second));
    let certs = Certs {
        server: server_chain,
        ..certs
    };
    let (client, server) = ends(&shows(&certs, &client_chain), &asks(&certs, Required), NAME);
    let (about_server, about_client) = (ask(&client, true), ask(&server, true));
    let (asked, answered) = talk(&client, &server);
    asked.expect("accepted");
    answered.expect("accepted");
    let above = ["level 2", "level 1", "qio CA"];
    for (log, own, end) in [
        (&about_server, NAME, &client),
        (&about_client, "client.test", &server),
    ] {
        let expected = [&[own][..], &above].concat();
        let log = log.lock().expect("whole");
        let chains: Vec<_> = log.iter().map(|(names, _)| names.clone()).collect();
        assert_eq!(chains, [expected.as_slice()]);
        let property = end.property::<Option<gio::TlsCertificate>>("peer-certificate");
        assert_eq!(names(&property.expect("shown")), expected);
    }
}

#[test]
fn a_client_may_have_something_against_a_server() {
    needs!("glib-networking");
    let certs = certs();
    for version in [Tls12, Tls13] {
        let trusts = client().trust_pem(certs.authority.pem.as_str());
        let trusts = trusts.max_version(version).build().expect("good");
        let (client, server) = ends(&trusts, &asks(&certs, NotAsked), NAME);
        let asked = ask(&client, false);
        let server_end = server.clone();
        client.connect_handshake_done_notify(|_| panic!("it is rejected"));
        let refusal = thread::spawn(move || server_end.read_all(&mut [0]));
        let e = client.handshake().expect_err("it is rejected");
        assert_eq!(
            e.to_string(),
            "Unable to perform the TLS handshake with qio.example: peer certificate rejected by authorize-peer handler"
        );
        assert_eq!(asked.lock().expect("whole").len(), 1);
        let alert = refusal.join().expect("no panic").expect_err("an alert");
        assert!(alert.to_string().contains("\"bad certificate\""), "{alert}");
        client.close().expect("closed");
    }
}

/// A session that goes on shows no certificate; it is known from then.
#[test]
fn authorize_peer_is_emitted_again_when_a_session_is_resumed() {
    needs!("glib-networking");
    let certs = certs();
    for version in [Tls12, Tls13] {
        let there = asks(&certs, Required);
        let here = client()
            .trust_pem(certs.authority.pem.as_str())
            .certificate_pem(certs.client.pem.as_str(), certs.client.key.as_str())
            .max_version(version)
            .build()
            .expect("good");
        for resumed in [false, true] {
            let (client, server) = ends(&here, &there, NAME);
            let (about_server, about_client) = (ask(&client, true), ask(&server, true));
            let (asked, answered) = talk(&client, &server);
            let (asked, answered) = (asked.expect("accepted"), answered.expect("accepted"));
            assert_eq!((asked.resumed, answered.resumed), (resumed, resumed));
            for (log, name) in [(&about_server, NAME), (&about_client, "client.test")] {
                let log = log.lock().expect("whole");
                assert_eq!(log.len(), 1);
                assert_eq!(log[0].0[0], name);
            }
        }
        let (client, server) = ends(&here, &there, NAME);
        ask(&server, false);
        let (_, answered) = talk(&client, &server);
        refused(
            answered,
            "peer certificate rejected by authorize-peer handler",
        );
    }
}

#[test]
fn no_handler_is_called_where_nothing_is_verified() {
    let certs = certs();
    let with = shows(&certs, &certs.client);
    let by_key = client().psk("qemu", "key").build().expect("a key");
    let knows = server().psk("qemu", "key").build().expect("a key");
    for (here, there) in [(&with, &asks(&certs, NotAsked)), (&by_key, &knows)] {
        let (client, server) = ends(here, there, NAME);
        let asked = ask(&server, false);
        let (here, there) = talk(&client, &server);
        here.and(there).expect("agreed");
        assert!(asked.lock().expect("whole").is_empty());
    }
}
