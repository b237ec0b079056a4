//! A server does not disclose which pre-shared keys it has.

use std::{
    io::Read as _,
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use openssl::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode, SslVersion};
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint};

use super::fixtures::{client_builder, handshake, server_builder, with};
use crate::common::in_time;

const KEY: &[u8] = b"0123456789abcdef";

fn server() -> TlsCreds {
    let builder = TlsCreds::builder(TlsEndpoint::Server).psk("alice", KEY);
    builder.build().expect("a key")
}

/// A client of OpenSSL's.
fn client(name: &'static str, key: &'static [u8], version: SslVersion) -> SslContext {
    let mut context = SslContext::builder(SslMethod::tls_client()).expect("a client");
    context.set_verify(SslVerifyMode::NONE);
    context.set_max_proto_version(Some(version)).expect("known");
    context
        .set_cipher_list("ECDHE-PSK-CHACHA20-POLY1305")
        .expect("known");
    context.set_psk_client_callback(move |_, _, name_out, key_out| {
        name_out[..name.len()].copy_from_slice(name.as_bytes());
        name_out[name.len()] = 0;
        key_out[..key.len()].copy_from_slice(key);
        Ok(key.len())
    });
    context.build()
}

/// The alert that a client gets, and after how long.
fn refused(client: &SslContext, server: &TlsCreds) -> (String, Duration) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let far = ChannelSocket::new_fd(far.into()).expect("a socket");
    thread::scope(|scope| {
        scope.spawn(|| {
            let server = ChannelTls::new_server(&far, server).expect("a server");
            server.handshake().expect_err("nothing was proved");
        });
        let begun = Instant::now();
        let result = Ssl::new(client).expect("a client").connect(near);
        // With TLS 1.3 a client is done first.
        let error = match result {
            Ok(mut stream) => stream.read(&mut [0]).unwrap_err().to_string(),
            Err(e) => e.to_string(),
        };
        (error, begun.elapsed())
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn unknown_identities_get_the_alert_of_wrong_keys_after_the_same_time() {
    in_time(|| {
        let server = server();
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let wrong = client("alice", b"another key of 16", version);
            let unknown = client("mallory", b"another key of 16", version);
            let (alert, _) = refused(&wrong, &server);
            assert_eq!(refused(&unknown, &server).0, alert);
            // The machine may be busy with something else for a while.
            let ratios = (0..5).map(|_| {
                let [mut of_wrong, mut of_unknown] = [Vec::new(), Vec::new()];
                for _ in 0..100 {
                    of_wrong.push(refused(&wrong, &server).1);
                    of_unknown.push(refused(&unknown, &server).1);
                }
                let (wrong, unknown) = (median(of_wrong), median(of_unknown));
                println!("{version:?}: {wrong:?} for a wrong key, {unknown:?} for an unknown one");
                unknown.as_secs_f64() / wrong.as_secs_f64()
            });
            let closest = ratios.map(|ratio| (ratio - 1.0).abs());
            let closest = closest.fold(f64::MAX, f64::min);
            assert!(closest < 0.1, "they differ by {closest}");
        }
    });
}

#[test]
fn a_server_with_a_certificate_continues_without_an_unknown_psk() {
    in_time(|| {
        let server = server_builder().psk("alice", KEY).build().expect("both");
        let client = client_builder().psk("mallory", KEY).build().expect("both");
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let (client, server) = with(&here, &client, &there, &server);
        handshake(&client, &server);
        assert!(client.peer_certificate().is_some());
    });
}
