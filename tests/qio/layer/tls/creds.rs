//! Credentials, while they are made: what is wrong comes out, with its name and the reason. What
//! they are worth in a handshake is in `matrix` and `meetings`.

mod keys;
mod sources;
mod usage;

use std::path::Path;

use gio::{TlsAuthenticationMode, TlsError, TlsProtocolVersion};
use qio::{TlsCreds, TlsCredsBuilder, TlsEndpoint, to_glib_error};

use crate::common::{
    alone::{alone, is_alone, rerun},
    certs::{Cert, Directory, Request},
    fds,
};

fn client() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Client)
}

fn server() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Server)
}

/// An authority, with a good certificate of a server.
fn good() -> (Cert, Cert) {
    let authority = Request::authority("qio CA").signed_by_itself();
    let server = Request::server("qio.example").signed_by(&authority);
    (authority, server)
}

#[track_caller]
fn refused(builder: TlsCredsBuilder, message: &str) {
    let e = builder.build().expect_err("they must be refused");
    assert_eq!(e.to_string(), message);
}

/// What is wrong with a certificate, or a key, has a code of GIO.
#[track_caller]
fn is_bad(builder: TlsCredsBuilder, code: TlsError, message: &str) {
    let e = builder.build().expect_err("they must be refused");
    assert_eq!(e.to_string(), message);
    assert_eq!(to_glib_error(&e).kind::<TlsError>(), Some(code));
}

#[test]
fn a_client_without_settings_uses_the_system_trust_store() {
    let creds = client().build().expect("nothing needed");
    assert_eq!(creds.endpoint(), TlsEndpoint::Client);
    assert!(creds.verifies_peer());
}

#[test]
fn what_is_secret_is_not_printed() {
    let builder = client().psk("qemu", "secret").password("secret");
    let printed = format!("{builder:?}");
    assert!(
        printed.contains("Client") && !printed.contains("secret"),
        "{printed}"
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    let (authority, cert) = good();
    let shows = || server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    refused(
        server(),
        "Unable to make credentials: a server needs a certificate or pre-shared keys",
    );
    refused(
        shows().client_certificates(TlsAuthenticationMode::Required),
        "Unable to make credentials: client certificates are requested, but there are no trust anchors",
    );
    refused(
        client().client_certificates(TlsAuthenticationMode::Requested),
        "Unable to make credentials: only a server requests client certificates",
    );
    for builder in [
        shows().insecure_anonymous(),
        server().psk("qemu", "key").insecure_anonymous(),
        client()
            .trust_pem(authority.pem.as_str())
            .insecure_anonymous(),
    ] {
        refused(
            builder,
            "Unable to make credentials: anonymous credentials cannot be combined with certificates or pre-shared keys",
        );
    }
}

#[test]
fn there_is_no_version_before_tls_1_2() {
    for old in [TlsProtocolVersion::Tls11, TlsProtocolVersion::Ssl30] {
        refused(
            client().min_version(old),
            "Unable to make credentials: versions of TLS are 1.2 and 1.3",
        );
    }
    refused(
        client()
            .min_version(TlsProtocolVersion::Tls13)
            .max_version(TlsProtocolVersion::Tls12),
        "Unable to make credentials: the newest version of TLS is older than the oldest one",
    );
    refused(
        client()
            .min_version(TlsProtocolVersion::Tls13)
            .insecure_anonymous(),
        "Unable to make credentials: TLS 1.3 has no anonymous cipher suites",
    );
}

#[test]
fn ciphers_that_nothing_has_are_refused() {
    refused(
        client().ciphers("ROT13"),
        "Unable to use the ciphers \"ROT13\": no cipher match",
    );
    // Only those that prove nothing are left, which is none.
    refused(
        client().ciphers("aNULL"),
        "Unable to use the ciphers \"aNULL\": no cipher match",
    );
    refused(
        client().ciphersuites("TLS_ROT13"),
        "Unable to use the ciphers \"TLS_ROT13\": no cipher match",
    );
}

#[test]
fn a_key_log_that_cannot_be_written_is_refused() {
    let files = Directory::new();
    let log = files.file("no/such/keys.log");
    refused(
        client().key_log_file(&log),
        &format!(
            "Unable to open {}: No such file or directory",
            log.display()
        ),
    );
}

#[test]
fn sslkeylogfile_is_read_only_if_it_is_enabled() {
    const NAME: &str = "layer::tls::creds::sslkeylogfile_is_read_only_if_it_is_enabled";
    let files = Directory::new();
    let log = files.file("keys.log");
    if is_alone() {
        client().build().expect("nothing needed");
        let log = std::env::var_os("SSLKEYLOGFILE").expect("set");
        assert!(!Path::new(&log).exists(), "it is not enabled");
        let creds = client().key_log_from_environment().build();
        creds.expect("a file to write");
        assert!(Path::new(&log).exists());
        return;
    }
    let output = rerun(NAME, |command| command.env("SSLKEYLOGFILE", &log));
    assert!(output.status.success(), "{output:?}");
    // Where it is not set, there is none but that of the program.
    let output = client().key_log_from_environment().build();
    output.expect("nothing to write");
    let own = files.file("own.log");
    let creds = client().key_log_file(&own).key_log_from_environment();
    creds.build().expect("a file to write");
    assert!(own.exists());
}

#[test]
fn credentials_that_are_dropped_leave_nothing_open() {
    alone(
        "layer::tls::creds::credentials_that_are_dropped_leave_nothing_open",
        || {
            let (authority, cert) = good();
            let files = Directory::of_server(&authority.pem, &cert);
            let make = || {
                let builder = server().directory(files.path());
                let creds = builder.key_log_file(files.file("keys.log")).build();
                creds.expect("good")
            };
            drop(make());
            let before = fds::count();
            let some: Vec<_> = (0..10).map(|_| make()).collect();
            assert_eq!(fds::count(), before + 10);
            drop(some);
            assert_eq!(fds::count(), before);
        },
    );
}
