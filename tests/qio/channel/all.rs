//! The functions that continue until everything is read or written.

mod signals;

use std::{
    io::{self, ErrorKind, IoSlice, IoSliceMut, SeekFrom},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use glib::prelude::*;
use qio::{
    Channel, ChannelBuffer, ChannelCommand, ChannelError, ChannelFile, ChannelNull, ChannelSocket,
    ReadFlags, Shutdown, prelude::*, to_glib_error,
};

use crate::common::{in_time, nonblocking_pair};

const TOO_EARLY: &str = "Unexpected end-of-file before all data were read";

#[track_caller]
fn check_too_early(e: &io::Error) {
    assert_eq!(e.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(e.to_string(), TOO_EARLY);
    assert!(to_glib_error(e).matches(ChannelError::Truncated));
}

/// Of each kind with a descriptor: where to read what is written to the other.
fn streams() -> Vec<(Channel, Channel)> {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    vec![(a.upcast(), b.upcast()), (read.upcast(), write.upcast())]
}

#[test]
fn end_of_file_before_the_first_byte_is_no_error_for_read_all_eof() {
    for (read, write) in streams() {
        drop(write);
        let mut buf = [0; 4];
        assert!(!read.read_all_eof(&mut buf).expect("the end"));
        assert!(
            !read
                .readv_all_eof(&mut [IoSliceMut::new(&mut buf)])
                .expect("the end")
        );
        check_too_early(&read.read_all(&mut buf).expect_err("the end"));
        let e = read.readv_all(&mut [IoSliceMut::new(&mut buf)]);
        check_too_early(&e.expect_err("the end"));
    }
}

#[test]
fn end_of_file_in_the_middle_is_always_an_error() {
    for eof_allowed in [true, false] {
        for (read, write) in streams() {
            write.write_all(b"abc").expect("written");
            drop(write);
            let mut buf = [0; 4];
            let result = match eof_allowed {
                true => read.read_all_eof(&mut buf).map(drop),
                false => read.read_all(&mut buf),
            };
            check_too_early(&result.expect_err("the end"));
        }
    }
}

#[test]
fn end_of_file_between_buffers_counts_as_in_the_middle() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.write_all(b"ab").expect("written");
    drop(a);
    let (mut one, mut two) = ([0; 2], [0; 2]);
    let e = b
        .readv_all_eof(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)])
        .expect_err("the end");
    check_too_early(&e);
}

#[test]
fn end_of_file_is_reported_in_the_same_way_with_descriptors() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    drop(a);
    let (mut buf, mut fds) = ([0; 2], Vec::new());
    let more = b.readv_full_all_eof(
        &mut [IoSliceMut::new(&mut buf)],
        Some(&mut fds),
        ReadFlags::empty(),
    );
    assert!(!more.expect("the end"));
    let e = b.readv_full_all(
        &mut [IoSliceMut::new(&mut buf)],
        Some(&mut fds),
        ReadFlags::empty(),
    );
    check_too_early(&e.expect_err("the end"));
}

#[test]
fn true_means_that_the_buffers_are_full_and_the_rest_stays() {
    for (read, write) in streams() {
        write.write_all(b"abcdef").expect("written");
        let mut buf = [0; 4];
        assert!(read.read_all_eof(&mut buf).expect("read"));
        assert_eq!(&buf, b"abcd");
        read.read_all(&mut buf[..2]).expect("read");
        assert_eq!(&buf, b"efcd");
    }
}

#[test]
fn empty_buffers_are_skipped_wherever_they_are() {
    for (read, write) in streams() {
        let out = [&b""[..], b"", b"ab", b"", b"cde", b"", b""].map(IoSlice::new);
        write.writev_all(&out).expect("written");
        let (mut one, mut two) = ([0; 1], [0; 4]);
        let mut iov = [
            IoSliceMut::new(&mut []),
            IoSliceMut::new(&mut one),
            IoSliceMut::new(&mut []),
            IoSliceMut::new(&mut []),
            IoSliceMut::new(&mut two),
            IoSliceMut::new(&mut []),
        ];
        read.readv_all(&mut iov).expect("read");
        assert_eq!((&one, &two), (b"a", b"bcde"));
    }
}

