//! No proof at all.

use openssl::ssl::SslVersion;

use super::{certs::Request, client, connect, server};

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
    let (asked, answered) = connect(&careless, &anyone, "anything");
    let asked = asked.expect("agreed");
    assert_eq!(asked.version, Some(SslVersion::TLS1_2));
    assert_eq!(asked.cipher, "ADH-AES256-GCM-SHA384");
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

/// Nobody becomes anonymous by a list of ciphers.
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
