//! The issuers of a certificate.

use rcgen::{BasicConstraints, IsCa};

use super::{
    End, GOOD, NAME,
    Verdict::{Agreed, ClientRefuses, ServerRefuses},
    end, expect, trusting,
};
use crate::common::{
    certs::{
        Cert,
        Heed::{May, Must},
        Request, SIGNS, SIGNS_CERTIFICATES,
    },
    in_time,
};

#[test]
fn another_authority() {
    needs!("glib-networking");
    in_time(|| {
        let other = Request::authority("qemu CA 1").signed_by_itself();
        let of_other = Request::client("qemu").signed_by(&other);
        let untrusted = "self-signed certificate in certificate chain: C=UK,CN=qemu CA";
        // Each trusts its own: the client looks first.
        expect(
            "each its own",
            &end(&other, &of_other),
            &end(&GOOD.authority, &GOOD.server),
            NAME,
            ClientRefuses(untrusted, "unknown ca"),
        );
        expect(
            "the client of an unknown CA",
            &end(&other, &GOOD.client),
            &end(&GOOD.authority, &GOOD.server),
            NAME,
            ClientRefuses(untrusted, "unknown ca"),
        );
        let all = [other.pem.as_str(), GOOD.authority.pem.as_str()].concat();
        let both = End {
            trusts: &all,
            ..end(&other, &of_other)
        };
        expect(
            "the server of an unknown CA",
            &both,
            &end(&GOOD.authority, &GOOD.server),
            NAME,
            ServerRefuses(
                "self-signed certificate in certificate chain: C=UK,CN=qemu CA 1",
                "unknown ca",
            ),
        );
        // One that only calls itself the same.
        let fake = Request::authority("qemu CA").signed_by_itself();
        expect(
            "the same name",
            &end(&fake, &GOOD.client),
            &end(&GOOD.authority, &GOOD.server),
            NAME,
            ClientRefuses(
                "certificate signature failure: C=UK,CN=qemu.org",
                "decrypt error",
            ),
        );
    });
}

#[test]
fn authorities() {
    needs!("glib-networking");
    in_time(|| {
        let any = || IsCa::Ca(BasicConstraints::Unconstrained);
        let plain = || Request::plain("qemu CA 1");
        for (good, what, request) in [
            (true, "critical CA", plain().constraints(any())),
            (true, "CA, not critical", plain().perhaps_authority()),
            (
                true,
                "may sign",
                plain().constraints(any()).usage(Must, SIGNS_CERTIFICATES),
            ),
            (
                true,
                "perhaps may sign",
                plain().constraints(any()).usage(May, SIGNS_CERTIFICATES),
            ),
            (
                false,
                "must not sign",
                plain().constraints(any()).usage(Must, SIGNS),
            ),
            (
                false,
                "perhaps must not sign",
                plain().constraints(any()).usage(May, SIGNS),
            ),
            (false, "no basic constraints", plain()),
            (false, "not a CA", plain().constraints(IsCa::ExplicitNoCa)),
        ] {
            let authority = request.signed_by_itself();
            let server = Request::server(NAME).signed_by(&authority);
            let client = Request::client("qemu").signed_by(&authority);
            let (why, alert) = ("invalid CA certificate: C=UK,CN=qemu CA 1", "unknown ca");
            let or_refused = |verdict| if good { Agreed } else { verdict };
            expect(
                &format!("the authority of the server {what}"),
                &end(&authority, &GOOD.client),
                &end(&GOOD.authority, &server),
                NAME,
                or_refused(ClientRefuses(why, alert)),
            );
            expect(
                &format!("the authority of the client {what}"),
                &end(&GOOD.authority, &client),
                &end(&authority, &GOOD.server),
                NAME,
                or_refused(ServerRefuses(why, alert)),
            );
        }
    });
}

#[test]
fn self_signed_certificates() {
    needs!("glib-networking");
    in_time(|| {
        let good = &GOOD.authority;
        let server = Request::server(NAME).signed_by_itself();
        let client = Request::client("qemu").signed_by_itself();
        expect(
            "a server of his own",
            &end(good, &GOOD.client),
            &end(good, &server),
            NAME,
            ClientRefuses("self-signed certificate: C=UK,CN=qemu.org", "unknown ca"),
        );
        expect(
            "a client of his own",
            &end(good, &client),
            &end(good, &GOOD.server),
            NAME,
            ServerRefuses("self-signed certificate: C=UK,CN=qemu", "unknown ca"),
        );
        expect(
            "each trusts the other",
            &end(&server, &client),
            &end(&client, &server),
            NAME,
            Agreed,
        );
    });
}