#[test]
fn empty_transfers_complete_at_once() {
    let empty_reads: [fn(&Channel) -> bool; 3] = [
        |channel| channel.readv_all_eof(&mut []).expect("nothing"),
        |channel| channel.read_all_eof(&mut []).expect("nothing"),
        |channel| {
            let iov = &mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [])];
            channel.readv_all_eof(iov).expect("nothing")
        },
    ];
    for (read, write) in streams() {
        // Nothing is there yet, and these would wait for it.
        for case in empty_reads {
            assert!(case(&read));
        }
        write.writev_all(&[]).expect("nothing");
        write.write_all(&[]).expect("nothing");
        let iov = [IoSlice::new(b""), IoSlice::new(b"")];
        write.writev_all(&iov).expect("nothing");
        drop(write);
        // Nor is the end of the file looked at.
        for case in empty_reads {
            assert!(case(&read));
        }
        read.read_all(&mut []).expect("nothing");
    }
}

#[test]
fn zero_length_reads_and_writes_return_zero_on_every_kind() {
    let (a, _b) = ChannelSocket::pair().expect("a socketpair");
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    let file = ChannelFile::from(tempfile::tempfile().expect("a file"));
    let command = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    let buffer = ChannelBuffer::new(0);
    let null = ChannelNull::new();
    let both: [&Channel; 5] = [
        a.upcast_ref(),
        file.upcast_ref(),
        command.upcast_ref(),
        buffer.upcast_ref(),
        null.upcast_ref(),
    ];
    for channel in both.into_iter().chain([read.upcast_ref()]) {
        assert_eq!(channel.read(&mut []).expect("nothing"), 0);
        assert_eq!(channel.readv(&mut []).expect("nothing"), 0);
        let iov = &mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [])];
        assert_eq!(channel.readv(iov).expect("nothing"), 0);
    }
    for channel in both.into_iter().chain([write.upcast_ref()]) {
        assert_eq!(channel.write(&[]).expect("nothing"), 0);
        assert_eq!(channel.writev(&[]).expect("nothing"), 0);
        let iov = [IoSlice::new(b""), IoSlice::new(b"")];
        assert_eq!(channel.writev(&iov).expect("nothing"), 0);
    }
}

#[test]
fn the_callers_buffers_stay_where_they_are() {
    let places = |iov: &[IoSlice<'_>]| {
        iov.iter()
            .map(|b| (b.as_ptr(), b.len()))
            .collect::<Vec<_>>()
    };
    let places_mut = |iov: &[IoSliceMut<'_>]| {
        iov.iter()
            .map(|b| (b.as_ptr(), b.len()))
            .collect::<Vec<_>>()
    };
    in_time(move || {
        for (read, write) in streams() {
            // Larger than what the kernel takes at once, so that there are partial transfers.
            let sent = vec![vec![5; 300_001]; 7];
            let mut got = vec![vec![0; 420_001 - 100 * 4]; 5];
            let total: usize = sent.iter().map(Vec::len).sum();
            got.push(vec![0; total - got.iter().map(Vec::len).sum::<usize>()]);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let iov: Vec<_> = sent.iter().map(|buf| IoSlice::new(buf)).collect();
                    let before = places(&iov);
                    write.writev_all(&iov).expect("written");
                    assert_eq!(places(&iov), before);
                });
                let mut iov: Vec<_> = got.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
                let before = places_mut(&iov);
                read.readv_all(&mut iov).expect("read");
                assert_eq!(places_mut(&iov), before);
            });
            assert!(got.iter().flatten().all(|&byte| byte == 5));
        }
    });
}

/// More than a system call takes.
const MANY: usize = 3_001;

fn many() -> Vec<[u8; 3]> {
    (0..MANY).map(|i| [i as u8, (i >> 8) as u8, 0xee]).collect()
}

