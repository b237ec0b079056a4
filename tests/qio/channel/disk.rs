//! Files on disk in futures, streams and coroutines.

mod concurrent;

use std::{
    future::Future,
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
    pin::pin,
    sync::atomic::Ordering,
    task::{Context, Waker},
};

use futures_util::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, io::BufReader};
use glib::IOCondition;
use qio::{ChannelFile, ReadFlags, WriteFlags, coroutine, prelude::*};

use crate::common::{after_ticks, in_loop, on_loop, settle};

/// More than the thread pool transfers at once.
const MUCH: usize = 700_000;

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 13 % 241) as u8).collect()
}

/// A channel of an unnamed file with this content, at its beginning.
fn file(content: &[u8]) -> ChannelFile {
    let file = ChannelFile::from(tempfile::tempfile().expect("a file"));
    file.write_all(content).expect("written");
    file.seek(SeekFrom::Start(0)).expect("seeks");
    file
}

fn position(mut file: &ChannelFile) -> u64 {
    std::io::Seek::stream_position(&mut file).expect("seeks")
}

/// All that the file has, wherever its position is.
fn content(file: &ChannelFile) -> Vec<u8> {
    let size = file.seek(SeekFrom::End(0)).expect("seeks");
    let mut all = vec![0; usize::try_from(size).expect("small")];
    file.pread_all(&mut all, 0).expect("read");
    all
}

/// Polls a future once and drops it.
fn begin<T>(future: impl Future<Output = T>) {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
}

#[test]
fn reads_and_writes_move_one_position() {
    on_loop(|| async {
        let file = file(b"");
        assert_eq!(file.write_future(b"hello").await.expect("written"), 5);
        assert_eq!(position(&file), 5);
        file.write_all_future(b", world").await.expect("written");
        assert_eq!(position(&file), 12);
        file.seek(SeekFrom::Start(3)).expect("seeks");
        let mut buf = [0; 4];
        assert_eq!(file.read_future(&mut buf).await.expect("read"), 4);
        assert_eq!((&buf, position(&file)), (b"lo, ", 7));
        assert_eq!(file.write_future(b"W").await.expect("written"), 1);
        assert_eq!(content(&file), b"hello, World");
        assert_eq!(file.read_future(&mut buf).await.expect("the end"), 0);
        // The other ways of reading use the same position.
        file.seek(SeekFrom::Start(7)).expect("seeks");
        file.read_all(&mut buf[..2]).expect("read");
        file.read_all_future(&mut buf[2..]).await.expect("read");
        assert_eq!((&buf, position(&file)), (b"Worl", 11));
    });
}

#[test]
fn the_loop_runs_while_a_file_is_read_and_written() {
    on_loop(|| async {
        // The first poll never has the result: another thread reads.
        let file = file(b"abc");
        begin(file.read_future(&mut [0; 3]));
        begin(file.read_all_future(&mut [0; 3]));
        let ticks = after_ticks(|| ());
        let data = pattern(MUCH);
        let mut got = vec![0; MUCH];
        while ticks.load(Ordering::Relaxed) < 3 {
            file.seek(SeekFrom::Start(0)).expect("seeks");
            file.write_all_future(&data).await.expect("written");
            file.seek(SeekFrom::Start(0)).expect("seeks");
            file.read_all_future(&mut got).await.expect("read");
            assert!(got == data, "it differs");
        }
    });
}

fn open_to_append(path: &Path) -> ChannelFile {
    ChannelFile::new_path(path, libc::O_RDWR | libc::O_APPEND, 0).expect("opened")
}

#[test]
fn appended_data_goes_to_the_end_wherever_the_position_is() {
    on_loop(|| async {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        std::fs::write(&path, b"one\n").expect("written");
        let (first, second) = (open_to_append(&path), open_to_append(&path));
        assert_eq!(first.write_future(b"two\n").await.expect("written"), 4);
        second.write_all_future(b"three\n").await.expect("written");
        first.seek(SeekFrom::Start(0)).expect("seeks");
        first.write_all_future(b"four\n").await.expect("written");
        // As `write` does it.
        assert_eq!(position(&first), 19);
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "one\ntwo\nthree\nfour\n");
    });
}

