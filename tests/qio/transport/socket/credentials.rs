//! Peer credentials.

use std::{
    io::ErrorKind,
    os::{fd::AsFd, unix::fs::MetadataExt as _},
    process::{Command, Stdio},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use qio::{Channel, ChannelBuffer, ChannelSocket, prelude::*};

use super::{abstract_name, connection, unix, v4};
use crate::{common::fds, skip::skip};

/// The process that a pidfd refers to.
fn pid_of(pidfd: impl AsFd) -> i32 {
    use std::os::fd::AsRawFd;
    let number = pidfd.as_fd().as_raw_fd();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).expect("open");
    let line = info.lines().find_map(|line| line.strip_prefix("Pid:"));
    line.expect("a pidfd").trim().parse().expect("a number")
}

#[track_caller]
fn check_is_this_process(channel: &ChannelSocket) {
    let peer = channel.peer_credentials().expect("a peer");
    assert_eq!(peer.pid, std::process::id() as i32);
    let this = std::fs::metadata("/proc/self").expect("/proc");
    assert_eq!((peer.uid, peer.gid), (this.uid(), this.gid()));
    let credentials = channel.credentials().expect("a peer");
    assert_eq!(credentials.unix_pid().expect("a number"), peer.pid);
    assert_eq!(credentials.unix_user().expect("a number"), peer.uid);
}

#[test]
fn both_ends_of_unix_sockets_have_the_peer_credentials_of_each_other() {
    let directory = tempfile::tempdir().expect("a directory");
    for address in [
        unix(&directory.path().join("socket")),
        abstract_name("creds"),
    ] {
        let (_listener, client, server) = connection(&address);
        check_is_this_process(&client);
        check_is_this_process(&server);
    }
    for kind in [
        gio::SocketType::Stream,
        gio::SocketType::Seqpacket,
        gio::SocketType::Datagram,
    ] {
        let (a, b) = ChannelSocket::pair_of(kind).expect("a socketpair");
        check_is_this_process(&a);
        check_is_this_process(&b);
    }
}

#[test]
fn the_peer_process_is_reported_by_pid_and_by_pidfd() {
    needs!("socat");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = ChannelSocket::listen(&unix(&path), 1).expect("listens");
    let mut socat = Command::new("socat")
        .args(["-", &format!("UNIX-CONNECT:{}", path.display())])
        .stdin(Stdio::piped())
        .spawn()
        .expect("install the package socat");
    let server = listener.accept().expect("accepts");
    let peer = server.peer_credentials().expect("a peer");
    assert_eq!(peer.pid, socat.id() as i32);
    let pidfd = server.peer_pidfd();
    drop(socat.stdin.take());
    server.close().expect("closed");
    let pidfd = match pidfd {
        Ok(pidfd) => pidfd,
        Err(e) if e.kind() == ErrorKind::Unsupported => {
            socat.wait().expect("it ends");
            return skip(format_args!("no pidfd of a peer ({e})"));
        }
        Err(e) => panic!("{e}"),
    };
    assert_eq!(pid_of(&pidfd), peer.pid);
    assert!(fds::is_cloexec(pidfd.as_fd()));
    let mut ends = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    poll(&mut ends, PollTimeout::from(20_000u16)).expect("polled");
    assert_eq!(ends[0].revents(), Some(PollFlags::POLLIN), "it has ended");
    socat.wait().expect("it has ended");
}

#[test]
fn where_there_is_no_such_peer_the_reason_is_reported() {
    let action = "Unable to get the peer credentials: ";
    let (tcp, _client, server) = connection(&v4());
    for channel in [&tcp, &server] {
        let e = channel.peer_pidfd().expect_err("not on TCP");
        assert!(e.to_string().starts_with(action), "{e}");
    }
    for e in [
        server.peer_credentials().expect_err("not on TCP"),
        server.peer_pidfd().expect_err("not on TCP"),
    ] {
        assert_eq!(
            e.to_string(),
            format!("{action}Only unix sockets have peer credentials")
        );
        assert_eq!(e.kind(), ErrorKind::Unsupported);
    }
    let name = abstract_name("no peer yet");
    let listener = ChannelSocket::listen(&name, 1).expect("listens");
    let none: Option<&gio::SocketAddress> = None;
    let datagram = ChannelSocket::dgram(Some(&abstract_name("datagram")), none).expect("bound");
    for e in [
        listener.peer_credentials().expect_err("no peer"),
        listener.credentials().expect_err("no peer"),
        listener.peer_pidfd().expect_err("no peer"),
        datagram.peer_credentials().expect_err("no peer"),
        datagram.peer_pidfd().expect_err("no peer"),
    ] {
        assert_eq!(e.kind(), ErrorKind::NotConnected, "{e}");
        assert!(e.to_string().starts_with(action), "{e}");
    }
    let buffer: Channel = ChannelBuffer::new(1).upcast();
    let e = buffer.credentials().expect_err("memory");
    assert_eq!(e.kind(), ErrorKind::Unsupported);
    let closed = ChannelSocket::pair().expect("a socketpair").0;
    closed.close().expect("closed");
    assert_eq!(
        closed.peer_credentials().expect_err("closed").kind(),
        ErrorKind::NotConnected
    );
}
