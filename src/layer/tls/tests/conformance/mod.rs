//! Conformance of the verification of certificates: cases from a file in the format of x509-limbo,
//! as `make conformance` runs them, and cases of our own, go through a `ChannelTls`. A result that
//! differs from the expected one is listed with the reason.

mod limbo;
mod own;

use std::{io, os::fd::OwnedFd, os::unix::net::UnixStream, sync::LazyLock, thread, time::Duration};

use gio::TlsAuthenticationMode;
use glib::subclass::prelude::*;
use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslMethod, SslVerifyMode},
    x509::X509,
};

use super::certs::{Cert, Request};
use crate::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, layer::tls::shim, prelude::*};

/// How long a peer waits: a channel that fails closes the connection before.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a peer presents, and how it is verified.
struct Case<'a> {
    /// Whether the peer is a server.
    is_server: bool,
    name: &'a str,
    /// The time of verification, in seconds since 1970; `None` for now.
    time: Option<i64>,
    trusted: &'a str,
    /// The leaf, with intermediates.
    chain: &'a str,
    /// That of the leaf. Without it, there is no handshake: the chain is verified as one that was
    /// presented before.
    key: Option<&'a str>,
    crls: Option<&'a str>,
}

/// The certificate of a server of ours.
static OURS: LazyLock<Cert> =
    LazyLock::new(|| Request::server("ours").dns("ours.test").signed_by_itself());

impl Case<'_> {
    /// Whether a channel accepts the peer; the error has the reason if it does not.
    fn run(&self) -> io::Result<()> {
        let (near, far) = UnixStream::pair()?;
        far.set_read_timeout(Some(TIMEOUT))?;
        far.set_write_timeout(Some(TIMEOUT))?;
        let channel = ChannelSocket::new_fd(OwnedFd::from(near))?;
        let channel = match self.is_server {
            true => ChannelTls::new_client(&channel, &self.creds()?, self.name)?,
            false => ChannelTls::new_server(&channel, &self.creds()?)?,
        };
        let connection = channel.imp().connection()?;
        if let Some(time) = self.time {
            shim::set_verification_time(connection.engine().ssl(), time);
        }
        let chain = X509::stack_from_pem(self.chain.as_bytes())?;
        let Some(key) = self.key else {
            let engine = connection.engine();
            return match connection
                .creds
                .policy()
                .verifies_again(engine.ssl(), &chain)
            {
                true => Ok(()),
                false => Err(io::Error::other("does not verify")),
            };
        };
        let peer = self.peer(&chain, key)?;
        thread::scope(|scope| {
            let is_server = self.is_server;
            scope.spawn(move || {
                // A failure of the peer is one of the channel.
                let _ = match is_server {
                    true => peer.accept(far).map(drop),
                    false => peer.connect(far).map(drop),
                };
            });
            let result = channel.handshake();
            let _ = channel.close();
            result
        })
    }

    fn creds(&self) -> io::Result<TlsCreds> {
        let endpoint = match self.is_server {
            true => TlsEndpoint::Client,
            false => TlsEndpoint::Server,
        };
        let mut builder = TlsCreds::builder(endpoint)
            .trust_pem(self.trusted)
            .verify_on_load(false);
        if let Some(crls) = self.crls {
            // Its authors have one for the issuer of the leaf.
            builder = builder.crl_pem(crls).allow_missing_crl(true);
        }
        if !self.is_server {
            builder = builder
                .certificate_pem(OURS.pem.as_str(), OURS.key.as_str())
                .client_certificates(TlsAuthenticationMode::Required);
        }
        builder.build()
    }

    /// The peer, by OpenSSL alone, which presents anything.
    fn peer(&self, chain: &[X509], key: &str) -> io::Result<Ssl> {
        let mut context = SslContext::builder(SslMethod::tls())?;
        context.set_cipher_list("ALL:@SECLEVEL=0")?;
        context.set_verify(SslVerifyMode::NONE);
        let (own, others) = chain.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        context.set_certificate(own)?;
        let key = PKey::private_key_from_pem(key.as_bytes())?;
        context.set_private_key(&key)?;
        for one in others {
            context.add_extra_chain_cert(one.clone())?;
        }
        Ok(Ssl::new(&context.build())?)
    }
}
