//! Python's `ssl` at the other end, by `ssl_peer.py`.

use std::{
    io,
    process::{Child, Command, Stdio},
};

use gio::{TlsAuthenticationMode, TlsError, TlsProtocolVersion};
use glib::ChecksumType;
use qio::{ChannelSocket, ChannelTls, TlsCreds, prelude::*};

use super::fixtures::{
    NAME, authority, client_builder, client_cert, server_builder, server_cert, server_creds,
};
use crate::common::{certs::Directory, in_time};

/// How much goes in each direction.
const COUNT: usize = 3 << 20;

const VERSIONS: [(&str, TlsProtocolVersion); 2] = [
    ("1.2", TlsProtocolVersion::Tls12),
    ("1.3", TlsProtocolVersion::Tls13),
];

/// The program in one of the roles, and where it connects to.
struct Python {
    listener: ChannelSocket,
    child: Child,
    creds: TlsCreds,
    _directory: Directory,
}

impl Python {
    fn start(role: &str, version: &str, steps: &[&str]) -> Self {
        let creds = match role {
            "client" => server_builder()
                .client_certificates(TlsAuthenticationMode::Required)
                .alpn_protocols(["echo"]),
            _ => client_builder()
                .certificate_pem(client_cert().pem.as_str(), client_cert().key.as_str())
                .alpn_protocols(["echo"]),
        };
        Self::start_with(creds.build().expect("good"), role, version, steps)
    }

    fn start_with(creds: TlsCreds, role: &str, version: &str, steps: &[&str]) -> Self {
        let directory = Directory::of_server(&authority().pem, server_cert());
        directory.write("client-cert.pem", &client_cert().pem);
        directory.write("client-key.pem", &client_cert().key);
        let path = directory.file("socket");
        let address = gio::UnixSocketAddress::new(&path);
        let listener = ChannelSocket::listen(&address, 1).expect("listens");
        let root = env!("CARGO_MANIFEST_DIR");
        let child = Command::new(format!("{root}/.ci/python"))
            .arg(format!("{root}/tests/qio/layer/tls/ssl_peer.py"))
            .args([&path, directory.path()])
            .args([role, version])
            .args(steps)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        Self {
            listener,
            child,
            creds,
            _directory: directory,
        }
    }

    /// Our end of its next connection.
    fn meet(&self) -> ChannelTls {
        let master = self.listener.accept().expect("it connects");
        let tls = match self.creds.endpoint() {
            qio::TlsEndpoint::Client => ChannelTls::new_client(&master, &self.creds, NAME),
            qio::TlsEndpoint::Server => ChannelTls::new_server(&master, &self.creds),
        };
        tls.expect("an end")
    }

    /// What it has seen.
    fn saw(self) -> String {
        let output = self.child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }
}

fn pattern() -> Vec<u8> {
    (0..=250).cycle().take(COUNT).collect()
}

#[test]
fn data_goes_both_ways_and_both_send_close_notify() {
    needs!("python3-gi");
    in_time(|| {
        let count = COUNT.to_string();
        let (give, take) = (format!("give={count}"), format!("take={count}"));
        let text = pattern();
        let sum = glib::compute_checksum_for_data(ChecksumType::Sha256, &text);
        let sum = sum.expect("SHA-256");
        for role in ["client", "server"] {
            for (name, version) in VERSIONS {
                let steps = ["connect", &give, &take, "unwrap"];
                let python = Python::start(role, name, &steps);
                let tls = python.meet();
                let mut got = vec![0; COUNT];
                tls.read_all(&mut got).expect("read");
                assert!(got == text);
                tls.write_all(&text).expect("written");
                assert_eq!(tls.read(&mut got).expect("a clean end"), 0);
                tls.bye().expect("sent");
                assert_eq!(tls.protocol_version(), version);
                assert_eq!(tls.alpn_protocol().as_deref(), Some("echo"));
                let saw = python.saw();
                let (peer, sni) = match role {
                    "client" => ("server", ""),
                    _ => ("client", "name server.test\n"),
                };
                assert_eq!(
                    saw,
                    format!(
                        "{sni}version TLSv{name}\nprotocol echo\npeer {peer}\nresumed False\n\
                         got {sum}\nunwrapped\n"
                    )
                );
            }
        }
    });
}

#[test]
fn sessions_go_on_at_both_ends() {
    needs!("python3-gi");
    in_time(|| {
        for role in ["client", "server"] {
            for (name, _) in VERSIONS {
                let one = ["connect", "take=6", "keep-session", "unwrap"];
                let python = Python::start(role, name, &[one, one].concat());
                for resumed in [false, true] {
                    let tls = python.meet();
                    tls.write_all(b"a word").expect("written");
                    assert_eq!(tls.read(&mut [0]).expect("a clean end"), 0);
                    assert_eq!(tls.is_resumed(), resumed, "{role} {name}");
                    tls.bye().expect("sent");
                }
                let saw = python.saw();
                let reported: Vec<_> = saw.lines().filter(|it| it.starts_with("resumed")).collect();
                assert_eq!(reported, ["resumed False", "resumed True"], "{role} {name}");
            }
        }
    });
}

#[test]
fn a_cut_is_distinguished_from_an_end_at_both_ends() {
    needs!("python3-gi");
    in_time(|| {
        for role in ["client", "server"] {
            for (name, _) in VERSIONS {
                let python = Python::start(role, name, &["connect", "take=6", "give=6", "cut"]);
                let tls = python.meet();
                // Closing a socket with unread input resets the connection.
                tls.write_all(b"a word").expect("written");
                tls.read_all(&mut [0; 6]).expect("what came before");
                let e = tls.read(&mut [0]).unwrap_err();
                assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof, "{e}");
                assert!(qio::to_glib_error(&e).matches(TlsError::Eof), "{e}");
                python.saw();

                for cut in [true, false] {
                    let steps = ["connect", "give=6", "take=6", "receive-end"];
                    let python = Python::start(role, name, &steps);
                    let tls = python.meet();
                    tls.read_all(&mut [0; 6]).expect("also its tickets");
                    tls.write_all(b"a word").expect("written");
                    match cut {
                        true => tls.master().close().expect("closed"),
                        false => tls.close().expect("closed"),
                    }
                    let end = match cut {
                        true => "cut\n",
                        false => "end b''\n",
                    };
                    let saw = python.saw();
                    assert!(saw.ends_with(end), "{role} {name}: {saw}");
                }
            }
        }
    });
}

#[test]
fn no_handler_is_called_for_a_certificate_after_the_handshake() {
    needs!("python3-gi");
    in_time(|| {
        // Our client does not offer post-handshake authentication: a server must not request it.
        let python = Python::start(
            "server",
            "1.3",
            &["connect", "request-certificate", "give=6", "unwrap"],
        );
        let tls = python.meet();
        tls.read_all(&mut [0; 6]).expect("read");
        assert_eq!(tls.read(&mut [0]).expect("a clean end"), 0);
        tls.bye().expect("sent");
        let saw = python.saw();
        assert!(
            saw.contains("no request: EXTENSION_NOT_RECEIVED\n"),
            "{saw}"
        );

        // Our server accepts a client that offers it.
        let steps = ["allow-requests", "connect", "give=6", "unwrap"];
        let python = Python::start_with(server_creds(), "client", "1.3", &steps);
        let tls = python.meet();
        tls.read_all(&mut [0; 6]).expect("read");
        assert!(tls.peer_certificate().is_none());
        assert_eq!(tls.read(&mut [0]).expect("a clean end"), 0);
        tls.bye().expect("sent");
        assert!(python.saw().ends_with("unwrapped\n"));
    });
}
