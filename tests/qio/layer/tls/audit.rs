//! Faults that an audit has found: uploads, denial of service by finite fields, revocation, names,
//! authorization, forks and modes.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    thread,
    time::Duration,
};

use glib::object::ObjectExt as _;
use openssl::ssl::{SslAcceptor, SslConnector, SslFiletype, SslMethod, SslVerifyMode, SslVersion};
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, prelude::*};

use super::fixtures::{
    NAME, authority, before_handshake, client_builder, client_creds, connected, server_builder,
    server_cert, server_creds, try_handshake, with,
};
use crate::common::{
    alone::alone,
    certs::{Directory, Request},
    fill,
    fork::in_child,
    in_time,
};

/// A client of OpenSSL's that uses no session, and what a server of ours reads from it.
fn upload(server: &TlsCreds, data: &[u8], version: SslVersion) -> io::Result<Vec<u8>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listens");
    let address = listener.local_addr().expect("bound");
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut client = SslConnector::builder(SslMethod::tls_client()).expect("a client");
            client.set_verify(SslVerifyMode::NONE);
            client.set_max_proto_version(Some(version)).expect("known");
            let socket = TcpStream::connect(address).expect("connects");
            let mut client = client.build().connect(NAME, socket).expect("agreed");
            client.write_all(data).expect("written");
            // It reads nothing, neither data nor the session tickets of the server.
            let _ = client.shutdown();
        });
        let (socket, _) = listener.accept().expect("accepted");
        let channel = ChannelSocket::new_fd(OwnedFd::from(socket)).expect("a socket");
        let server = ChannelTls::new_server(&channel, server).expect("a server");
        let mut got = Vec::new();
        server.blocking_io().read_to_end(&mut got)?;
        Ok(got)
    })
}

#[test]
fn uploads_of_clients_that_read_nothing_arrive_whole() {
    in_time(|| {
        let data = vec![7; 300_000];
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            for _ in 0..20 {
                let got = upload(&server_creds(), &data, version).expect("a clean end");
                assert_eq!(got.len(), data.len());
            }
        }
    });
}

#[test]
fn finite_field_diffie_hellman_is_refused_with_certificates() {
    in_time(|| {
        for (version, ciphers) in [
            (SslVersion::TLS1_3, "DEFAULT"),
            (SslVersion::TLS1_2, "kDHE"),
        ] {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listens");
            let address = listener.local_addr().expect("bound");
            let client = thread::spawn(move || {
                let mut client = SslConnector::builder(SslMethod::tls_client()).expect("a client");
                client.set_verify(SslVerifyMode::NONE);
                client.set_max_proto_version(Some(version)).expect("known");
                client.set_cipher_list(ciphers).expect("known");
                client
                    .set_groups_list("ffdhe2048:ffdhe8192")
                    .expect("known");
                let socket = TcpStream::connect(address).expect("connects");
                client.build().connect(NAME, socket).is_ok()
            });
            let (socket, _) = listener.accept().expect("accepted");
            let channel = ChannelSocket::new_fd(OwnedFd::from(socket)).expect("a socket");
            let server = ChannelTls::new_server(&channel, &server_creds()).expect("a server");
            let e = server.handshake().expect_err("nothing in common");
            assert!(
                qio::to_glib_error(&e).matches(gio::TlsError::Handshake),
                "{e}"
            );
            drop(server);
            assert!(!client.join().expect("no panic"));
        }
    });
}

/// The result of a client with this certificate revocation list.
fn verdict(crl: &str) -> io::Result<()> {
    let creds = client_builder().crl_pem(crl).build()?;
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let (client, server) = with(&here, &creds, &there, &server_creds());
    try_handshake(&client, &server).0
}

#[test]
fn a_revocation_list_that_cannot_be_used_for_a_certificate_refuses_it() {
    in_time(|| {
        verdict(&authority().revokes(&[99])).expect("another one is revoked");
        let e = verdict(&authority().revokes_authorities(&[99])).expect_err("it is of no use");
        assert!(e.to_string().contains("CRL"), "{e}");
    });
}

