//! Passing file descriptors (`SCM_RIGHTS`).

mod receiving;

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, PipeReader, PipeWriter, Read, Write, pipe},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    thread,
};

use gio::prelude::*;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use qio::{
    Channel, ChannelError, ChannelFile, ChannelSocket, Feature, ReadFlags, Shutdown, WriteFlags,
    prelude::*, to_glib_error,
};

use crate::common::{alone::alone, fds, in_time};

/// The most that one message carries.
const MOST: usize = 253;

fn pair() -> (ChannelSocket, ChannelSocket) {
    ChannelSocket::pair().expect("a socketpair")
}

/// A pipe: its write end is to be passed, and end-of-file at its read end proves that no copy of
/// the write end is open.
fn token() -> (PipeReader, PipeWriter) {
    pipe().expect("a pipe")
}

/// The same descriptor so many times.
fn copies(fd: &PipeWriter, count: usize) -> Vec<BorrowedFd<'_>> {
    vec![fd.as_fd(); count]
}

fn send(channel: &ChannelSocket, data: &[u8], fds: &[BorrowedFd<'_>]) {
    let sent = channel.writev_full(&[IoSlice::new(data)], fds, WriteFlags::empty());
    assert_eq!(sent.expect("sent"), data.len());
}

fn receive(channel: &ChannelSocket) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut data = vec![0; 64];
    let mut fds = Vec::new();
    let count = channel
        .readv_full(
            &mut [IoSliceMut::new(&mut data)],
            Some(&mut fds),
            ReadFlags::empty(),
        )
        .expect("received");
    data.truncate(count);
    (data, fds)
}

/// Whether no process has the other end open. Blocks as long as one has.
fn ends(mut reader: PipeReader) {
    in_time(move || assert_eq!(reader.read(&mut [0; 1]).expect("the end"), 0));
}

#[test]
fn a_descriptor_arrives_open_and_is_the_same_file() {
    let (a, b) = pair();
    let (mut reader, writer) = token();
    send(&a, b"one", &[writer.as_fd()]);
    let expected = fds::target(writer.as_fd());
    drop(writer);
    let (data, mut got) = receive(&b);
    assert_eq!(data, b"one");
    assert_eq!(got.len(), 1);
    assert_eq!(fds::target(got[0].as_fd()), expected);
    let mut arrived = PipeWriter::from(got.pop().expect("one"));
    arrived.write_all(b"through").expect("written");
    drop(arrived);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("read");
    assert_eq!(text, "through");
}

#[test]
fn the_sender_keeps_its_descriptor() {
    let (a, b) = pair();
    let (mut reader, mut writer) = token();
    send(&a, b"x", &[writer.as_fd()]);
    drop(receive(&b));
    writer.write_all(b"y").expect("still open");
    let mut byte = [0];
    reader.read_exact(&mut byte).expect("read");
    assert_eq!(&byte, b"y");
}

#[test]
fn received_descriptors_are_close_on_exec() {
    let (a, b) = pair();
    let (_reader, writer) = token();
    // Not a property of what was sent.
    let flags = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
    nix::fcntl::fcntl(&writer, flags).expect("cleared");
    assert!(!fds::is_cloexec(writer.as_fd()));
    send(&a, b"x", &copies(&writer, 2));
    let (_, got) = receive(&b);
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|fd| fds::is_cloexec(fd.as_fd())));
}

#[test]
fn three_copies_of_one_descriptor_arrive_as_three() {
    let (a, b) = pair();
    let (_reader, writer) = token();
    send(&a, b"x", &copies(&writer, 3));
    let (_, got) = receive(&b);
    assert_eq!(got.len(), 3);
    let expected = fds::target(writer.as_fd());
    assert!(got.iter().all(|fd| fds::target(fd.as_fd()) == expected));
}

