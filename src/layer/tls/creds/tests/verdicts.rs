//! Which certificates are believed: every pair, on both ends.

use gio::TlsAuthenticationMode::{None as NotAsked, Requested, Required};

use super::{
    TlsCreds, Verdicts,
    certs::{Cert, Heed, Request, SIGNS_CERTIFICATES},
    client, connect, server,
};

const NAME: &str = "qio.example";

/// One authority, and one good certificate for each end.
struct Good {
    authority: Cert,
    server: Cert,
    client: Cert,
}

fn good() -> Good {
    let authority = Request::authority("qio CA").signed_by_itself();
    let server = Request::server(NAME).dns(NAME).signed_by(&authority);
    let client = Request::client("somebody").signed_by(&authority);
    Good {
        authority,
        server,
        client,
    }
}

/// Credentials whatever they are worth.
fn shows(cert: &Cert, trusts: &Cert) -> TlsCreds {
    let builder = server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    let builder = builder.trust_pem(trusts.pem.as_str());
    let made = builder.client_certificates(Required).checks(false).build();
    made.expect("not looked at")
}

fn asks(cert: &Cert, trusts: &Cert) -> TlsCreds {
    let builder = client().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    let made = builder.trust_pem(trusts.pem.as_str()).checks(false).build();
    made.expect("not looked at")
}

/// A client that trusts the authority meets a server that shows `cert`.
fn meets(authority: &Cert, cert: &Cert, name: &str) -> Verdicts {
    let server = server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    let server = server.checks(false).build().expect("not looked at");
    let client = client().trust_pem(authority.pem.as_str());
    let client = client.checks(false).build().expect("not looked at");
    connect(&client, &server, name)
}

#[track_caller]
fn refused_by_client((client, server): Verdicts, why: &str) {
    assert_eq!(client.expect_err("it must be refused"), why);
    server.expect_err("the server is told");
}

#[track_caller]
fn refused_by_server((client, server): Verdicts, why: &str) {
    assert_eq!(server.expect_err("it must be refused"), why);
    client.expect_err("the client is told");
}

#[track_caller]
fn agreed((client, server): Verdicts) {
    client.expect("the client agrees");
    server.expect("the server agrees");
}

#[test]
fn both_ends_believe_good_certificates() {
    let good = good();
    let verdicts = connect(
        &asks(&good.client, &good.authority),
        &shows(&good.server, &good.authority),
        NAME,
    );
    let (client, server) = (verdicts.0.expect("agreed"), verdicts.1.expect("agreed"));
    assert_eq!(client.peer.as_deref(), Some(NAME));
    assert_eq!(server.peer.as_deref(), Some("somebody"));
    assert_eq!(client.version, Some(openssl::ssl::SslVersion::TLS1_3));
}

#[test]
fn neither_end_believes_another_authority() {
    let (good, other) = (good(), good());
    refused_by_client(
        connect(
            &asks(&good.client, &other.authority),
            &shows(&good.server, &good.authority),
            NAME,
        ),
        // Its name is the same, its key is not.
        "certificate signature failure",
    );
    let stranger = Request::authority("another CA").signed_by_itself();
    refused_by_client(
        meets(&stranger, &good.server, NAME),
        "unable to get local issuer certificate",
    );
    refused_by_server(
        connect(
            &asks(&good.client, &good.authority),
            &shows(&good.server, &stranger),
            NAME,
        ),
        // OpenSSL shows the root as well, if it is at hand.
        "self-signed certificate in certificate chain",
    );
}

#[test]
fn a_client_believes_names_and_addresses_that_stand_in_the_certificate() {
    let authority = good().authority;
    let many = Request::server("elsewhere.example")
        .dns("one.example")
        .dns("two.example")
        .ip("192.168.122.1")
        .ip("fec0::dead:beef")
        .signed_by(&authority);
    for name in [
        "one.example",
        "TWO.example",
        "192.168.122.1",
        "fec0::dead:beef",
    ] {
        agreed(meets(&authority, &many, name));
    }
    // What it is called in the subject does not count beside them.
    for name in ["elsewhere.example", "three.example", "one.example.org"] {
        refused_by_client(meets(&authority, &many, name), "hostname mismatch");
    }
    for address in ["192.168.122.2", "fec0::dead:beed"] {
        refused_by_client(meets(&authority, &many, address), "IP address mismatch");
    }
}

#[test]
fn a_client_believes_the_common_name_where_there_is_no_other() {
    let authority = good().authority;
    let cert = Request::server(NAME).signed_by(&authority);
    agreed(meets(&authority, &cert, NAME));
    refused_by_client(
        meets(&authority, &cert, "other.example"),
        "hostname mismatch",
    );
}

