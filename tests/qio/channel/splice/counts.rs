//! How much is moved, from where on, and what is no data.

use std::{
    future::Future,
    io::{ErrorKind, IoSlice, IoSliceMut, SeekFrom},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    pin::pin,
    task::{Context, Waker},
};

use qio::{
    ByteCounter, ChannelBuffer, ChannelFile, ChannelSocket, ReadFlags, TransferError, WriteFlags,
    prelude::*, to_glib_error,
};

use super::fixtures::{Kind, Source, Target, file, pattern, rest, tcp_pair};
use crate::common::{fds, in_time, on_loop};

fn position(mut file: &ChannelFile) -> u64 {
    std::io::Seek::stream_position(&mut file).expect("seeks")
}

#[test]
fn a_count_of_zero_moves_nothing_and_a_larger_one_ends_at_end_of_file() {
    in_time(|| {
        for kind in Kind::ALL {
            let (source, target) = (
                Source::new(kind, b"twelve bytes"),
                Target::new(Kind::Buffer),
            );
            let moved = source.channel.splice_to(&target.channel, Some(0));
            assert_eq!(moved.expect("nothing"), 0);
            let moved = source.channel.splice_to(&target.channel, Some(5_000));
            let expected = Source::expected(kind, b"twelve bytes");
            assert_eq!(moved.expect("all"), expected.len() as u64);
            // And again: it is still the end.
            let moved = source.channel.splice_to(&target.channel, None);
            assert_eq!(moved.expect("the end"), 0);
            source.finish();
            assert_eq!(target.finish().expect("memory"), expected);
        }
    });
}

#[test]
fn data_beyond_the_count_is_for_the_next_reader() {
    in_time(|| {
        for kind in [Kind::File, Kind::Pipe, Kind::Tcp, Kind::Command, Kind::User] {
            for to in [Kind::File, Kind::Pipe, Kind::Tcp] {
                let data = pattern(100_000);
                let (source, target) = (Source::new(kind, &data), Target::new(to));
                let moved = source.channel.splice_to(&target.channel, Some(70_001));
                assert_eq!(moved.expect("moved"), 70_001);
                assert!(
                    rest(&source.channel) == data[70_001..],
                    "{kind:?} to {to:?}"
                );
                source.finish();
                assert!(target.finish().expect("read") == data[..70_001]);
            }
        }
    });
}

#[test]
fn pushed_back_data_is_spliced_first() {
    on_loop(|| async {
        for to in [Kind::File, Kind::Pipe, Kind::Tcp, Kind::Buffer] {
            for by_future in [true, false] {
                let (source, peer) = tcp_pair();
                let mut buf = [0; 100];
                {
                    peer.write_all(b"first, ").expect("space");
                    let mut read = pin!(source.read_all_future(&mut buf));
                    let mut cx = Context::from_waker(Waker::noop());
                    assert!(read.as_mut().poll(&mut cx).is_pending());
                }
                peer.write_all(b"second").expect("space");
                drop(peer);
                let target = Target::new(to);
                let moved = match by_future {
                    true => source.splice_to_future(&target.channel, None).await,
                    false => source.splice_to(&target.channel, None),
                };
                assert_eq!(moved.expect("moved"), 13);
                assert_eq!(target.finish().expect("read"), b"first, second");
            }
        }
    });
}

#[test]
fn files_are_read_and_written_from_their_positions_on() {
    on_loop(|| async {
        for by_future in [true, false] {
            let (from, to) = (file(b"0123456789"), file(b"abcdefghij"));
            from.seek(SeekFrom::Start(2)).expect("seeks");
            to.seek(SeekFrom::Start(4)).expect("seeks");
            let moved = match by_future {
                true => from.splice_to_future(&to, Some(3)).await,
                false => from.splice_to(&to, Some(3)),
            };
            assert_eq!(moved.expect("moved"), 3);
            assert_eq!((position(&from), position(&to)), (5, 7));
            to.seek(SeekFrom::Start(0)).expect("seeks");
            assert_eq!(rest(&to), b"abcd234hij");
        }
    });
}

