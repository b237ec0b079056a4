//! Sessions that another client proposes: their identifiers are readable on the wire.

use std::{
    io::Read as _,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Arc, Mutex},
    thread,
};

use gio::TlsAuthenticationMode;
use openssl::{
    pkey::PKey,
    ssl::{
        Ssl, SslContext, SslContextBuilder, SslMethod, SslSession, SslSessionCacheMode, SslStream,
        SslVerifyMode,
    },
    x509::X509,
};

use super::certs::Request;
use crate::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, layer::tls::shim, prelude::*};

/// The clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    /// It presents a certificate.
    Victim,
    /// It proposes the session of the victim.
    SessionThief,
    /// The same, and it has a pre-shared key.
    PskHolder,
}

fn context() -> SslContextBuilder {
    let mut context = SslContext::builder(SslMethod::tls_client()).expect("a client");
    context.set_verify(SslVerifyMode::NONE);
    context.set_session_cache_mode(SslSessionCacheMode::CLIENT);
    context
}

#[test]
fn a_client_that_proposes_the_session_of_another_one_has_not_its_certificate() {
    let authority = Request::authority("authority").signed_by_itself();
    let own = Request::server("server")
        .dns("server.test")
        .signed_by(&authority);
    let victim = Request::client("victim").signed_by(&authority);
    let server = TlsCreds::builder(TlsEndpoint::Server)
        .trust_pem(authority.pem.as_str())
        .certificate_pem(own.pem.as_str(), own.key.as_str())
        .client_certificates(TlsAuthenticationMode::Requested)
        .psk("holder", [7; 32])
        .build()
        .expect("good credentials");
    let sessions = Arc::new(Mutex::new(Vec::<SslSession>::new()));
    let kept = sessions.clone();
    let mut without_key = context();
    without_key.set_new_session_callback(move |_, session| {
        kept.lock().expect("whole").push(session);
    });
    let without_key = without_key.build();
    let mut with_key = context();
    with_key.set_psk_client_callback(|_, _, name, key| {
        name[..7].copy_from_slice(b"holder\0");
        key[..32].fill(7);
        Ok(32)
    });
    let with_key = with_key.build();
    // The suite of the session has another hash than those of the others: it is not resumed.
    for (client, context, suite) in [
        (Client::Victim, &without_key, "TLS_AES_256_GCM_SHA384"),
        (Client::SessionThief, &without_key, "TLS_AES_128_GCM_SHA256"),
        (Client::PskHolder, &with_key, "TLS_AES_128_GCM_SHA256"),
    ] {
        let is_victim = client == Client::Victim;
        let (near, far) = UnixStream::pair().expect("a pair");
        let channel = ChannelSocket::new_fd(OwnedFd::from(near)).expect("a socket");
        let channel = ChannelTls::new_server(&channel, &server).expect("a server");
        let emitted = Arc::new(Mutex::new(0));
        let count = emitted.clone();
        channel.connect_authorize_peer(move |_, _| {
            *count.lock().expect("whole") += 1;
            true
        });
        let mut ssl = Ssl::new(context).expect("a connection");
        ssl.set_ciphersuites(suite).expect("known");
        if is_victim {
            let certificate = X509::from_pem(victim.pem.as_bytes()).expect("PEM");
            let key = PKey::private_key_from_pem(victim.key.as_bytes()).expect("PEM");
            ssl.set_certificate(&certificate).expect("good");
            ssl.set_private_key(&key).expect("good");
        }
        let mut stream = SslStream::new(ssl, far).expect("a stream");
        if !is_victim {
            // One of the two that the victim got.
            let session = sessions.lock().expect("whole").remove(0);
            shim::set_session(&mut stream, &session).expect("proposed");
        }
        thread::scope(|scope| {
            let there = scope.spawn(|| channel.write_all(b"x"));
            stream.connect().expect("connected");
            stream.read_exact(&mut [0]).expect("read");
            there.join().expect("no panic").expect("written");
            // A session is not resumed where its connection was cut off.
            let _ = stream.shutdown();
        });
        let emitted = *emitted.lock().expect("whole");
        assert_eq!(
            emitted, 1,
            "for a certificate, or for a session: {client:?}"
        );
        assert_eq!(
            channel.peer_certificate().is_some(),
            is_victim,
            "{client:?}"
        );
        // OpenSSL reports this of every pre-shared key of TLS 1.3.
        let has_key = client == Client::PskHolder;
        assert_eq!(channel.is_resumed(), has_key, "{client:?}");
    }
}
