//! ncat, both ways.

use qio::{ChannelSocket, prelude::*};

use super::{Peer, check_echo_by_pieces, check_message_echo, free_port, loopback, unix};
use crate::common::in_time;

fn ncat(arguments: &[&str]) -> Peer {
    Peer::start("ncat", "ncat", arguments)
}

fn families() -> Vec<(gio::SocketFamily, &'static str, &'static str)> {
    let mut families = vec![(gio::SocketFamily::Ipv4, "-4", "127.0.0.1")];
    if ChannelSocket::listen(&loopback(gio::SocketFamily::Ipv6, 0), 1).is_ok() {
        families.push((gio::SocketFamily::Ipv6, "-6", "::1"));
    }
    families
}

#[test]
fn we_connect_to_ncat_over_tcp_and_unix() {
    needs!("ncat");
    for (family, option, host) in families() {
        let port = free_port(family);
        let number = port.to_string();
        let mut peer = ncat(&[option, "-l", host, &number, "-e", "/bin/cat"]);
        check_echo_by_pieces(&peer.connect(gio::SocketType::Stream, &loopback(family, port)));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let name = path.to_str().expect("text");
    let mut peer = ncat(&["-U", "-l", name, "-e", "/bin/cat"]);
    check_echo_by_pieces(&peer.connect(gio::SocketType::Stream, &unix(&path)));
}

#[test]
fn ncat_connects_to_us_over_tcp_and_unix() {
    needs!("ncat");
    for (family, option, host) in families() {
        let listener = ChannelSocket::listen(&loopback(family, 0), 1).expect("listens");
        let port = super::port_of(&listener.local_address().expect("an address"));
        let _peer = ncat(&[option, host, &port.to_string(), "-e", "/bin/cat"]);
        let server = in_time(move || listener.accept()).expect("accepts");
        check_echo_by_pieces(&server);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = ChannelSocket::listen(&unix(&path), 1).expect("listens");
    let _peer = ncat(&["-U", path.to_str().expect("text"), "-e", "/bin/cat"]);
    let server = in_time(move || listener.accept()).expect("accepts");
    check_echo_by_pieces(&server);
}

#[test]
fn datagrams_go_to_ncat_and_back_over_udp() {
    needs!("ncat");
    let family = gio::SocketFamily::Ipv4;
    let port = free_port(family);
    let number = port.to_string();
    let mut peer = ncat(&["-4", "-u", "-l", "127.0.0.1", &number, "-e", "/bin/cat"]);
    let client = peer.until_ready(|| {
        let to = loopback(family, port);
        let client = ChannelSocket::dgram(gio::SocketAddress::NONE, Some(&to)).expect("connected");
        client.write_all(b"?").ok()?;
        let answer = in_time({
            let client = client.clone();
            move || client.read(&mut [0; 8])
        });
        answer.ok().map(|_| client)
    });
    check_message_echo(&client);
}
