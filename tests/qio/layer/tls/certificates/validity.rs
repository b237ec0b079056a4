//! When and for what a certificate is good, and whether it was revoked.

use rcgen::IsCa;

use super::{
    super::openssl_since,
    End, GOOD, NAME,
    Verdict::{Agreed, ClientRefuses, ServerRefuses, Unable},
    end, expect, shown_by_client, shown_by_server,
};
use crate::common::{
    certs::{
        ENCIPHERS, FOR_CLIENTS, FOR_SERVERS,
        Heed::{May, Must},
        Request, SIGNS, SIGNS_CERTIFICATES, SIGNS_LISTS,
    },
    in_time,
};

#[test]
fn times() {
    needs!("glib-networking");
    in_time(|| {
        let good = &GOOD.authority;
        let late = |name| {
            format!(
                "certificate has expired: C=UK,CN={name} was valid until Jan  1 00:00:00 2021 GMT"
            )
        };
        let not_yet = match openssl_since(3, 6) {
            true => "certificate is not yet valid or the system clock is incorrect",
            false => "certificate is not yet valid",
        };
        let early =
            |name| format!("{not_yet}: C=UK,CN={name} is valid from Jan  1 00:00:00 2089 GMT");
        let server = || Request::server(NAME);
        let client = || Request::client("qemu");
        let (late_server, late_client) = (late(NAME), late("qemu"));
        shown_by_server(
            "expired",
            server().expired(),
            NAME,
            ClientRefuses(&late_server, "certificate expired"),
        );
        shown_by_client(
            "expired",
            client().expired(),
            ServerRefuses(&late_client, "certificate expired"),
        );
        let (early_server, early_client) = (early(NAME), early("qemu"));
        shown_by_server(
            "not yet valid",
            server().not_yet_valid(),
            NAME,
            ClientRefuses(&early_server, "bad certificate"),
        );
        shown_by_client(
            "not yet valid",
            client().not_yet_valid(),
            ServerRefuses(&early_client, "bad certificate"),
        );
        // Of an authority it is the same.
        for (request, why, alert) in [
            (
                Request::authority("old").expired(),
                late("old"),
                "certificate expired",
            ),
            (
                Request::authority("new").not_yet_valid(),
                early("new"),
                "bad certificate",
            ),
        ] {
            let bad = request.signed_by_itself();
            let of_bad = server().signed_by(&bad);
            expect(
                "the authority of the server",
                &end(&bad, &GOOD.client),
                &end(good, &of_bad),
                NAME,
                ClientRefuses(&why, alert),
            );
            let of_bad = client().signed_by(&bad);
            expect(
                "the authority of the client",
                &end(good, &of_bad),
                &end(&bad, &GOOD.server),
                NAME,
                ServerRefuses(&why, alert),
            );
        }
    });
}