#[test]
fn reads_at_an_offset_do_not_disturb_and_are_not_disturbed() {
    in_loop(|context| {
        let file = file(&pattern(MUCH));
        let mut got = vec![0; MUCH];
        {
            let mut future = pin!(file.read_all_future(&mut got));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(&mut cx).is_pending());
            let mut there = [0; 100];
            file.pread_all(&mut there, 5_000).expect("read");
            assert_eq!(there, pattern(MUCH)[5_000..5_100]);
            assert_eq!(file.pwrite(&[7; 10], 699_990).expect("written"), 10);
            context.block_on(future).expect("read");
        }
        assert!(got[..699_990] == pattern(MUCH)[..699_990]);
        assert_eq!(position(&file), MUCH as u64);
    });
}

#[test]
fn a_dropped_read_neither_moves_the_position_nor_loses_data() {
    in_loop(|context| {
        let file = file(&pattern(MUCH));
        begin(file.read_future(&mut [0; 1_000]));
        begin(file.read_all_future(&mut [0; 1_000]));
        settle(context);
        assert_eq!(position(&file), 0);
        let mut got = vec![0; MUCH];
        file.read_all(&mut got).expect("read");
        assert!(got == pattern(MUCH), "it differs");
    });
}

/// Begins to read all of a large file, and drops that after one of its chunks has come.
fn drop_in_the_middle(file: &ChannelFile, context: &glib::MainContext) {
    let mut buf = vec![0; MUCH];
    let mut future = pin!(file.read_all_future(&mut buf));
    let reading = std::future::poll_fn(|cx| {
        assert!(
            future.as_mut().poll(cx).is_pending(),
            "it was to be dropped"
        );
        match position(file) {
            0 => std::task::Poll::Pending,
            _ => std::task::Poll::Ready(()),
        }
    });
    context.block_on(reading);
}

#[test]
fn a_read_that_is_dropped_in_the_middle_leaves_the_file_as_it_was() {
    in_loop(|context| {
        let file = file(&pattern(MUCH));
        drop_in_the_middle(&file, context);
        assert_eq!(position(&file), 0);
        let mut got = vec![0; MUCH];
        file.read_all(&mut got).expect("read");
        assert!(got == pattern(MUCH), "it differs");
        // Neither does it affect the next operation: a seek, a write.
        file.seek(SeekFrom::Start(0)).expect("seeks");
        drop_in_the_middle(&file, context);
        file.seek(SeekFrom::Start(1_000)).expect("seeks");
        file.read_all(&mut got[..10]).expect("read");
        assert_eq!(got[..10], pattern(MUCH)[1_000..1_010]);
        file.seek(SeekFrom::Start(0)).expect("seeks");
        drop_in_the_middle(&file, context);
        file.write_all(b"beginning").expect("written");
        assert_eq!(content(&file)[..9], *b"beginning");
    });
}

#[test]
fn a_dropped_write_leaves_the_position() {
    in_loop(|context| {
        let file = file(b"0123456789");
        file.seek(SeekFrom::Start(4)).expect("seeks");
        begin(file.write_future(b"abc"));
        begin(file.write_all_future(b"abc"));
        settle(context);
        assert_eq!(position(&file), 4);
        let mut rest = [0; 3];
        file.pread_all(&mut rest, 7).expect("read");
        assert_eq!(&rest, b"789");
        assert_eq!(file.seek(SeekFrom::End(0)).expect("seeks"), 10);
    });
}

#[test]
fn a_closed_file_is_not_read_in_the_background() {
    on_loop(|| async {
        let file = file(b"abc");
        file.close_future().await.expect("closes");
        assert!(file.read_future(&mut [0; 3]).await.is_err());
        assert!(file.read_all_future(&mut [0; 3]).await.is_err());
        assert!(file.write_all_future(b"x").await.is_err());
    });
}

#[test]
fn a_future_rejects_descriptors_and_flags_that_a_file_does_not_support() {
    on_loop(|| async {
        let file = file(b"data");
        let (reader, _writer) = io::pipe().expect("a pipe");
        let (fds, data) = (&[reader.as_fd()], &[IoSlice::new(b"x")]);
        let (mut buf, mut received) = ([0; 2], Vec::new());
        let iov = &mut [IoSliceMut::new(&mut buf)];
        let (read, peek) = (ReadFlags::empty(), ReadFlags::PEEK);
        let (write, zero_copy) = (WriteFlags::empty(), WriteFlags::ZERO_COPY);
        let results = [
            file.writev_full(data, fds, write),
            file.writev_full_future(data, fds, write).await,
            file.writev_full_all_future(data, fds, write)
                .await
                .map(|()| 1),
            file.readv_full(iov, Some(&mut received), read),
            file.readv_full_future(iov, Some(&mut received), read).await,
            file.readv_full_all_future(iov, Some(&mut received), read)
                .await
                .map(|()| 2),
            file.writev_full(data, &[], zero_copy),
            file.writev_full_future(data, &[], zero_copy).await,
            file.writev_full_all_future(data, &[], zero_copy)
                .await
                .map(|()| 1),
            file.readv_full(iov, None, peek),
            file.readv_full_future(iov, None, peek).await,
        ];
        for (i, result) in results.into_iter().enumerate() {
            let words = ["descriptor passing", "zero-copy", "peeking"][(i / 3).saturating_sub(1)];
            let e = result.expect_err("not supported");
            assert_eq!(e.kind(), io::ErrorKind::InvalidInput, "{i}");
            assert!(e.to_string().contains(words), "{i}: {e}");
        }
        assert_eq!((position(&file), content(&file)), (0, b"data".to_vec()));
    });
}

