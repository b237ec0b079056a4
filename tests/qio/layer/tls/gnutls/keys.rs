//! Keys that both ends have already, and no proof at all.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Command, Stdio},
};

use gio::TlsProtocolVersion::{self, Tls12, Tls13};
use qio::{
    ChannelSocket, ChannelTls, TlsCreds, TlsCredsBuilder, TlsEndpoint, TlsPskHash, prelude::*,
};

use super::{Client, HEX, Program, Server, echo, key};
use crate::{
    common::{certs::Directory, in_time},
    skip::skip,
};

fn client() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Client)
}

fn server() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Server)
}

/// What GnuTLS may do.
fn priority(version: TlsProtocolVersion, exchanges: &[&str], cipher: Option<&str>) -> String {
    let mut text = super::priority(version) + ":-KX-ALL";
    for exchange in exchanges {
        text += &format!(":+{exchange}");
    }
    if let Some(cipher) = cipher {
        text += &format!(":-CIPHER-ALL:+{cipher}");
    }
    text
}

const PSK: &[&str] = &["ECDHE-PSK", "DHE-PSK", "PSK"];
const USER: [&str; 4] = ["--pskusername", "qemu", "--pskkey", HEX];

#[test]
fn their_clients_have_a_key_in_common_with_us_in_either_version() {
    needs!("gnutls-bin");
    in_time(|| {
        let creds = server().psk("qemu", key()).build().expect("a key");
        // Without Diffie-Hellman: gnutls-cli 3.7 crashes when it prints its parameters with a
        // key of TLS 1.2, with any server.
        for (version, exchanges, cipher, expected) in [
            (
                Tls12,
                &["PSK"][..],
                Some("AES-256-GCM"),
                "TLS_PSK_WITH_AES_256_GCM_SHA384",
            ),
            (
                Tls12,
                &["PSK"],
                Some("AES-128-GCM"),
                "TLS_PSK_WITH_AES_128_GCM_SHA256",
            ),
            (
                Tls12,
                &["PSK"],
                Some("CHACHA20-POLY1305"),
                "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256",
            ),
            (
                Tls13,
                &["ECDHE-PSK"],
                Some("AES-128-GCM"),
                "TLS_AES_128_GCM_SHA256",
            ),
            (
                Tls13,
                &["DHE-PSK"],
                Some("CHACHA20-POLY1305"),
                "TLS_CHACHA20_POLY1305_SHA256",
            ),
            // It offers suites with both hashes, and has a key for one.
            (Tls13, PSK, None, "TLS_CHACHA20_POLY1305_SHA256"),
        ] {
            let priority = priority(version, exchanges, cipher);
            let arguments = [&USER[..], &["--priority", &priority]].concat();
            let mut client = Client::start(Directory::new(), &arguments);
            let server = client.server(&creds);
            server
                .handshake()
                .unwrap_or_else(|e| panic!("{priority}: {e}: {}", client.log()));
            assert_eq!(server.protocol_version(), version);
            assert_eq!(server.cipher().as_deref(), Some(expected));
            assert!(server.peer_certificate().is_none());
            let mut input = client.input();
            input.write_all(b"question").expect("taken");
            server.read_all(&mut [0; 8]).expect("read");
            server.write_all(b"answer").expect("written");
            server.bye().expect("sent");
            assert_eq!(client.got(), (b"answer".to_vec(), true));
        }
    });
}

