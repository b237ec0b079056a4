//! What certificates are good for: the matrix of QEMU's tests, and some more.

use gio::TlsError;
use rcgen::{BasicConstraints, IsCa};

use super::{client, is_bad, server};
use crate::common::certs::{
    Cert, Directory, ENCIPHERS, FOR_CLIENTS, FOR_SERVERS,
    Heed::{May, Must},
    Request, SIGNS, SIGNS_CERTIFICATES,
};

const UNUSABLE: &str = "its key usage does not allow digital signatures";
const NO_SIGNING: &str = "its key usage does not allow it to sign certificates";

fn authority() -> Cert {
    Request::authority("qio CA").signed_by_itself()
}

fn unconstrained() -> IsCa {
    IsCa::Ca(BasicConstraints::Unconstrained)
}

/// Only that it is of no authority.
fn plain() -> Request {
    Request::plain("qio").constraints(IsCa::ExplicitNoCa)
}

/// An end that has this certificate in its directory.
#[derive(Clone, Copy)]
enum End {
    Client,
    Server,
}

impl End {
    fn in_directory(self, authorities: &str, cert: &Cert) -> (Directory, qio::TlsCredsBuilder) {
        match self {
            Self::Client => {
                let files = Directory::of_client(authorities, cert);
                let builder = client().directory(files.path());
                (files, builder)
            }
            Self::Server => {
                let files = Directory::of_server(authorities, cert);
                let builder = server().directory(files.path());
                (files, builder)
            }
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Client => "client-cert.pem",
            Self::Server => "server-cert.pem",
        }
    }

    #[track_caller]
    fn accepts(self, authorities: &str, cert: &Cert) {
        let (_files, builder) = self.in_directory(authorities, cert);
        builder.build().expect("they are good");
    }

    /// Refuses what is in the file, for the reason; and takes it if it is not to look.
    #[track_caller]
    fn refuses(self, file: &str, authorities: &str, cert: &Cert, reason: &str) {
        let (files, builder) = self.in_directory(authorities, cert);
        let careless = builder.clone().verify_on_load(false);
        let name = files.file(file);
        is_bad(
            builder,
            TlsError::BadCertificate,
            &format!("Unable to use {}: {reason}", name.display()),
        );
        careless.build().expect("it does not look");
    }

    #[track_caller]
    fn refuses_own(self, authority: &Cert, cert: &Cert, reason: &str) {
        self.refuses(self.file(), &authority.pem, cert, reason);
    }
}

#[test]
fn good_authorities_are_accepted() {
    for request in [
        Request::authority("qio CA"),
        Request::plain("qio CA 1").constraints(unconstrained()),
        Request::authority("qio CA 3").usage(Must, SIGNS_CERTIFICATES),
        Request::authority("qio CA 4").usage(May, SIGNS_CERTIFICATES),
    ] {
        let authority = request.signed_by_itself();
        let server = Request::server("qio.example").signed_by(&authority);
        End::Server.accepts(&authority.pem, &server);
        let client = Request::client("qio").signed_by(&authority);
        End::Client.accepts(&authority.pem, &client);
    }
}

#[test]
fn authorities_that_are_none_are_refused() {
    let lacks = "not a CA certificate: no basic constraints";
    for (request, reason) in [
        (Request::authority("CA").usage(May, SIGNS), NO_SIGNING),
        (Request::authority("CA").usage(Must, SIGNS), NO_SIGNING),
        (Request::plain("CA"), lacks),
        (plain(), "not a CA certificate"),
    ] {
        let authority = request.signed_by_itself();
        let server = Request::server("qio.example").signed_by(&authority);
        End::Server.refuses("ca-cert.pem", &authority.pem, &server, reason);
    }
}

#[test]
fn certificates_that_may_be_used_for_an_end_are_accepted() {
    let authority = authority();
    for (end, own, other) in [
        (End::Server, FOR_SERVERS, FOR_CLIENTS),
        (End::Client, FOR_CLIENTS, FOR_SERVERS),
    ] {
        for request in [
            plain(),
            Request::plain("no extension"),
            plain().usage(Must, SIGNS | SIGNS_CERTIFICATES),
            plain().usage(Must, SIGNS | ENCIPHERS),
            plain().usage(May, SIGNS_CERTIFICATES),
            plain().purpose(Must, &[own]),
            plain().purpose(May, &[own]),
            plain().purpose(Must, &[other, own]),
            plain().purpose(May, &[own, other]),
        ] {
            end.accepts(&authority.pem, &request.signed_by(&authority));
        }
    }
}

