//! Writes from where the data is.

mod closing;
mod leftovers;
mod waiting;

use std::{
    io::{ErrorKind, IoSlice},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use futures_util::FutureExt as _;
use nix::{
    sched::{CloneFlags, unshare},
    sys::resource::{Resource, getrlimit},
    unistd::geteuid,
};
use qio::{ChannelSocket, Flushed, WriteFlags, prelude::*};

use super::{connection, v4, v6};
use crate::{
    common::{alone::alone, in_time, on_loop},
    skip::skip,
};

const ZERO_COPY: WriteFlags = WriteFlags::ZERO_COPY;

/// Memory that counts when it is freed.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

fn data(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 7 + i / 251) as u8).collect()
}

fn counted(size: usize) -> (glib::Bytes, Arc<AtomicUsize>) {
    let dropped = Arc::default();
    let bytes = glib::Bytes::from_owned(Counted(data(size), Arc::clone(&dropped)));
    (bytes, dropped)
}

/// Both ends of a connection.
fn ends() -> (ChannelSocket, ChannelSocket) {
    let (_listener, client, server) = connection(&v4());
    (client, server)
}

/// Writes without a copy until nothing more fits, with as many pieces of memory as are returned.
fn fill(client: &ChannelSocket, bytes: &glib::Bytes) -> usize {
    client.set_blocking(false).expect("non-blocking");
    let mut total = 0;
    loop {
        match client.write_bytes_full(bytes, &[], ZERO_COPY) {
            Ok(count) => total += count,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return total,
            Err(e) => panic!("unable to write: {e}"),
        }
    }
}

fn read_in_thread(server: ChannelSocket, size: usize) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut received = vec![0; size];
        server.read_all(&mut received).expect("all of it");
        received
    })
}

#[track_caller]
fn check_transfer(address: &gio::SocketAddress, blocking: bool) {
    const SIZE: usize = 3_000_001;
    let (_listener, client, server) = connection(address);
    client.set_blocking(blocking).expect("the mode");
    let (bytes, dropped) = counted(SIZE);
    let received = in_time(move || {
        let reader = read_in_thread(server, SIZE);
        client
            .write_bytes_full_all(&bytes, &[], ZERO_COPY)
            .expect("all is written");
        drop(bytes);
        // On the way to this machine there is a copy.
        assert_eq!(client.flush().expect("flushed"), Flushed::Copied);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        assert_eq!(client.flush().expect("nothing new"), Flushed::ZeroCopy);
        reader.join().expect("no panic")
    });
    assert!(received == data(SIZE));
}

#[test]
fn everything_arrives_and_flush_reports_copied_for_loopback() {
    for blocking in [true, false] {
        check_transfer(&v4(), blocking);
        if let Some(address) = v6() {
            check_transfer(&address, blocking);
        }
    }
}

#[test]
fn memory_is_kept_until_it_is_sent_and_no_longer() {
    let (client, server) = ends();
    let (bytes, dropped) = counted(100_000);
    let total = fill(&client, &bytes);
    assert!(total > 0);
    drop(bytes);
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "the peer has not read");
    in_time(move || {
        let reader = read_in_thread(server, total);
        client.flush().expect("flushed");
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        reader.join().expect("no panic");
    });
}

#[test]
fn streaming_without_a_flush_keeps_only_buffers_in_flight() {
    const PIECES: usize = 200;
    let (client, server) = ends();
    let dropped = Arc::new(AtomicUsize::new(0));
    in_time(move || {
        let reader = read_in_thread(server, PIECES * 50_000);
        for _ in 0..PIECES {
            let memory = Counted(vec![1; 50_000], dropped.clone());
            let bytes = glib::Bytes::from_owned(memory);
            client
                .write_bytes_full_all(&bytes, &[], ZERO_COPY)
                .expect("written");
        }
        reader.join().expect("no panic");
        assert!(dropped.load(Ordering::SeqCst) > 0);
        client.flush().expect("flushed");
        assert_eq!(dropped.load(Ordering::SeqCst), PIECES);
    });
}

