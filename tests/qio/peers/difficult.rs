//! Peers that vanish, that never read, that send one byte at a time.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use qio::{ChannelSocket, prelude::*};

use super::{loopback, port_of};
use crate::common::{in_time, memory::resident, on_loop};

/// A connection whose other end is not ours.
fn connection() -> (ChannelSocket, TcpStream) {
    let address = loopback(gio::SocketFamily::Ipv4, 0);
    let listener = ChannelSocket::listen(&address, 1).expect("listens");
    let port = port_of(&listener.local_address().expect("an address"));
    let peer = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    (listener.accept().expect("accepts"), peer)
}

/// Vanishes, as a machine that is switched off and on again: the connection is reset.
fn reset(peer: TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    nix::sys::socket::setsockopt(&peer, nix::sys::socket::sockopt::Linger, &linger).expect("set");
    drop(peer);
}

/// Whether an error is a lost connection.
fn is_gone(e: &std::io::Error) -> bool {
    matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

#[test]
fn a_peer_that_vanishes_ends_reads_and_writes_with_an_error() {
    in_time(|| {
        let (channel, mut peer) = connection();
        channel.write_all(b"hello").expect("written");
        peer.read_exact(&mut [0; 5]).expect("read");
        let reading = {
            let channel = channel.clone();
            thread::spawn(move || channel.read(&mut [0; 16]))
        };
        reset(peer);
        let e = reading.join().expect("no panic").expect_err("gone");
        assert!(is_gone(&e), "{e}");
        let e = channel.write_all(b"more").expect_err("gone");
        assert!(is_gone(&e), "{e}");
        channel.close().expect("closed all the same");
    });
}

#[test]
fn a_peer_that_vanishes_in_the_middle_ends_futures_with_an_error() {
    on_loop(|| async {
        let (channel, mut peer) = connection();
        channel.set_blocking(false).expect("non-blocking");
        peer.write_all(b"half").expect("written");
        let reader = channel.clone();
        let reading = qio::spawn_local(async move {
            let mut whole = [0; 8];
            reader.read_all_future(&mut whole).await
        });
        let writer = channel.clone();
        let writing =
            qio::spawn_local(async move { writer.write_all_future(&vec![1; 30_000_000]).await });
        channel.ready(glib::IOCondition::IN).await.expect("half");
        reset(peer);
        let e = reading.await.expect("no panic").expect_err("gone");
        assert!(is_gone(&e) || e.kind() == ErrorKind::UnexpectedEof, "{e}");
        let e = writing.await.expect("no panic").expect_err("gone");
        assert!(is_gone(&e), "{e}");
    });
}

#[test]
fn a_peer_that_never_reads_holds_a_writer_back_and_no_memory() {
    let name = "peers::difficult::a_peer_that_never_reads_holds_a_writer_back_and_no_memory";
    crate::common::alone::alone(name, || {
        on_loop(|| async {
            const CHUNK: usize = 64 * 1024;
            let (channel, peer) = connection();
            let written = Arc::new(AtomicUsize::new(0));
            let (counted, writer) = (written.clone(), channel.clone());
            let task = qio::spawn_local(async move {
                let chunk = vec![7; CHUNK];
                while writer.write_all_future(&chunk).await.is_ok() {
                    counted.fetch_add(CHUNK, Ordering::Relaxed);
                }
            });
            // Until no progress was made for many iterations of the loop.
            let mut before = usize::MAX;
            while before != written.load(Ordering::Relaxed) {
                before = written.load(Ordering::Relaxed);
                glib::timeout_future(std::time::Duration::from_millis(20)).await;
            }
            let memory = resident();
            for _ in 0..1_000 {
                // A future that waits, and is dropped.
                let chunk = vec![7; CHUNK];
                let waiting = channel.write_all_future(&chunk);
                futures_util::FutureExt::now_or_never(waiting);
            }
            assert!(resident() < memory + 8 * 1024 * 1024);
            assert!(before < 64 * 1024 * 1024, "the system holds no more");
            drop(peer);
            task.await.expect("it ends, as the peer has gone");
        });
    });
}

#[test]
fn a_peer_that_sends_one_byte_at_a_time_is_read_whole() {
    on_loop(|| async {
        let (channel, mut peer) = connection();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let sender = thread::spawn(move || {
            peer.set_nodelay(true).expect("no delay");
            for byte in 0..200u8 {
                wait.recv().expect("go");
                peer.write_all(&[byte]).expect("written");
            }
        });
        // Each byte arrives alone: the next one is sent after it was received.
        for first in (0..200u8).step_by(4) {
            let reader = channel.clone();
            let whole = qio::spawn_local(async move {
                let mut word = [0; 4];
                reader.read_all_future(&mut word).await.map(|()| word)
            });
            for _ in 0..4 {
                go.send(()).expect("it listens");
                glib::timeout_future(std::time::Duration::ZERO).await;
            }
            let word = whole.await.expect("no panic").expect("read");
            assert_eq!(word, [first, first + 1, first + 2, first + 3]);
        }
        sender.join().expect("no panic");
        assert_eq!(channel.read_future(&mut [0]).await.expect("the end"), 0);
        assert!(channel.with_fd(|fd| fd.as_raw_fd()).is_ok());
    });
}