#[test]
fn certificates_that_may_not_be_used_for_an_end_are_refused() {
    let authority = authority();
    for (end, other, name) in [
        (End::Server, FOR_CLIENTS, "server"),
        (End::Client, FOR_SERVERS, "client"),
    ] {
        let purpose = format!("its extended key usage does not allow it to be that of a {name}");
        for (request, reason) in [
            (plain().usage(Must, SIGNS_CERTIFICATES), UNUSABLE),
            (plain().usage(Must, 0), UNUSABLE),
            (plain().purpose(Must, &[other]), &purpose),
        ] {
            end.refuses_own(&authority, &request.signed_by(&authority), reason);
        }
        let another = Request::authority("another").signed_by(&authority);
        let reason = format!("a CA certificate, and not that of a {name}");
        end.refuses_own(&authority, &another, &reason);
    }
}

#[test]
fn what_is_not_valid_now_is_refused() {
    let good = authority();
    for end in [End::Server, End::Client] {
        let request = || match end {
            End::Server => Request::server("qio.example"),
            End::Client => Request::client("qio"),
        };
        let expired = "it has expired on Jan  1 00:00:00 2021 GMT";
        let early = "it is not valid before Jan  1 00:00:00 2089 GMT";
        end.refuses_own(&good, &request().expired().signed_by(&good), expired);
        end.refuses_own(&good, &request().not_yet_valid().signed_by(&good), early);
        for (bad, reason) in [
            (Request::authority("old").expired(), expired),
            (Request::authority("new").not_yet_valid(), early),
        ] {
            let bad = bad.signed_by_itself();
            end.refuses("ca-cert.pem", &bad.pem, &request().signed_by(&bad), reason);
        }
    }
}

#[test]
fn certificates_of_a_directory_are_issued_by_its_authorities() {
    let root = Request::authority("root").signed_by_itself();
    let one = Request::authority("level 1a").signed_by(&root);
    let other = Request::authority("level 1b").signed_by(&root);
    let two = Request::authority("level 2a").signed_by(&one);
    let server = Request::server("qio.example").signed_by(&two);
    let client = Request::client("qio").signed_by(&other);
    let all = [&root, &one, &other, &two].map(|cert| cert.pem.as_str());
    End::Server.accepts(&all.concat(), &server);
    End::Client.accepts(&all.concat(), &client);
    // What lies between is missing.
    let (files, builder) = End::Server.in_directory(&root.pem, &server);
    let file = |name| files.file(name).display().to_string();
    is_bad(
        builder,
        TlsError::BadCertificate,
        &format!(
            "Unable to use {}: no chain from the certificate to {}: unable to get local issuer certificate",
            file("server-cert.pem"),
            file("ca-cert.pem"),
        ),
    );
    // One that has expired, and is not needed, does no harm; one that is needed does.
    let old = Request::authority("old").expired().signed_by_itself();
    let with_old = [old.pem.as_str(), all.concat().as_str()].concat();
    End::Server.accepts(&with_old, &server);
    let of_old = Request::server("qio.example").signed_by(&old);
    let (files, builder) = End::Server.in_directory(&with_old, &of_old);
    let file = |name| files.file(name).display().to_string();
    is_bad(
        builder,
        TlsError::BadCertificate,
        &format!(
            "Unable to use {}: no chain from the certificate to {}: certificate has expired",
            file("server-cert.pem"),
            file("ca-cert.pem"),
        ),
    );
}

#[test]
fn presented_intermediates_must_verify_as_well() {
    let root = authority();
    let between = Request::authority("between").expired().signed_by(&root);
    let own = Request::server("qio.example").signed_by(&between);
    let chain = [&own, &between].map(|cert| cert.pem.as_str()).concat();
    is_bad(
        server().certificate_pem(chain, own.key.as_str()),
        TlsError::BadCertificate,
        "Unable to use the certificate in memory: C=UK,CN=between: \
         it has expired on Jan  1 00:00:00 2021 GMT",
    );
}

/// As developers make them: `openssl req -x509`.
#[test]
fn a_certificate_that_has_signed_itself_may_be_of_an_authority() {
    let own = Request::plain("localhost")
        .constraints(unconstrained())
        .dns("localhost")
        .signed_by_itself();
    let shows = server().certificate_pem(own.pem.as_str(), own.key.as_str());
    shows.build().expect("good");
    client().trust_pem(own.pem.as_str()).build().expect("good");
}
