//! What credentials keep, which cannot be seen from outside.

mod sessions;

use std::thread;

use super::{TlsCreds, TlsCredsBuilder, TlsEndpoint};
use crate::{ChannelSocket, ChannelTls, prelude::*};

fn client() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Client)
}

fn server() -> TlsCredsBuilder {
    TlsCreds::builder(TlsEndpoint::Server)
}

/// Connects a client with a server of this name, and sends a byte there and back: sessions come
/// with it. Returns whether the server has resumed one.
#[track_caller]
fn connect(client: &TlsCreds, server: &TlsCreds, name: &str) -> bool {
    let (near, far) = ChannelSocket::pair().expect("a pair");
    let client = ChannelTls::new_client(&near, client, name).expect("a client");
    let server = ChannelTls::new_server(&far, server).expect("a server");
    thread::scope(|scope| {
        scope.spawn(|| server.write_all(b"x").expect("written"));
        client.read_all(&mut [0]).expect("read");
    });
    assert_eq!(client.is_resumed(), server.is_resumed());
    // A session is not resumed where its connection was cut off.
    client.close().expect("closed");
    server.is_resumed()
}
