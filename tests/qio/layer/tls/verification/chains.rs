//! Chains of authorities: revocation lists, and responses that a certificate requires.

use super::*;

/// A chain of two authorities, and a server with the second one.
struct Chain {
    root: Cert,
    second: Cert,
    server: Cert,
}

fn chain() -> Chain {
    let root = Request::authority("root").signed_by_itself();
    let second = Request::authority("second").signed_by(&root);
    let server = Request::server("server")
        .dns(NAME)
        .serial(7)
        .signed_by(&second);
    let server = server.with_pem([server.pem.as_str(), &second.pem].concat());
    Chain {
        root,
        second,
        server,
    }
}

#[test]
fn every_issuer_but_the_trust_anchors_needs_a_revocation_list_unless_that_is_allowed() {
    in_time(|| {
        let Chain {
            root,
            second,
            server,
        } = chain();
        let server = server_of(&server);
        let trusts =
            |cert: &Cert| TlsCreds::builder(TlsEndpoint::Client).trust_pem(cert.pem.as_str());
        let both = || trusts(&root).trust_pem(second.pem.as_str());
        verdict(trusts(&root), &server).expect("no lists at all");
        let e = verdict(trusts(&root).crl_pem(root.revokes(&[99])), &server)
            .expect_err("nothing is known of the leaf");
        assert!(
            e.to_string().contains("unable to get certificate CRL"),
            "{e}"
        );
        let allowed = trusts(&root)
            .crl_pem(root.revokes(&[99]))
            .allow_missing_crl(true);
        verdict(allowed, &server).expect("it is passed over");
        // A list that is there counts in any case.
        let revoked = both().crl_pem(second.revokes(&[7])).allow_missing_crl(true);
        let e = verdict(revoked, &server).expect_err("it is revoked");
        assert!(e.to_string().contains("certificate revoked"), "{e}");
        let unusable = both().crl_pem(second.revokes_authorities(&[99]));
        let e = verdict(unusable.allow_missing_crl(true), &server).expect_err("of no use");
        assert!(e.to_string().contains("CRL"), "{e}");
        // Trust in the second authority does not depend on its own issuer.
        let partial = trusts(&second).crl_pem(second.revokes(&[99]));
        verdict(partial, &server).expect("the anchor is trusted as it is");
    });
}

#[test]
fn a_certificate_that_requires_a_stapled_response_is_refused_by_name() {
    in_time(|| {
        let cert = Request::server("server").dns(NAME).must_staple();
        let server = server_of(&cert.signed_by(authority()));
        let e = verdict(client_builder(), &server).expect_err("nothing is stapled");
        assert!(e.to_string().contains("must-staple"), "{e}");
        assert!(
            qio::to_glib_error(&e).matches(TlsError::BadCertificate),
            "{e}"
        );
    });
}
