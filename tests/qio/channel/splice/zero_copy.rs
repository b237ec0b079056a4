//! Splices on sockets with pending zero-copy completions, which poll(2) reports as `POLLERR`.

use glib::MainContext;
use qio::{ByteCounter, ChannelSocket, Shutdown, WriteFlags, prelude::*};

use super::fixtures::{pattern, rest, tcp_pair};
use crate::common::{FEW, in_loop, iterate_until, iterations};

/// Sends data by zero-copy, which arrives at once and queues a completion.
fn leave_a_note(channel: &ChannelSocket, peer: &ChannelSocket) {
    let bytes = glib::Bytes::from_owned(pattern(50_000));
    channel
        .write_bytes_full_all(&bytes, &[], WriteFlags::ZERO_COPY)
        .expect("written");
    peer.read_all(&mut vec![0; 50_000]).expect("read");
}

#[test]
fn a_zero_copy_completion_is_no_input() {
    in_loop(|context: &MainContext| {
        for blocking in [true, false] {
            let (source, peer) = tcp_pair();
            let (target, reader) = tcp_pair();
            target.set_blocking(false).expect("non-blocking");
            source.set_blocking(blocking).expect("the mode");
            let counter = ByteCounter::new();
            let (from, counts) = (source.clone(), counter.clone());
            let task = context.spawn_local(async move {
                from.splice_to_counted_future(&target, None, &counts).await
            });
            // Enough for a splice through a pipe.
            let data = pattern(200_000);
            peer.write_all(&data).expect("written");
            let mut received = vec![0; data.len()];
            iterate_until(context, || counter.count() == 200_000);
            reader.read_all(&mut received).expect("read");
            for _ in 0..3 {
                leave_a_note(&source, &peer);
                assert!(iterations(context) <= FEW);
            }
            peer.write_all(b"more").expect("written");
            peer.shutdown(Shutdown::Write).expect("shut down");
            let moved = context.block_on(task).expect("no panic");
            assert_eq!(moved.expect("moved"), 200_004);
            assert_eq!(rest(&reader), b"more");
        }
    });
}

#[test]
fn a_relay_shuts_down_its_output_after_pending_zero_copy_writes() {
    in_loop(|context: &MainContext| {
        for blocking in [true, false] {
            let (one, client) = tcp_pair();
            let (other, server) = tcp_pair();
            // More than the reader takes in before it reads.
            other.set_blocking(false).expect("non-blocking");
            let bytes = glib::Bytes::from_owned(pattern(20_000_000));
            let flags = WriteFlags::ZERO_COPY;
            let sent = other.write_bytes_full(&bytes, &[], flags).expect("sent");
            other.set_blocking(blocking).expect("the mode");
            let (from, to) = (one.clone(), other.clone());
            let task = context.spawn_local(async move { qio::relay_future(&from, &to).await });
            client.shutdown(Shutdown::Write).expect("shut down");
            for _ in 0..2 {
                assert!(iterations(context) <= FEW);
            }
            server.shutdown(Shutdown::Write).expect("shut down");
            assert!(iterations(context) <= FEW);
            let reader = std::thread::spawn(move || rest(&server).len());
            let relayed = context.block_on(task).expect("no panic");
            assert_eq!(relayed.expect("relayed"), qio::RelayStats::default());
            assert_eq!(reader.join().expect("no panic"), sent);
        }
    });
}