#[test]
fn borrowed_memory_is_copied_and_flush_reports_it() {
    let (_listener, client, server) = connection(&v4());
    let mut memory = data(1_000);
    let iov = [IoSlice::new(&memory[..400]), IoSlice::new(&memory[400..])];
    client
        .writev_full_all(&iov, &[], ZERO_COPY)
        .expect("written");
    memory.fill(0);
    let mut received = vec![0; 1_000];
    server.read_all(&mut received).expect("read");
    assert_eq!(received, data(1_000));
    assert_eq!(client.flush().expect("flushed"), Flushed::Copied);
    assert_eq!(client.flush().expect("nothing new"), Flushed::ZeroCopy);
}

#[test]
fn datagrams_are_sent_by_zero_copy() {
    let none: Option<&gio::SocketAddress> = None;
    let receiver = ChannelSocket::dgram(Some(&v4()), none).expect("bound");
    let to = receiver.local_address().expect("an address");
    let sender = ChannelSocket::dgram(none, Some(&to)).expect("connected");
    let bytes = glib::Bytes::from_owned(data(20_000));
    sender
        .write_bytes_full_all(&bytes, &[], ZERO_COPY)
        .expect("sent");
    let mut received = vec![0; 30_000];
    assert_eq!(receiver.read(&mut received).expect("a message"), 20_000);
    assert_eq!(received[..20_000], data(20_000));
    assert_eq!(
        in_time(move || sender.flush()).expect("flushed"),
        Flushed::Copied
    );
}

/// Creates a network namespace of this thread, whose packets leave by a device that supports
/// zero-copy for any size, and are dropped: the other end of the veth pair is down.
fn enter_dropping_network() -> Result<(), String> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("no network namespaces ({e})"))?;
    for command in [
        "link add here type veth peer name dropped",
        "addr add 192.0.2.1/24 dev here",
        "link set here mtu 40000",
        "link set here up",
        // No host answers ARP for the address.
        "neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev here",
    ] {
        let status = Command::new("ip").args(command.split(' ')).status();
        match status {
            Ok(status) if status.success() => {}
            other => return Err(format!("ip {command}: {other:?}")),
        }
    }
    Ok(())
}

#[test]
fn data_to_another_host_is_sent_by_zero_copy_and_flush_reports_it() {
    in_time(|| {
        if let Err(why) = enter_dropping_network() {
            return skip(why);
        }
        let to = gio::NetworkAddress::new("192.0.2.2", 9);
        let sender = ChannelSocket::dgram(gio::SocketAddress::NONE, Some(&to)).expect("connected");
        let (bytes, dropped) = counted(20_000);
        sender
            .write_bytes_full_all(&bytes, &[], ZERO_COPY)
            .expect("sent");
        drop(bytes);
        assert_eq!(sender.flush().expect("flushed"), Flushed::ZeroCopy);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        // One that was copied, and one that was not.
        let iov = [IoSlice::new(b"borrowed")];
        sender.writev_full_all(&iov, &[], ZERO_COPY).expect("sent");
        sender
            .write_bytes_full_all(&glib::Bytes::from_owned(data(20_000)), &[], ZERO_COPY)
            .expect("sent");
        assert_eq!(sender.flush().expect("flushed"), Flushed::ZeroCopy);
        sender.writev_full_all(&iov, &[], ZERO_COPY).expect("sent");
        assert_eq!(sender.flush().expect("flushed"), Flushed::Copied);
    });
}

#[test]
fn zero_copy_is_unsupported_on_unix_sockets() {
    let (pair, _other) = ChannelSocket::pair().expect("a socketpair");
    let bytes = glib::Bytes::from_static(b"x");
    let e = pair.write_bytes_full(&bytes, &[], ZERO_COPY);
    let e = e.expect_err("not on unix sockets");
    assert_eq!(e.to_string(), "Channel does not support zero-copy writes");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    pair.write_bytes_full(&bytes, &[], WriteFlags::empty())
        .expect("with a copy");
    let e = pair.write_bytes_full_all(&bytes, &[], ZERO_COPY);
    e.expect_err("not on unix sockets");
    assert_eq!(pair.flush().expect("nothing is held"), Flushed::ZeroCopy);
}

