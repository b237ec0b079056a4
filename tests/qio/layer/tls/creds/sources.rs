//! Where certificates and keys come from.

use std::{fs, os::unix::fs::PermissionsExt as _};

use gio::TlsError;
use openssl::{pkey::PKey, symm::Cipher};

use super::{client, good, is_bad, refused, server};
use crate::common::{
    alone::{is_alone, rerun},
    certs::{Directory, Request},
};

/// The message about one file, and what is wrong with it.
fn unable(files: &Directory, name: &str, reason: &str) -> String {
    format!("Unable to use {}: {reason}", files.file(name).display())
}

#[test]
fn files_and_memory_and_a_directory_are_the_same() {
    let (authority, cert) = good();
    let files = Directory::of_server(&authority.pem, &cert);
    let crl = files.write("ca-crl.pem", authority.revokes(&[1]));
    let (trust, shows, key) = (
        files.file("ca-cert.pem"),
        files.file("server-cert.pem"),
        files.file("server-key.pem"),
    );
    for builder in [
        server().directory(files.path()),
        server()
            .trust_file(trust)
            .crl_file(crl)
            .certificate_files(shows, key),
        server()
            .trust_pem(authority.pem.as_str())
            .crl_pem(authority.revokes(&[1]))
            .certificate_pem(cert.pem.as_str(), cert.key.as_str()),
    ] {
        builder.build().expect("good");
    }
    // One file may have both.
    let both = files.write("both.pem", [cert.key.as_str(), cert.pem.as_str()].concat());
    server()
        .certificate_files(&both, &both)
        .build()
        .expect("good");
}

#[test]
fn certificates_of_gio_are_taken() {
    needs!("glib-networking");
    let (authority, cert) = good();
    let pem = [cert.pem.as_str(), cert.key.as_str(), authority.pem.as_str()].concat();
    let ours = gio::TlsCertificate::from_pem(&pem)
        .unwrap_or_else(|e| panic!("{e}: install the package glib-networking"));
    let theirs = gio::TlsCertificate::from_pem(&authority.pem).expect("good");
    server()
        .certificate(&ours)
        .trust(&theirs)
        .build()
        .expect("good");
    is_bad(
        server().certificate(&theirs),
        TlsError::BadCertificate,
        "Unable to use the certificate in memory: the certificate has no exportable private key",
    );
}

#[test]
fn files_that_are_not_there_are_named() {
    let (authority, cert) = good();
    for missing in ["ca-cert.pem", "server-cert.pem", "server-key.pem"] {
        let files = Directory::of_server(&authority.pem, &cert);
        files.remove(missing);
        refused(
            server().directory(files.path()),
            &format!(
                "Unable to load {}: No such file or directory",
                files.file(missing).display()
            ),
        );
    }
    // A client need not have a certificate; but not half of one.
    let own = Request::client("qio").signed_by(&authority);
    for missing in ["client-cert.pem", "client-key.pem"] {
        let files = Directory::of_client(&authority.pem, &own);
        files.remove(missing);
        refused(
            client().directory(files.path()),
            &format!(
                "Unable to load {}: No such file or directory",
                files.file(missing).display()
            ),
        );
    }
    let files = Directory::new();
    files.write("ca-cert.pem", &authority.pem);
    client().directory(files.path()).build().expect("good");
}

#[test]
fn byte_order_marks_before_pem_blocks_are_ignored_wherever_they_are() {
    let (authority, cert) = good();
    // As files have them that editors of Windows have written and a shell has put together.
    let marked = |pem: &str| format!("# a comment\r\n\u{feff}{pem}");
    let files = Directory::of_server(&authority.pem, &cert);
    let chain = format!("\u{feff}{}\u{feff}{}", cert.pem, authority.pem);
    for (name, text) in [
        ("ca-cert.pem", marked(&authority.pem)),
        ("server-cert.pem", marked(&chain)),
        ("server-key.pem", marked(&cert.key)),
    ] {
        files.write(name, &text);
    }
    server().directory(files.path()).build().expect("good");
}