#[test]
fn files_that_the_kernel_does_not_move_are_moved_all_the_same() {
    on_loop(|| async {
        for by_future in [true, false] {
            // One that only appends; and one that has no size.
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("log");
            let mut options = std::fs::OpenOptions::new();
            let options = options.create(true).append(true).mode(0o600);
            let log = ChannelFile::from(options.open(&path).expect("opens"));
            log.write_all(b"begin ").expect("written");
            let comm = ChannelFile::open("/proc/self/status").expect("opens");
            for source in [&file(b"and "), &comm] {
                let moved = match by_future {
                    true => source.splice_to_future(&log, None).await,
                    false => source.splice_to(&log, None),
                };
                assert!(moved.expect("moved") > 0);
            }
            let log = std::fs::read_to_string(&path).expect("written");
            assert!(log.starts_with("begin and Name:"), "{log}");
            for to in [Kind::Tcp, Kind::Pipe, Kind::File] {
                let (comm, target) = (
                    ChannelFile::open("/proc/self/comm").expect("opens"),
                    Target::new(to),
                );
                target.channel.set_blocking(false).expect("non-blocking");
                let moved = match by_future {
                    true => comm.splice_to_future(&target.channel, None).await,
                    false => comm.splice_to(&target.channel, None),
                };
                let arrived = target.finish().expect("read");
                assert!(!arrived.is_empty() && arrived.len() as u64 == moved.expect("moved"));
            }
        }
    });
}

#[test]
fn counters_are_not_reset() {
    in_time(|| {
        let counter = ByteCounter::new();
        let seen = counter.clone();
        for _ in 0..2 {
            let (source, target) = (file(&pattern(700_000)), Target::new(Kind::Tcp));
            let moved = source.splice_to_counted(&target.channel, None, &counter);
            assert_eq!(moved.expect("moved"), 700_000);
            target.finish();
        }
        assert_eq!(seen.count(), 1_400_000);
    });
}

#[test]
fn passed_descriptors_stay_for_a_reader_that_requests_them() {
    on_loop(|| async {
        for by_future in [true, false] {
            for to in [Kind::Pipe, Kind::Tcp, Kind::Buffer] {
                let (source, peer) = ChannelSocket::pair().expect("a socketpair");
                let sent = tempfile::tempfile().expect("a file");
                peer.write_all(b"before").expect("space");
                peer.writev_full(
                    &[IoSlice::new(b"with it")],
                    &[sent.as_fd()],
                    WriteFlags::empty(),
                )
                .expect("space");
                let target = Target::new(to);
                let moved = match by_future {
                    true => source.splice_to_future(&target.channel, None).await,
                    false => source.splice_to(&target.channel, None),
                };
                let e = moved.expect_err("descriptors cannot be moved");
                assert_eq!(e.kind(), ErrorKind::Unsupported);
                let moved = TransferError::of(&e).expect("of a transfer").bytes_sent();
                let mut data = [0; 13];
                let left = &mut data[usize::try_from(moved).expect("small")..];
                let mut fds = Vec::new();
                source
                    .readv_full_all(
                        &mut [IoSliceMut::new(left)],
                        Some(&mut fds),
                        ReadFlags::empty(),
                    )
                    .expect("they are there");
                assert!(b"beforewith it".ends_with(left));
                assert_eq!(fds.len(), 1);
                assert_eq!(fds::target(fds[0].as_fd()), fds::target(sent.as_fd()));
                let arrived = target.finish().expect("read");
                assert_eq!(arrived, b"beforewith it"[..arrived.len()]);
                assert_eq!(arrived.len() as u64, moved);
            }
        }
    });
}

#[test]
fn errors_name_both_channels_the_count_and_the_reason() {
    in_time(|| {
        let (source, target) = (ChannelBuffer::from(vec![1; 10]), ChannelBuffer::new(0));
        source.set_name(Some("from"));
        target.close().expect("closed");
        let e = source.splice_to(&target, None).expect_err("closed");
        assert_eq!(
            e.to_string(),
            "Unable to move data from QIOChannelBuffer \"from\" to QIOChannelBuffer after 0 bytes: \
             Channel is closed"
        );
        let error = to_glib_error(&e);
        assert!(error.matches(gio::IOErrorEnum::Closed), "{error:?}");
        assert_eq!(error.message(), e.to_string());
        assert_eq!(source.position(), 0, "nothing is lost");

        source.close().expect("closed");
        let e = source.splice_to(&ChannelBuffer::new(0), None);
        assert_eq!(e.expect_err("closed").kind(), ErrorKind::NotConnected);
        // One that was not opened for this.
        let (read, write) = ChannelFile::pipe().expect("a pipe");
        write.set_blocking(false).expect("non-blocking");
        let e = write
            .splice_to(&tcp_pair().0, None)
            .expect_err("not to be read");
        let inner = TransferError::of(&e).expect("of a transfer").reason();
        assert_eq!(inner.raw_os_error(), Some(nix::errno::Errno::EBADF as i32));
        drop(read);
    });
}
