//! socat, both ways.

use gio::prelude::*;
use qio::{ChannelSocket, prelude::*};

use super::{Peer, check_echo, check_message_echo, free_port, loopback, unix};
use crate::common::in_time;

const STREAM: gio::SocketType = gio::SocketType::Stream;
const PACKETS: gio::SocketType = gio::SocketType::Seqpacket;

fn socat(one: &str, other: &str) -> Peer {
    Peer::start("socat", "socat", &[one, other])
}

fn abstract_address(name: &str) -> gio::SocketAddress {
    gio::UnixSocketAddress::with_type(UnixSocketAddressPath::Abstract(name.as_bytes())).upcast()
}

fn unique(name: &str) -> String {
    format!("qio-socat-{}-{name}", std::process::id())
}

/// The address families of TCP that this machine has, by their names for socat.
fn families() -> Vec<(gio::SocketFamily, &'static str, &'static str)> {
    let mut families = vec![(gio::SocketFamily::Ipv4, "4", "127.0.0.1")];
    if ChannelSocket::listen(&loopback(gio::SocketFamily::Ipv6, 0), 1).is_ok() {
        families.push((gio::SocketFamily::Ipv6, "6", "[::1]"));
    }
    families
}

#[test]
fn we_connect_to_socat_by_every_kind_of_stream() {
    needs!("socat");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let name = unique("stream");
    let mut kinds = vec![
        (format!("UNIX-LISTEN:{}", path.display()), unix(&path)),
        (format!("ABSTRACT-LISTEN:{name}"), abstract_address(&name)),
    ];
    for (family, number, host) in families() {
        let port = free_port(family);
        kinds.push((
            format!("TCP{number}-LISTEN:{port},bind={host},reuseaddr"),
            loopback(family, port),
        ));
    }
    for (listen, address) in kinds {
        let mut peer = socat(&listen, "PIPE");
        check_echo(&peer.connect(STREAM, &address));
        peer.wait();
    }
}

#[test]
fn socat_connects_to_us_by_every_kind_of_stream() {
    needs!("socat");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let name = unique("reverse");
    let mut kinds = vec![
        (unix(&path), format!("UNIX-CONNECT:{}", path.display())),
        (abstract_address(&name), format!("ABSTRACT-CONNECT:{name}")),
    ];
    for (family, number, host) in families() {
        let port = free_port(family);
        kinds.push((
            loopback(family, port),
            format!("TCP{number}-CONNECT:{host}:{port}"),
        ));
    }
    for (address, connect) in kinds {
        let listener = ChannelSocket::listen(&address, 1).expect("listens");
        let peer = socat(&connect, "PIPE");
        let server = in_time(move || listener.accept()).expect("accepts");
        check_echo(&server);
        peer.wait();
    }
}

#[test]
fn packets_go_to_socat_and_back() {
    needs!("socat");
    // 5 is SOCK_SEQPACKET.
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listen = format!("UNIX-LISTEN:{},socktype=5", path.display());
    let mut peer = socat(&listen, "EXEC:cat");
    let client = peer.connect(PACKETS, &unix(&path));
    check_message_echo(&client);
    client.close().expect("closed");
    peer.wait();

    let path = directory.path().join("ours");
    let listener = ChannelSocket::of_type(PACKETS);
    listener.listen_sync(&unix(&path), 1).expect("listens");
    let connect = format!("UNIX-CONNECT:{},socktype=5", path.display());
    let _peer = socat(&connect, "EXEC:cat");
    let server = in_time(move || listener.accept()).expect("accepts");
    check_message_echo(&server);
}

#[test]
fn datagrams_go_to_socat_and_back_over_udp() {
    needs!("socat");
    for (family, number, host) in families() {
        let port = free_port(family);
        let listen = format!("UDP{number}-RECVFROM:{port},bind={host},fork");
        let mut peer = socat(&listen, "PIPE");
        // Refused, until it is there.
        let client = peer.until_ready(|| {
            let to = loopback(family, port);
            let none = gio::SocketAddress::NONE;
            let client = ChannelSocket::dgram(none, Some(&to)).expect("connected");
            client.write_all(b"?").ok()?;
            let answer = in_time({
                let client = client.clone();
                move || client.read(&mut [0; 8])
            });
            answer.ok().map(|_| client)
        });
        check_message_echo(&client);
    }
}

#[test]
fn datagrams_of_socat_come_to_us_and_are_answered_over_unix() {
    needs!("socat");
    let directory = tempfile::tempdir().expect("a directory");
    let (ours, theirs) = (
        directory.path().join("ours"),
        directory.path().join("theirs"),
    );
    let none: Option<&gio::SocketAddress> = None;
    let receiver = ChannelSocket::dgram(Some(&unix(&ours)), none).expect("bound");
    let send = format!("UNIX-SENDTO:{},bind={}", ours.display(), theirs.display());
    let _peer = socat(&send, "SYSTEM:echo hello; read line; echo $line again");
    in_time(move || {
        let mut buf = [0; 64];
        let (count, from) = receiver.recv_from(&mut buf).expect("a message");
        assert_eq!(&buf[..count], b"hello\n");
        let from = from.expect("it is bound");
        receiver.send_to(b"and\n", &from).expect("sent");
        let count = receiver.read(&mut buf).expect("a message");
        assert_eq!(&buf[..count], b"and again\n");
    });
}
