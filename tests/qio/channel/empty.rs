//! Transfers of no bytes in tasks of a hub, which never wait.

use std::io::{IoSlice, IoSliceMut};

use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt};
use qio::{ChannelSocket, ReadFlags, WriteFlags, prelude::*};

use super::splice::fixtures::tcp_pair;
use crate::common::{fill, on_loop};

/// Makes the hub record that a direction is not ready: a wait there ends with a short read.
async fn not_readable(reader: &ChannelSocket, writer: &ChannelSocket) {
    let writing = writer.clone();
    let written = qio::spawn_local(async move { writing.write_all_future(b"line\n").await });
    let line = reader.read_line_future(100).await.expect("a line");
    assert_eq!(line.as_deref(), Some(&b"line"[..]));
    written.await.expect("not cancelled").expect("written");
}

#[test]
fn a_read_of_no_bytes_returns_at_once_while_the_channel_is_not_readable() {
    on_loop(|| async {
        for (reader, writer) in [ChannelSocket::pair().expect("a socketpair"), tcp_pair()] {
            let task = qio::spawn_local(async move {
                not_readable(&reader, &writer).await;
                assert!(reader.read_future(&mut [0]).now_or_never().is_none());
                let none = &mut [][..];
                let now = "at once";
                let read = reader.read_future(none).now_or_never();
                assert_eq!(read.expect(now).expect("open"), 0);
                let read = reader.read_all_future(&mut []).now_or_never();
                read.expect(now).expect("open");
                let iov = &mut [IoSliceMut::new(&mut [])];
                let read = reader.readv_all_future(iov).now_or_never();
                read.expect(now).expect("open");
                let iov = &mut [IoSliceMut::new(&mut [])];
                let read = reader.readv_full_future(iov, None, ReadFlags::empty());
                assert_eq!(read.now_or_never().expect(now).expect("open"), 0);
                let mut stream = reader.async_stream();
                let read = stream.read(&mut []).now_or_never();
                assert_eq!(read.expect(now).expect("open"), 0);
                // A read of bytes still waits, and is woken.
                assert!(reader.read_future(&mut [0]).now_or_never().is_none());
                writer.write_all_future(b"x").await.expect("written");
                reader.read_all_future(&mut [0]).await.expect("a byte");
            });
            task.await.expect("no panic");
        }
    });
}

#[test]
fn a_write_of_no_bytes_returns_at_once_while_the_channel_is_not_writable() {
    on_loop(|| async {
        for (writer, reader) in [ChannelSocket::pair().expect("a socketpair"), tcp_pair()] {
            let task = qio::spawn_local(async move {
                writer.set_blocking(false).expect("non-blocking");
                fill(&writer);
                assert!(writer.write_future(b"x").now_or_never().is_none());
                let now = "at once";
                let written = writer.write_future(b"").now_or_never();
                assert_eq!(written.expect(now).expect("open"), 0);
                let written = writer.write_all_future(b"").now_or_never();
                written.expect(now).expect("open");
                let iov = [IoSlice::new(b"")];
                let written = writer.writev_all_future(&iov).now_or_never();
                written.expect(now).expect("open");
                let written = writer.writev_full_future(&iov, &[], WriteFlags::empty());
                assert_eq!(written.now_or_never().expect(now).expect("open"), 0);
                let mut stream = writer.async_stream();
                let written = stream.write(b"").now_or_never();
                assert_eq!(written.expect(now).expect("open"), 0);
                drop(reader);
            });
            task.await.expect("no panic");
        }
    });
}
