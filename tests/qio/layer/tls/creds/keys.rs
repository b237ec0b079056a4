//! Keys that both ends have already.

use gio::{TlsError, TlsProtocolVersion};
use qio::TlsPskHash;

use super::{client, is_bad, refused, server};
use crate::common::{
    alone::{is_alone, rerun},
    certs::Directory,
};

#[test]
fn names_and_keys_that_cannot_be_are_refused() {
    let long = "x".repeat(129);
    for name in ["", "nul\0", &long] {
        refused(
            client().psk(name, "key"),
            "Unable to use a key: a name has 1 to 128 bytes, of which none is NUL",
        );
    }
    for key in [vec![], vec![0; 257]] {
        refused(
            client().psk("qemu", key),
            "Unable to use a key: a key has 1 to 256 bytes",
        );
    }
    client()
        .psk(&"x".repeat(128), [0; 256])
        .build()
        .expect("good");
    refused(
        server().psk("qemu", "one").psk("qemu", "other"),
        "Unable to use a key: \"qemu\" is there twice",
    );
}

#[test]
fn what_is_wrong_in_a_file_is_reported_with_its_line() {
    let files = Directory::new();
    for (text, reason) in [
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("qemu", "line 1: expected a name, a colon and a key"),
        (
            "anne:00\nqemu:0",
            "line 2: the key is not of hexadecimal digits, two for each byte",
        ),
        (
            "anne:00\n\nqemu:xy",
            "line 3: the key is not of hexadecimal digits, two for each byte",
        ),
        ("qemu:", "line 1: a key has 1 to 256 bytes"),
        (
            ":00",
            "line 1: a name has 1 to 128 bytes, of which none is NUL",
        ),
        (
            "#qemu:00",
            "line 1: the name after # is not of hexadecimal digits",
        ),
        ("qemu:00\n#71656d75:01", "line 2: \"qemu\" is there twice"),
    ] {
        let file = files.write("keys.psk", text);
        let reason = match text.trim().is_empty() {
            true => "it is empty",
            false => reason,
        };
        is_bad(
            server().psk_file(&file),
            TlsError::BadCertificate,
            &format!("Unable to use {}: {reason}", file.display()),
        );
    }
    let file = files.file("nowhere.psk");
    refused(
        server().psk_file(&file),
        &format!(
            "Unable to load {}: No such file or directory",
            file.display()
        ),
    );
}

#[test]
fn a_client_sets_its_psk_identity_and_hash() {
    let files = Directory::new();
    let file = files.write("keys.psk", "anne:00\nqemu:01\n");
    refused(
        client().psk_file(&file),
        "Unable to choose a key: there are 2, and no identity is selected",
    );
    refused(
        client().psk_file(&file).psk_user("bob"),
        "Unable to choose a key: there is none of \"bob\"",
    );
    client()
        .psk_file(&file)
        .psk_user("qemu")
        .build()
        .expect("good");
    let suited = || {
        client()
            .psk("qemu", "key")
            .ciphersuites("TLS_AES_256_GCM_SHA384")
    };
    refused(
        suited(),
        "Unable to make credentials: no suite has the hash that the key is for",
    );
    suited().psk_hash(TlsPskHash::Sha384).build().expect("good");
    suited()
        .max_version(TlsProtocolVersion::Tls12)
        .build()
        .expect("it is not needed");
    let creds = client().psk("qemu", "key").build().expect("the only one");
    assert!(!creds.verifies_peer());
}

#[test]
fn a_pre_shared_key_of_less_than_16_bytes_is_worth_a_warning() {
    const NAME: &str =
        "layer::tls::creds::keys::a_pre_shared_key_of_less_than_16_bytes_is_worth_a_warning";
    if !is_alone() {
        let output = rerun(NAME, |command| command);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        assert_eq!(log.matches("WARNING").count(), 2, "{log}");
        for warned in ["\"short\" has 15 bytes", "\"of a file\" has 1 bytes"] {
            assert!(log.contains(warned), "{log}");
        }
        return;
    }
    let files = Directory::new();
    files.write(
        "keys",
        "of a file:00\nlong:000102030405060708090a0b0c0d0e0f\n",
    );
    let keys = server().psk("short", [7; 15]).psk("long enough", [7; 16]);
    let keys = keys.psk_file(files.file("keys"));
    keys.build().expect("they can be used");
}
