//! Passing file descriptors by futures.

use std::{
    future::Future,
    io::{ErrorKind, IoSlice, IoSliceMut, PipeReader, PipeWriter, Read, pipe},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::pin,
    task::{Context, Poll, Waker},
};

use qio::{ChannelFile, ChannelSocket, ReadFlags, WriteFlags, prelude::*};

use crate::common::{after_ticks, alone::alone, fds, in_loop, nonblocking_pair, on_loop, settle};

/// A pipe: its write end is to be passed, and end-of-file at its read end proves that no copy of
/// the write end is open.
fn token() -> (PipeReader, PipeWriter) {
    pipe().expect("a pipe")
}

fn copies(fd: &PipeWriter, count: usize) -> Vec<BorrowedFd<'_>> {
    vec![fd.as_fd(); count]
}

async fn receive(channel: &ChannelSocket) -> (Vec<u8>, Vec<OwnedFd>) {
    let (mut data, mut fds) = (vec![0; 64], Vec::new());
    let mut iov = [IoSliceMut::new(&mut data)];
    let received = channel.readv_full_future(&mut iov, Some(&mut fds), ReadFlags::empty());
    let count = received.await.expect("received");
    data.truncate(count);
    (data, fds)
}

/// Whether no process has the other end open. Blocks as long as one has.
fn ends(mut reader: PipeReader) {
    assert_eq!(reader.read(&mut [0; 1]).expect("the end"), 0);
}

#[test]
fn one_or_three_descriptors_arrive_close_on_exec_in_both_modes() {
    for (count, blocking) in [(1, true), (1, false), (3, true), (3, false)] {
        on_loop(move || async move {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            a.set_blocking(blocking).expect("the mode");
            b.set_blocking(blocking).expect("the mode");
            let (reader, writer) = token();
            let sent = copies(&writer, count);
            let data = [IoSlice::new(b"here")];
            let written = a.writev_full_future(&data, &sent, WriteFlags::empty());
            assert_eq!(written.await.expect("sent"), 4);
            let (data, got) = receive(&b).await;
            assert_eq!((&data[..], got.len()), (&b"here"[..], count));
            for fd in &got {
                assert!(fds::is_cloexec(fd.as_fd()));
                assert_eq!(fds::target(fd.as_fd()), fds::target(writer.as_fd()));
            }
            drop((writer, got));
            ends(reader);
        });
    }
}

#[test]
fn descriptors_are_waited_for_together_with_the_data() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        let (_reader, writer) = token();
        after_ticks(move || {
            let sent = a.writev_full(
                &[IoSlice::new(b"late")],
                &copies(&writer, 2),
                WriteFlags::empty(),
            );
            assert_eq!(sent.expect("sent"), 4);
        });
        let (data, got) = receive(&b).await;
        assert_eq!((&data[..], got.len()), (&b"late"[..], 2));
    });
}

#[test]
fn all_of_much_data_arrives_with_its_descriptors_once() {
    on_loop(|| async {
        let (a, b) = ChannelSocket::pair().expect("a socketpair");
        let (_reader, writer) = token();
        let sent: Vec<u8> = (0..1_000_000).map(|i| (i % 251) as u8).collect();
        let mut got = vec![0; sent.len()];
        let mut fds = Vec::new();
        let out = [IoSlice::new(&sent[..10]), IoSlice::new(&sent[10..])];
        let passed = copies(&writer, 3);
        let mut iov = [IoSliceMut::new(&mut got)];
        let (written, read) = futures_util::future::join(
            a.writev_full_all_future(&out, &passed, WriteFlags::empty()),
            b.readv_full_all_future(&mut iov, Some(&mut fds), ReadFlags::empty()),
        )
        .await;
        written.expect("written");
        read.expect("read");
        assert!(got == sent, "it differs");
        assert_eq!(fds.len(), 3);
    });
}

#[test]
fn descriptors_received_before_an_early_end_of_file_are_closed() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        let (reader, writer) = token();
        let out = [IoSlice::new(b"ab")];
        let sent = a.writev_full(&out, &copies(&writer, 2), WriteFlags::empty());
        assert_eq!(sent.expect("sent"), 2);
        drop((a, writer));
        let (mut buf, mut fds) = ([0; 4], Vec::new());
        let mut iov = [IoSliceMut::new(&mut buf)];
        let e = b
            .readv_full_all_eof_future(&mut iov, Some(&mut fds), ReadFlags::empty())
            .await;
        assert_eq!(e.expect_err("the end").kind(), ErrorKind::UnexpectedEof);
        assert!(fds.is_empty());
        ends(reader);
    });
}