#[test]
fn their_clients_with_another_key_or_name_are_refused() {
    needs!("gnutls-bin");
    in_time(|| {
        // An identity that is not known is refused as a wrong key is.
        let reasons = [
            "decryption failed or bad record mac",
            "binder does not verify",
        ];
        for (name, key) in [("qemu", b"another key of 16".to_vec()), ("quemu", key())] {
            let creds = server().psk(name, key).build().expect("a key");
            for (version, reason) in [Tls12, Tls13].into_iter().zip(reasons) {
                let priority = priority(version, PSK, None);
                let arguments = [&USER[..], &["--priority", &priority]].concat();
                let mut client = Client::start(Directory::new(), &arguments);
                let server = client.server(&creds);
                let e = server.handshake().expect_err("it must be refused");
                assert_eq!(
                    e.to_string(),
                    format!("Unable to perform the TLS handshake with the client: {reason}")
                );
                server.close().expect("closed");
                assert!(!client.got().1, "{}", client.log());
            }
        }
    });
}

#[test]
fn their_servers_have_a_key_in_common_with_us_in_either_version() {
    needs!("gnutls-bin");
    in_time(|| {
        let files = Directory::new();
        let file = files.write("keys.psk", format!("anne:00ff\nqemu:{HEX}\n"));
        // Both ends read the same file.
        let creds = |version| {
            let builder = client().psk_file(&file).psk_user("qemu");
            builder.max_version(version).build().expect("a key")
        };
        for (version, exchange, cipher, expected) in [
            (
                Tls12,
                "DHE-PSK",
                Some("AES-256-GCM"),
                "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384",
            ),
            (
                Tls12,
                "DHE-PSK",
                Some("AES-128-GCM"),
                "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256",
            ),
            (
                Tls12,
                "PSK",
                Some("AES-256-GCM"),
                "TLS_PSK_WITH_AES_256_GCM_SHA384",
            ),
            (
                Tls12,
                "ECDHE-PSK",
                None,
                "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
            ),
            (Tls13, "ECDHE-PSK", None, "SHA256"),
            // It has to request another group, and the key is looked up once more.
            (
                Tls13,
                "ECDHE-PSK",
                Some("AES-128-GCM:-GROUP-ALL:+GROUP-SECP384R1"),
                "TLS_AES_128_GCM_SHA256",
            ),
        ] {
            let priority = priority(version, &[exchange], cipher);
            let arguments = ["--pskpasswd", "keys.psk", "--priority", &priority];
            let mut server = Server::start(&files, &arguments);
            let client = server.client(&creds(version), None);
            echo(&client, b"hello\n").unwrap_or_else(|e| panic!("{priority}: {e}"));
            let cipher = client.cipher().expect("they are connected");
            assert!(cipher.ends_with(expected), "{priority}: {cipher}");
        }
    });
}

/// The programs have keys of TLS 1.3 for SHA-256 only: where nothing else is left to them than the
/// other hash, it fails.
#[test]
fn keys_for_another_hash_are_none_for_their_programs() {
    needs!("gnutls-bin");
    in_time(|| {
        let priority = priority(Tls13, PSK, Some("AES-256-GCM"));
        let creds = server().psk("qemu", key()).build().expect("a key");
        let arguments = [&USER[..], &["--priority", &priority]].concat();
        let mut client = Client::start(Directory::new(), &arguments);
        let server = client.server(&creds);
        let e = server.handshake().expect_err("nothing in common");
        assert_eq!(
            e.to_string(),
            "Unable to perform the TLS handshake with the client: no shared cipher"
        );
        assert!(!client.got().1);

        let files = Directory::new();
        files.write("keys.psk", format!("qemu:{HEX}\n"));
        let arguments = ["--pskpasswd", "keys.psk", "--priority", &priority];
        let mut server = Server::start(&files, &arguments);
        let client = server.client(&for_sha384(), None);
        let e = client.handshake().expect_err("nothing in common");
        assert_eq!(
            e.to_string(),
            "Unable to perform the TLS handshake with the server: the peer sent the alert \"illegal parameter\""
        );
    });
}

fn for_sha384() -> TlsCreds {
    let builder = client().psk("qemu", key()).psk_hash(TlsPskHash::Sha384);
    builder.build().expect("a key")
}

