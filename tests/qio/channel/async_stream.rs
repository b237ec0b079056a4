//! Channels as the streams of `futures-io`.

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, SeekFrom},
    sync::atomic::Ordering,
};

use futures_util::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt,
    future::join,
    io::{BufReader, copy},
    stream::TryStreamExt,
};
use qio::{
    Access, AsyncStream, Channel, ChannelBuffer, ChannelCommand, ChannelFile, ChannelSocket,
    ReadHalf, WriteHalf, prelude::*, to_glib_error,
};

use crate::common::{after_ticks, nonblocking_pair, on_loop};

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 11 % 247) as u8).collect()
}

/// All of a stream, while the data is written to the other.
async fn through(write: impl IsA<Channel>, read: impl IsA<Channel>) {
    let data = pattern(1_000_000);
    let (mut writer, mut reader) = (write.async_stream(), read.async_stream());
    let mut got = Vec::new();
    let writing = async {
        writer.write_all(&data).await?;
        writer.close().await
    };
    let (written, all) = join(writing, reader.read_to_end(&mut got)).await;
    written.expect("written");
    assert_eq!(all.expect("read"), data.len());
    assert!(got == data, "it differs");
}

#[test]
fn everything_is_read_to_the_end_in_both_modes() {
    for blocking in [true, false] {
        on_loop(move || async move {
            let (a, b) = ChannelSocket::pair().expect("a socketpair");
            a.set_blocking(blocking).expect("the mode");
            b.set_blocking(blocking).expect("the mode");
            through(a, b).await;
            let (read, write) = ChannelFile::pipe().expect("a pipe");
            read.set_blocking(blocking).expect("the mode");
            write.set_blocking(blocking).expect("the mode");
            through(write, read).await;
        });
    }
}

#[test]
fn a_command_reads_the_end_when_its_stream_is_closed() {
    on_loop(|| async {
        let sort = ChannelCommand::new_spawn(["sort"], Access::ReadWrite).expect("sort");
        let (mut reader, mut writer) = sort.async_stream().split();
        writer.write_all(b"b\nc\na\n").await.expect("written");
        writer.close().await.expect("closes");
        let mut sorted = String::new();
        reader.read_to_string(&mut sorted).await.expect("read");
        assert_eq!(sorted, "a\nb\nc\n");
        sort.close_future().await.expect("ends well");
    });
}

#[test]
fn streams_are_copied() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        let (c, d) = nonblocking_pair();
        let data = pattern(300_000);
        let mut got = Vec::new();
        let mut writer = a.async_stream();
        let writing = async {
            writer.write_all(&data).await?;
            writer.close().await
        };
        let mut out = c.async_stream();
        let copying = async {
            let count = copy(b.async_stream(), &mut out).await?;
            out.close().await.map(|()| count)
        };
        let mut reader = d.async_stream();
        let reading = reader.read_to_end(&mut got);
        let ((written, copied), read) = join(join(writing, copying), reading).await;
        written.expect("written");
        assert_eq!(copied.expect("copied"), 300_000);
        read.expect("read");
        assert!(got == data, "it differs");
    });
}

#[test]
fn lines_come_as_they_are_written() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        let mut lines = BufReader::new(a.async_stream()).lines();
        b.write_all(b"one\ntw").expect("space");
        assert_eq!(
            lines.try_next().await.expect("read").as_deref(),
            Some("one")
        );
        let ticks = after_ticks(move || b.write_all(b"o\nrest").expect("space"));
        assert_eq!(
            lines.try_next().await.expect("read").as_deref(),
            Some("two")
        );
        assert!(ticks.load(Ordering::Relaxed) >= 3);
        // The writer was dropped with the callback of the timer.
        assert_eq!(
            lines.try_next().await.expect("read").as_deref(),
            Some("rest")
        );
        assert_eq!(lines.try_next().await.expect("the end"), None);
    });
}