#[test]
fn files_that_hold_something_else_are_named() {
    let (authority, cert) = good();
    let indented = format!("  {}", authority.pem.replace('\n', "\n  "));
    let of_old_macs = cert.pem.replace("\r\n", "\n").replace('\n', "\r");
    let key_of_old_macs = cert.key.replace("\r\n", "\n").replace('\n', "\r");
    for (name, text, reason) in [
        ("ca-cert.pem", "", "it is empty"),
        ("ca-cert.pem", " \n", "it is empty"),
        (
            "ca-cert.pem",
            "hello",
            "expected a certificate in PEM form, found no line -----BEGIN",
        ),
        (
            "ca-cert.pem",
            "\u{feff}hello",
            "expected a certificate in PEM form, found no line -----BEGIN",
        ),
        (
            "ca-cert.pem",
            &indented,
            "expected a certificate in PEM form, found -----BEGIN CERTIFICATE----- not at the \
             beginning of a line",
        ),
        (
            "server-cert.pem",
            &of_old_macs,
            "expected a certificate in PEM form, found -----BEGIN CERTIFICATE----- followed by a \
             carriage return without a line feed",
        ),
        (
            "server-key.pem",
            &key_of_old_macs,
            "expected a private key in PEM form, found -----BEGIN PRIVATE KEY----- followed by a \
             carriage return without a line feed",
        ),
        (
            "ca-cert.pem",
            &cert.key,
            "expected a certificate in PEM form, found a private key",
        ),
        (
            "server-cert.pem",
            &cert.key,
            "expected a certificate in PEM form, found a private key",
        ),
        (
            "server-key.pem",
            &cert.pem,
            "expected a private key in PEM form, found a certificate",
        ),
        (
            "server-key.pem",
            "hello",
            "expected a private key in PEM form, found no line -----BEGIN",
        ),
        ("server-key.pem", "", "it is empty"),
        (
            "ca-crl.pem",
            &cert.pem,
            "expected a certificate revocation list in PEM form, found a certificate",
        ),
        ("ca-crl.pem", "", "it is empty"),
    ] {
        let files = Directory::of_server(&authority.pem, &cert);
        files.write(name, text);
        is_bad(
            server().directory(files.path()),
            TlsError::BadCertificate,
            &unable(&files, name, reason),
        );
    }
}

#[test]
fn what_is_damaged_is_named() {
    let (authority, cert) = good();
    let list = authority.revokes(&[1]);
    for (name, text, what) in [
        ("ca-cert.pem", &authority.pem, "certificate"),
        ("server-cert.pem", &cert.pem, "certificate"),
        ("server-key.pem", &cert.key, "private key"),
        ("ca-crl.pem", &list, "certificate revocation list"),
    ] {
        let files = Directory::of_server(&authority.pem, &cert);
        // The middle is missing.
        let lines: Vec<_> = text.lines().collect();
        let damaged = [lines[0], lines[1], lines[lines.len() - 1], ""].join("\n");
        files.write(name, damaged);
        let e = server().directory(files.path()).build();
        let text = e.expect_err("it is damaged").to_string();
        let expected = unable(&files, name, &format!("the {what} is damaged: "));
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[test]
fn a_key_that_belongs_to_another_certificate_is_refused() {
    let ((authority, cert), (_, other)) = (good(), good());
    let files = Directory::of_server(&authority.pem, &cert);
    let key = files.write("server-key.pem", &other.key);
    is_bad(
        // Whether it is to look or not: it would be of no use.
        server().directory(files.path()).verify_on_load(false),
        TlsError::BadCertificate,
        &unable(
            &files,
            "server-cert.pem",
            &format!("{} does not match", key.display()),
        ),
    );
}

#[test]
fn a_locked_key_is_opened_by_its_password() {
    let (authority, cert) = good();
    let key = PKey::private_key_from_pem(cert.key.as_bytes()).expect("a key");
    let locked = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"sesame");
    let files = Directory::of_server(&authority.pem, &cert);
    let path = files.write("server-key.pem", locked.expect("locked"));
    let builder = || server().directory(files.path());
    builder().password("sesame").build().expect("opened");

    let name = path.display().to_string();
    let by_func = builder().password_func(move |what| (what == name).then(|| "sesame".to_owned()));
    by_func.build().expect("opened");

    let locked = |builder, reason| {
        let message = unable(&files, "server-key.pem", reason);
        is_bad(builder, TlsError::BadCertificatePassword, &message);
    };
    let none = "the private key is encrypted and no password was given";
    locked(builder(), none);
    locked(builder().password_func(|_| None), none);
    for wrong in ["", "tahini", "x".repeat(5000).as_str()] {
        locked(
            builder().password(wrong),
            "the private key is encrypted with another password",
        );
    }
}

#[test]
fn no_handler_is_called_where_the_key_is_not_locked() {
    let (_, cert) = good();
    let builder = server().certificate_pem(cert.pem.as_str(), cert.key.as_str());
    let builder = builder.password_func(|_| panic!("it is not locked"));
    builder.build().expect("good");
}

#[test]
fn a_secret_that_is_open_to_others_is_worth_a_warning() {
    const NAME: &str =
        "layer::tls::creds::sources::a_secret_that_is_open_to_others_is_worth_a_warning";
    if !is_alone() {
        let output = rerun(NAME, |command| command);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        let warning =
            "server-key.pem has permissions that are too open for a secret: its mode is 644";
        assert_eq!(log.matches(warning).count(), 1, "{log}");
        return;
    }
    let (authority, cert) = good();
    let files = Directory::of_server(&authority.pem, &cert);
    let key = files.file("server-key.pem");
    for mode in [0o600, 0o640, 0o644] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("its own");
        server().directory(files.path()).build().expect("good");
    }
}

#[test]
fn an_unreadable_file_is_named_with_the_reason() {
    let files = Directory::new();
    // Even root cannot read a directory as a file.
    refused(
        client().trust_file(files.path()),
        &format!("Unable to load {}: Is a directory", files.path().display()),
    );
}
