//! Channels of every kind to move data from and to, each with what is behind it.

use std::{
    fs,
    io::{Read, SeekFrom},
    thread::{self, JoinHandle},
};

use gio::prelude::*;
use qio::{
    Channel, ChannelBuffer, ChannelCommand, ChannelFile, ChannelNull, ChannelSocket, Shutdown,
    prelude::*,
};

use crate::channel::future_foreign::Proxy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Pipe,
    Unix,
    Tcp,
    Command,
    Buffer,
    Null,
    /// A class outside of this crate.
    User,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::File,
        Self::Pipe,
        Self::Unix,
        Self::Tcp,
        Self::Command,
        Self::Buffer,
        Self::Null,
        Self::User,
    ];
}

pub(in crate::channel) fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// Two ends of a TCP connection.
pub(in crate::channel) fn tcp_pair() -> (ChannelSocket, ChannelSocket) {
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let any = gio::InetSocketAddress::new(&loopback, 0);
    let listener = ChannelSocket::listen(&any, 1).expect("listens");
    let address = listener.local_address().expect("an address");
    let client = ChannelSocket::connect(&address).expect("connects");
    (client, listener.accept().expect("accepts"))
}

/// A channel of an unnamed file with this content, at its beginning.
pub(in crate::channel) fn file(content: &[u8]) -> ChannelFile {
    let file = ChannelFile::from(tempfile::tempfile().expect("a file"));
    file.write_all(content).expect("written");
    file.seek(SeekFrom::Start(0)).expect("seeks");
    file
}

/// All that a channel has until its end.
pub(in crate::channel) fn rest(channel: &impl IsA<Channel>) -> Vec<u8> {
    let mut all = Vec::new();
    channel.blocking_io().read_to_end(&mut all).expect("read");
    all
}

/// A channel with something to read.
pub(super) struct Source {
    pub(super) channel: Channel,
    feeder: Option<JoinHandle<()>>,
}

impl Source {
    pub(super) fn new(kind: Kind, data: &[u8]) -> Self {
        let fed_by = |channel: Channel, peer: Channel| {
            let data = data.to_vec();
            let feeder = thread::spawn(move || {
                // The reader may stop before the end.
                let _ = peer.write_all(&data);
                drop(peer);
            });
            Self {
                channel,
                feeder: Some(feeder),
            }
        };
        let channel = match kind {
            Kind::File => file(data).upcast(),
            Kind::Pipe => {
                let (read, write) = ChannelFile::pipe().expect("a pipe");
                return fed_by(read.upcast(), write.upcast());
            }
            Kind::Unix => {
                let (a, b) = ChannelSocket::pair().expect("a socketpair");
                return fed_by(a.upcast(), b.upcast());
            }
            Kind::Tcp => {
                let (a, b) = tcp_pair();
                return fed_by(a.upcast(), b.upcast());
            }
            Kind::Command => {
                let file = tempfile::NamedTempFile::new().expect("a file");
                fs::write(file.path(), data).expect("written");
                // The command has it open when it is removed.
                let script = "exec < \"$1\" && rm \"$1\" && exec cat";
                let path = file.into_temp_path().keep().expect("kept");
                let path = path.to_str().expect("plain");
                let command = ChannelCommand::builder(["sh", "-c", script, "sh", path]);
                command.spawn().expect("starts").upcast()
            }
            Kind::Buffer => ChannelBuffer::from(data.to_vec()).upcast(),
            Kind::Null => ChannelNull::new().upcast(),
            Kind::User => {
                let (a, b) = ChannelSocket::pair().expect("a socketpair");
                return fed_by(Proxy::new(a, true).upcast(), b.upcast());
            }
        };
        Self {
            channel,
            feeder: None,
        }
    }

    /// The data that a source of this kind returns for `data`.
    pub(super) fn expected(kind: Kind, data: &[u8]) -> &[u8] {
        match kind {
            Kind::Null => &[],
            _ => data,
        }
    }

    pub(super) fn finish(self) {
        drop(self.channel);
        if let Some(feeder) = self.feeder {
            feeder.join().expect("no panic");
        }
    }
}

/// A channel to write to.
pub(super) struct Target {
    pub(super) channel: Channel,
    kind: Kind,
    reader: Option<JoinHandle<Vec<u8>>>,
    /// What ends the stream of a class that cannot be shut down.
    socket: Option<ChannelSocket>,
    path: Option<tempfile::TempPath>,
}

impl Target {
    pub(super) fn new(kind: Kind) -> Self {
        let of = |channel: Channel| Self {
            channel,
            kind,
            reader: None,
            socket: None,
            path: None,
        };
        let read_by = |channel: Channel, peer: Channel| Self {
            reader: Some(thread::spawn(move || rest(&peer))),
            ..of(channel)
        };
        match kind {
            Kind::File => of(file(b"").upcast()),
            Kind::Pipe => {
                let (read, write) = ChannelFile::pipe().expect("a pipe");
                read_by(write.upcast(), read.upcast())
            }
            Kind::Unix => {
                let (a, b) = ChannelSocket::pair().expect("a socketpair");
                read_by(a.upcast(), b.upcast())
            }
            Kind::Tcp => {
                let (a, b) = tcp_pair();
                read_by(a.upcast(), b.upcast())
            }
            Kind::Command => {
                let path = tempfile::NamedTempFile::new().expect("a file");
                let path = path.into_temp_path();
                let script = "exec cat > \"$1\"";
                let name = path.to_str().expect("plain");
                let command = ChannelCommand::builder(["sh", "-c", script, "sh", name]);
                Self {
                    path: Some(path),
                    ..of(command.spawn().expect("starts").upcast())
                }
            }
            Kind::Buffer => of(ChannelBuffer::new(0).upcast()),
            Kind::Null => of(ChannelNull::new().upcast()),
            Kind::User => {
                let (a, b) = ChannelSocket::pair().expect("a socketpair");
                Self {
                    socket: Some(a.clone()),
                    ..read_by(Proxy::new(a, false).upcast(), b.upcast())
                }
            }
        }
    }

    /// All that has arrived. `None` for a target that discards data.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        match self.kind {
            Kind::File => {
                self.channel.seek(SeekFrom::Start(0)).expect("seeks");
                return Some(rest(&self.channel));
            }
            Kind::Buffer => {
                let buffer = self.channel.downcast::<ChannelBuffer>();
                return Some(buffer.expect("a buffer").data().to_vec());
            }
            Kind::Null => return None,
            Kind::User => {
                let socket = self.socket.expect("the socket");
                socket.shutdown(Shutdown::Write).expect("shut down");
            }
            _ => self.channel.close().expect("closed"),
        }
        match (self.reader, self.path) {
            (Some(reader), _) => Some(reader.join().expect("no panic")),
            (None, Some(path)) => Some(fs::read(path).expect("written")),
            (None, None) => unreachable!("a peer reads the data"),
        }
    }
}
