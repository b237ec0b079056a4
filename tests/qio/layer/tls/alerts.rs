//! Alerts that a handshake over a limit, or one that this end cancels, sends to OpenSSL's peers.

use std::{
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use gio::{TlsAuthenticationMode, prelude::*};
use openssl::{
    pkey::{PKey, Private},
    ssl::{HandshakeError, Ssl, SslContext, SslMethod, SslVersion},
    x509::X509,
};
use qio::{
    ChannelSocket, ChannelTls, IoFutureExt as _, NetListener, Shutdown, TlsCreds, prelude::*,
};

use super::fixtures::{authority, client_builder, server_builder, server_cert, server_creds};
use crate::common::{certs::Request, in_loop, in_time};

const CANCELLATION: [u8; 14] = [21, 3, 3, 0, 2, 1, 90, 21, 3, 3, 0, 2, 1, 0];

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

/// A server, and the other end of its socket.
fn server(creds: &TlsCreds) -> (UnixStream, ChannelTls) {
    let (here, there) = UnixStream::pair().expect("a pair");
    let channel = ChannelSocket::new_fd(OwnedFd::from(there)).expect("a socket");
    let server = ChannelTls::new_server(&channel, creds).expect("a server");
    (here, server)
}

/// A certificate of a client, and so many of its issuer.
fn chain(issuers: usize) -> (Vec<X509>, PKey<Private>) {
    let cert = Request::client("client").signed_by(authority());
    let x509 = |pem: &str| X509::from_pem(pem.as_bytes()).expect("a certificate");
    let mut chain = vec![x509(&cert.pem)];
    chain.extend((0..issuers).map(|_| x509(&authority().pem)));
    let key = PKey::private_key_from_pem(cert.key.as_bytes()).expect("a key");
    (chain, key)
}

/// OpenSSL's client, with a chain of certificates.
fn client(version: SslVersion, (chain, key): &(Vec<X509>, PKey<Private>)) -> Ssl {
    let mut context = SslContext::builder(SslMethod::tls_client()).expect("a context");
    context.set_min_proto_version(Some(version)).expect("known");
    context.set_max_proto_version(Some(version)).expect("known");
    context.set_certificate(&chain[0]).expect("fits");
    context.set_private_key(key).expect("fits");
    for issuer in &chain[1..] {
        context.add_extra_chain_cert(issuer.clone()).expect("added");
    }
    Ssl::new(&context.build()).expect("a connection")
}

/// The errors of both ends, of a client with so many issuers and a server that takes `more` than
/// the bytes of its certificates.
fn refused(version: SslVersion, issuers: usize, more: isize) -> (String, String) {
    let chain = chain(issuers);
    let len = |one: &X509| one.to_der().expect("DER").len() + 3;
    let len: usize = chain.0.iter().map(len).sum();
    let creds = server_builder()
        .client_certificates(TlsAuthenticationMode::Required)
        .max_handshake_size(len.checked_add_signed(more).expect("a size"));
    let (here, server) = server(&creds.build().expect("good"));
    let peer = thread::spawn(move || -> Result<(), String> {
        let client = client(version, &chain);
        let mut stream = client.connect(here).map_err(|e| e.to_string())?;
        stream.read_exact(&mut [0]).map_err(|e| e.to_string())
    });
    let error = server.handshake().expect_err("it is too much").to_string();
    // Not closed before: the client may still be writing.
    let alert = peer.join().expect("no panic").expect_err("an alert");
    (error, alert)
}

#[test]
fn a_flight_over_the_limit_gets_the_alert_record_overflow() {
    in_time(|| {
        for version in VERSIONS {
            // The certificates are within the limit, but not together with the other messages.
            let (error, alert) = refused(version, 4, 100);
            assert!(error.contains("bytes before it is verified"), "{error}");
            assert!(alert.contains("alert record overflow"), "{alert}");
        }
    });
}

#[test]
fn a_chain_over_the_limit_gets_the_alert_illegal_parameter() {
    in_time(|| {
        for version in VERSIONS {
            let (error, alert) = refused(version, 80, -1000);
            assert!(error.contains("excessive message size"), "{error}");
            assert!(alert.contains("alert illegal parameter"), "{alert}");
        }
    });
}

#[test]
fn a_flight_of_a_server_over_the_limit_gets_the_alert_record_overflow() {
    in_time(|| {
        for version in VERSIONS {
            let mut context = SslContext::builder(SslMethod::tls_server()).expect("a context");
            context.set_max_proto_version(Some(version)).expect("known");
            let cert = X509::from_pem(server_cert().pem.as_bytes()).expect("a certificate");
            context.set_certificate(&cert).expect("fits");
            let key = PKey::private_key_from_pem(server_cert().key.as_bytes()).expect("a key");
            context.set_private_key(&key).expect("fits");
            for _ in 0..8 {
                context.add_extra_chain_cert(cert.clone()).expect("added");
            }
            let ssl = Ssl::new(&context.build()).expect("a connection");
            let (here, there) = UnixStream::pair().expect("a pair");
            let peer = thread::spawn(move || ssl.accept(there).map(drop));
            let channel = ChannelSocket::new_fd(OwnedFd::from(here)).expect("a socket");
            let creds = client_builder().max_handshake_size(1024).build();
            let creds = creds.expect("good");
            let client = ChannelTls::new_client(&channel, &creds, "server.test").expect("a client");
            let error = client.handshake().expect_err("too much").to_string();
            client.close().expect("closed");
            assert!(error.contains("more than 1024 bytes"), "{error}");
            let alert = peer.join().expect("no panic").expect_err("an alert");
            let alert = alert.to_string();
            assert!(alert.contains("alert record overflow"), "{alert}");
        }
    });
}

#[test]
fn a_handshake_that_is_aborted_for_others_gets_the_alert_internal_error() {
    in_time(|| {
        let listener = NetListener::new();
        listener.set_max_handshakes(1);
        let address = gio::NetworkAddress::new("127.0.0.1", 0);
        listener.open_sync(&address, 8).expect("open");
        let address = listener.local_addresses().remove(0);
        let address = address.downcast::<gio::InetSocketAddress>().expect("IP");
        let target = format!("127.0.0.1:{}", address.port());
        let s_client = Command::new("openssl")
            .args(["s_client", "-connect", &target])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("install the package openssl");
        // Nothing reads its ClientHello.
        let first = listener.wait_client().expect("a client");
        let first = ChannelTls::new_server(&first, &server_creds()).expect("a server");
        let second = std::net::TcpStream::connect(&target).expect("connects");
        drop(listener.wait_client().expect("a client"));
        let output = s_client.wait_with_output().expect("it ends");
        let output = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.contains("SSL alert number 80"), "{output}");
        let error = first.handshake().expect_err("aborted").to_string();
        assert!(error.contains("too many other handshakes"), "{error}");
        drop(second);
    });
}

