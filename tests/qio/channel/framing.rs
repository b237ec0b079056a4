//! `src/channel/framing.rs`: lines and frames.

mod model;
mod read_ahead;

use std::{io, thread};

use futures_util::{FutureExt, StreamExt, future};
use gio::IOErrorEnum;
use qio::{
    ChannelBuffer, ChannelError, ChannelSocket, Framing, coroutine, prelude::*, to_glib_error,
};

use crate::common::{in_loop, in_time, on_loop};

const FRAMINGS: [Framing; 7] = [
    Framing::U8,
    Framing::U16Be,
    Framing::U32Be,
    Framing::U32Le,
    Framing::U64Be,
    Framing::Varint,
    Framing::Netstring,
];

fn holding(data: &[u8]) -> ChannelBuffer {
    ChannelBuffer::from(data.to_vec())
}

fn text(line: Option<glib::Bytes>) -> Option<String> {
    line.map(|line| String::from_utf8(line.to_vec()).expect("UTF-8"))
}

#[track_caller]
fn assert_too_large<T>(result: io::Result<T>) {
    let e = to_glib_error(&result.err().expect("too large"));
    assert!(e.matches(IOErrorEnum::MessageTooLarge), "{e}");
}

#[test]
fn lines_end_at_lf_crlf_and_end_of_file() {
    in_time(|| {
        let channel = holding(b"one\r\n\ntwo\rthree\n\r\nlast");
        let mut lines = Vec::new();
        while let Some(line) = text(channel.read_line(100).expect("a line")) {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "", "two\rthree", "", "last"]);
        assert_eq!(channel.read_line(100).expect("the end"), None);
    });
}

#[test]
fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
    in_time(|| {
        for end in ["\n", "\r\n"] {
            let (here, there) = ChannelSocket::pair().expect("a pair");
            there
                .write_all(format!("12345{end}").as_bytes())
                .expect("written");
            assert_too_large(here.read_line(4));
            // The data stays: a caller with a higher limit gets it, and so does any other reader.
            assert_eq!(
                text(here.read_line(5).expect("a line")).as_deref(),
                Some("12345")
            );
            there.write_all(b"1234567").expect("written");
            assert_too_large(here.read_line(6));
            let mut buf = [0; 7];
            here.read_all(&mut buf).expect("the data stays");
            assert_eq!(&buf, b"1234567");
        }
    });
}

#[test]
fn data_is_read_until_one_of_the_delimiters_and_with_it() {
    in_time(|| {
        let channel = holding(b"a,b;c d\0e");
        let read = |delimiters: &[u8]| {
            text(channel.read_until(delimiters, 100).expect("data")).expect("not the end")
        };
        assert_eq!(read(b","), "a,");
        assert_eq!(read(b",;"), "b;");
        assert_eq!(read(b",; "), "c ");
        assert_eq!(read(b",; \0"), "d\0");
        assert_eq!(read(b"\0"), "e");
        assert_eq!(channel.read_until(b"\0", 100).expect("the end"), None);
        let e = channel.read_until(b"", 100).expect_err("no delimiter");
        assert_eq!(e.to_string(), "There is no delimiter to read until");
    });
}

#[test]
fn frames_of_every_kind_arrive_as_they_were_written() {
    in_time(|| {
        for framing in FRAMINGS {
            let (here, there) = ChannelSocket::pair().expect("a pair");
            let most = if framing == Framing::U8 { 255 } else { 60_000 };
            let sizes = [0, 1, 127, 128, 255, 4095, 16_384, most];
            let contents: Vec<Vec<u8>> = sizes
                .iter()
                .filter(|&&size| size <= most)
                .map(|&size| (0..size).map(|i| (i % 251) as u8).collect())
                .collect();
            let sent = contents.clone();
            let writer = thread::spawn(move || {
                for content in sent {
                    there.write_frame(framing, &content).expect("written");
                }
            });
            for content in &contents {
                let frame = here.read_frame(framing, most).expect("a frame");
                assert!(frame.as_deref() == Some(content), "{framing:?}");
            }
            writer.join().expect("no panic");
            assert_eq!(here.read_frame(framing, most).expect("the end"), None);
        }
    });
}

