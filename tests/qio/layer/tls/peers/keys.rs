//! Keys that both ends have already. One of TLS 1.3 for SHA-384 the program takes as a session.

use std::io::Write as _;

use qio::{ChannelTls, TlsCreds, TlsEndpoint, TlsPskHash, prelude::*};

use super::{Client, Server, authority};
use crate::common::{certs::Directory, in_time};

const KEY: &[u8] = b"0123456789abcdef";
const HEX: &str = "30313233343536373839616263646566";

/// A session that begins with the key, as the program writes it to a file.
fn session(suite: [u8; 2]) -> String {
    let field = |tag: u8, value: &[u8]| [&[tag, value.len() as u8], value].concat();
    let fields = [
        // Of the form, and of TLS 1.3.
        field(2, &[1]),
        field(2, &[3, 4]),
        field(4, &suite),
        field(4, &[]),
        field(4, KEY),
    ];
    let body = glib::base64_encode(&field(0x30, &fields.concat()));
    format!(
        "-----BEGIN SSL SESSION PARAMETERS-----\n{body}\n-----END SSL SESSION PARAMETERS-----\n"
    )
}

/// What the program is reported, and the suite that is to come of it.
const WAYS: [(&[&str], TlsPskHash, &str); 6] = [
    (
        &["-tls1_3", "-psk_session", "sha384.pem"],
        TlsPskHash::Sha384,
        "TLS_AES_256_GCM_SHA384",
    ),
    (
        &["-tls1_3", "-psk_session", "sha256.pem"],
        TlsPskHash::Sha256,
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    (
        &["-tls1_3", "-psk", HEX],
        TlsPskHash::Sha256,
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    (
        &["-tls1_2", "-psk", HEX, "-cipher", "PSK-AES256-GCM-SHA384"],
        TlsPskHash::Sha256,
        "TLS_PSK_WITH_AES_256_GCM_SHA384",
    ),
    (
        &["-tls1_2", "-psk", HEX, "-cipher", "PSK-AES128-GCM-SHA256"],
        TlsPskHash::Sha384,
        "TLS_PSK_WITH_AES_128_GCM_SHA256",
    ),
    (
        &[
            "-tls1_2",
            "-psk",
            HEX,
            "-cipher",
            "ECDHE-PSK-CHACHA20-POLY1305",
        ],
        TlsPskHash::Sha256,
        "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
    ),
];

fn files() -> Directory {
    let files = Directory::new();
    files.write("sha256.pem", session([0x13, 0x01]));
    files.write("sha384.pem", session([0x13, 0x02]));
    files
}

#[test]
fn s_client_has_a_key_in_common_with_us() {
    needs!("openssl");
    in_time(|| {
        let creds = TlsCreds::builder(TlsEndpoint::Server).psk("qemu", KEY);
        let creds = creds.build().expect("a key");
        for (way, _, expected) in WAYS {
            let arguments = [way, &["-psk_identity", "qemu"]].concat();
            let files = files();
            // The program gets a CA, which it does not need.
            files.write("ca-cert.pem", &authority().pem);
            let mut client = Client::start(&files, &creds, &arguments);
            let server = client.server.clone();
            server
                .handshake()
                .unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
            assert_eq!(server.cipher().as_deref(), Some(expected), "{way:?}");
            assert!(server.peer_certificate().is_none());
            let mut stdin = client.stdin();
            stdin.write_all(b"question").expect("written");
            server.read_all(&mut [0; 8]).expect("read");
            server.write_all(b"answer").expect("written");
            server.bye().expect("sent");
            assert_eq!(client.got(), b"answer");
        }
    });
}

#[test]
fn s_server_has_a_key_in_common_with_us() {
    needs!("openssl");
    in_time(|| {
        for (way, hash, expected) in WAYS {
            let arguments = ["-nocert", "-psk_identity", "qemu", "-rev"];
            let mut peer = Server::start(&files(), &[&arguments[..], way].concat());
            let creds = TlsCreds::builder(TlsEndpoint::Client)
                .psk("qemu", KEY)
                .psk_hash(hash)
                .build()
                .expect("a key");
            let client = ChannelTls::new_client(&peer.connect(), &creds, None).expect("a client");
            let talk = || {
                client.write_all(b"drawer\n")?;
                let mut got = [0; 7];
                client.read_all(&mut got).map(|()| got)
            };
            let got = talk().unwrap_or_else(|e| panic!("{way:?}: {e}: {}", peer.complaints()));
            assert_eq!(&got, b"reward\n");
            assert_eq!(client.cipher().as_deref(), Some(expected), "{way:?}");
        }
    });
}
