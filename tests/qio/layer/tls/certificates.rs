//! The matrix of certificates that QEMU's tests have, and some more: what each end makes of it,
//! through the channel, with either version of TLS. Both ends have directories in QEMU's layout,
//! which were not checked when they were loaded.

mod authorities;
mod names;
mod validity;

use std::{io, sync::LazyLock, thread};

use gio::{TlsAuthenticationMode, TlsError, TlsProtocolVersion};
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, prelude::*};

use crate::common::{
    certs::{Cert, Directory, Request},
    in_time,
};

const NAME: &str = "qemu.org";

const VERSIONS: [TlsProtocolVersion; 2] = [TlsProtocolVersion::Tls12, TlsProtocolVersion::Tls13];

/// What is to come of a handshake.
#[derive(Clone, Copy)]
enum Verdict<'a> {
    Agreed,
    /// The reason of the client, and the alert that the server gets.
    ClientRefuses(&'a str, &'a str),
    ServerRefuses(&'a str, &'a str),
    /// As where the client refuses; but with TLS 1.2 a server has no use for such a certificate,
    /// which signs nothing, and fails for its own reason.
    Unable(&'a str, &'a str, &'a str),
}
use Verdict::{Agreed, ClientRefuses, ServerRefuses, Unable};

/// What one end has in its directory.
struct End<'a> {
    trusts: &'a str,
    shows: &'a Cert,
    revoked: Option<&'a str>,
}

fn end<'a>(trusts: &'a Cert, shows: &'a Cert) -> End<'a> {
    trusting(&trusts.pem, shows)
}

/// The same, of several authorities.
fn trusting<'a>(trusts: &'a str, shows: &'a Cert) -> End<'a> {
    End {
        trusts,
        shows,
        revoked: None,
    }
}

impl End<'_> {
    fn creds(&self, endpoint: TlsEndpoint, version: TlsProtocolVersion) -> TlsCreds {
        let files = match endpoint {
            TlsEndpoint::Server => Directory::of_server(self.trusts, self.shows),
            TlsEndpoint::Client => Directory::of_client(self.trusts, self.shows),
        };
        if let Some(list) = self.revoked {
            files.write("ca-crl.pem", list);
        }
        let builder = TlsCreds::builder(endpoint)
            .directory(files.path())
            .max_version(version)
            .verify_on_load(false);
        let builder = match endpoint {
            TlsEndpoint::Server => builder.client_certificates(TlsAuthenticationMode::Required),
            TlsEndpoint::Client => builder,
        };
        builder.build().expect("not looked at")
    }
}

/// Two ends that have sent nothing yet.
fn meet(
    client: &End<'_>,
    server: &End<'_>,
    name: &str,
    version: TlsProtocolVersion,
) -> (ChannelTls, ChannelTls) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let creds = client.creds(TlsEndpoint::Client, version);
    let client = ChannelTls::new_client(&here, &creds, name).expect("a client");
    let creds = server.creds(TlsEndpoint::Server, version);
    let server = ChannelTls::new_server(&there, &creds).expect("a server");
    (client, server)
}

/// Performs the handshake, and sends a byte there and back: with TLS 1.3 a client receives
/// a rejection by the server only then.
fn talk(client: &ChannelTls, server: &ChannelTls) -> [io::Result<()>; 2] {
    thread::scope(|scope| {
        let there = scope.spawn(|| {
            server.read_all(&mut [0])?;
            server.write_all(b"y")
        });
        let here = client.handshake().and_then(|()| {
            // A server that has rejected this end may have exited, after it sent an alert.
            let _ = client.write_all(b"x");
            client.read_all(&mut [0])
        });
        [here, there.join().expect("no panic")]
    })
}

#[track_caller]
fn assert_fails(what: &str, result: &io::Result<()>, code: TlsError, text: &str) {
    let e = result.as_ref().expect_err(what);
    assert_eq!(e.to_string(), text, "{what}");
    let error = qio::to_glib_error(e);
    assert_eq!(error.kind::<TlsError>(), Some(code), "{what}: {e}");
}