#[test]
fn a_concurrent_zero_copy_write_is_copied() {
    let (_listener, client, server) = connection(&v4());
    let twin = client.with_fd(|fd| fd.try_clone_to_owned()).expect("open");
    let twin = ChannelSocket::new_fd(twin.expect("a duplicate")).expect("a socket");
    let (bytes, dropped) = counted(10_000);
    for channel in [&client, &twin] {
        channel
            .write_bytes_full_all(&bytes, &[], ZERO_COPY)
            .expect("written");
        server.read_all(&mut [0; 10_000]).expect("read");
    }
    drop(bytes);
    in_time(move || {
        assert_eq!(twin.flush().expect("flushed"), Flushed::Copied);
        assert_eq!(client.flush().expect("flushed"), Flushed::Copied);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_write_that_is_dropped_in_a_future_keeps_its_memory() {
    const SIZE: usize = 30_000_000;
    let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK).expect("a known limit");
    if !geteuid().is_root() && limit < SIZE as u64 {
        return skip("RLIMIT_MEMLOCK is too low for a large zero-copy write");
    }
    on_loop(|| async {
        let (client, server) = ends();
        let (bytes, dropped) = counted(SIZE);
        let written = client
            .write_bytes_full_all_future(&bytes, &[], ZERO_COPY)
            .now_or_never();
        assert!(written.is_none(), "it waits for the peer");
        drop(bytes);
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        drop(server);
        while dropped.load(Ordering::SeqCst) == 0 {
            let _ = client.flush_future().await;
        }
    });
}

#[test]
fn closing_with_zero_copy_memory_in_flight_sends_all_and_frees_it_and_the_descriptor() {
    let name = "transport::socket::zero_copy::closing_with_zero_copy_memory_in_flight_sends_all_and_frees_it_and_the_descriptor";
    alone(name, || {
        // What a thread needs to wait is made once.
        drop(ends());
        for close in [true, false] {
            let before = crate::common::fds::count();
            let (client, server) = ends();
            let (bytes, dropped) = counted(100_000);
            let total = fill(&client, &bytes);
            drop(bytes);
            if close {
                client.close().expect("closed");
            }
            drop(client);
            assert_eq!(dropped.load(Ordering::SeqCst), 0, "it is not sent yet");
            in_time(move || {
                let mut received = vec![0; total];
                server.read_all(&mut received).expect("all of it");
                let pieces = received.chunks(100_000);
                assert!(
                    pieces
                        .zip(std::iter::repeat(data(100_000)))
                        .all(|(a, b)| b.starts_with(a))
                );
                assert_eq!(server.read(&mut [0]).expect("the end"), 0);
                while dropped.load(Ordering::SeqCst) == 0 {
                    thread::yield_now();
                }
            });
            // The thread that saw to it may have its wake-up for a moment longer.
            in_time(move || {
                while crate::common::fds::count() > before {
                    thread::yield_now();
                }
            });
        }
    });
}

#[test]
fn zero_copy_falls_back_to_copying_when_the_error_queue_is_full() {
    const PIECES: usize = 3_000;
    let (client, server) = ends();
    in_time(move || {
        let reader = read_in_thread(server, PIECES * 100);
        // The completions are not drained; each takes memory of the socket, until the limit.
        for _ in 0..PIECES {
            let bytes = glib::Bytes::from_owned(vec![5; 100]);
            client
                .write_bytes_full_all(&bytes, &[], ZERO_COPY)
                .expect("written");
        }
        let received = reader.join().expect("no panic");
        assert!(received.iter().all(|&byte| byte == 5));
        client.flush().expect("flushed");
    });
}