/// The library has such keys since 3.8.11. Skipped where it is older.
#[test]
fn their_library_has_a_key_for_sha_384_in_common_with_us() {
    needs!("gnutls-bin");
    in_time(|| {
        let files = Directory::new();
        let script = files.write("sha384.py", include_str!("sha384.py"));
        let file = files.write("keys.psk", format!("qemu:{HEX}\n"));
        let start = |arguments: &[&OsStr]| {
            let child = Command::new("python3")
                .arg(&script)
                .args(arguments)
                .stdout(Stdio::piped())
                .spawn();
            Program(child.expect("install the package python3"))
        };
        let mut peer = start(&["server".as_ref(), "0".as_ref(), file.as_ref()]);
        let mut line = String::new();
        let output = peer.0.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("read");
        if line.is_empty() && peer.0.wait().expect("it ends").code() == Some(77) {
            return skip("no pre-shared keys for SHA-384: GnuTLS is older than 3.8.11");
        }
        let socket =
            TcpStream::connect((Ipv4Addr::LOCALHOST, line.trim().parse().expect("a port")));
        let master = ChannelSocket::new_fd(socket.expect("it listens").into()).expect("a socket");
        let client = ChannelTls::new_client(&master, &for_sha384(), None).expect("a client");
        client.write_all(b"question").expect("written");
        let mut got = [0; 6];
        client.read_all(&mut got).expect("read");
        assert_eq!(&got, b"answer");
        assert_eq!(client.cipher().as_deref(), Some("TLS_AES_256_GCM_SHA384"));
        client.bye().expect("sent");
        assert!(peer.0.wait().expect("it ends").success());

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener
            .local_addr()
            .expect("an address")
            .port()
            .to_string();
        let mut peer = start(&["client", &port, "qemu", HEX].map(OsStr::new));
        let (socket, _) = listener.accept().expect("it connects");
        let master = ChannelSocket::new_fd(socket.into()).expect("a socket");
        let creds = server().psk("qemu", key()).build().expect("a key");
        let server = ChannelTls::new_server(&master, &creds).expect("a server");
        let mut got = [0; 8];
        server.read_all(&mut got).expect("read");
        assert_eq!(&got, b"question");
        assert_eq!(server.cipher().as_deref(), Some("TLS_AES_256_GCM_SHA384"));
        server.write_all(b"answer").expect("written");
        assert_eq!(server.read(&mut [0]).expect("a clean end"), 0);
        server.bye().expect("sent");
        assert!(peer.0.wait().expect("it ends").success());
    });
}

#[test]
fn they_are_anonymous_with_us() {
    needs!("gnutls-bin");
    in_time(|| {
        let priority = priority(Tls12, &["ANON-DH", "ANON-ECDH"], None);
        let creds = server().insecure_anonymous().build();
        let arguments = ["--no-ca-verification", "--priority", &priority];
        let mut client = Client::start(Directory::new(), &arguments);
        let server = client.server(&creds.expect("nothing needed"));
        server
            .handshake()
            .unwrap_or_else(|e| panic!("{e}: {}", client.log()));
        assert!(server.peer_certificate().is_none());
        assert!(server.cipher().expect("agreed").contains("_anon_"));
        let mut input = client.input();
        input.write_all(b"a test!!").expect("taken");
        server.read_all(&mut [0; 8]).expect("read");
        server.bye().expect("sent");
        assert!(client.got().1, "{}", client.log());

        let creds = self::client().insecure_anonymous().build();
        let mut server = Server::start(&Directory::new(), &["--priority", &priority]);
        let client = server.client(&creds.expect("nothing needed"), None);
        echo(&client, b"a test!!\n").expect("agreed");
        assert!(client.cipher().expect("agreed").contains("_anon_"));
        // A client that requires a certificate gets none.
        let careful = super::super::fixtures::client_creds();
        let client = server.client(&careful, Some("127.0.0.1"));
        client.handshake().expect_err("it proves nothing");
    });
}
