//! CBC cipher suites of TLS 1.2 with peers that lack the extended master secret (RFC 7627).

use std::{
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread,
};

use gio::{TlsError, TlsProtocolVersion};
use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslVerifyMode, SslVersion},
    x509::X509,
};
use qio::{ChannelSocket, ChannelTls, Shutdown, TlsCreds, TlsEndpoint, prelude::*};

use super::fixtures::{
    NAME, client_builder, client_creds, server_builder, server_cert, server_creds,
};
use crate::common::in_time;

/// `SSL_OP_NO_EXTENDED_MASTER_SECRET`.
const NO_EXTENDED_MASTER_SECRET: u64 = 1;

const CBC: &str = "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:AECDH-AES256-SHA:ECDHE-PSK-AES128-CBC-SHA:@SECLEVEL=0";
const ANY: &str = "ALL:@SECLEVEL=0";

/// An end of OpenSSL's, with TLS 1.2 and these cipher suites.
fn context(method: SslMethod, ciphers: &str, has_secret: bool) -> SslContextBuilder {
    let mut context = SslContext::builder(method).expect("a context");
    context.set_cipher_list(ciphers).expect("known");
    let version = Some(SslVersion::TLS1_2);
    context.set_max_proto_version(version).expect("known");
    context.set_verify(SslVerifyMode::NONE);
    if !has_secret {
        context.set_options(SslOptions::from_bits_retain(NO_EXTENDED_MASTER_SECRET));
    }
    context
}

/// A connection on which each end sends a byte: the error here, and the one that OpenSSL has there.
fn connect(
    context: SslContextBuilder,
    end: impl FnOnce(&ChannelSocket) -> ChannelTls,
) -> (Option<std::io::Error>, Option<String>) {
    let (here, there) = UnixStream::pair().expect("a pair");
    let channel = ChannelSocket::new_fd(OwnedFd::from(here)).expect("a socket");
    let end = end(&channel);
    let ssl = Ssl::new(&context.build()).expect("a connection");
    // A method of one side has made it.
    let is_server = ssl.is_server();
    let peer = thread::spawn(move || {
        let mut stream = match is_server {
            true => ssl.accept(there),
            false => ssl.connect(there),
        }
        .map_err(|e| e.to_string())?;
        stream.write_all(b"x").map_err(|e| e.to_string())?;
        stream.read_exact(&mut [0]).map_err(|e| e.to_string())
    });
    let result = end.write_all(b"x").and_then(|()| end.read_all(&mut [0]));
    end.close().expect("closed");
    (result.err(), peer.join().expect("no panic").err())
}

#[track_caller]
fn assert_refused((here, there): (Option<std::io::Error>, Option<String>)) {
    let here = here.expect("CBC is not safe");
    assert!(
        here.to_string().contains("no extended master secret"),
        "{here}"
    );
    let is_handshake = qio::to_glib_error(&here).matches(TlsError::Handshake);
    assert!(is_handshake, "{here}");
    let there = there.expect("an alert");
    assert!(there.contains("alert handshake failure"), "{there}");
}

#[track_caller]
fn assert_connected((here, there): (Option<std::io::Error>, Option<String>)) {
    assert!(here.is_none() && there.is_none(), "{here:?} {there:?}");
}

fn anonymous(endpoint: TlsEndpoint) -> TlsCreds {
    let builder = TlsCreds::builder(endpoint).insecure_anonymous();
    builder.build().expect("good credentials")
}

fn psk(endpoint: TlsEndpoint) -> TlsCreds {
    let builder = TlsCreds::builder(endpoint).psk("one", [7; 32]);
    builder.build().expect("good credentials")
}

#[test]
fn a_client_refuses_cbc_without_extended_master_secret_by_an_alert() {
    in_time(|| {
        // OpenSSL's server has no parameters for the finite fields of anonymous peers.
        for (creds, has_certificate, has_aead) in [
            (client_creds(), true, true),
            (anonymous(TlsEndpoint::Client), false, false),
            (psk(TlsEndpoint::Client), false, true),
        ] {
            let server = |ciphers, has_secret| {
                let mut server = context(SslMethod::tls_server(), ciphers, has_secret);
                if has_certificate {
                    let cert = X509::from_pem(server_cert().pem.as_bytes()).expect("PEM");
                    let key = server_cert().key.as_bytes();
                    let key = PKey::private_key_from_pem(key).expect("PEM");
                    server.set_certificate(&cert).expect("good");
                    server.set_private_key(&key).expect("good");
                }
                server.set_psk_server_callback(|_, _, key| {
                    key[..32].fill(7);
                    Ok(32)
                });
                server
            };
            let client = |channel: &_| ChannelTls::new_client(channel, &creds, NAME);
            let client = |channel: &_| client(channel).expect("a client");
            assert_refused(connect(server(CBC, false), client));
            assert_connected(connect(server(CBC, true), client));
            if has_aead {
                assert_connected(connect(server(ANY, false), client));
            }
        }
    });
}

/// A record.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("one record").to_be_bytes();
    [&[kind, 3, 3][..], &len, body].concat()
}