#[test]
fn descriptors_arrive_in_their_order() {
    let (a, b) = pair();
    let tokens = [token(), token(), token()];
    let sent: Vec<_> = tokens.iter().map(|(_, writer)| writer.as_fd()).collect();
    send(&a, b"x", &sent);
    let (_, got) = receive(&b);
    let targets =
        |fds: &[BorrowedFd<'_>]| fds.iter().map(|&fd| fds::target(fd)).collect::<Vec<_>>();
    let got: Vec<_> = got.iter().map(AsFd::as_fd).collect();
    assert_eq!(targets(&got), targets(&sent));
}

#[test]
fn one_message_carries_253_descriptors() {
    let (a, b) = pair();
    let (reader, writer) = token();
    send(&a, b"x", &copies(&writer, MOST));
    let (data, got) = receive(&b);
    assert_eq!((data.len(), got.len()), (1, MOST));
    drop((writer, got));
    ends(reader);
}

#[test]
fn one_more_than_253_descriptors_are_refused_and_nothing_is_sent() {
    alone(
        "channel::fd_passing::one_more_than_253_descriptors_are_refused_and_nothing_is_sent",
        || {
            let (a, b) = pair();
            let (_reader, writer) = token();
            b.set_blocking(false).expect("non-blocking");
            let before = fds::count();
            let too_many = copies(&writer, MOST + 1);
            let data = [IoSlice::new(b"x")];
            let once = a.writev_full(&data, &too_many, WriteFlags::empty());
            let all = a.writev_full_all(&data, &too_many, WriteFlags::empty());
            for e in [once.expect_err("too many"), all.expect_err("too many")] {
                assert_eq!(e.kind(), ErrorKind::InvalidInput);
                assert!(to_glib_error(&e).matches(ChannelError::TooManyFds));
            }
            let e = b.read(&mut [0]).expect_err("nothing is there");
            assert_eq!(e.kind(), ErrorKind::WouldBlock);
            assert_eq!(fds::count(), before);
        },
    );
}

#[test]
fn descriptors_that_do_not_fit_are_an_error_and_the_rest_is_closed() {
    alone(
        "channel::fd_passing::descriptors_that_do_not_fit_are_an_error_and_the_rest_is_closed",
        || {
            let (a, b) = pair();
            let (reader, writer) = token();
            let kept = writer.try_clone().expect("a duplicate");
            let before = fds::count();
            send(&a, b"x", &copies(&writer, 3));
            // The lowest free number is the only one below the limit.
            let free = writer.try_clone().expect("a duplicate");
            let limit = std::os::fd::AsRawFd::as_raw_fd(&free) as u64 + 1;
            drop(free);
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
            setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("lowered");
            let mut got = vec![OwnedFd::from(kept)];
            let mut byte = [0];
            let result = b.readv_full(
                &mut [IoSliceMut::new(&mut byte)],
                Some(&mut got),
                ReadFlags::empty(),
            );
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("restored");
            let e = result.expect_err("two are lost");
            assert!(to_glib_error(&e).matches(ChannelError::FdsLost), "{e}");
            assert_eq!(got.len(), 1, "the caller's own stays");
            assert_eq!(fds::count(), before);
            // The stream continues after the loss.
            send(&a, b"next", &[writer.as_fd()]);
            let (data, next) = receive(&b);
            assert_eq!((&data[..], next.len()), (&b"next"[..], 1));
            drop((got, next, writer));
            ends(reader);
        },
    );
}

#[track_caller]
fn check_refuses_descriptors(reads: &Channel, writes: &Channel) {
    const TEXT: &str = "Channel does not support file descriptor passing";
    assert!(!reads.has_feature(Feature::FD_PASS) && !writes.has_feature(Feature::FD_PASS));
    let (_reader, writer) = token();
    let data = [IoSlice::new(b"x")];
    let e = writes
        .writev_full(&data, &[writer.as_fd()], WriteFlags::empty())
        .expect_err("unable to pass");
    assert_eq!((e.kind(), &*e.to_string()), (ErrorKind::InvalidInput, TEXT));
    let e = writes
        .writev_full_all(&data, &[writer.as_fd()], WriteFlags::empty())
        .expect_err("unable to pass");
    assert_eq!((e.kind(), &*e.to_string()), (ErrorKind::InvalidInput, TEXT));
    let mut byte = [0];
    let e = reads
        .readv_full(
            &mut [IoSliceMut::new(&mut byte)],
            Some(&mut Vec::new()),
            ReadFlags::empty(),
        )
        .expect_err("unable to pass");
    assert_eq!((e.kind(), &*e.to_string()), (ErrorKind::InvalidInput, TEXT));
}

#[test]
fn a_pipe_refuses_descriptors() {
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    check_refuses_descriptors(read.upcast_ref(), write.upcast_ref());
}

#[test]
fn a_tcp_connection_refuses_descriptors() {
    let any =
        gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4), 0);
    let listener = ChannelSocket::listen(&any, 1).expect("listens");
    let client = ChannelSocket::connect(&listener.local_address().expect("an address"));
    let client = client.expect("connects");
    check_refuses_descriptors(client.upcast_ref(), client.upcast_ref());
}

