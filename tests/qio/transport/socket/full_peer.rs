//! Unix datagrams to a peer whose queue is full: the sender sleeps in the queue of the peer.

use std::{
    io::{self, ErrorKind, IoSlice},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use gio::prelude::*;
use qio::{Channel, ChannelFile, ChannelSocket, prelude::*};

use super::unix;
use crate::common::{blocked::Blocked, in_time};

/// What makes a channel that can send to an address.
type Make = fn(&gio::SocketAddress) -> Channel;

/// What sends a message of two bytes.
type Send = fn(&Channel, &gio::SocketAddress) -> io::Result<usize>;

fn connected(address: &gio::SocketAddress) -> Channel {
    let channel = ChannelSocket::dgram(gio::SocketAddress::NONE, Some(address));
    channel.expect("connected").upcast()
}

fn file(address: &gio::SocketAddress) -> Channel {
    let socket = UnixDatagram::unbound().expect("a socket");
    let path = address.property::<String>("path");
    socket.connect(path).expect("connected");
    ChannelFile::new_fd(OwnedFd::from(socket)).upcast()
}

fn unconnected(_: &gio::SocketAddress) -> Channel {
    let socket = UnixDatagram::unbound().expect("a socket");
    let channel = ChannelSocket::new_fd(OwnedFd::from(socket));
    channel.expect("a socket").upcast()
}

fn write(channel: &Channel, _: &gio::SocketAddress) -> io::Result<usize> {
    channel.write(b"ab")
}

fn writev(channel: &Channel, _: &gio::SocketAddress) -> io::Result<usize> {
    channel.writev(&[IoSlice::new(b"a"), IoSlice::new(b"b")])
}

fn send_to(channel: &Channel, address: &gio::SocketAddress) -> io::Result<usize> {
    let socket = channel
        .downcast_ref::<ChannelSocket>()
        .expect("a socket channel");
    socket.send_to(b"ab", address)
}

#[test]
fn close_ends_a_blocked_send_to_a_full_unix_datagram_socket() {
    let ways: [(&str, Make, Send); 6] = [
        ("write", connected, write),
        ("writev", connected, writev),
        ("send_to, connected", connected, send_to),
        ("send_to", unconnected, send_to),
        ("write of a file", file, write),
        ("writev of a file", file, writev),
    ];
    for (way, make, send) in ways {
        eprintln!("{way}");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("server");
        let server = UnixDatagram::bind(&path).expect("bound");
        let address = unix(&path);
        let channel = make(&address);
        assert!(channel.is_blocking());
        let (blocked, sent) = (Arc::new(Blocked::default()), Arc::new(AtomicUsize::new(0)));
        let (sender, failed) = mpsc::channel();
        let writer = (channel.clone(), blocked.clone(), sent.clone());
        thread::spawn(move || {
            let (channel, blocked, sent) = writer;
            blocked.soon();
            let e = loop {
                match send(&channel, &address) {
                    Ok(count) => assert_eq!(count, 2),
                    Err(e) => break e,
                }
                sent.fetch_add(1, Ordering::SeqCst);
            };
            let _ = sender.send(e);
        });
        in_time(move || {
            blocked.wait();
            // It continues as soon as there is space.
            let before = sent.load(Ordering::SeqCst);
            assert!(before > 0);
            assert_eq!(server.recv(&mut [0; 8]).expect("a message"), 2);
            while sent.load(Ordering::SeqCst) == before {
                thread::yield_now();
            }
            blocked.wait();
            channel.close().expect("closed");
            let e = failed.recv().expect("an error");
            assert_eq!(e.kind(), ErrorKind::NotConnected, "{way}: {e}");
        });
    }
}
