//! What was read beyond an item, or is pushed back, goes to the next reader.

use std::{
    fs,
    io::{self, IoSlice, IoSliceMut, SeekFrom, Write as _},
    os::fd::AsFd,
    thread,
};

use futures_util::future;
use gio::IOErrorEnum;
use glib::IOCondition;
use qio::{
    ChannelBuffer, ChannelFile, ChannelSocket, ChannelTls, ReadFlags, WriteFlags, prelude::*,
    to_glib_error,
};

use super::{holding, text};
use crate::{
    common::{in_time, on_loop},
    layer::tls::fixtures::{NAME, client_creds, server_creds},
};

#[test]
fn a_binary_body_behind_a_line_goes_to_the_next_reader_whatever_that_is() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        there.write_all(b"header\nbody and more").expect("written");
        let line = here.read_line_future(100).await.expect("a line");
        assert_eq!(text(line).as_deref(), Some("header"));
        // No descriptor reports what was read ahead, and all waits do.
        assert_eq!(here.wait(IOCondition::IN).expect("ready"), IOCondition::IN);
        let mut buf = [0; 4];
        here.read_all_future(&mut buf).await.expect("data");
        assert_eq!(&buf, b"body");
        let target = ChannelBuffer::new(0);
        assert_eq!(here.splice_to(&target, Some(4)).expect("data"), 4);
        assert_eq!(&*target.data(), b" and");
        assert_eq!(here.read(&mut buf).expect("data"), 4);
        assert_eq!(&buf, b" mor");
        let bytes = here.read_bytes(10).expect("data");
        assert_eq!(&*bytes, b"e");
    });
}

#[test]
fn a_tls_handshake_behind_a_starttls_line_is_not_lost() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let client = thread::spawn(move || {
            // The line and the ClientHello arrive together.
            there.set_cork(true);
            there.write_all(b"STARTTLS\n").expect("written");
            let client = ChannelTls::new_client(&there, &client_creds(), NAME);
            let client = client.expect("a client");
            client.write_all(b"over TLS\n").expect("written");
            text(client.read_line(100).expect("a line"))
        });
        // Both have arrived before the first read.
        while unread(&here) < 200 {
            here.wait(IOCondition::IN).expect("readable");
        }
        assert_eq!(
            text(here.read_line(100).expect("a line")).as_deref(),
            Some("STARTTLS")
        );
        let server = ChannelTls::new_server(&here, &server_creds()).expect("a server");
        assert_eq!(
            text(server.read_line(100).expect("a line")).as_deref(),
            Some("over TLS")
        );
        server.write_all(b"answer\n").expect("written");
        assert_eq!(client.join().expect("no panic").as_deref(), Some("answer"));
    });
}

/// How many bytes have arrived.
fn unread(channel: &ChannelSocket) -> usize {
    let mut buf = [0; 4096];
    let iov = &mut [IoSliceMut::new(&mut buf)];
    let count = channel.readv_full(iov, None, ReadFlags::PEEK);
    count.expect("data")
}

#[test]
fn a_descriptor_behind_a_line_is_received_by_the_next_reader_of_descriptors() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let (passed, other) = io::pipe().expect("a pipe");
        there.write_all(b"take this\n").expect("written");
        let with_fd = [IoSlice::new(b"fd")];
        let flags = WriteFlags::empty();
        let written = there.writev_full(&with_fd, &[passed.as_fd()], flags);
        assert_eq!(written.expect("written"), 2);
        there.write_all(b"behind\n").expect("written");
        drop(passed);
        assert_eq!(
            text(here.read_line(100).expect("a line")).as_deref(),
            Some("take this")
        );
        let (mut buf, mut fds) = ([0; 2], Vec::new());
        let iov = &mut [IoSliceMut::new(&mut buf)];
        let count = here.readv_full(iov, Some(&mut fds), ReadFlags::empty());
        assert_eq!((count.expect("data"), fds.len()), (2, 1));
        assert_eq!(&buf, b"fd");
        assert_eq!(
            text(here.read_line(100).expect("a line")).as_deref(),
            Some("behind")
        );
        (&other).write_all(b"x").expect("the pipe is open");
    });
}

#[test]
fn a_descriptor_that_came_with_a_line_is_kept_for_a_reader_of_descriptors() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let (passed, _other) = io::pipe().expect("a pipe");
        let with_fd = [IoSlice::new(b"line\nmore")];
        let flags = WriteFlags::empty();
        let written = there.writev_full(&with_fd, &[passed.as_fd()], flags);
        assert_eq!(written.expect("written"), 9);
        assert_eq!(
            text(here.read_line(100).expect("a line")).as_deref(),
            Some("line")
        );
        let (mut buf, mut fds) = ([0; 8], Vec::new());
        let iov = &mut [IoSliceMut::new(&mut buf)];
        let count = here.readv_full(iov, Some(&mut fds), ReadFlags::empty());
        assert_eq!((count.expect("data"), fds.len()), (4, 1));
    });
}

