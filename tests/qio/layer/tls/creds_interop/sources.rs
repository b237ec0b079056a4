//! Where certificates and keys come from: whatever that is, the other end sees the same.

use std::path::Path;

use openssl::{pkey::PKey, symm::Cipher};
use qio::TlsCredsBuilder;

use super::{client, connect, refused, server};
use crate::common::{
    alone::{is_alone, rerun},
    certs::{Cert, Directory, Request},
};

const NAME: &str = "qio.example";

/// An authority, and what both ends have of it.
fn certs() -> (Cert, Cert, Cert) {
    let authority = Request::authority("qio CA").signed_by_itself();
    let server = Request::server(NAME).dns(NAME).signed_by(&authority);
    let client = Request::client("client.test").signed_by(&authority);
    (authority, server, client)
}

fn of_gio(pem: &[&str]) -> gio::TlsCertificate {
    let made = gio::TlsCertificate::from_pem(&pem.concat());
    made.unwrap_or_else(|e| panic!("{e}: install the package glib-networking"))
}

/// An end that shows a certificate and trusts an authority, in every way.
fn in_every_way(
    end: fn() -> TlsCredsBuilder,
    files: &Directory,
    authority: &Cert,
    cert: &Cert,
) -> Vec<TlsCredsBuilder> {
    let pem = authority.pem.as_str();
    let trusted = files.write("trusted.pem", pem);
    let shown = files.write("shown.pem", &cert.pem);
    let key = files.write("key.pem", &cert.key);
    let locked = PKey::private_key_from_pem(cert.key.as_bytes()).expect("a key");
    let locked = locked.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"sesame");
    let locked = files.write("locked.pem", locked.expect("locked"));
    let name = locked.display().to_string();
    vec![
        end().directory(files.path()),
        end().trust_file(&trusted).certificate_files(&shown, &key),
        end()
            .trust_pem(pem)
            .certificate_pem(cert.pem.as_str(), cert.key.as_str()),
        end()
            .trust(&of_gio(&[pem]))
            .certificate(&of_gio(&[&cert.pem, &cert.key, pem])),
        end()
            .trust_pem(pem)
            .certificate_files(&shown, &locked)
            .password_func(move |what| (what == name).then(|| "sesame".to_owned())),
    ]
}

#[test]
fn both_ends_see_the_same_wherever_it_comes_from() {
    needs!("glib-networking");
    let (authority, server_cert, client_cert) = certs();
    let here = Directory::of_client(&authority.pem, &client_cert);
    let there = Directory::of_server(&authority.pem, &server_cert);
    let clients = in_every_way(client, &here, &authority, &client_cert);
    let servers = in_every_way(server, &there, &authority, &server_cert);
    for (way, (client, server)) in clients.into_iter().zip(servers).enumerate() {
        let server = server.client_certificates(gio::TlsAuthenticationMode::Required);
        let (client, server) = (client.build().expect("good"), server.build().expect("good"));
        let (connected, accepted) = connect(&client, &server, NAME);
        let connected = connected.unwrap_or_else(|e| panic!("way {way}: {e}"));
        assert_eq!(connected.peer.as_deref(), Some(NAME), "way {way}");
        let accepted = accepted.unwrap_or_else(|e| panic!("way {way}: {e}"));
        assert_eq!(accepted.peer.as_deref(), Some("client.test"), "way {way}");
    }
}

/// The system trust store is set by environment variables of OpenSSL.
#[test]
fn a_client_without_trust_anchors_uses_the_system_trust_store() {
    needs!("glib-networking");
    const TEST: &str = "layer::tls::creds_interop::sources::a_client_without_trust_anchors_uses_the_system_trust_store";
    let untrusted = "self-signed certificate in certificate chain: C=UK,CN=qio CA";
    if !is_alone() {
        let (authority, cert, _) = certs();
        let files = Directory::of_server(&authority.pem, &cert);
        let server = server().directory(files.path()).build().expect("good");
        let client = client().build().expect("nothing needed");
        refused(connect(&client, &server, NAME).0, untrusted);
        let system = files.file("ca-cert.pem");
        let output = rerun(TEST, |command| command.env("SSL_CERT_FILE", system));
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let system = std::env::var_os("SSL_CERT_FILE").expect("set");
    let directory = Path::new(&system).parent().expect("a directory");
    let server = server().directory(directory).build().expect("good");
    let other = Request::authority("another CA").signed_by_itself();
    let reported = || client().trust_pem(other.pem.as_str());
    for good in [client(), client().system_trust(), reported().system_trust()] {
        let (connected, _) = connect(&good.build().expect("good"), &server, NAME);
        assert_eq!(connected.expect("agreed").peer.as_deref(), Some(NAME));
        let again = client().build().expect("good");
        refused(
            connect(&again, &server, "other.example").0,
            "hostname mismatch: C=UK,CN=qio.example is for qio.example",
        );
    }
    // With trust anchors or a key, the system trust store is not used.
    for careful in [reported(), client().psk("qemu", "key")] {
        let careful = careful.build().expect("good");
        refused(connect(&careful, &server, NAME).0, untrusted);
    }
}

#[test]
fn credentials_constructed_by_type_have_no_trust_anchors() {
    let (authority, cert, _) = certs();
    let files = Directory::of_server(&authority.pem, &cert);
    let server = server().directory(files.path()).build().expect("good");
    let untrusting: qio::TlsCreds = glib::Object::new();
    assert!(untrusting.verifies_peer());
    refused(
        connect(&untrusting, &server, NAME).0,
        "self-signed certificate in certificate chain: C=UK,CN=qio CA",
    );
}
