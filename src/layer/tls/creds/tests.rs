//! What credentials keep, which cannot be seen from outside.

#[path = "../../../../tests/qio/common/certs.rs"]
#[allow(dead_code)] // the tests outside use the rest
mod certs;
mod sessions;

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use openssl::ssl::{Ssl, SslVersion};

use super::{TlsCreds, TlsCredsBuilder, TlsEndpoint};
use crate::layer::tls::shim;

/// Longer than anything takes that is going to happen at all.
const PATIENCE: Duration = Duration::from_secs(20);

fn client() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Client)
}

fn server() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Server)
}

/// Connects a client, which takes the server for that of this name, with a server. A byte goes through, and sessions
/// come with it.
#[track_caller]
fn connect(client: &TlsCreds, server: &TlsCreds, name: &str) {
    let (near, far) = UnixStream::pair().expect("a pair");
    for end in [&near, &far] {
        end.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    }
    let answers = Ssl::new(server.context()).expect("a connection");
    let thread = thread::spawn(move || {
        let mut stream = answers.accept(far).expect("agreed");
        if stream.ssl().version2() == Some(SslVersion::TLS1_3) {
            shim::queue_ticket(&mut stream).expect("after the handshake");
        }
        stream.write_all(b"x").expect("written");
        let _ = stream.shutdown();
    });
    let mut asks = Ssl::new(client.context()).expect("a connection");
    asks.set_hostname(name).expect("a name");
    client.resume(&mut asks, name);
    let mut stream = asks.connect(near).expect("agreed");
    stream.read_exact(&mut [0]).expect("read");
    // A session is not gone on with where its connection was cut off.
    let _ = stream.shutdown();
    thread.join().expect("no panic");
}