/// A ServerHello of TLS 1.2 that selects ECDHE-ECDSA-AES128-SHA, without extensions.
fn cbc_server_hello() -> Vec<u8> {
    let body = [&[3, 3][..], &[7; 32], &[0], &[0xc0, 0x09], &[0]].concat();
    [&[2, 0, 0, body.len() as u8][..], &body].concat()
}

/// The error of a client, and the description of its fatal alert, when a server sends these bytes.
fn sent_to_client(creds: &TlsCreds, bytes: &[u8]) -> (String, Option<u8>) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    there.write_all(bytes).expect("written");
    there.shutdown(Shutdown::Write).expect("the end");
    let client = ChannelTls::new_client(&here, creds, NAME).expect("a client");
    let e = client.handshake().expect_err("it is refused");
    client.close().expect("closed");
    let mut output = Vec::new();
    let _ = there.blocking_io().read_to_end(&mut output);
    let alert = match output[..] {
        [.., 21, 3, _, 0, 2, 2, description] => Some(description),
        _ => None,
    };
    (e.to_string(), alert)
}

/// Clients with TLS 1.2 alone, and with TLS 1.3 as well.
fn clients() -> [TlsCreds; 2] {
    let older = client_builder().max_version(TlsProtocolVersion::Tls12);
    [older.build().expect("good credentials"), client_creds()]
}

#[test]
fn a_client_refuses_a_cbc_server_hello_however_its_records_are_split() {
    in_time(|| {
        let hello = cbc_server_hello();
        let hello_request = record(22, &[0, 0, 0, 0]);
        let warning = record(21, &[1, 90]);
        for creds in clients() {
            let refused = |bytes: &[u8]| {
                let (e, alert) = sent_to_client(&creds, bytes);
                assert!(e.contains("no extended master secret"), "{e}");
                assert_eq!(alert, Some(40), "handshake_failure");
            };
            for (first, second) in (1..hello.len()).map(|at| hello.split_at(at)) {
                refused(&[record(22, first), record(22, second)].concat());
            }
            let bytes: Vec<_> = hello.iter().map(|byte| record(22, &[*byte])).collect();
            refused(&bytes.concat());
            // Messages that are ignored before it.
            refused(&[&hello_request[..], &record(22, &hello)].concat());
            refused(&[&warning[..], &record(22, &hello)].concat());
            refused(&record(22, &[&[0; 4][..], &hello].concat()));
        }
    });
}

/// The check of a ServerHello ends with change_cipher_spec, and with the first ServerHello.
#[test]
fn openssl_refuses_what_a_client_does_not_check_in_a_cbc_server_hello() {
    in_time(|| {
        let hello = cbc_server_hello();
        for creds in clients() {
            for (what, before) in [
                ("change_cipher_spec", record(20, &[1])),
                ("an empty ServerHello", record(22, &[2, 0, 0, 0])),
                ("a short ServerHello", record(22, &[2, 0, 0, 1, 3])),
                ("another message", record(22, &[11, 0, 0, 0])),
            ] {
                let (e, alert) = sent_to_client(&creds, &[before, record(22, &hello)].concat());
                let is_unsafe = e.contains("no extended master secret");
                assert!(
                    !is_unsafe && !e.contains("closed the connection"),
                    "{what}: {e}"
                );
                assert!(alert.is_some(), "{what}: {e}");
            }
        }
    });
}

#[test]
fn a_server_refuses_cbc_without_extended_master_secret_by_an_alert() {
    in_time(|| {
        for creds in [
            server_creds(),
            anonymous(TlsEndpoint::Server),
            psk(TlsEndpoint::Server),
        ] {
            let client = |ciphers, has_secret| {
                let mut client = context(SslMethod::tls_client(), ciphers, has_secret);
                client.set_psk_client_callback(|_, _, identity, key| {
                    identity[..4].copy_from_slice(b"one\0");
                    key[..32].fill(7);
                    Ok(32)
                });
                client
            };
            let server = |channel: &_| ChannelTls::new_server(channel, &creds).expect("a server");
            assert_refused(connect(client(CBC, false), server));
            assert_connected(connect(client(CBC, true), server));
            // The server selects another one.
            assert_connected(connect(client(ANY, false), server));
        }
    });
}

#[test]
fn tls_1_3_needs_no_extended_master_secret_extension() {
    in_time(|| {
        let mut client = context(SslMethod::tls_client(), ANY, false);
        client.set_max_proto_version(None).expect("known");
        let version = Some(SslVersion::TLS1_3);
        client.set_min_proto_version(version).expect("known");
        let creds = server_builder().ciphers(CBC).build().expect("good");
        assert_connected(connect(client, |channel| {
            ChannelTls::new_server(channel, &creds).expect("a server")
        }));
        let creds = client_builder().ciphers(CBC).build().expect("good");
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let client = ChannelTls::new_client(&here, &creds, NAME).expect("a client");
        let server = ChannelTls::new_server(&there, &server_creds()).expect("a server");
        let (here, there) = super::fixtures::try_handshake(&client, &server);
        assert!(here.is_ok() && there.is_ok(), "{here:?} {there:?}");
    });
}
