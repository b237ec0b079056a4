//! Verification of certificate chains, compared with OpenSSL: a qio client connects to a server
//! that presents a chain, and X509_verify_cert(3) gets the same one.
//!
//! - What our client accepts, OpenSSL accepts without its strict checks, unless there are several
//!   certificates of one subject: then our client tries other paths as well.
//! - What OpenSSL accepts with its strict checks, our client accepts, unless one of its own checks
//!   is concerned.
//!
//! The input determines how the certificates are made (`tls/chain.rs`), in which order they are
//! presented, and which bytes are changed.
#![no_main]

#[path = "tls/chain.rs"]
mod chain;

use libfuzzer_sys::fuzz_target;
use openssl::{
    stack::Stack,
    x509::{
        X509, X509PurposeId, X509StoreContext,
        store::X509StoreBuilder,
        verify::{X509CheckFlags, X509VerifyFlags, X509VerifyParam},
    },
};
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, prelude::*};

use self::chain::{Chain, HOST};

/// More often than both ends have something to send in a handshake.
const TURNS: usize = 100;

fuzz_target!(|input: &[u8]| {
    let Some(chain) = Chain::of(input) else {
        return;
    };
    let Some(accepts) = accepts(&chain) else {
        return;
    };
    if accepts {
        assert!(
            chain.has_twins() || openssl_accepts(&chain, false),
            "accepted, and OpenSSL refuses:\n{}",
            chain.text()
        );
    } else {
        assert!(
            chain.is_special() || !openssl_accepts(&chain, true),
            "refused, and OpenSSL accepts:\n{}",
            chain.text()
        );
    }
});

/// Whether a client of ours accepts the chain; `None` if the handshake fails for another reason.
fn accepts(chain: &Chain) -> Option<bool> {
    let server = TlsCreds::builder(TlsEndpoint::Server)
        .certificate_pem(pem(&chain.presented), chain.key_pem())
        .verify_on_load(false)
        .build()
        .ok()?;
    let client = TlsCreds::builder(TlsEndpoint::Client)
        .trust_pem(pem(std::slice::from_ref(&chain.root)))
        .verify_on_load(false)
        .build()
        .ok()?;
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let client = ChannelTls::new_client(&here, &client, HOST).expect("a client");
    let server = ChannelTls::new_server(&there, &server).expect("a server");
    client.set_blocking(false).expect("non-blocking");
    server.set_blocking(false).expect("non-blocking");
    for _ in 0..TURNS {
        let _ = server.read(&mut [0]);
        match client.read(&mut [0]) {
            _ if client.is_handshake_done() => return Some(true),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(e) => {
                let error = qio::to_glib_error(&e);
                return error
                    .matches(gio::TlsError::BadCertificate)
                    .then_some(false);
            }
            Ok(_) => return None,
        }
    }
    panic!("the handshake does not end");
}

fn pem(certificates: &[X509]) -> Vec<u8> {
    let each = |it: &X509| it.to_pem().expect("PEM");
    certificates.iter().flat_map(each).collect()
}

fn openssl_accepts(chain: &Chain, strict: bool) -> bool {
    let mut param = X509VerifyParam::new().expect("memory");
    let mut flags = X509VerifyFlags::PARTIAL_CHAIN;
    let mut host_flags = X509CheckFlags::NO_PARTIAL_WILDCARDS;
    if strict {
        flags |= X509VerifyFlags::X509_STRICT;
        host_flags |= X509CheckFlags::NEVER_CHECK_SUBJECT;
    }
    param.set_flags(flags).expect("known");
    param.set_hostflags(host_flags);
    param.set_host(HOST).expect("a name");
    param.set_purpose(X509PurposeId::SSL_SERVER).expect("known");
    param.set_auth_level(2);
    let mut store = X509StoreBuilder::new().expect("memory");
    store.add_cert(chain.root.clone()).expect("added");
    store.set_param(&param).expect("set");
    let mut others = Stack::new().expect("memory");
    for certificate in &chain.presented[1..] {
        others.push(certificate.clone()).expect("memory");
    }
    let mut context = X509StoreContext::new().expect("memory");
    let result = context.init(&store.build(), &chain.presented[0], &others, |it| {
        it.verify_cert()
    });
    result.unwrap_or(false)
}