#[test]
fn a_file_is_always_ready() {
    on_loop(|| async {
        let file = file(b"abc");
        let both = IOCondition::IN | IOCondition::OUT;
        assert_eq!(
            file.ready(IOCondition::IN).await.expect("ready"),
            IOCondition::IN
        );
        assert!(both.contains(file.ready(both).await.expect("ready")));
    });
}

#[test]
fn a_stream_of_a_file_reads_writes_and_seeks() {
    on_loop(|| async {
        let file = file(b"");
        let mut stream = file.async_stream();
        let data = pattern(MUCH);
        stream.write_all(&data).await.expect("written");
        stream.flush().await.expect("flushed");
        assert!(content(&file) == data, "it differs");
        assert_eq!(stream.seek(SeekFrom::Start(100)).await.expect("seeks"), 100);
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("read");
        assert!(got == data[100..], "it differs");
        assert_eq!(stream.seek(SeekFrom::Start(0)).await.expect("seeks"), 0);
        stream.write_all(b"one\ntwo\n").await.expect("written");
        // A read is ordered after the previous write.
        assert_eq!(stream.seek(SeekFrom::Start(0)).await.expect("seeks"), 0);
        let mut line = String::new();
        let mut lines = BufReader::new(stream);
        lines.read_line(&mut line).await.expect("read");
        assert_eq!(line, "one\n");
    });
}

#[test]
fn a_stream_reads_behind_what_it_has_just_written() {
    on_loop(|| async {
        let file = file(b"0123456789");
        let mut stream = file.async_stream();
        stream.write_all(b"abc").await.expect("written");
        let mut buf = [0; 3];
        stream.read_exact(&mut buf).await.expect("read");
        assert_eq!(&buf, b"345");
        stream.write_all(b"def").await.expect("written");
        stream.close().await.expect("closes");
        assert!(file.is_closed());
    });
}

#[test]
fn a_stream_read_into_a_smaller_buffer_leaves_the_rest_in_the_file() {
    in_loop(|context| {
        let file = file(b"0123456789");
        let mut stream = file.async_stream();
        begin(stream.read(&mut [0; 8]));
        settle(context);
        let mut buf = [0; 3];
        let count = context.block_on(stream.read(&mut buf)).expect("read");
        assert_eq!((count, &buf), (3, b"012"));
        assert_eq!(position(&file), 3);
        file.seek(SeekFrom::Start(6)).expect("seeks");
        file.read_all(&mut buf).expect("read");
        assert_eq!(&buf, b"678");
    });
}

#[test]
fn closing_a_stream_of_a_file_completes_the_pending_write() {
    on_loop(|| async {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let options = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let mut stream = ChannelFile::from(options.expect("made")).async_stream();
        stream.write_all(&pattern(MUCH)).await.expect("written");
        stream.close().await.expect("closes");
        assert!(std::fs::read(&path).expect("read") == pattern(MUCH));
    });
}

#[test]
fn a_coroutine_reads_and_writes_a_file_while_the_loop_runs() {
    in_loop(|context| {
        let reader = coroutine::spawn(|| {
            let file = file(b"");
            let ticks = after_ticks(|| ());
            let (data, mut got) = (pattern(MUCH), vec![0; MUCH]);
            while ticks.load(Ordering::Relaxed) < 3 {
                file.seek(SeekFrom::Start(0)).expect("seeks");
                file.write_all(&data).expect("written");
                file.seek(SeekFrom::Start(0)).expect("seeks");
                file.read_all(&mut got).expect("read");
                assert!(got == data, "it differs");
            }
        });
        context.block_on(reader).expect("no panic");
    });
}
