//! What credentials are worth: handshakes of two contexts, and with other programs, over sockets.

mod anonymous;
#[path = "../../../../tests/qio/common/certs.rs"]
#[allow(dead_code)] // the tests outside use the rest
mod certs;
mod gnutls;
mod psk;
mod sessions;
mod settings;
mod verdicts;

use std::{
    io::{Read as _, Write as _},
    net::IpAddr,
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use openssl::{
    error::ErrorStack,
    ssl::{HandshakeError, Ssl, SslRef, SslStream, SslVersion},
    x509::{X509Ref, X509VerifyResult, verify::X509CheckFlags},
};

use super::{TlsCreds, TlsCredsBuilder, TlsEndpoint, TlsPskHash};
use crate::layer::tls::reason;

/// Longer than anything takes that is going to happen at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one end has seen of a connection that works.
#[derive(Debug)]
struct Seen {
    version: Option<SslVersion>,
    cipher: String,
    alpn: Option<String>,
    resumed: bool,
    /// The common name of the peer's certificate.
    peer: Option<String>,
}

/// What each end has to say of a connection.
type Verdicts = (Result<Seen, String>, Result<Seen, String>);

fn client() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Client)
}

fn server() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Server)
}

/// Connects a client, which takes the server for that of this name, with a server.
#[track_caller]
fn connect(client: &TlsCreds, server: &TlsCreds, name: &str) -> Verdicts {
    let (near, far) = UnixStream::pair().expect("a pair");
    for end in [&near, &far] {
        end.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    }
    let answers = server.clone();
    let thread = thread::spawn(move || {
        let ssl = Ssl::new(answers.context()).expect("a connection");
        talk(ssl.accept(far))
    });
    let asks = start(client, name);
    let asked = talk(asks.connect(near));
    (asked, thread.join().expect("no panic"))
}

/// The end of a client, as the channel makes it.
fn start(creds: &TlsCreds, name: &str) -> Ssl {
    let mut ssl = Ssl::new(creds.context()).expect("a connection");
    let address: Option<IpAddr> = name.parse().ok();
    if address.is_none() {
        ssl.set_hostname(name).expect("a name");
    }
    if creds.verifies_peer() {
        let expected = ssl.param_mut();
        expected.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
        match address {
            Some(address) => expected.set_ip(address),
            None => expected.set_host(name),
        }
        .expect("a name");
    }
    creds.resume(&mut ssl, name);
    ssl
}

/// A byte there and back: what the peer thinks of us may come later than the handshake.
fn talk<S: std::io::Read + std::io::Write>(
    shaken: Result<SslStream<S>, HandshakeError<S>>,
) -> Result<Seen, String> {
    let mut stream = shaken.map_err(|e| match e {
        HandshakeError::SetupFailure(e) => reason(&e).to_owned(),
        HandshakeError::Failure(middle) | HandshakeError::WouldBlock(middle) => {
            let why = why(middle.error().ssl_error(), middle.ssl());
            why.unwrap_or_else(|| middle.error().to_string())
        }
    })?;
    let mut byte = [0];
    let answered = if stream.ssl().is_server() {
        stream
            .read_exact(&mut byte)
            .and_then(|()| stream.write_all(b"y"))
    } else {
        stream
            .write_all(b"x")
            .and_then(|()| stream.read_exact(&mut byte))
    };
    answered.map_err(|e| {
        let inner = e
            .get_ref()
            .and_then(|e| e.downcast_ref::<openssl::ssl::Error>());
        let why = inner.and_then(|inner| why(inner.ssl_error(), stream.ssl()));
        why.unwrap_or_else(|| e.to_string())
    })?;
    // A session is not gone on with where its connection was cut off.
    let _ = stream.shutdown();
    Ok(seen(stream.ssl()))
}

fn why(stack: Option<&ErrorStack>, ssl: &SslRef) -> Option<String> {
    let verdict = ssl.verify_result();
    match verdict == X509VerifyResult::OK {
        true => Some(reason(stack?).to_owned()),
        false => Some(verdict.error_string().to_owned()),
    }
}

fn seen(ssl: &SslRef) -> Seen {
    let alpn = ssl.selected_alpn_protocol();
    Seen {
        version: ssl.version2(),
        cipher: ssl.current_cipher().expect("a cipher").name().to_owned(),
        alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
        resumed: ssl.session_reused(),
        peer: ssl
            .peer_certificate()
            .map(|certificate| common_name(&certificate)),
    }
}

fn common_name(certificate: &X509Ref) -> String {
    let entry = certificate.subject_name().entries().last();
    entry.expect("a name").data().to_string().expect("text")
}