#[test]
fn a_frame_beyond_the_limit_is_an_error_before_its_content_is_read() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        there.write_all(&u64::MAX.to_be_bytes()).expect("written");
        let e = here
            .read_frame(Framing::U64Be, 1000)
            .expect_err("too large");
        let expected = "The frame has 18446744073709551615 bytes, and the limit is 1000";
        assert_eq!(e.to_string(), expected);
        // Without a limit too: it and its header do not fit into memory.
        assert_too_large(here.read_frame(Framing::U64Be, usize::MAX));
        let mut header = [0; 8];
        here.read_all(&mut header).expect("the header stays");
        assert_eq!(header, [0xff; 8]);
    });
}

#[test]
fn end_of_file_in_the_middle_of_a_frame_is_truncation() {
    in_time(|| {
        for (framing, data) in [
            (Framing::U16Be, &b"\0"[..]),
            (Framing::U32Be, b"\0\0\0\x05abcd"),
            (Framing::Varint, b"\x80"),
            (Framing::Netstring, b"3:abc"),
        ] {
            let channel = holding(data);
            let e = channel.read_frame(framing, 100).expect_err("truncated");
            assert_eq!(e.kind(), io::ErrorKind::UnexpectedEof);
            assert!(to_glib_error(&e).matches(ChannelError::Truncated), "{e}");
            let rest = channel.read_to_end(100).expect("the data stays");
            assert_eq!(&*rest, data);
        }
    });
}

#[test]
fn malformed_lengths_are_invalid_data() {
    in_time(|| {
        for (framing, data) in [
            (Framing::Varint, &[0xff; 10][..]),
            (
                Framing::Varint,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            ),
            (Framing::Netstring, b"3:abcd"),
            (Framing::Netstring, b":abc,"),
            (Framing::Netstring, b"03:abc,"),
            (Framing::Netstring, b"\x1b[2J"),
            (Framing::Netstring, b"99999999999999999999999:"),
        ] {
            let e = holding(data)
                .read_frame(framing, usize::MAX)
                .expect_err("malformed");
            assert_eq!(e.kind(), io::ErrorKind::InvalidData, "{e}");
            assert!(
                !e.to_string().contains('\x1b'),
                "bytes of the peer are escaped"
            );
        }
        let most = holding(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        assert_too_large(most.read_frame(Framing::Varint, 1000));
    });
}

#[test]
fn a_content_that_is_too_long_for_its_length_field_is_refused_before_a_byte_is_written() {
    let channel = ChannelBuffer::new(0);
    let e = channel
        .write_frame(Framing::U8, &[0; 256])
        .expect_err("too long");
    assert_eq!(
        e.to_string(),
        "A frame of this kind has at most 255 bytes, and not 256"
    );
    assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(channel.size(), 0);
}

#[test]
fn all_data_is_read_up_to_end_of_file_within_the_limit() {
    in_time(|| {
        let data: Vec<u8> = (0..3_000_000).map(|i| (i % 251) as u8).collect();
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let sent = data.clone();
        let writer = thread::spawn(move || there.write_all(&sent).expect("written"));
        let read = here.read_to_end(data.len()).expect("all");
        assert!(*read == *data);
        writer.join().expect("no panic");
        assert_eq!(here.read_to_end(0).expect("nothing").len(), 0);
        assert_too_large(holding(&data).read_to_end(data.len() - 1));
    });
}

#[test]
fn lines_are_iterated_over_in_every_style() {
    on_loop(|| async {
        let lines: Vec<_> = holding(b"one\ntwo\nthree").lines(100).collect();
        let lines: io::Result<Vec<_>> = lines.into_iter().collect();
        assert_eq!(lines.expect("lines").len(), 3);
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let writing = async {
            for i in 0..3000 {
                let line = format!("line {i}\n");
                there
                    .write_all_future(line.as_bytes())
                    .await
                    .expect("written");
            }
            there.close().expect("closed");
        };
        let reading = async {
            let mut stream = here.lines_stream(100);
            for i in 0..3000 {
                let line = stream.next().await.expect("not the end").expect("a line");
                assert_eq!(*line, *format!("line {i}").as_bytes());
            }
            assert!(stream.next().await.is_none());
            assert!(stream.next().await.is_none(), "it stays at its end");
        };
        future::join(writing, reading).await;
        let mut lines = holding(b"toolong\nshort\n").lines(5);
        assert_too_large(lines.next().expect("an error"));
        assert!(lines.next().is_none(), "it ends after an error");
    });
}

#[test]
fn lines_and_frames_are_appended_to_a_buffer_which_errors_leave_unchanged() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let mut buf = b"before ".to_vec();
        let read = here.read_line_into_future(&mut buf, 100).now_or_never();
        assert!(read.is_none());
        let large = vec![b'x'; 100_000];
        there.write_all(b"one\r\n\ntoo long\n").expect("written");
        let length = here.read_line_into(&mut buf, 5).expect("a line");
        assert_eq!((length, &buf[..]), (Some(3), &b"before one"[..]));
        let length = here.read_line_into(&mut buf, 5).expect("a line");
        assert_eq!((length, &buf[..]), (Some(0), &b"before one"[..]));
        assert_too_large(here.read_line_into(&mut buf, 5));
        assert_eq!(buf, b"before one");
        buf.clear();
        let length = here.read_line_into(&mut buf, 8).expect("a line");
        assert_eq!((length, &buf[..]), (Some(8), &b"too long"[..]));
        let writing = there.write_frame_future(Framing::Varint, &large);
        let reading = here.read_frame_into_future(Framing::Varint, &mut buf, large.len());
        let (written, length) = future::join(writing, reading).await;
        written.expect("written");
        assert_eq!(length.expect("a frame"), Some(large.len()));
        assert!(buf.strip_prefix(b"too long") == Some(&large[..]));
        there.write_all(&[9, 1]).expect("written");
        there.close().expect("closed");
        let read = here.read_frame_into(Framing::U8, &mut buf, 100);
        let e = to_glib_error(&read.expect_err("truncated"));
        assert!(e.matches(ChannelError::Truncated), "{e}");
        assert_eq!(buf.len(), 8 + large.len());
    });
}

