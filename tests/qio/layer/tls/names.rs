//! What a server may be called.

use std::io;

use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint};

use super::fixtures::{authority, client_creds, handshake, server_creds, try_handshake};
use crate::common::{certs::Request, in_time};

fn client(name: &str) -> (io::Result<ChannelTls>, ChannelSocket) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    (ChannelTls::new_client(&here, &client_creds(), name), there)
}

#[test]
fn what_is_no_name_is_refused() {
    for name in [
        "",
        ".",
        "server.test\0",
        "server.test\0.other",
        // Verified, it would be any server below that.
        ".test",
        "..",
        "a..b",
        // A URI, a port, a pattern, and names that are misspelled.
        "localhost:8443",
        "https://localhost/",
        "*.test",
        "local host",
        &"long.".repeat(60),
        "\u{fffd}.test",
    ] {
        let e = client(name).0.expect_err(name);
        let expected = [io::ErrorKind::InvalidInput, io::ErrorKind::Other];
        assert!(expected.contains(&e.kind()), "{name:?}: {e}");
    }
}

#[test]
fn names_of_other_alphabets_are_those_of_the_certificate() {
    in_time(|| {
        let cert = Request::server("server").dns("xn--bcher-kva.test");
        let cert = cert.signed_by(authority());
        let server = TlsCreds::builder(TlsEndpoint::Server).certificate_pem(cert.pem, cert.key);
        let server = server.build().expect("good credentials");
        for name in [
            "B\u{fc}cher.test",
            "xn--bcher-kva.TEST",
            "b\u{fc}cher.test.",
        ] {
            let (client, there) = client(name);
            let client = client.expect("a client");
            let server = ChannelTls::new_server(&there, &server).expect("a server");
            handshake(&client, &server);
            assert_eq!(client.hostname().as_deref(), Some(name));
        }
    });
}

#[test]
fn the_interface_of_an_address_is_not_part_of_it() {
    in_time(|| {
        let cert = Request::server("server")
            .ip("fe80::1")
            .signed_by(authority());
        let server = TlsCreds::builder(TlsEndpoint::Server).certificate_pem(cert.pem, cert.key);
        let server = server.build().expect("good credentials");
        for name in ["fe80::1%eth0", "[fe80::1%2]", "[fe80::1]"] {
            let (client, there) = client(name);
            let server = ChannelTls::new_server(&there, &server).expect("a server");
            handshake(&client.expect("a client"), &server);
        }
        let (other, there) = client("fe80::2%eth0");
        let server = ChannelTls::new_server(&there, &server_creds()).expect("a server");
        let (here, _) = try_handshake(&other.expect("a client"), &server);
        here.expect_err("another address");
    });
}
