//! Whether a server requests client certificates, and which handlers authorize a peer.

use std::{
    sync::{Arc, Mutex},
    thread,
};

use gio::{
    TlsAuthenticationMode::{self, None as NotRequested, Requested, Required},
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

fn requesting(certs: &Certs, mode: TlsAuthenticationMode) -> TlsCreds {
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
fn a_server_requests_client_certificates_as_the_mode_requires() {
    needs!("glib-networking");
    let certs = certs();
    let with = shows(&certs, &certs.client);
    let without = client().trust_pem(certs.authority.pem.as_str()).build();
    let without = without.expect("good");
    let peer = |client: &TlsCreds, mode| {
        let (connected, accepted) = connect(client, &requesting(&certs, mode), NAME);
        connected.expect("agreed");
        accepted.expect("agreed").peer
    };
    assert_eq!(peer(&with, NotRequested), None);
    assert_eq!(peer(&with, Requested).as_deref(), Some("client.test"));
    assert_eq!(peer(&with, Required).as_deref(), Some("client.test"));
    assert_eq!(peer(&without, NotRequested), None);
    assert_eq!(peer(&without, Requested), None);
    let (connected, accepted) = connect(&without, &requesting(&certs, Required), NAME);
    refused(accepted, "peer did not return a certificate");
    refused(
        connected,
        "the peer sent the alert \"certificate required\"",
    );
    // A certificate that is presented must be valid, even if none is required.
    let unknown_ca = Request::authority("another CA").signed_by_itself();
    let bad = Request::client("unknown_ca").signed_by(&unknown_ca);
    let (connected, accepted) = connect(&shows(&certs, &bad), &requesting(&certs, Requested), NAME);
    refused(
        accepted,
        "unable to get local issuer certificate: \
         C=UK,CN=unknown_ca was issued by C=UK,CN=another CA",
    );
    refused(connected, "the peer sent the alert \"unknown ca\"");
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
type Emissions = Arc<Mutex<Vec<(Vec<String>, thread::ThreadId)>>>;

fn authorize(end: &ChannelTls, accepts: bool) -> Emissions {
    let emissions = Emissions::default();
    let log = emissions.clone();
    end.connect_authorize_peer(move |end, certificate| {
        assert!(!end.is_handshake_done());
        let id = thread::current().id();
        log.lock().expect("whole").push((names(certificate), id));
        accepts
    });
    emissions
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
    let (client, server) = ends(
        &shows(&certs, &client_chain),
        &requesting(&certs, Required),
        NAME,
    );
    let (about_server, about_client) = (authorize(&client, true), authorize(&server, true));
    let (connected, accepted) = talk(&client, &server);
    connected.expect("accepted");
    accepted.expect("accepted");
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
fn a_client_may_reject_a_server() {
    needs!("glib-networking");
    let certs = certs();
    for version in [Tls12, Tls13] {
        let trusts = client().trust_pem(certs.authority.pem.as_str());
        let trusts = trusts.max_version(version).build().expect("good");
        let (client, server) = ends(&trusts, &requesting(&certs, NotRequested), NAME);
        let emissions = authorize(&client, false);
        let server_end = server.clone();
        client.connect_handshake_done_notify(|_| panic!("it is rejected"));
        let refusal = thread::spawn(move || server_end.read_all(&mut [0]));
        let e = client.handshake().expect_err("it is rejected");
        assert_eq!(
            e.to_string(),
            "Unable to perform the TLS handshake with qio.example: peer certificate rejected by authorize-peer handler"
        );
        assert_eq!(emissions.lock().expect("whole").len(), 1);
        let alert = refusal.join().expect("no panic").expect_err("an alert");
        assert!(alert.to_string().contains("\"bad certificate\""), "{alert}");
        client.close().expect("closed");
    }
}

/// A resumed session presents no certificate: it has that of the first handshake.
#[test]
fn authorize_peer_is_emitted_again_when_a_session_is_resumed() {
    needs!("glib-networking");
    let certs = certs();
    for version in [Tls12, Tls13] {
        let there = requesting(&certs, Required);
        let here = client()
            .trust_pem(certs.authority.pem.as_str())
            .certificate_pem(certs.client.pem.as_str(), certs.client.key.as_str())
            .max_version(version)
            .build()
            .expect("good");
        for resumed in [false, true] {
            let (client, server) = ends(&here, &there, NAME);
            let (about_server, about_client) = (authorize(&client, true), authorize(&server, true));
            let (connected, accepted) = talk(&client, &server);
            let (connected, accepted) = (connected.expect("accepted"), accepted.expect("accepted"));
            assert_eq!((connected.resumed, accepted.resumed), (resumed, resumed));
            for (log, name) in [(&about_server, NAME), (&about_client, "client.test")] {
                let log = log.lock().expect("whole");
                assert_eq!(log.len(), 1);
                assert_eq!(log[0].0[0], name);
            }
        }
        let (client, server) = ends(&here, &there, NAME);
        authorize(&server, false);
        let (_, accepted) = talk(&client, &server);
        refused(
            accepted,
            "peer certificate rejected by authorize-peer handler",
        );
    }
}

#[test]
fn no_handler_is_called_where_nothing_is_verified() {
    let certs = certs();
    let with = shows(&certs, &certs.client);
    let by_key = client().psk("qemu", "key").build().expect("a key");
    let with_key = server().psk("qemu", "key").build().expect("a key");
    for (here, there) in [
        (&with, &requesting(&certs, NotRequested)),
        (&by_key, &with_key),
    ] {
        let (client, server) = ends(here, there, NAME);
        let emissions = authorize(&server, false);
        let (here, there) = talk(&client, &server);
        here.and(there).expect("agreed");
        assert!(emissions.lock().expect("whole").is_empty());
    }
}