#[test]
fn a_coroutine_is_suspended_while_it_reads_a_line() {
    in_loop(|context| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let done = std::rc::Rc::new(std::cell::Cell::new(false));
        coroutine::spawn({
            let done = done.clone();
            move || {
                let line = here.read_line(100).expect("a line");
                assert_eq!(text(line).as_deref(), Some("late"));
                done.set(true);
            }
        });
        while context.iteration(false) {}
        there.write_all(b"la").expect("written");
        while context.iteration(false) {}
        assert!(!done.get(), "this thread was not blocked");
        there.write_all(b"te\n").expect("written");
        while !done.get() {
            context.iteration(true);
        }
    });
}

#[test]
fn a_dropped_read_of_a_line_or_frame_loses_nothing() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        for _ in 0..100 {
            there.write_all(b"par").expect("written");
            assert!(here.read_line_future(100).now_or_never().is_none());
            assert!(
                here.read_frame_future(Framing::U64Be, 100)
                    .now_or_never()
                    .is_none()
            );
            assert!(here.read_to_end_future(100).now_or_never().is_none());
            there.write_all(b"tial\n").expect("written");
            let line = here.read_line_future(100).await.expect("a line");
            assert_eq!(text(line).as_deref(), Some("partial"));
        }
    });
}

#[test]
fn each_datagram_is_read_whole() {
    in_time(|| {
        let (a, b) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
        let channel = ChannelSocket::new_fd(b.into()).expect("a channel");
        let long = vec![b'x'; 40_000];
        for message in [&b"one\ntwo\n"[..], &long, b"\nend\n"] {
            a.send(message).expect("sent");
        }
        let line = |max| text(channel.read_line(max).expect("a line")).expect("not the end");
        assert_eq!(line(10), "one");
        assert_eq!(line(10), "two");
        assert_eq!(line(50_000).len(), 40_000);
        assert_eq!(line(10), "end");
    });
}

#[test]
fn reads_of_lines_after_close_fail() {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    there.write_all(b"one\ntwo\n").expect("written");
    here.read_line(100).expect("a line");
    here.close().expect("closed");
    let e = to_glib_error(&here.read_line(100).expect_err("closed"));
    assert!(e.matches(IOErrorEnum::Closed), "{e}");
}