#[test]
fn pushed_back_data_precedes_what_the_channel_has_for_every_reader() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        there.write_all(b"three\n").expect("written");
        here.push_back(b"two\n").expect("open");
        here.push_back(b"").expect("open");
        here.push_back(b"one\n").expect("open");
        assert_eq!(here.wait(IOCondition::IN).expect("ready"), IOCondition::IN);
        let line = here.read_line_future(100).await.expect("a line");
        assert_eq!(text(line).as_deref(), Some("one"));
        let mut buf = [0; 100];
        assert_eq!(here.read(&mut buf).expect("data"), 4);
        assert_eq!(&buf[..4], b"two\n");
        let line = here.read_line(100).expect("a line");
        assert_eq!(text(line).as_deref(), Some("three"));
        // What waits for input is woken, though no descriptor reports it.
        let (line, ()) = future::join(here.read_line_future(100), async {
            glib::timeout_future(std::time::Duration::ZERO).await;
            here.push_back(b"woken\n").expect("open");
        })
        .await;
        assert_eq!(text(line.expect("a line")).as_deref(), Some("woken"));
        here.push_back(b"discarded").expect("open");
        here.close().expect("closed");
        let e = to_glib_error(&here.push_back(b"late").expect_err("closed"));
        assert!(e.matches(IOErrorEnum::Closed), "{e}");
    });
}

#[test]
fn a_tls_handshake_gets_the_client_hello_that_is_pushed_back() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let client = thread::spawn(move || {
            let client = ChannelTls::new_client(&there, &client_creds(), NAME);
            let client = client.expect("a client");
            client.write_all(b"over TLS\n").expect("written");
        });
        let mut first = [0; 100];
        let count = here.read(&mut first).expect("data");
        here.push_back(&first[..count]).expect("open");
        let server = ChannelTls::new_server(&here, &server_creds()).expect("a server");
        assert_eq!(
            text(server.read_line(100).expect("a line")).as_deref(),
            Some("over TLS")
        );
        client.join().expect("no panic");
    });
}

#[test]
fn seeks_begin_before_the_data_that_is_pushed_back_to_a_file() {
    let file = file_with(b"one\ntwo\n");
    let mut buf = [0; 6];
    file.read_all(&mut buf).expect("data");
    file.push_back(b"tw").expect("open");
    assert_eq!(file.seek(SeekFrom::Current(0)).expect("a position"), 4);
    assert_eq!(
        text(file.read_line(100).expect("a line")).as_deref(),
        Some("two")
    );
}

fn file_with(data: &[u8]) -> ChannelFile {
    let (file, stream) = gio::File::new_tmp(None::<&str>).expect("a temporary file");
    drop(stream);
    let path = file.path().expect("local");
    fs::write(&path, data).expect("written");
    let opened = fs::File::options().read(true).write(true).open(&path);
    fs::remove_file(path).expect("removed");
    ChannelFile::new_fd(opened.expect("opened").into())
}

#[test]
fn a_file_on_disk_is_read_by_lines_and_its_position_is_behind_the_last_one() {
    on_loop(|| async {
        let file = file_with(b"one\ntwo\nthree\n");
        assert_eq!(
            text(file.read_line(100).expect("a line")).as_deref(),
            Some("one")
        );
        assert_eq!(file.seek(SeekFrom::Current(0)).expect("a position"), 4);
        assert_eq!(
            text(file.read_line(100).expect("a line")).as_deref(),
            Some("two")
        );
        file.write_all(b"THREE").expect("written");
        let written = file.seek(SeekFrom::Start(8)).expect("a position");
        assert_eq!(written, 8);
        let line = file.read_line_future(100).await.expect("a line");
        assert_eq!(text(line).as_deref(), Some("THREE"));
        file.seek(SeekFrom::Start(0)).expect("a position");
        let line = file.read_line_future(100).await.expect("a line");
        assert_eq!(text(line).as_deref(), Some("one"));
        file.write_all_future(b"TWO").await.expect("written");
        file.seek(SeekFrom::Start(0)).expect("a position");
        let all = file.read_to_end_future(100).await.expect("all");
        assert_eq!(&*all, b"one\nTWO\nTHREE\n");
        let target = file_with(b"0123\n5678\n");
        target.read_line(100).expect("a line");
        let source = holding(b"spliced");
        source.splice_to(&target, None).expect("spliced");
        target.seek(SeekFrom::Start(0)).expect("a position");
        let all = target.read_to_end(100).expect("all");
        assert_eq!(&*all, b"0123\nspliced");
    });
}

#[test]
fn the_position_of_memory_is_behind_the_last_line() {
    let channel = holding(b"one\ntwo\n");
    channel.read_line(100).expect("a line");
    assert_eq!(channel.position(), 4);
    assert_eq!(
        text(channel.read_line(100).expect("a line")).as_deref(),
        Some("two")
    );
}
