//! Level-triggered and edge-triggered registrations: what a short read leaves is reported again,
//! and what nothing reads does not spin the loop.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, OwnedFd},
};

use nix::{fcntl::OFlag, unistd};
use qio::{ChannelFile, ChannelSocket, WriteFlags, prelude::*};

use super::*;
use crate::common::{FEW, fill, iterations, nonblocking_pair};

/// A registration of the context's hub that has met would-block and a short read.
fn register(context: &MainContext, channel: &ChannelSocket, peer: &ChannelSocket) {
    let reader = channel.clone();
    let task = start(
        context,
        async move { reader.read_future(&mut [0; 16]).await },
    );
    settle(context);
    peer.write_all(b"x").expect("space");
    assert_eq!(join(context, task).expect("no panic").expect("read"), 1);
}

/// Reads until so many bytes have come, each time into a buffer for more than there are.
fn read(context: &MainContext, channel: &(impl IsA<qio::Channel> + Clone), count: usize) {
    let channel = channel.clone();
    run(context, async move {
        let mut left = count;
        while left > 0 {
            left -= channel.read_future(&mut [0; 64]).await.expect("read");
        }
    });
}

#[test]
fn data_that_nothing_reads_does_not_spin_the_loop() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    for round in 1..=20 {
        register(&context, &a, &b);
        // One byte is read, and the other one is left.
        b.write_all(b"xy").expect("space");
        let channel = a.clone();
        run(&context, async move {
            channel.read_future(&mut [0]).await.expect("read")
        });
        b.write_all(b"z").expect("space");
        if round % 5 == 0 {
            assert!(iterations(&context) <= FEW, "round {round}");
        }
        settle(&context);
        read(&context, &a, 2);
    }
}

#[test]
fn the_end_of_a_stream_that_nothing_reads_does_not_spin_the_loop() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    register(&context, &a, &b);
    b.write_all(b"last").expect("space");
    b.close().expect("closed");
    assert!(iterations(&context) <= FEW);
    read(&context, &a, 4);
    let channel = a.clone();
    let end = run(&context, async move { channel.read_future(&mut [0]).await });
    assert_eq!(end.expect("the end"), 0);
}

/// Sends messages of one byte, each with a descriptor: reads end where these are.
fn send_with_fds(channel: &ChannelSocket, count: usize) {
    let (reader, _writer) = unistd::pipe().expect("a pipe");
    for _ in 0..count {
        let sent = channel.writev_full(
            &[IoSlice::new(b"f")],
            &[reader.as_fd()],
            WriteFlags::empty(),
        );
        assert_eq!(sent.expect("space"), 1);
    }
}

#[test]
fn short_reads_that_end_where_descriptors_are_lose_no_data() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    register(&context, &a, &b);
    for _ in 0..20 {
        send_with_fds(&b, 5);
        settle(&context);
        read(&context, &a, 5);
    }
}

#[test]
fn short_reads_lose_no_data_during_writes_that_have_met_would_block() {
    let context = MainContext::new();
    let (a, b) = nonblocking_pair();
    register(&context, &a, &b);
    for _ in 0..20 {
        fill(&a);
        let channel = a.clone();
        let writes = start(&context, async move {
            channel.write_all_future(&[b'w'; 64]).await
        });
        settle(&context);
        send_with_fds(&b, 3);
        read(&context, &a, 3);
        assert!(!writes.is_finished(), "the socket is full");
        let mut buf = [0; 65536];
        while b.read(&mut buf).is_ok_and(|count| count > 0) {}
        join(&context, writes).expect("no panic").expect("space");
        while b.read(&mut buf).is_ok_and(|count| count > 0) {}
    }
}

#[test]
fn short_reads_of_a_pipe_of_packets_lose_none() {
    let context = MainContext::new();
    let (reader, writer): (OwnedFd, OwnedFd) = unistd::pipe().expect("a pipe");
    // The reader has been opened before its writer keeps packets apart.
    let channel = ChannelFile::new_fd(reader);
    channel.set_blocking(false).expect("non-blocking");
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_DIRECT)).expect("packets");
    let write = || {
        for _ in 0..5 {
            assert_eq!(unistd::write(&writer, b"ab").expect("space"), 2);
        }
        Ok::<_, io::Error>(())
    };
    let waiting = channel.clone();
    let first = start(
        &context,
        async move { waiting.read_future(&mut [0; 64]).await },
    );
    settle(&context);
    for round in 0..10 {
        write().expect("space");
        if round == 0 {
            iterate_until(&context, || first.is_finished());
        }
        read(&context, &channel, if round == 0 { 8 } else { 10 });
    }
}