/// What a client receives of a server that cancels the handshake once it has sent `flight`, which
/// may be empty.
fn received(flight: &[u8], cancel: fn(&ChannelTls)) -> Vec<u8> {
    let (mut here, server) = server(&server_creds());
    server.set_blocking(false).expect("set");
    here.write_all(flight).expect("written");
    let e = server.read(&mut [0]).expect_err("it waits");
    assert_eq!(e.kind(), std::io::ErrorKind::WouldBlock, "{e}");
    cancel(&server);
    drop(server);
    let mut received = Vec::new();
    here.read_to_end(&mut received).expect("an end");
    received
}

/// The first flight of OpenSSL's client.
fn hello(version: SslVersion) -> Vec<u8> {
    let (mut here, there) = UnixStream::pair().expect("a pair");
    there.set_nonblocking(true).expect("set");
    match client(version, &chain(0)).connect(there) {
        Err(HandshakeError::WouldBlock(_)) => {}
        other => panic!("{other:?}"),
    }
    let mut hello = Vec::new();
    here.read_to_end(&mut hello).expect("an end");
    hello
}

#[test]
fn a_handshake_that_is_closed_shut_down_or_dropped_gets_user_canceled_and_close_notify() {
    in_time(|| {
        let close = |server: &ChannelTls| server.close().expect("closed");
        let shut = |server: &ChannelTls| server.shutdown(Shutdown::Write).expect("shut down");
        for cancel in [close, shut, |_: &ChannelTls| {}] {
            assert_eq!(received(&[], cancel), CANCELLATION);
            assert_eq!(received(&[22, 3, 1, 0], cancel), CANCELLATION);
            let answered = received(&hello(SslVersion::TLS1_2), cancel);
            assert_eq!(answered[..3], [22, 3, 3], "a ServerHello");
            assert!(answered.ends_with(&CANCELLATION), "{answered:?}");
        }
        // It had not begun.
        let (mut here, unused) = server(&server_creds());
        unused.close().expect("closed");
        assert_eq!(here.read(&mut [0]).expect("an end"), 0);
    });
}

/// OpenSSL has no function for the alert, which would have to be encrypted.
#[test]
fn a_handshake_with_keys_of_tls_1_3_is_closed_without_an_alert_in_plaintext() {
    in_time(|| {
        let answered = received(&hello(SslVersion::TLS1_3), |server| {
            server.close().expect("closed");
        });
        let mut kinds = Vec::new();
        let mut left = &answered[..];
        while let [kind, _, _, high, low, rest @ ..] = left {
            kinds.push(*kind);
            left = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        }
        assert_eq!(
            kinds[..3],
            [22, 20, 23],
            "a ServerHello, and what is encrypted"
        );
        assert!(!kinds.contains(&21), "{kinds:?}");
    });
}

#[test]
fn a_handshake_whose_deadline_has_elapsed_ends_with_close_notify_to_the_client() {
    in_loop(|context| {
        let (here, server) = server(&server_creds());
        context.block_on(async {
            let handshake = server
                .handshake_future()
                .or_timeout(Duration::from_millis(1));
            handshake.await.expect_err("nothing comes");
        });
        server.shutdown(Shutdown::Write).expect("shut down");
        let e = client(SslVersion::TLS1_3, &chain(0)).connect(here);
        match e.expect_err("it is over") {
            HandshakeError::Failure(e) => {
                assert_eq!(e.error().code(), openssl::ssl::ErrorCode::ZERO_RETURN);
            }
            other => panic!("{other:?}"),
        }
    });
}