#[test]
fn usage() {
    needs!("glib-networking");
    in_time(|| {
        let plain = || Request::plain("qemu.org").constraints(IsCa::ExplicitNoCa);
        let fine = |own, other| {
            [
                ("no extension", Request::plain("qemu.org")),
                ("no usage", plain()),
                ("signs", plain().usage(Must, SIGNS)),
                (
                    "signs and enciphers",
                    plain().usage(Must, SIGNS | ENCIPHERS),
                ),
                ("its purpose", plain().purpose(Must, &[own])),
                ("perhaps its purpose", plain().purpose(May, &[own])),
                ("both purposes", plain().purpose(Must, &[other, own])),
                ("perhaps both", plain().purpose(May, &[own, other])),
            ]
        };
        let (why, alert) = (
            "unsuitable certificate purpose: C=UK,CN=qemu.org",
            "unsupported certificate",
        );
        let wrong = |other| {
            [
                ("another purpose", plain().purpose(Must, &[other])),
                ("perhaps another", plain().purpose(May, &[other])),
            ]
        };
        // Loading fails only where the extension is critical; a peer refuses it in any case.
        let signs_nothing = || {
            [Must, May].map(|heed| {
                let cert = plain().usage(heed, SIGNS_LISTS);
                ("signs lists only", cert)
            })
        };
        for (what, cert) in fine(FOR_SERVERS, FOR_CLIENTS) {
            shown_by_server(what, cert, NAME, Agreed);
        }
        for (what, cert) in wrong(FOR_CLIENTS) {
            shown_by_server(what, cert, NAME, ClientRefuses(why, alert));
        }
        for (what, cert) in signs_nothing() {
            let verdict = Unable(why, alert, "no shared cipher");
            shown_by_server(what, cert, NAME, verdict);
        }
        for (what, cert) in fine(FOR_CLIENTS, FOR_SERVERS) {
            shown_by_client(what, cert, Agreed);
        }
        for (what, cert) in wrong(FOR_SERVERS).into_iter().chain(signs_nothing()) {
            shown_by_client(what, cert, ServerRefuses(why, alert));
        }
        let (why, alert) = (
            "Key usage keyCertSign invalid for non-CA cert: C=UK,CN=qemu.org",
            "certificate unknown",
        );
        let signs_others_too = || plain().usage(Must, SIGNS | SIGNS_CERTIFICATES);
        let verdict = ClientRefuses(why, alert);
        shown_by_server("signs others too", signs_others_too(), NAME, verdict);
        let verdict = ServerRefuses(why, alert);
        shown_by_client("signs others too", signs_others_too(), verdict);
        // Such a certificate is not well formed: OpenSSL looks for no issuer.
        let (why, alert) = (
            "unable to get local issuer certificate: C=UK,CN=qemu.org was issued by C=UK,CN=qemu CA",
            "unknown ca",
        );
        let nothing = || plain().usage(Must, 0);
        // OpenSSL 3.5 also reports why there is no shared cipher.
        let reason = match openssl_since(3, 5) {
            true => "invalid certificate",
            false => "no shared cipher",
        };
        let verdict = Unable(why, alert, reason);
        shown_by_server("for nothing", nothing(), NAME, verdict);
        shown_by_client("for nothing", nothing(), ServerRefuses(why, alert));
    });
}

#[test]
fn revocation() {
    needs!("glib-networking");
    in_time(|| {
        let good = &GOOD.authority;
        let list = good.revokes(&[7, 8]);
        let with_crl = |shows, list| End {
            revoked: Some(list),
            ..end(good, shows)
        };
        expect(
            "an empty list",
            &with_crl(&GOOD.client, &list),
            &with_crl(&GOOD.server, &list),
            NAME,
            Agreed,
        );
        let server = Request::server(NAME).serial(7).signed_by(good);
        expect(
            "the server is",
            &with_crl(&GOOD.client, &list),
            &end(good, &server),
            NAME,
            ClientRefuses(
                "certificate revoked: C=UK,CN=qemu.org",
                "certificate revoked",
            ),
        );
        let client = Request::client("qemu").serial(8).signed_by(good);
        expect(
            "the client is",
            &end(good, &client),
            &with_crl(&GOOD.server, &list),
            NAME,
            ServerRefuses("certificate revoked: C=UK,CN=qemu", "certificate revoked"),
        );
        // A list that is too old is not relied on.
        let old = good.revoked_once(&[7]);
        expect(
            "the list of the client is old",
            &with_crl(&GOOD.client, &old),
            &end(good, &GOOD.server),
            NAME,
            ClientRefuses("CRL has expired: C=UK,CN=qemu.org", "certificate expired"),
        );
        expect(
            "the list of the server is old",
            &end(good, &GOOD.client),
            &with_crl(&GOOD.server, &old),
            NAME,
            ServerRefuses("CRL has expired: C=UK,CN=qemu", "certificate expired"),
        );
        // Without a list of its issuer, nothing is known of a certificate.
        let elsewhere = Request::authority("elsewhere").signed_by_itself();
        let all = [good.pem.as_str(), elsewhere.pem.as_str()].concat();
        let list = elsewhere.revokes(&[1]);
        let other_list = End {
            trusts: &all,
            shows: &GOOD.client,
            revoked: Some(&list),
        };
        expect(
            "the list of another authority",
            &other_list,
            &end(good, &GOOD.server),
            NAME,
            ClientRefuses(
                "unable to get certificate CRL: C=UK,CN=qemu.org",
                "unknown ca",
            ),
        );
    });
}
