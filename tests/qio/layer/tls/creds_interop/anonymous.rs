//! No proof at all.

use gio::TlsProtocolVersion;

use super::{client, connect, ends, server, talk};
use crate::common::certs::Request;

#[test]
fn anonymous_ends_agree_with_each_other_only() {
    let anonymous = server()
        .insecure_anonymous()
        .build()
        .expect("nothing needed");
    let careless = client()
        .insecure_anonymous()
        .build()
        .expect("nothing needed");
    assert!(!careless.verifies_peer());
    let (here, there) = ends(&careless, &anonymous, "anything");
    for end in [&here, &there] {
        end.connect_authorize_peer(|_, _| panic!("there is no certificate"));
    }
    let (connected, accepted) = talk(&here, &there);
    let connected = connected.expect("agreed");
    assert_eq!(connected.peer, None);
    assert!(there.peer_certificate().is_none());
    assert_eq!(connected.version, TlsProtocolVersion::Tls12);
    assert_eq!(connected.cipher, "TLS_DH_anon_WITH_AES_256_GCM_SHA384");
    accepted.expect("agreed");

    let authority = Request::authority("qio CA").signed_by_itself();
    let careful = client()
        .trust_pem(authority.pem.as_str())
        .build()
        .expect("good");
    let (connected, _) = connect(&careful, &anonymous, "anything");
    connected.expect_err("a server that proves nothing is refused");

    let cert = Request::server("qio.example").signed_by(&authority);
    let proves = server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    let (connected, _) = connect(&careless, &proves.build().expect("good"), "qio.example");
    connected.expect_err("nothing in common");
}

/// A cipher list cannot enable anonymous suites.
#[test]
fn a_list_of_ciphers_has_nothing_anonymous() {
    let anonymous = server()
        .insecure_anonymous()
        .build()
        .expect("nothing needed");
    let authority = Request::authority("qio CA").signed_by_itself();
    let careful = client()
        .trust_pem(authority.pem.as_str())
        .ciphers("ALL:aNULL:@SECLEVEL=0")
        .build()
        .expect("there are others");
    let (connected, _) = connect(&careful, &anonymous, "anything");
    connected.expect_err("a server that proves nothing is refused");
}
