//! Writes from where the data is.

use std::{
    io::{ErrorKind, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::{FutureExt as _, future};
use glib::{ControlFlow, IOCondition};
use qio::{ChannelSocket, Flushed, Shutdown, WriteFlags, prelude::*};

use super::{connection, v4, v6};
use crate::common::{
    FEW, after_ticks, alone::alone, in_loop, in_time, iterate_until, iterations, on_loop,
};

const ZERO_COPY: WriteFlags = WriteFlags::ZERO_COPY;

/// Memory that counts when it is let go.
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
        assert_eq!(client.flush().expect("nothing new"), Flushed::Sent);
        reader.join().expect("no panic")
    });
    assert!(received == data(SIZE));
}

#[test]
fn everything_arrives_and_flush_tells_that_it_was_copied_on_the_way() {
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
fn streaming_without_a_flush_keeps_only_what_is_under_way() {
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
fn borrowed_memory_is_copied_and_flush_says_so() {
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
    assert_eq!(client.flush().expect("nothing new"), Flushed::Sent);
}

#[test]
fn datagrams_are_sent_without_a_copy_too() {
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

#[test]
fn sockets_that_cannot_say_so() {
    let (pair, _other) = ChannelSocket::pair().expect("a socketpair");
    let bytes = glib::Bytes::from_static(b"x");
    let e = pair.write_bytes_full(&bytes, &[], ZERO_COPY);
    let e = e.expect_err("not on unix sockets");
    assert_eq!(
        e.to_string(),
        "Channel does not support writing without a copy"
    );
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    pair.write_bytes_full(&bytes, &[], WriteFlags::empty())
        .expect("with a copy");
    let e = pair.write_bytes_full_all(&bytes, &[], ZERO_COPY);
    e.expect_err("not on unix sockets");
    assert_eq!(pair.flush().expect("nothing is held"), Flushed::Sent);
}

#[test]
fn a_socket_on_which_somebody_else_does_the_same_is_written_to_with_a_copy() {
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
fn a_flush_waits_for_a_peer_that_does_not_read_in_a_thread_a_future_and_a_coroutine() {
    in_loop(|context| {
        for style in 0..3 {
            let (client, server) = ends();
            let total = fill(&client, &glib::Bytes::from_owned(data(100_000)));
            let done = Arc::new(AtomicUsize::new(0));
            let (told, flushing) = (done.clone(), client.clone());
            let finish = move |flushed: std::io::Result<Flushed>| {
                flushed.expect("flushed");
                told.store(1, Ordering::SeqCst);
            };
            let mut thread = None;
            match style {
                0 => thread = Some(thread::spawn(move || finish(flushing.flush()))),
                1 => drop(qio::spawn_local(async move {
                    finish(flushing.flush_future().await);
                })),
                _ => drop(qio::coroutine::spawn(move || finish(flushing.flush()))),
            }
            let ticks = after_ticks(|| ());
            iterate_until(context, || ticks.load(Ordering::Relaxed) > 5);
            assert_eq!(done.load(Ordering::SeqCst), 0, "nobody has read");
            let reader = read_in_thread(server, total);
            iterate_until(context, || done.load(Ordering::SeqCst) == 1);
            reader.join().expect("no panic");
            if let Some(thread) = thread {
                thread.join().expect("no panic");
            }
        }
    });
}

#[test]
fn several_may_flush_at_once() {
    let (client, server) = ends();
    let total = fill(&client, &glib::Bytes::from_owned(data(100_000)));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            thread::spawn(move || client.flush().expect("flushed"))
        })
        .collect();
    on_loop(move || async move {
        let reader = read_in_thread(server, total);
        let flushes = (0..3).map(|_| client.flush_future());
        for flushed in future::join_all(flushes).await {
            flushed.expect("flushed");
        }
        reader.join().expect("no panic");
    });
    in_time(move || {
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

#[test]
fn shutting_down_and_closing_end_a_flush() {
    for close in [true, false] {
        for in_future in [true, false] {
            let (client, _server) = ends();
            fill(&client, &glib::Bytes::from_owned(data(100_000)));
            let other = client.clone();
            let end = move || match close {
                true => other.close().expect("closed"),
                false => other.shutdown(Shutdown::Both).expect("shut down"),
            };
            let e = match in_future {
                true => on_loop(move || async move {
                    after_ticks(end);
                    client.flush_future().await
                }),
                false => in_time(move || {
                    let flushing = thread::spawn(move || client.flush());
                    end();
                    flushing.join().expect("no panic")
                }),
            };
            let expected = match close {
                true => ErrorKind::NotConnected,
                false => ErrorKind::BrokenPipe,
            };
            assert_eq!(e.expect_err("it has ended").kind(), expected);
        }
    }
}

#[test]
fn a_peer_that_vanishes_ends_a_flush_and_frees_the_memory() {
    let (client, server) = ends();
    let (bytes, dropped) = counted(100_000);
    fill(&client, &bytes);
    drop(bytes);
    in_time(move || {
        let flushing = {
            let client = client.clone();
            thread::spawn(move || client.flush())
        };
        // There is unread data: the peer resets the connection.
        server.close().expect("closed");
        let _ = flushing.join().expect("no panic");
        // Whatever it said, the system lets go of the memory.
        while dropped.load(Ordering::SeqCst) == 0 {
            let _ = client.flush();
            thread::yield_now();
        }
    });
}

#[test]
fn a_watch_is_not_told_of_what_was_sent_and_does_not_spin() {
    in_loop(|context| {
        let (_listener, client, server) = connection(&v4());
        client.set_blocking(false).expect("non-blocking");
        let told = Arc::new(AtomicUsize::new(0));
        let seen = told.clone();
        let watch = client.create_watch_full(
            IOCondition::IN,
            None,
            glib::Priority::DEFAULT,
            move |_, condition| {
                seen.store(condition.bits() as usize, Ordering::SeqCst);
                ControlFlow::Continue
            },
        );
        watch.attach(Some(context));
        // Before and after it has gone cold.
        for _ in 0..2 {
            let (bytes, dropped) = counted(50_000);
            let sent = client
                .write_bytes_full(&bytes, &[], ZERO_COPY)
                .expect("sent");
            drop(bytes);
            server.read_all(&mut vec![0; sent]).expect("read");
            iterate_until(context, || dropped.load(Ordering::SeqCst) == 1);
            assert!(iterations(context) <= FEW);
            assert_eq!(told.load(Ordering::SeqCst), 0, "there is nothing to read");
            for _ in 0..100 {
                context.wakeup();
                context.iteration(false);
            }
        }
        server.write_all(b"x").expect("written");
        iterate_until(context, || told.load(Ordering::SeqCst) != 0);
        assert_eq!(told.load(Ordering::SeqCst), IOCondition::IN.bits() as usize);
        watch.destroy();
    });
}

#[test]
fn who_waits_for_data_is_not_told_of_what_was_sent() {
    let (_listener, client, server) = connection(&v4());
    let bytes = glib::Bytes::from_owned(data(50_000));
    client
        .write_bytes_full_all(&bytes, &[], ZERO_COPY)
        .expect("written");
    server.read_all(&mut [0; 50_000]).expect("read");
    let moment = Duration::from_millis(20);
    let e = client.wait_timeout(IOCondition::IN, moment);
    assert_eq!(e.expect_err("nothing").kind(), ErrorKind::TimedOut);
    let (later, reader) = (server.clone(), client.clone());
    let got = on_loop(move || async move {
        let bytes = glib::Bytes::from_owned(data(50_000));
        reader
            .write_bytes_full_all_future(&bytes, &[], ZERO_COPY)
            .await
            .expect("written");
        later.read_all_future(&mut [0; 50_000]).await.expect("read");
        after_ticks(move || later.write_all(b"x").expect("written"));
        reader.ready(IOCondition::IN).await
    });
    assert_eq!(got.expect("data"), IOCondition::IN);
    // A handler would be called for nothing, again and again.
    in_loop(move |context| {
        client.read_all(&mut [0]).expect("the byte");
        client.set_blocking(false).expect("non-blocking");
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let read = Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        client.set_fd_handler(Some(context), Some(read), None);
        let bytes = glib::Bytes::from_owned(data(50_000));
        let sent = client
            .write_bytes_full(&bytes, &[], ZERO_COPY)
            .expect("sent");
        server.read_all(&mut vec![0; sent]).expect("read");
        assert!(iterations(context) <= FEW + 1);
        assert!(calls.load(Ordering::SeqCst) <= 1);
        client.set_fd_handler(Some(context), None, None);
    });
}

#[test]
fn a_write_that_is_dropped_in_a_future_keeps_its_memory() {
    on_loop(|| async {
        let (client, server) = ends();
        let (bytes, dropped) = counted(30_000_000);
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
fn closing_with_memory_under_way_sends_all_and_frees_it_and_the_descriptor() {
    let name = "transport::socket::zero_copy::closing_with_memory_under_way_sends_all_and_frees_it_and_the_descriptor";
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
fn where_the_system_has_no_room_for_notes_it_copies() {
    const PIECES: usize = 3_000;
    let (client, server) = ends();
    in_time(move || {
        let reader = read_in_thread(server, PIECES * 100);
        // Nobody takes the notes, each of which takes room, until there is none.
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