#[test]
fn descriptors_are_closed_when_the_stream_ends_too_early() {
    alone(
        "channel::fd_passing::descriptors_are_closed_when_the_stream_ends_too_early",
        || {
            let (a, b) = pair();
            let (reader, writer) = token();
            let mine = OwnedFd::from(reader.try_clone().expect("a duplicate"));
            let before = fds::count();
            send(&a, b"ab", &copies(&writer, 3));
            a.shutdown(Shutdown::Write).expect("shut down");
            let mut data = [0; 4];
            let mut got = vec![mine];
            let e = b
                .readv_full_all(
                    &mut [IoSliceMut::new(&mut data)],
                    Some(&mut got),
                    ReadFlags::empty(),
                )
                .expect_err("the end");
            assert_eq!(e.kind(), ErrorKind::UnexpectedEof);
            assert_eq!(got.len(), 1, "only the caller's own stays");
            assert_eq!(fds::count(), before);
            assert_eq!(fds::target(got[0].as_fd()), fds::target(reader.as_fd()));
        },
    );
}

#[test]
fn a_partial_write_sends_descriptors_once() {
    const SIZE: usize = 6 << 20;
    let (a, b) = crate::common::nonblocking_pair();
    let (_reader, writer) = token();
    let expected = fds::target(writer.as_fd());
    let received = in_time(move || {
        let reading = thread::spawn(move || {
            let (mut fds, mut data) = (Vec::new(), vec![0; 1000]);
            let mut total = 0;
            while total < SIZE {
                let iov = &mut [IoSliceMut::new(&mut data)];
                match b.readv_full(iov, Some(&mut fds), ReadFlags::empty()) {
                    Ok(count) => total += count,
                    Err(e) => {
                        assert_eq!(e.kind(), ErrorKind::WouldBlock);
                        b.wait(glib::IOCondition::IN).expect("waited");
                    }
                }
            }
            fds
        });
        let data = vec![7; SIZE];
        let (left, right) = data.split_at(12_345);
        let iov = [IoSlice::new(left), IoSlice::new(right)];
        a.writev_full_all(&iov, &copies(&writer, 2), WriteFlags::empty())
            .expect("written");
        reading.join().expect("read")
    });
    assert_eq!(received.len(), 2);
    assert!(
        received
            .iter()
            .all(|fd| fds::target(fd.as_fd()) == expected)
    );
}

#[test]
fn descriptors_without_data_are_refused() {
    let (a, b) = pair();
    b.set_blocking(false).expect("non-blocking");
    let (_reader, writer) = token();
    let nothing: [&[IoSlice<'_>]; 2] = [&[], &[IoSlice::new(b""), IoSlice::new(b"")]];
    for iov in nothing {
        let once = a.writev_full(iov, &[writer.as_fd()], WriteFlags::empty());
        let all = a.writev_full_all(iov, &[writer.as_fd()], WriteFlags::empty());
        assert_eq!(once.expect_err("no data").kind(), ErrorKind::InvalidInput);
        assert_eq!(all.expect_err("no data").kind(), ErrorKind::InvalidInput);
    }
    let e = b.read(&mut [0]).expect_err("nothing is there");
    assert_eq!(e.kind(), ErrorKind::WouldBlock);
}

#[test]
fn descriptors_are_passed_with_leading_empty_buffers() {
    let (a, b) = pair();
    let (_reader, writer) = token();
    let iov = [IoSlice::new(b""), IoSlice::new(b"x"), IoSlice::new(b"")];
    a.writev_full_all(&iov, &[writer.as_fd()], WriteFlags::empty())
        .expect("written");
    let (data, got) = receive(&b);
    assert_eq!((&data[..], got.len()), (&b"x"[..], 1));
}