/// Asserts this result at both ends, when the client requests this name.
#[track_caller]
fn expect(what: &str, client: &End<'_>, server: &End<'_>, name: &str, verdict: Verdict<'_>) {
    for version in VERSIONS {
        let (client, server) = meet(client, server, name, version);
        let [here, there] = talk(&client, &server);
        let what = format!("{what}, {version:?}");
        let handshaking = |with: &str, why: &str| {
            format!("Unable to perform the TLS handshake with {with}: {why}")
        };
        let reported = |alert: &str| format!("the peer sent the alert \"{alert}\"");
        match verdict {
            Agreed => {
                here.expect(&what);
                there.expect(&what);
                assert_eq!(client.protocol_version(), version);
            }
            Unable(_, _, reason) if version == TlsProtocolVersion::Tls12 => {
                let text = handshaking(name, &reported("handshake failure"));
                assert_fails(&what, &here, TlsError::Handshake, &text);
                let text = handshaking("the client", reason);
                assert_fails(&what, &there, TlsError::Handshake, &text);
            }
            ClientRefuses(why, alert) | Unable(why, alert, _) => {
                let text = handshaking(name, why);
                assert_fails(&what, &here, TlsError::BadCertificate, &text);
                let text = handshaking("the client", &reported(alert));
                assert_fails(&what, &there, TlsError::Handshake, &text);
            }
            ServerRefuses(why, alert) => {
                let text = handshaking("the client", why);
                assert_fails(&what, &there, TlsError::BadCertificate, &text);
                let (code, text) = match version {
                    TlsProtocolVersion::Tls12 => {
                        (TlsError::Handshake, handshaking(name, &reported(alert)))
                    }
                    _ => (
                        TlsError::Misc,
                        format!("TLS with {name} failed: {}", reported(alert)),
                    ),
                };
                assert_fails(&what, &here, code, &text);
            }
        }
        // An end that has rejected its peer still has the certificate of it.
        let refused = match verdict {
            Unable(..) if version == TlsProtocolVersion::Tls12 => continue,
            Agreed | ClientRefuses(..) | Unable(..) => client.peer_certificate(),
            ServerRefuses(..) => server.peer_certificate(),
        };
        assert!(refused.is_some(), "{what}");
    }
}

/// An authority that both trust, and a good certificate for each.
struct Good {
    authority: Cert,
    server: Cert,
    client: Cert,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let authority = Request::authority("qemu CA").signed_by_itself();
    Good {
        server: Request::server(NAME).signed_by(&authority),
        client: Request::client("qemu").signed_by(&authority),
        authority,
    }
});

/// The certificate of a server that a client with a good one meets.
#[track_caller]
fn shown_by_server(what: &str, cert: Request, name: &str, verdict: Verdict<'_>) {
    let cert = cert.signed_by(&GOOD.authority);
    let client = end(&GOOD.authority, &GOOD.client);
    expect(what, &client, &end(&GOOD.authority, &cert), name, verdict);
}

/// The certificate of a client that meets a good server.
#[track_caller]
fn shown_by_client(what: &str, cert: Request, verdict: Verdict<'_>) {
    let cert = cert.signed_by(&GOOD.authority);
    let server = end(&GOOD.authority, &GOOD.server);
    expect(what, &end(&GOOD.authority, &cert), &server, NAME, verdict);
}

#[test]
fn the_same_authority() {
    needs!("glib-networking");
    in_time(|| {
        let (client, server) = (
            end(&GOOD.authority, &GOOD.client),
            end(&GOOD.authority, &GOOD.server),
        );
        expect("basic", &client, &server, NAME, Agreed);
    });
}

/// QEMU's access control lists: here a handler of authorize-peer.
#[test]
fn authorize_peer_by_distinguished_name() {
    needs!("glib-networking");
    in_time(|| {
        type IsWelcome = fn(&str) -> bool;
        for (what, good, is_accepted) in [
            ("another", false, (|name| name == "CN=dogfood") as IsWelcome),
            ("this one", true, |name| name == "CN=qemu"),
            ("one that is longer", false, |name| name == "CN=qemustuff"),
            ("all that begin so", true, |name| name.starts_with("CN=qe")),
        ] {
            for version in VERSIONS {
                let (client, server) = meet(
                    &end(&GOOD.authority, &GOOD.client),
                    &end(&GOOD.authority, &GOOD.server),
                    NAME,
                    version,
                );
                server.connect_authorize_peer(move |_, certificate| {
                    let subject = certificate.subject_name().expect("a name");
                    subject.split(',').any(is_accepted)
                });
                thread::scope(|scope| {
                    let there = scope.spawn(|| {
                        let result = server.read_all(&mut [0]);
                        if result.is_err() {
                            server.close().expect("closed");
                        }
                        result
                    });
                    let here = client.handshake().and_then(|()| client.write_all(b"x"));
                    let there = there.join().expect("no panic");
                    match good {
                        true => here.and(there).expect(what),
                        false => assert_fails(
                            what,
                            &there,
                            TlsError::BadCertificate,
                            "Unable to perform the TLS handshake with the client: \
                             peer certificate rejected by authorize-peer handler",
                        ),
                    }
                });
            }
        }
    });
}
