//! CBC cipher suites of TLS 1.2 with peers that lack the extended master secret (RFC 7627).

use std::{
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread,
};

use gio::TlsError;
use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslVerifyMode, SslVersion},
    x509::X509,
};
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, prelude::*};

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
