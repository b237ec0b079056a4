//! No proof at all.

use gio::TlsProtocolVersion;

use super::{client, connect, ends, server, talk};
use crate::common::certs::Request;

#[test]
fn anonymous_ends_agree_with_each_other_only() {
    let anyone = server()
        .insecure_anonymous()
        .build()
        .expect("nothing needed");
    let careless = client()
        .insecure_anonymous()
        .build()
        .expect("nothing needed");
    assert!(!careless.verifies_peer());
    let (here, there) = ends(&careless, &anyone, "anything");
    for end in [&here, &there] {
        end.connect_authorize_peer(|_, _| panic!("there is no certificate"));
    }
    let (asked, answered) = talk(&here, &there);
    let asked = asked.expect("agreed");
    assert_eq!(asked.peer, None);
    assert!(there.peer_certificate().is_none());
    assert_eq!(asked.version, TlsProtocolVersion::Tls12);
    assert_eq!(asked.cipher, "TLS_DH_anon_WITH_AES_256_GCM_SHA384");
    answered.expect("agreed");

    let authority = Request::authority("qio CA").signed_by_itself();
    let careful = client()
        .trust_pem(authority.pem.as_str())
        .build()
        .expect("good");
    let (asked, _) = connect(&careful, &anyone, "anything");
    asked.expect_err("a server that proves nothing is refused");

    let cert = Request::server("qio.example").signed_by(&authority);
    let proves = server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    let (asked, _) = connect(&careless, &proves.build().expect("good"), "qio.example");
    asked.expect_err("nothing in common");
}

/// A cipher list cannot enable anonymous suites.
#[test]
fn a_list_of_ciphers_has_nothing_anonymous() {
    let anyone = server()
        .insecure_anonymous()
        .build()
        .expect("nothing needed");
    let authority = Request::authority("qio CA").signed_by_itself();
    let careful = client()
        .trust_pem(authority.pem.as_str())
        .ciphers("ALL:aNULL:@SECLEVEL=0")
        .build()
        .expect("there are others");
    let (asked, _) = connect(&careful, &anyone, "anything");
    asked.expect_err("a server that proves nothing is refused");
}
