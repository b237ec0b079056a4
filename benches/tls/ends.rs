//! The two ends of a connection: ours, and those of OpenSSL itself, with the same certificate and
//! ciphers.

use std::{io, os::unix::net::UnixStream, sync::LazyLock};

use openssl::{
    pkey::PKey,
    ssl::{Ssl, SslContext, SslMethod, SslMode, SslVerifyMode, SslVersion},
    x509::X509,
};
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

const NAME: &str = "server.test";

struct Certificate {
    pem: String,
    key: String,
}

static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([NAME.to_owned()]).expect("a name");
    // An authority, which clients trust.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Certificate {
        pem: params.self_signed(&key).expect("signed").pem(),
        key: key.serialize_pem(),
    }
});

static OURS: LazyLock<[TlsCreds; 2]> = LazyLock::new(|| {
    let client = TlsCreds::builder(TlsEndpoint::Client).trust_pem(CERTIFICATE.pem.as_str());
    let server = TlsCreds::builder(TlsEndpoint::Server)
        .certificate_pem(CERTIFICATE.pem.as_str(), CERTIFICATE.key.as_str());
    [client, server].map(|builder| builder.build().expect("good"))
});

static BARE: LazyLock<[SslContext; 2]> = LazyLock::new(|| bare().expect("OpenSSL works"));

fn bare() -> Result<[SslContext; 2], openssl::error::ErrorStack> {
    let mut client = SslContext::builder(SslMethod::tls())?;
    let certificate = X509::from_pem(CERTIFICATE.pem.as_bytes())?;
    client.cert_store_mut().add_cert(certificate.clone())?;
    client.set_verify(SslVerifyMode::PEER);
    let mut server = SslContext::builder(SslMethod::tls())?;
    server.set_certificate(&certificate)?;
    server.set_private_key(&*PKey::private_key_from_pem(CERTIFICATE.key.as_bytes())?)?;
    for context in [&mut client, &mut server] {
        context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        // As the crate's own connector has it, and we.
        context.set_mode(SslMode::RELEASE_BUFFERS);
    }
    Ok([client.build(), server.build()])
}

/// The two ends of a bare connection, before the handshake.
pub(crate) fn bare_ends() -> io::Result<[Ssl; 2]> {
    let [client, server] = &*BARE;
    let mut client = Ssl::new(client)?;
    client.set_hostname(NAME)?;
    client.param_mut().set_host(NAME)?;
    Ok([client, Ssl::new(server)?])
}

pub(crate) fn our_ends() -> io::Result<(ChannelTls, ChannelTls)> {
    let (here, there) = ChannelSocket::pair()?;
    let [client, server] = &*OURS;
    Ok((
        ChannelTls::new_client(&here, client, NAME)?,
        ChannelTls::new_server(&there, server)?,
    ))
}

pub(crate) type BareEnd = (Ssl, UnixStream);

pub(crate) fn bare_pairs() -> io::Result<(BareEnd, BareEnd)> {
    let [client, server] = bare_ends()?;
    let (here, there) = UnixStream::pair()?;
    let (mut client, mut server) = ((client, here), (server, there));
    client.0.set_connect_state();
    server.0.set_accept_state();
    Ok((client, server))
}
