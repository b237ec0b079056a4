//! What credentials are worth: two ends of ours meet.

mod anonymous;
mod client_certificates;
mod psk;
mod sessions;
mod settings;
mod sources;

use std::{io, thread};

use gio::{TlsProtocolVersion, prelude::*};
use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsCredsBuilder, TlsEndpoint, prelude::*};

use crate::common::in_time;

/// What one end has seen of a connection that works.
#[derive(Debug)]
struct Seen {
    version: TlsProtocolVersion,
    cipher: String,
    alpn: Option<String>,
    resumed: bool,
    /// The name of the peer's certificate.
    peer: Option<String>,
}

/// The result of each end of a connection.
type Verdicts = (Result<Seen, String>, Result<Seen, String>);

fn client() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Client)
}

fn server() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Server)
}

/// Two ends that have sent nothing yet.
fn ends(client: &TlsCreds, server: &TlsCreds, name: &str) -> (ChannelTls, ChannelTls) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    (
        ChannelTls::new_client(&here, client, name).expect("a client"),
        ChannelTls::new_server(&there, server).expect("a server"),
    )
}

/// Connects a client, which requests this name, with a server.
fn connect(client: &TlsCreds, server: &TlsCreds, name: &str) -> Verdicts {
    let (client, server) = ends(client, server, name);
    talk(&client, &server)
}

/// A byte there and back: the peer's rejection may arrive after the handshake. Then both
/// send close_notify.
fn talk(client: &ChannelTls, server: &ChannelTls) -> Verdicts {
    let (client, server) = (client.clone(), server.clone());
    in_time(move || {
        let there = server.clone();
        let accepted = thread::spawn(move || {
            let respond = || {
                there.read_all(&mut [0])?;
                there.write_all(b"y")?;
                there.bye()
            };
            let verdict = verdict(&there, respond());
            if verdict.is_err() {
                // No end waits for a rejected one.
                let _ = there.close();
            }
            verdict
        });
        let send = || {
            client.handshake()?;
            // A server that has rejected this end may have exited, after it sent an alert.
            let _ = client.write_all(b"x");
            client.read_all(&mut [0])
        };
        let connected = verdict(&client, send());
        (connected, accepted.join().expect("no panic"))
    })
}

fn verdict(end: &ChannelTls, result: io::Result<()>) -> Result<Seen, String> {
    match result {
        Ok(()) => Ok(seen(end)),
        Err(e) => Err(e.to_string()),
    }
}

fn seen(end: &ChannelTls) -> Seen {
    let peer = end.peer_certificate().map(|certificate| {
        let subject = certificate.subject_name().expect("a name");
        let mut parts = subject.split(',').map(str::trim);
        let name = parts.find_map(|part| part.strip_prefix("CN="));
        name.expect("a name").to_owned()
    });
    Seen {
        version: end.protocol_version(),
        cipher: end.cipher().expect("a cipher").into(),
        alpn: end.alpn_protocol().map(Into::into),
        resumed: end.is_resumed(),
        peer,
    }
}

/// That it is refused, for the reason.
#[track_caller]
fn refused(result: Result<Seen, String>, reason: &str) {
    let text = result.expect_err("it must be refused");
    assert!(text.ends_with(reason), "{text}");
}
