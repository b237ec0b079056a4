//! Channels as the streams of `std::io`.

use std::{
    io::{
        self, BufRead, BufReader, BufWriter, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom,
        Write,
    },
    thread,
};

use glib::prelude::*;
use qio::{
    Channel, ChannelBuffer, ChannelCommand, ChannelFile, ChannelNull, ChannelSocket, Shutdown,
};

use qio::ChannelExt as _;

use crate::common::{in_time, nonblocking_pair};

/// Only by the traits of `std`.
fn round_trip(mut write: impl Write, mut read: impl Read) {
    assert_eq!(write.write(b"a").expect("written"), 1);
    let iov = [IoSlice::new(b"b"), IoSlice::new(b"cd")];
    assert_eq!(write.write_vectored(&iov).expect("written"), 3);
    write.flush().expect("flushed");
    let (mut one, mut two) = ([0; 1], [0; 1]);
    let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    assert_eq!(read.read_vectored(&mut iov).expect("read"), 2);
    let mut rest = [0; 2];
    read.read_exact(&mut rest).expect("read");
    assert_eq!((&one, &two, &rest), (b"a", b"b", b"cd"));
}

#[test]
fn a_reference_to_any_class_reads_and_writes() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    round_trip(&a, &b);
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    round_trip(&write, &read);
    let cat = ChannelCommand::builder(["cat"]).spawn().expect("cat");
    round_trip(&cat, &cat);
}

#[test]
fn a_reference_to_the_base_class_reads_and_writes() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    let (a, b): (Channel, Channel) = (a.upcast(), b.upcast());
    round_trip(&a, &b);
}

#[test]
fn the_adapter_reads_and_writes() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    round_trip(a.blocking_io(), b.blocking_io());
}

#[test]
fn memory_and_files_seek() {
    fn check(mut stream: impl Read + Write + Seek) {
        stream.write_all(b"0123456789").expect("written");
        assert_eq!(stream.seek(SeekFrom::End(-4)).expect("moved"), 6);
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("read");
        assert_eq!(text, "6789");
        assert_eq!(stream.stream_position().expect("a position"), 10);
        stream.rewind().expect("moved");
        let mut one = [0];
        stream.read_exact(&mut one).expect("read");
        assert_eq!(&one, b"0");
    }
    check(&ChannelBuffer::new(0));
    check(&ChannelFile::from(tempfile::tempfile().expect("a file")));
    check(ChannelBuffer::new(0).upcast_ref::<Channel>());
    let (read, _write) = ChannelFile::pipe().expect("a pipe");
    let e = Seek::seek(&mut &read, SeekFrom::Start(0)).expect_err("no position");
    assert_eq!(e.kind(), ErrorKind::Unsupported);
}

#[test]
fn end_of_file_is_the_end_of_the_std_stream() {
    let (a, b) = ChannelSocket::pair().expect("a socketpair");
    a.write_all(b"all of it").expect("written");
    a.shutdown(Shutdown::Write).expect("shut down");
    let mut text = String::new();
    (&b).read_to_string(&mut text).expect("read");
    assert_eq!(text, "all of it");
}

#[test]
fn a_plain_reference_returns_would_block() {
    let (a, b) = nonblocking_pair();
    let e = Read::read(&mut &b, &mut [0]).expect_err("empty");
    assert_eq!(e.kind(), ErrorKind::WouldBlock);
    crate::common::fill(&a);
    let e = Write::write(&mut &a, &[0; 4096]).expect_err("full");
    assert_eq!(e.kind(), ErrorKind::WouldBlock);
}

#[test]
fn the_adapter_waits_for_a_slow_writer() {
    let (a, b) = nonblocking_pair();
    let e = Read::read(&mut &b, &mut [0]).expect_err("empty");
    assert_eq!(e.kind(), ErrorKind::WouldBlock);
    let lines = in_time(move || {
        let writing = thread::spawn(move || {
            // So slowly that the reader has to wait in the middle of lines.
            for byte in b"one\ntwo\nthree" {
                a.write_all(&[*byte]).expect("written");
                thread::yield_now();
            }
        });
        let lines: Result<Vec<_>, _> = BufReader::new(b.blocking_io()).lines().collect();
        writing.join().expect("written");
        lines.expect("read")
    });
    assert_eq!(lines, ["one", "two", "three"]);
}

#[test]
fn everything_is_copied_through_the_adapter() {
    const SIZE: u64 = 5 << 20;
    let (a, b) = nonblocking_pair();
    let copied = in_time(move || {
        let writing = thread::spawn(move || {
            let mut source = io::repeat(3).take(SIZE);
            let count = io::copy(&mut source, &mut a.blocking_io()).expect("copied");
            assert_eq!(count, SIZE);
        });
        let mut all = Vec::new();
        let count = io::copy(&mut b.blocking_io(), &mut all).expect("copied");
        writing.join().expect("written");
        assert!(!b.is_blocking(), "the mode stays");
        assert_eq!(count, SIZE);
        all
    });
    assert!(copied.iter().all(|&byte| byte == 3));
}

#[test]
fn a_buffered_writer_works_on_a_full_channel() {
    let (a, b) = nonblocking_pair();
    let filled = crate::common::fill(&a);
    in_time(move || {
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            b.blocking_io().read_to_end(&mut all).expect("read");
            all.len() - filled
        });
        let mut writer = BufWriter::new(a.blocking_io());
        for i in 0..10_000 {
            writeln!(writer, "{i:05}").expect("written");
        }
        writer.flush().expect("flushed");
        assert!(writer.get_ref().channel().is::<ChannelSocket>());
        a.shutdown(Shutdown::Write).expect("shut down");
        assert_eq!(reading.join().expect("read"), 60_000);
    });
}

#[test]
fn the_adapter_returns_errors_other_than_would_block() {
    let (a, b) = nonblocking_pair();
    drop(b);
    let e = a.blocking_io().write(b"x").expect_err("no reader");
    assert_eq!(e.kind(), ErrorKind::BrokenPipe);
    a.close().expect("closed");
    let e = a.blocking_io().read(&mut [0]).expect_err("closed");
    assert_eq!(e.kind(), ErrorKind::NotConnected);
    let null = ChannelNull::new();
    assert_eq!(null.blocking_io().read(&mut [0]).expect("the end"), 0);
}
