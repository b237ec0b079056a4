//! Two ends that trust each other, and connections between them.

use std::{sync::LazyLock, thread};

use qio::{Channel, ChannelSocket, ChannelTls, TlsCreds, TlsCredsBuilder, TlsEndpoint, prelude::*};

use crate::common::certs::{Cert, Request};

/// The name that the server's certificate is for, in addition to its address, 127.0.0.1.
pub(crate) const NAME: &str = "server.test";

struct Certs {
    authority: Cert,
    server: Cert,
    client: Cert,
}

static CERTS: LazyLock<Certs> = LazyLock::new(|| {
    let authority = Request::authority("authority").signed_by_itself();
    let server = Request::server("server").dns(NAME).ip("127.0.0.1");
    Certs {
        server: server.signed_by(&authority),
        client: Request::client("client").signed_by(&authority),
        authority,
    }
});

/// The authority that has signed both certificates.
pub(crate) fn authority() -> &'static Cert {
    &CERTS.authority
}

/// The certificate of a server.
pub(crate) fn server_cert() -> &'static Cert {
    &CERTS.server
}

/// That of a client.
pub(super) fn client_cert() -> &'static Cert {
    &CERTS.client
}

/// A client that trusts the authority.
pub(super) fn client_builder() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Client).trust_pem(authority().pem.as_str())
}

/// A server that clients can trust.
pub(super) fn server_builder() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Server)
        .trust_pem(authority().pem.as_str())
        .certificate_pem(server_cert().pem.as_str(), server_cert().key.as_str())
}

pub(crate) fn client_creds() -> TlsCreds {
    client_builder().build().expect("good credentials")
}

pub(crate) fn server_creds() -> TlsCreds {
    server_builder().build().expect("good credentials")
}

/// A client and a server over two channels.
pub(crate) fn over(
    (here, there): (impl IsA<Channel>, impl IsA<Channel>),
) -> (ChannelTls, ChannelTls) {
    with(&here, &client_creds(), &there, &server_creds())
}

/// The same, with credentials.
pub(super) fn with(
    here: &impl IsA<Channel>,
    client: &TlsCreds,
    there: &impl IsA<Channel>,
    server: &TlsCreds,
) -> (ChannelTls, ChannelTls) {
    (
        ChannelTls::new_client(here, client, NAME).expect("a client"),
        ChannelTls::new_server(there, server).expect("a server"),
    )
}

/// A client and a server over a pair of sockets, before the handshake.
pub(crate) fn before_handshake() -> (ChannelTls, ChannelTls) {
    over(ChannelSocket::pair().expect("a pair"))
}

/// The same, after it.
pub(super) fn connected() -> (ChannelTls, ChannelTls) {
    let (client, server) = before_handshake();
    handshake(&client, &server);
    (client, server)
}

/// Lets two ends perform the handshake.
#[track_caller]
pub(crate) fn handshake(client: &ChannelTls, server: &ChannelTls) {
    let (here, there) = try_handshake(client, server);
    here.expect("the client's handshake");
    there.expect("the server's handshake");
}

/// The same, and returns the results of both ends.
pub(super) fn try_handshake(
    client: &ChannelTls,
    server: &ChannelTls,
) -> (std::io::Result<()>, std::io::Result<()>) {
    thread::scope(|scope| {
        let there = scope.spawn(|| server.handshake());
        let here = client.handshake();
        (here, there.join().expect("no panic"))
    })
}