#[test]
fn a_channel_without_descriptors_refuses_them() {
    on_loop(|| async {
        let (read, write) = ChannelFile::pipe().expect("a pipe");
        let (_reader, writer) = token();
        let out = [IoSlice::new(b"x")];
        let passed = copies(&writer, 1);
        let sent = write.writev_full_future(&out, &passed, WriteFlags::empty());
        let e = sent.await.expect_err("no descriptors");
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
        let (mut buf, mut fds) = ([0; 1], Vec::new());
        let mut iov = [IoSliceMut::new(&mut buf)];
        let received = read.readv_full_future(&mut iov, Some(&mut fds), ReadFlags::empty());
        let e = received.await.expect_err("no descriptors");
        assert_eq!(e.kind(), ErrorKind::InvalidInput);
    });
}

/// Receives two of four bytes with two descriptors, and drops the rest of the read.
fn cancel(a: &ChannelSocket, b: &ChannelSocket, writer: &PipeWriter, context: &glib::MainContext) {
    let (mut buf, mut fds) = ([0; 4], Vec::new());
    let mut iov = [IoSliceMut::new(&mut buf)];
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = pin!(b.readv_full_all_future(&mut iov, Some(&mut fds), ReadFlags::empty()));
    assert!(read.as_mut().poll(&mut cx).is_pending());
    let sent = a.writev_full(
        &[IoSlice::new(b"ab")],
        &copies(writer, 2),
        WriteFlags::empty(),
    );
    assert_eq!(sent.expect("sent"), 2);
    settle(context);
    assert!(matches!(read.as_mut().poll(&mut cx), Poll::Pending));
}

#[test]
fn a_dropped_read_gives_the_descriptors_to_the_next_one() {
    in_loop(|context| {
        let (a, b) = nonblocking_pair();
        let (reader, writer) = token();
        cancel(&a, &b, &writer, context);
        let (data, got) = context.block_on(receive(&b));
        assert_eq!((&data[..], got.len()), (&b"ab"[..], 2));
        assert!(got.iter().all(|fd| fds::is_cloexec(fd.as_fd())));
        drop((got, writer));
        ends(reader);
    });
}

#[test]
fn a_peek_leaves_the_descriptors_of_a_dropped_read() {
    in_loop(|context| {
        let (a, b) = nonblocking_pair();
        let (_reader, writer) = token();
        cancel(&a, &b, &writer, context);
        let (mut buf, mut none) = ([0; 4], Vec::new());
        let mut iov = [IoSliceMut::new(&mut buf)];
        let peeked = b.readv_full(&mut iov, Some(&mut none), ReadFlags::PEEK);
        assert_eq!((peeked.expect("there"), none.len()), (2, 0));
        let (data, got) = context.block_on(receive(&b));
        assert_eq!((&data[..], got.len()), (&b"ab"[..], 2));
    });
}

#[test]
fn descriptors_of_a_dropped_read_are_closed_with_the_channel() {
    in_loop(|context| {
        // Closed afterwards, and closed while the read is under way.
        for closed_before in [false, true] {
            let (a, b) = nonblocking_pair();
            let (reader, writer) = token();
            let (mut buf, mut fds) = ([0; 4], Vec::new());
            let mut iov = [IoSliceMut::new(&mut buf)];
            let sent = [IoSlice::new(b"ab")];
            let sent = a.writev_full(&sent, &copies(&writer, 2), WriteFlags::empty());
            assert_eq!(sent.expect("sent"), 2);
            {
                let mut read =
                    pin!(b.readv_full_all_future(&mut iov, Some(&mut fds), ReadFlags::empty()));
                let mut cx = Context::from_waker(Waker::noop());
                assert!(read.as_mut().poll(&mut cx).is_pending());
                settle(context);
                if closed_before {
                    b.close().expect("closes");
                }
            }
            b.close().expect("closes");
            drop(writer);
            // The channel itself is still there.
            ends(reader);
            assert!(b.is_closed());
        }
    });
}

#[test]
fn cancelled_reads_leak_no_descriptor() {
    alone(
        "channel::future_fd_passing::cancelled_reads_leak_no_descriptor",
        || {
            in_loop(|context| {
                let round = || {
                    let (a, b) = nonblocking_pair();
                    let (_reader, writer) = token();
                    cancel(&a, &b, &writer, context);
                };
                round();
                let before = fds::count();
                (0..100).for_each(|_| round());
                settle(context);
                assert_eq!(fds::count(), before);
            });
        },
    );
}