#[test]
fn a_revocation_list_that_no_trusted_authority_has_signed_is_an_error() {
    // Of the same name, with another key.
    let impostor = Request::authority("authority").signed_by_itself();
    let unknown_ca = Request::authority("unknown_ca").signed_by_itself();
    for (signer, name) in [(&impostor, "authority"), (&unknown_ca, "unknown_ca")] {
        let e = verdict(&signer.revokes(&[1])).expect_err("nothing was proved");
        let text = e.to_string();
        assert!(
            text.contains("is not signed by a trusted authority"),
            "{text}"
        );
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn a_revocation_list_that_leads_nowhere_is_an_error() {
    let directory = Directory::new();
    directory.write("ca-cert.pem", &authority().pem);
    std::os::unix::fs::symlink("/nowhere", directory.file("ca-crl.pem")).expect("a link");
    let client = TlsCreds::builder(TlsEndpoint::Client).directory(directory.path());
    let e = client.build().expect_err("it cannot be read");
    assert!(e.to_string().contains("ca-crl.pem: No such file"), "{e}");
}

#[test]
fn a_common_name_counts_only_where_there_are_no_other_names() {
    in_time(|| {
        for (request, is_right) in [
            (Request::server(NAME), true),
            (Request::server(NAME).ip("127.0.0.1"), false),
            (Request::server(NAME).dns("other.test"), false),
            (Request::server("other.test"), false),
        ] {
            let cert = request.signed_by(authority());
            let server = TlsCreds::builder(TlsEndpoint::Server)
                .certificate_pem(cert.pem, cert.key)
                .build()
                .expect("good credentials");
            let (here, there) = ChannelSocket::pair().expect("a pair");
            let (client, server) = with(&here, &client_creds(), &there, &server);
            assert_eq!(try_handshake(&client, &server).0.is_ok(), is_right);
        }
    });
}

#[test]
fn digits_of_other_scripts_are_no_address() {
    let (here, _there) = ChannelSocket::pair().expect("a pair");
    for name in ["\u{ff11}\u{ff12}\u{ff17}.0.0.1", "127.1", "server.123"] {
        let e = ChannelTls::new_client(&here, &client_creds(), name).expect_err(name);
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput, "{e}");
    }
}

#[test]
fn a_blocked_handler_of_authorize_peer_is_no_consent() {
    needs!("glib-networking");
    in_time(|| {
        let (client, server) = before_handshake();
        let handler = client.connect_authorize_peer(|_, _| true);
        client.block_signal(&handler);
        thread::scope(|scope| {
            let server = scope.spawn(|| server.handshake());
            client.handshake().expect_err("nothing has consented");
            client.close().expect("closed");
            server.join().expect("no panic").expect_err("it is cut off");
        });
    });
}

#[test]
fn a_forked_child_sends_nothing_on_the_connection_of_its_parent() {
    alone(
        "layer::tls::audit::a_forked_child_sends_nothing_on_the_connection_of_its_parent",
        || {
            let (client, server) = connected();
            let mut inherited = Some(client.clone());
            in_child(|| {
                let client = inherited.take().expect("once");
                let e = client.write(b"x").expect_err("it is the parent's");
                assert!(e.to_string().contains("forked child"), "{e}");
                client.close().expect("closed");
                drop(client);
            });
            client.write_all(b"parent").expect("written");
            let mut got = [0; 6];
            server.read_all(&mut got).expect("read");
            assert_eq!(&got, b"parent");
        },
    );
}

#[test]
fn a_channel_begins_in_the_mode_of_the_one_below() {
    for blocking in [true, false] {
        let (here, _there) = ChannelSocket::pair().expect("a pair");
        here.set_blocking(blocking).expect("a mode");
        let client = ChannelTls::new_client(&here, &client_creds(), NAME).expect("a client");
        assert_eq!(client.is_blocking(), blocking);
        assert!(!here.is_blocking());
    }
}

#[test]
fn close_notify_obeys_the_mode() {
    in_time(|| {
        let (client, server) = connected();
        client.set_blocking(false).expect("non-blocking");
        fill(&client);
        let e = client.bye().expect_err("the buffer is full");
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        client.set_blocking(true).expect("blocking");
        thread::scope(|scope| {
            let reading = scope.spawn(|| server.blocking_io().read_to_end(&mut Vec::new()));
            client.bye().expect("sent");
            reading.join().expect("no panic").expect("a clean end");
        });
    });
}

#[test]
fn closing_in_blocking_mode_sends_close_notify_or_fails() {
    in_time(|| {
        for peer_reads in [true, false] {
            let (client, server) = connected();
            // What was written in non-blocking mode fills the socket.
            client.set_blocking(false).expect("non-blocking");
            fill(&client);
            client.set_blocking(true).expect("blocking");
            thread::scope(|scope| {
                let reading = scope.spawn(|| match peer_reads {
                    true => server.blocking_io().read_to_end(&mut Vec::new()).map(drop),
                    false => Ok(()),
                });
                let closed = client.close();
                match peer_reads {
                    true => closed.expect("sent"),
                    false => {
                        let e = closed.expect_err("the peer does not read");
                        assert!(e.to_string().contains("close_notify"), "{e}");
                    }
                }
                reading.join().expect("no panic").expect("a clean end");
            });
        }
    });
}

#[test]
fn the_requested_server_name_is_reported_only_if_it_is_a_host_name() {
    in_time(|| {
        for (name, is_reported) in [("server.test", true), ("a\u{1b}[2Jb", false)] {
            let (here, there) = std::os::unix::net::UnixStream::pair().expect("a pair");
            let there = ChannelSocket::new_fd(OwnedFd::from(there)).expect("a socket");
            let server = server_builder().build().expect("good credentials");
            let server = ChannelTls::new_server(&there, &server).expect("a server");
            let client = thread::spawn(move || {
                let mut client = SslConnector::builder(SslMethod::tls_client()).expect("a client");
                client.set_verify(SslVerifyMode::NONE);
                let mut config = client.build().configure().expect("a client");
                config.set_use_server_name_indication(false);
                config.set_hostname(name).expect("sent as it is");
                drop(config.connect(NAME, here));
            });
            server.handshake().expect("agreed");
            assert_eq!(server.hostname().is_some(), is_reported);
            client.join().expect("no panic");
        }
    });
}

/// A server of OpenSSL's that sends something after its client has begun to close, and only then
/// reads.
fn late_reader(socket: TcpStream, creds: &Directory) -> usize {
    let mut server = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("one");
    let chain = creds.file("server-cert.pem");
    let key = creds.file("server-key.pem");
    server.set_certificate_chain_file(chain).expect("good");
    server
        .set_private_key_file(key, SslFiletype::PEM)
        .expect("good");
    let mut server = server.build().accept(socket).expect("agreed");
    thread::sleep(Duration::from_millis(100));
    server.write_all(b"unasked").expect("written");
    thread::sleep(Duration::from_millis(100));
    let mut got = Vec::new();
    // Without the fix a reset ends it.
    let _ = server.read_to_end(&mut got);
    got.len()
}

#[test]
fn closing_without_reading_waits_until_tcp_has_delivered() {
    in_time(|| {
        let creds = Directory::of_server(&authority().pem, server_cert());
        // More than the receive buffer of a socket that is not read.
        let data = vec![7; 16 << 20];
        for is_blocking in [true, false] {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("listens");
            let socket = TcpStream::connect(listener.local_addr().expect("bound"));
            let below = ChannelSocket::new_fd(OwnedFd::from(socket.expect("connects")));
            let client = ChannelTls::new_client(&below.expect("one"), &client_creds(), NAME);
            let client = client.expect("a client");
            let got = thread::scope(|scope| {
                let server = scope.spawn(|| {
                    let (socket, _) = listener.accept().expect("accepted");
                    late_reader(socket, &creds)
                });
                client.handshake().expect("agreed");
                client.set_blocking(false).expect("non-blocking");
                let written = client.write(&data).expect("written");
                let mut all = written;
                while let Ok(count) = client.write(&data) {
                    all += count;
                }
                match is_blocking {
                    true => {
                        client.set_blocking(true).expect("blocking");
                        client.close().expect("closed");
                    }
                    false => {
                        let context = glib::MainContext::new();
                        context.block_on(client.close_future()).expect("closed");
                    }
                }
                (all, server.join().expect("no panic"))
            });
            assert_eq!(got.0, got.1, "blocking: {is_blocking}");
        }
    });
}