/// QEMU's chain: a root, two levels of authorities below, and a certificate at each end.
#[test]
fn a_chain_of_three() {
    needs!("glib-networking");
    in_time(|| {
        let root = Request::authority("qemu root").signed_by_itself();
        let level_1a = Request::authority("qemu level 1a").signed_by(&root);
        let level_1b = Request::authority("qemu level 1b").signed_by(&root);
        let level_2a = Request::authority("qemu level 2a").signed_by(&level_1a);
        let server = Request::server(NAME).signed_by(&level_2a);
        let client = Request::client("qemu client level 2b").signed_by(&level_1b);
        let all = [&root, &level_1a, &level_1b, &level_2a].map(|cert| cert.pem.as_str());
        let all = all.concat();
        expect(
            "all are trusted",
            &trusting(&all, &client),
            &trusting(&all, &server),
            NAME,
            Agreed,
        );
        // What lies between is shown, or is not.
        let chain = |cert: &Cert, between: &[&Cert]| {
            let between = between.iter().map(|cert| cert.pem.as_str());
            cert.with_pem([cert.pem.as_str()].into_iter().chain(between).collect())
        };
        let server_chain = chain(&server, &[&level_2a, &level_1a]);
        let client_chain = chain(&client, &[&level_1b]);
        for trusted in [&root, &level_1a, &level_2a] {
            expect(
                "the server shows what lies between",
                &trusting(&trusted.pem, &client),
                &trusting(&all, &server_chain),
                NAME,
                Agreed,
            );
        }
        expect(
            "both show what lies between",
            &trusting(&root.pem, &client_chain),
            &trusting(&root.pem, &server_chain),
            NAME,
            Agreed,
        );
        // A server without a chain of its own would complete it from its trust anchors.
        expect(
            "the server shows itself only",
            &trusting(&root.pem, &client_chain),
            &trusting(&root.pem, &server),
            NAME,
            ClientRefuses(
                "unable to get local issuer certificate: \
                 C=UK,CN=qemu.org was issued by C=UK,CN=qemu level 2a",
                "unknown ca",
            ),
        );
        expect(
            "the client shows itself only",
            &trusting(&root.pem, &client),
            &trusting(&root.pem, &server_chain),
            NAME,
            ServerRefuses(
                "unable to get local issuer certificate: \
                 C=UK,CN=qemu client level 2b was issued by C=UK,CN=qemu level 1b",
                "unknown ca",
            ),
        );
        // What lies between has to be good as well.
        let old = Request::authority("old level").expired().signed_by(&root);
        let old_chain = chain(&Request::server(NAME).signed_by(&old), &[&old]);
        expect(
            "what lies between has expired",
            &trusting(&root.pem, &client_chain),
            &trusting(&root.pem, &old_chain),
            NAME,
            ClientRefuses(
                "certificate has expired: C=UK,CN=old level was valid until Jan  1 00:00:00 2021 GMT",
                "certificate expired",
            ),
        );
        let fake = Request::server("a server").signed_by(&root);
        let fake_chain = chain(&Request::server(NAME).signed_by(&fake), &[&fake]);
        expect(
            "what lies between is no authority",
            &trusting(&root.pem, &client_chain),
            &trusting(&root.pem, &fake_chain),
            NAME,
            ClientRefuses("invalid CA certificate: C=UK,CN=a server", "unknown ca"),
        );
        let limited = Request::authority("limited")
            .constraints(IsCa::Ca(BasicConstraints::Constrained(0)))
            .signed_by(&root);
        let below = Request::authority("below").signed_by(&limited);
        let own = Request::server(NAME).signed_by(&below);
        let deep_chain = chain(&own, &[&below, &limited]);
        expect(
            "the chain is longer than it may be",
            &trusting(&root.pem, &client_chain),
            &trusting(&root.pem, &deep_chain),
            NAME,
            ClientRefuses(
                "path length constraint exceeded: C=UK,CN=limited",
                "unknown ca",
            ),
        );
    });
}