#[test]
fn closing_the_half_that_writes_leaves_the_half_that_reads() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        let (mut reader, mut writer) = a.async_stream().split();
        writer.write_all(b"request").await.expect("written");
        writer.close().await.expect("shut down");
        assert!(!a.is_closed());
        let mut peer = b.async_stream();
        let mut request = String::new();
        peer.read_to_string(&mut request).await.expect("to the end");
        assert_eq!(request, "request");
        peer.write_all(b"answer").await.expect("written");
        peer.close().await.expect("shut down");
        let mut answer = String::new();
        reader
            .read_to_string(&mut answer)
            .await
            .expect("to the end");
        assert_eq!(answer, "answer");
        let e = writer.write(b"more").await.expect_err("shut down");
        assert_eq!(e.kind(), ErrorKind::BrokenPipe);
        a.close().expect("closes");
        writer.close().await.expect("it is closed already");
        let e = reader.read(&mut [0; 1]).await.expect_err("closed");
        assert!(to_glib_error(&e).matches(gio::IOErrorEnum::Closed), "{e}");
    });
}

#[test]
fn both_halves_are_used_at_once() {
    on_loop(|| async {
        let (a, b) = ChannelSocket::pair().expect("a socketpair");
        let (mut reader, mut writer) = a.async_stream().split();
        let (echo_reader, mut echo_writer) = b.async_stream().split();
        let echo = qio::spawn_local(async move { copy(echo_reader, &mut echo_writer).await });
        let data = pattern(700_000);
        let mut got = vec![0; data.len()];
        let writing = async {
            writer.write_all(&data).await?;
            writer.close().await
        };
        let (written, read) = join(writing, reader.read_exact(&mut got)).await;
        written.expect("written");
        read.expect("read");
        assert!(got == data, "it differs");
        assert_eq!(echo.await.expect("no panic").expect("copied"), 700_000);
    });
}

#[test]
fn vectored_reads_and_writes_use_all_buffers() {
    on_loop(|| async {
        let (a, b) = nonblocking_pair();
        let (mut writer, mut reader) = (a.async_stream(), b.async_stream());
        let out = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bcd")];
        assert_eq!(writer.write_vectored(&out).await.expect("written"), 4);
        let (mut one, mut two) = ([0; 3], [0; 3]);
        let mut iov = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(reader.read_vectored(&mut iov).await.expect("read"), 4);
        assert_eq!((&one, &two[..1]), (b"abc", &b"d"[..]));
    });
}

#[test]
fn a_stream_of_memory_seeks() {
    on_loop(|| async {
        let memory = ChannelBuffer::new(0);
        let mut stream = memory.async_stream();
        stream.write_all(b"0123456789").await.expect("written");
        assert_eq!(stream.seek(SeekFrom::Start(3)).await.expect("seeks"), 3);
        let mut buf = [0; 4];
        stream.read_exact(&mut buf).await.expect("read");
        assert_eq!(&buf, b"3456");
        assert_eq!(stream.seek(SeekFrom::End(-1)).await.expect("seeks"), 9);
        assert_eq!(stream.read(&mut buf).await.expect("read"), 1);
        assert_eq!(stream.read(&mut buf).await.expect("the end"), 0);
    });
}

#[test]
fn a_stream_of_a_socket_does_not_seek() {
    on_loop(|| async {
        let (a, _b) = nonblocking_pair();
        let e = a.async_stream().seek(SeekFrom::Start(0)).await;
        let e = e.expect_err("no positions");
        assert!(e.to_string().contains("random access"), "{e}");
    });
}

#[test]
fn streams_can_be_sent_to_another_thread() {
    fn check<T: AsyncRead + Send>() {}
    fn check_write<T: AsyncWrite + Send>() {}
    check::<AsyncStream>();
    check::<ReadHalf>();
    check_write::<AsyncStream>();
    check_write::<WriteHalf>();
}