#[test]
fn a_wildcard_stands_for_one_part_of_a_name() {
    let authority = good().authority;
    let cert = Request::server("any")
        .dns("*.qio.example")
        .signed_by(&authority);
    agreed(meets(&authority, &cert, "www.qio.example"));
    for name in ["qio.example", "a.b.qio.example", "www.qio.org"] {
        refused_by_client(meets(&authority, &cert, name), "hostname mismatch");
    }
    let part = Request::server("any")
        .dns("w*.qio.example")
        .signed_by(&authority);
    refused_by_client(
        meets(&authority, &part, "www.qio.example"),
        "hostname mismatch",
    );
}

#[test]
fn a_chain_of_three_leads_to_its_root_and_to_what_is_between() {
    let root = Request::authority("root").signed_by_itself();
    let first = Request::authority("level 1").signed_by(&root);
    let second = Request::authority("level 2").signed_by(&first);
    let own = Request::server(NAME).dns(NAME).signed_by(&second);
    let shown = [&own, &second, &first]
        .map(|cert| cert.pem.as_str())
        .concat();
    let server = server().certificate_pem(shown, own.key.as_str()).build();
    let server = server.expect("good certificates");
    for trusted in [&root, &first, &second] {
        let client = client().trust_pem(trusted.pem.as_str()).build();
        agreed(connect(&client.expect("an authority"), &server, NAME));
    }
    // Without what is between, it leads nowhere.
    refused_by_client(
        meets(&root, &own, NAME),
        "unable to get local issuer certificate",
    );
    // Unless the client has it: the authorities of QEMU's tests are in one file.
    let all = [&root, &first, &second]
        .map(|cert| cert.pem.as_str())
        .concat();
    let client = client().trust_pem(all).build().expect("authorities");
    let alone = super::server().certificate_pem(own.pem.as_str(), own.key.as_str());
    agreed(connect(&client, &alone.build().expect("good"), NAME));
}

#[test]
fn who_is_no_authority_vouches_for_nobody() {
    let root = Request::authority("root").signed_by_itself();
    let fake = Request::server("a server").signed_by(&root);
    let own = Request::server(NAME).dns(NAME).signed_by(&fake);
    let shown = [&own, &fake].map(|cert| cert.pem.as_str()).concat();
    let server = server()
        .certificate_pem(shown, own.key.as_str())
        .checks(false);
    let client = client().trust_pem(root.pem.as_str()).build().expect("good");
    refused_by_client(
        connect(&client, &server.build().expect("not looked at"), NAME),
        "invalid CA certificate",
    );
}

#[test]
fn neither_end_believes_what_is_not_valid_now() {
    let good = good();
    let expired = |request: Request| request.expired().signed_by(&good.authority);
    let early = |request: Request| request.not_yet_valid().signed_by(&good.authority);
    let server = || Request::server(NAME).dns(NAME);
    let client = || Request::client("somebody");

    let text = "certificate has expired";
    refused_by_client(meets(&good.authority, &expired(server()), NAME), text);
    let shows = shows(&good.server, &good.authority);
    let asks = |cert| asks(&cert, &good.authority);
    refused_by_server(connect(&asks(expired(client())), &shows, NAME), text);

    let text = "certificate is not yet valid";
    refused_by_client(meets(&good.authority, &early(server()), NAME), text);
    refused_by_server(connect(&asks(early(client())), &shows, NAME), text);
}

#[test]
fn an_authority_that_has_expired_is_none() {
    let old = Request::authority("old CA").expired().signed_by_itself();
    let cert = Request::server(NAME).dns(NAME).signed_by(&old);
    refused_by_client(meets(&old, &cert, NAME), "certificate has expired");
}

#[test]
fn neither_end_believes_a_certificate_for_something_else() {
    let good = good();
    let text = "unsuitable certificate purpose";
    // That of a client at a server, and the other way round; critical or not.
    for heed in [Heed::Must, Heed::May] {
        let wrong = Request::client(NAME)
            .dns(NAME)
            .purpose(heed, &[super::certs::FOR_CLIENTS])
            .signed_by(&good.authority);
        refused_by_client(meets(&good.authority, &wrong, NAME), text);
        let wrong = Request::server("somebody")
            .purpose(heed, &[super::certs::FOR_SERVERS])
            .signed_by(&good.authority);
        refused_by_server(
            connect(
                &asks(&wrong, &good.authority),
                &shows(&good.server, &good.authority),
                NAME,
            ),
            text,
        );
    }
    let wrong = Request::server(NAME)
        .dns(NAME)
        .usage(Heed::Must, SIGNS_CERTIFICATES)
        .signed_by(&good.authority);
    refused_by_client(meets(&good.authority, &wrong, NAME), text);
}

