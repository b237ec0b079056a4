//! Listening: the file of a unix path, and sockets that others have too.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    sync::{Arc, mpsc},
    thread,
};

use qio::{ChannelSocket, prelude::*};

use super::{abstract_name, unix, v4};
use crate::common::{alone::alone, blocked::Blocked, fds, in_time, on_loop};

#[test]
fn a_unix_path_is_removed_by_close() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = ChannelSocket::listen(&unix(&path), 1).expect("listens");
    assert!(path.exists());
    listener.close().expect("closed");
    assert!(!path.exists());
    // The name is free, and is not removed twice.
    let next = ChannelSocket::listen(&unix(&path), 1).expect("listens");
    drop(listener);
    assert!(path.exists());
    drop(next);
}

#[test]
fn a_unix_path_is_removed_by_dropping_the_channel() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    drop(ChannelSocket::listen(&unix(&path), 1).expect("listens"));
    assert!(!path.exists());
}

#[test]
fn another_file_in_its_place_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = ChannelSocket::listen(&unix(&path), 1).expect("listens");
    // The socket keeps its inode under another name, so that the new file has another one.
    fs::rename(&path, directory.path().join("moved")).expect("moved away");
    fs::write(&path, "not ours").expect("written");
    listener.close().expect("closed");
    assert_eq!(fs::read_to_string(&path).expect("still there"), "not ours");
}

#[test]
fn a_path_that_was_removed_already_is_no_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = ChannelSocket::listen(&unix(&path), 1).expect("listens");
    fs::remove_file(&path).expect("removed");
    listener.close().expect("closed");
}

#[test]
fn the_path_of_an_adopted_socket_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    for explicit in [true, false] {
        let theirs = UnixListener::bind(&path).expect("bound");
        let listener = ChannelSocket::new_fd(theirs.into()).expect("a socket");
        if explicit {
            listener.close().expect("closed");
        }
        drop(listener);
        fs::remove_file(&path).expect("still there");
    }
}

#[test]
fn an_accepted_connection_leaves_the_path_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let (_listener, client, server) = super::connection(&unix(&path));
    drop((client, server));
    assert!(path.exists());
}

#[test]
fn an_abstract_name_is_free_after_close() {
    for _ in 0..3 {
        let listener = ChannelSocket::listen(&abstract_name("again"), 1).expect("listens");
        listener.close().expect("closed");
    }
}

#[test]
fn closing_an_adopted_listener_does_not_end_it_for_others() {
    in_time(|| {
        let listener = ChannelSocket::listen(&v4(), 4).expect("listens");
        let address = listener.local_address().expect("an address");
        let duplicate = listener
            .with_fd(|fd| fd.try_clone_to_owned())
            .expect("open");
        let adopted = ChannelSocket::new_fd(duplicate.expect("a duplicate")).expect("a socket");
        thread::scope(|scope| {
            let accepting = scope.spawn(|| adopted.accept());
            // Whether that has blocked already makes no difference to the others.
            adopted.close().expect("closed");
            accepting.join().expect("it returns").expect_err("closed");
        });
        let client = ChannelSocket::connect(&address).expect("still listens");
        let server = listener.accept().expect("accepts");
        client.write_all(b"x").expect("written");
        server.read_all(&mut [0]).expect("read");
    });
}

#[test]
fn close_ends_an_accept_on_an_adopted_listener_for_which_another_thread_was_faster() {
    // Both threads see the connection; the slower one must not block in accept4(2).
    for _ in 0..20 {
        let theirs = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = theirs.local_addr().expect("an address");
        let listener = ChannelSocket::new_fd(theirs.into()).expect("a socket");
        assert!(listener.is_blocking());
        let (sender, results) = mpsc::channel();
        let threads = [(); 2].map(|()| {
            let (listener, sender) = (listener.clone(), sender.clone());
            let blocked = Arc::new(Blocked::default());
            let soon = blocked.clone();
            thread::spawn(move || {
                soon.soon();
                let _ = sender.send(listener.accept().map(drop));
            });
            blocked
        });
        in_time(move || {
            threads.iter().for_each(|blocked| blocked.wait());
            let _client = TcpStream::connect(address).expect("connects");
            results.recv().expect("a result").expect("accepted");
            // One is asleep again, the other has ended.
            threads.iter().for_each(|blocked| blocked.wait());
            listener.close().expect("closed");
            results.recv().expect("a result").expect_err("closed");
        });
    }
}

#[test]
fn a_listener_that_is_short_of_descriptors_leaves_no_file() {
    alone(
        "transport::socket::listen::a_listener_that_is_short_of_descriptors_leaves_no_file",
        || {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("socket");
            let mut all = fds::take_all();
            for free in 0..5 {
                let listened = ChannelSocket::listen(&unix(&path), 1);
                assert_eq!(listened.is_ok(), path.exists(), "{free} are free");
                drop(listened);
                assert!(!path.exists(), "{free} are free");
                let bound = ChannelSocket::dgram(Some(&unix(&path)), gio::SocketAddress::NONE);
                assert_eq!(bound.is_ok(), path.exists(), "{free} are free");
                drop(bound);
                assert!(!path.exists(), "{free} are free");
                drop(all.pop());
            }
        },
    );
}

#[test]
fn the_queue_holds_connections_until_they_are_accepted() {
    let listener = ChannelSocket::listen(&v4(), 8).expect("listens");
    let address = listener.local_address().expect("an address");
    let clients: Vec<_> = (0..5u8)
        .map(|i| {
            let client = ChannelSocket::connect(&address).expect("connects");
            client.write_all(&[i]).expect("written");
            client
        })
        .collect();
    let mut seen: Vec<_> = (0..5)
        .map(|_| {
            let server = listener.accept().expect("accepts");
            let mut byte = [0];
            server.read_all(&mut byte).expect("read");
            byte[0]
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    drop(clients);
}

#[test]
fn an_interrupted_client_does_not_end_the_listener() {
    let listener = ChannelSocket::listen(&v4(), 8).expect("listens");
    let address = listener.local_address().expect("an address");
    drop(ChannelSocket::connect(&address).expect("connects"));
    let client = ChannelSocket::connect(&address).expect("connects");
    let servers = [listener.accept(), listener.accept()];
    assert!(servers.iter().all(Result::is_ok));
    drop(client);
}

#[test]
fn the_path_of_a_datagram_socket_is_removed_if_connecting_fails() {
    let folder = tempfile::tempdir().expect("a directory");
    let (local, absent) = (folder.path().join("local"), folder.path().join("absent"));
    ChannelSocket::dgram(Some(&unix(&local)), Some(&unix(&absent))).expect_err("it is absent");
    assert!(!local.exists());
    let path = local.clone();
    on_loop(|| async move {
        let channel = ChannelSocket::new();
        let opening = channel.dgram_future(Some(&unix(&path)), Some(&unix(&absent)));
        opening.await.expect_err("it is absent");
    });
    assert!(!local.exists());
}