#[test]
fn more_buffers_than_a_system_call_takes_go_through() {
    let sent = many();
    for (read, write) in streams() {
        let mut got = vec![[0; 3]; MANY];
        thread::scope(|scope| {
            scope.spawn(|| {
                let iov: Vec<_> = sent.iter().map(|buf| IoSlice::new(buf)).collect();
                write.writev_all(&iov).expect("written");
            });
            let mut iov: Vec<_> = got.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
            read.readv_all(&mut iov).expect("read");
        });
        assert!(got == sent);
    }
}

#[test]
fn more_buffers_than_a_system_call_takes_go_to_an_offset_and_back() {
    let file = ChannelFile::from(tempfile::tempfile().expect("a file"));
    let sent = many();
    let iov: Vec<_> = sent.iter().map(|buf| IoSlice::new(buf)).collect();
    file.pwritev_all(&iov, 1_000).expect("written");
    let mut got = vec![[0; 3]; MANY];
    let mut iov: Vec<_> = got.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
    file.preadv_all(&mut iov, 1_000).expect("read");
    assert!(got == sent);
    let size = file.seek(SeekFrom::End(0)).expect("its size");
    assert_eq!(size, 1_000 + 3 * MANY as u64);
}

#[test]
fn offsets_are_honored_and_the_position_stays() {
    let file = ChannelFile::from(tempfile::tempfile().expect("a file"));
    let buffer = ChannelBuffer::new(0);
    for channel in [file.upcast_ref::<Channel>(), buffer.upcast_ref()] {
        channel.write_all(b"0123456789").expect("written");
        channel.seek(SeekFrom::Start(3)).expect("moved");
        let iov = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"c")];
        channel.pwritev_all(&iov, 5).expect("written");
        channel.pwrite_all(b"!", 9).expect("written");
        let (mut one, mut two) = ([0; 2], [0; 3]);
        let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        channel.preadv_all(&mut iov, 4).expect("read");
        assert_eq!((&one, &two), (b"4a", b"bc8"));
        let mut rest = [0; 7];
        channel.read_all(&mut rest).expect("from the position");
        assert_eq!(&rest, b"34abc8!");
    }
}

#[test]
fn end_of_file_after_an_offset_is_always_an_error() {
    let file = ChannelFile::from(tempfile::tempfile().expect("a file"));
    file.write_all(b"0123").expect("written");
    for offset in [2, 4, 400] {
        check_too_early(&file.pread_all(&mut [0; 3], offset).expect_err("the end"));
    }
    file.pread_all(&mut [], 400).expect("nothing");
}

#[test]
fn a_non_blocking_channel_is_waited_for() {
    const SIZE: usize = 3 << 20;
    for (read, write) in streams() {
        read.set_blocking(false).expect("non-blocking");
        write.set_blocking(false).expect("non-blocking");
        let got = in_time(move || {
            let writing = thread::spawn(move || write.write_all(&vec![9; SIZE]).expect("written"));
            let mut got = vec![0; SIZE];
            read.read_all(&mut got).expect("read");
            writing.join().expect("written");
            assert!(!read.is_blocking(), "the mode stays");
            got
        });
        assert!(got.iter().all(|&byte| byte == 9));
    }
}

#[test]
fn a_non_blocking_reader_waits_for_the_first_byte() {
    let (a, b) = nonblocking_pair();
    let begun = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !begun.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            a.write_all(b"late").expect("written");
        });
        let mut buf = [0; 4];
        assert_eq!(
            b.read(&mut buf).expect_err("empty").kind(),
            ErrorKind::WouldBlock
        );
        begun.store(true, Ordering::SeqCst);
        b.read_all(&mut buf).expect("read");
        assert_eq!(&buf, b"late");
    });
}

#[test]
fn a_non_blocking_reader_that_waits_sees_the_end() {
    let (a, b) = nonblocking_pair();
    a.write_all(b"ab").expect("written");
    let e = thread::scope(|scope| {
        scope.spawn(|| a.shutdown(Shutdown::Write).expect("shut down"));
        b.read_all(&mut [0; 4]).expect_err("the end")
    });
    check_too_early(&e);
}