#[test]
fn a_certificate_that_has_signed_itself_is_believed_by_who_trusts_it() {
    let own = Request::server(NAME).dns(NAME).signed_by_itself();
    let authority = good().authority;
    refused_by_client(meets(&authority, &own, NAME), "self-signed certificate");
    agreed(meets(&own, &own, NAME));
}

#[test]
fn revoked_certificates_are_refused_on_both_ends() {
    let good = good();
    let bad = Request::server(NAME)
        .dns(NAME)
        .serial(7)
        .signed_by(&good.authority);
    let list = good.authority.revokes(&[7, 8]);
    let knows = || {
        client()
            .trust_pem(good.authority.pem.as_str())
            .crl_pem(list.as_str())
    };
    let knows = knows().build().expect("good");
    let shows_bad = server().certificate_pem(bad.pem.as_str(), bad.key.as_str());
    refused_by_client(
        connect(&knows, &shows_bad.build().expect("good"), NAME),
        "certificate revoked",
    );
    agreed(connect(
        &knows,
        &server()
            .certificate_pem(good.server.pem.as_str(), good.server.key.as_str())
            .build()
            .expect("good"),
        NAME,
    ));

    let bad = Request::client("somebody")
        .serial(8)
        .signed_by(&good.authority);
    let server = server()
        .certificate_pem(good.server.pem.as_str(), good.server.key.as_str())
        .trust_pem(good.authority.pem.as_str())
        .crl_pem(list)
        .client_certificates(Required);
    refused_by_server(
        connect(
            &asks(&bad, &good.authority),
            &server.build().expect("good"),
            NAME,
        ),
        "certificate revoked",
    );
}

#[test]
fn a_list_that_is_too_old_is_not_relied_on() {
    let good = good();
    let list = good.authority.revoked_once(&[7]);
    let client = client()
        .trust_pem(good.authority.pem.as_str())
        .crl_pem(list);
    let server = server().certificate_pem(good.server.pem.as_str(), good.server.key.as_str());
    refused_by_client(
        connect(
            &client.build().expect("good"),
            &server.build().expect("good"),
            NAME,
        ),
        "CRL has expired",
    );
}

#[test]
fn authorities_without_a_list_have_revoked_nothing() {
    let root = good().authority;
    let between = Request::authority("between").signed_by(&root);
    let own = Request::server(NAME).dns(NAME).signed_by(&between);
    let shown = [&own, &between].map(|cert| cert.pem.as_str()).concat();
    let elsewhere = Request::authority("elsewhere").signed_by_itself();
    let client = client()
        .trust_pem(root.pem.as_str())
        .trust_pem(elsewhere.pem.as_str())
        .crl_pem(elsewhere.revokes(&[1]));
    let server = server().certificate_pem(shown, own.key.as_str());
    agreed(connect(
        &client.build().expect("good"),
        &server.build().expect("good"),
        NAME,
    ));
}

#[test]
fn a_server_asks_for_certificates_as_it_is_told() {
    let good = good();
    let server = |mode| {
        let builder = server()
            .certificate_pem(good.server.pem.as_str(), good.server.key.as_str())
            .trust_pem(good.authority.pem.as_str());
        builder.client_certificates(mode).build().expect("good")
    };
    let with = asks(&good.client, &good.authority);
    let without = client().trust_pem(good.authority.pem.as_str()).build();
    let without = without.expect("good");

    let peer = |client: &TlsCreds, mode| {
        let (asked, answered) = connect(client, &server(mode), NAME);
        asked.expect("agreed");
        answered.expect("agreed").peer
    };
    assert_eq!(peer(&with, NotAsked), None);
    assert_eq!(peer(&with, Requested).as_deref(), Some("somebody"));
    assert_eq!(peer(&with, Required).as_deref(), Some("somebody"));
    assert_eq!(peer(&without, NotAsked), None);
    assert_eq!(peer(&without, Requested), None);
    refused_by_server(
        connect(&without, &server(Required), NAME),
        "peer did not return a certificate",
    );
    // What is shown must be good, even where nothing has to be.
    let stranger = Request::authority("another CA").signed_by_itself();
    let bad = Request::client("stranger").signed_by(&stranger);
    refused_by_server(
        connect(&asks(&bad, &good.authority), &server(Requested), NAME),
        "unable to get local issuer certificate",
    );
}

#[test]
fn who_is_made_by_the_type_alone_trusts_nobody() {
    let good = good();
    let nobody: TlsCreds = glib::Object::new();
    assert!(nobody.verifies_peer());
    let server = server().certificate_pem(good.server.pem.as_str(), good.server.key.as_str());
    refused_by_client(
        connect(&nobody, &server.build().expect("good"), NAME),
        "unable to get local issuer certificate",
    );
}
