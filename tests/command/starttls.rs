//! How NBD begins to speak TLS, as a client and as a server, and a relay between two that do.

use std::{
    io::{self, IoSlice},
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use qio::{
    Channel, ChannelSocket, ChannelTls, NetAddress, NetListener, TlsCreds, prelude::*,
    relay as relay_channels,
};

use crate::pki::NAME;

/// The greeting of a server, and the flags of both ends: fixed newstyle, and no
/// zeroes after them.
const GREETING: &[u8] = b"NBDMAGICIHAVEOPT\0\x03";
const FLAGS: &[u8] = b"\0\0\0\x03";
/// The request for TLS, of no more bytes, and the answer that it may begin.
const STARTTLS: &[u8] = b"IHAVEOPT\0\0\0\x05\0\0\0\0";
const ACK: &[u8] = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x05\0\0\0\x01\0\0\0\0";

/// Takes what has to come next.
fn expect(channel: &impl IsA<Channel>, bytes: &[u8]) -> io::Result<()> {
    let mut got = vec![0; bytes.len()];
    channel.read_all(&mut got)?;
    match got == bytes {
        true => Ok(()),
        false => Err(io::Error::other(format!("{got:x?} in place of {bytes:x?}"))),
    }
}

/// Accepts a client that requests TLS.
fn as_server(client: &ChannelSocket, creds: &TlsCreds) -> io::Result<ChannelTls> {
    client.write_all(GREETING)?;
    expect(client, FLAGS)?;
    expect(client, STARTTLS)?;
    client.write_all(ACK)?;
    let tls = ChannelTls::new_server(client, creds)?;
    tls.handshake()?;
    Ok(tls)
}

/// Greets a server, and requests TLS.
fn as_client(server: &Channel, creds: &TlsCreds) -> io::Result<ChannelTls> {
    expect(server, GREETING)?;
    server.writev_all(&[FLAGS, STARTTLS].map(IoSlice::new))?;
    expect(server, ACK)?;
    let tls = ChannelTls::new_client(server, creds, NAME)?;
    tls.handshake()?;
    Ok(tls)
}

/// A server of NBD with TLS of ours, which gets what it serves from another one, with TLS of ours
/// as well.
pub(crate) struct Between {
    listener: NetListener,
    thread: JoinHandle<Vec<io::Error>>,
}

/// What both ends of it have to show.
pub(crate) struct Both {
    pub(crate) client: TlsCreds,
    pub(crate) server: TlsCreds,
}

impl Between {
    pub(crate) fn new(path: &Path, creds: Both, target: &Path) -> Self {
        let listener = NetListener::new();
        let address = NetAddress::unix(path).expect("a path");
        listener.open_address(&address, 16).expect("listens");
        let target = NetAddress::unix(target).expect("a path");
        let (clients, creds) = (listener.clone(), Arc::new(creds));
        let thread = thread::spawn(move || {
            let mut sessions = Vec::new();
            while let Ok(client) = clients.wait_client() {
                let (creds, target) = (creds.clone(), target.clone());
                sessions.push(thread::spawn(move || talk(&client, &creds, &target)));
            }
            let ended = sessions.into_iter().map(|it| it.join().expect("no panic"));
            ended.filter_map(Result::err).collect()
        });
        Self { listener, thread }
    }

    /// Stops listening, waits for the sessions, and returns the errors of failed handshakes.
    pub(crate) fn end(self) -> Vec<String> {
        self.listener.disconnect();
        let errors = self.thread.join().expect("no panic");
        errors.iter().map(ToString::to_string).collect()
    }
}

fn talk(client: &ChannelSocket, creds: &Both, target: &NetAddress) -> io::Result<()> {
    let client = as_server(client, &creds.server)?;
    let server = as_client(&target.connect()?, &creds.client)?;
    // NBD has its own end message; neither libnbd nor QEMU sends close_notify after it.
    let _ = relay_channels(&client, &server);
    Ok(())
}
