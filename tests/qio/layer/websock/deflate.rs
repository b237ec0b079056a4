//! Compression of messages.

use std::{io::Write as _, thread};

use glib::Bytes;
use qio::{
    ChannelSocket, ChannelWebsock, WebsockDeflate, WebsockError, WebsockMessageKind,
    WebsockOptions, prelude::*, to_glib_error,
};

use super::fixtures::{REQUEST, URI, frame, raw_client, read_close, read_frame, read_head};
use crate::common::in_time;

fn with(deflate: WebsockDeflate) -> WebsockOptions {
    let options = WebsockOptions::builder().deflate(deflate);
    options.build().expect("good options")
}

/// Text of repeated and of random parts.
fn sample(size: usize) -> Bytes {
    let mut state = 1u32;
    let mut byte = |i: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match i / 100 % 2 {
            0 => b"the same again and "[i % 19],
            _ => b'a' + (state >> 24) as u8 % 26,
        }
    };
    Bytes::from_owned((0..size).map(&mut byte).collect::<Vec<_>>())
}

#[test]
fn compressed_messages_of_all_sizes_arrive_with_each_parameter() {
    let own = WebsockDeflate::default().threshold(0);
    let ends = [
        own,
        own.level(9),
        own.client_no_context_takeover(),
        own.server_no_context_takeover(),
        own.client_max_window_bits(9),
        own.server_max_window_bits(9),
    ];
    in_time(move || {
        for (client, server) in ends.iter().flat_map(|end| [(*end, own), (own, *end)]) {
            let (here, there) = ChannelSocket::pair().expect("a pair");
            let here = ChannelWebsock::new_client(&here, URI, &with(client)).expect("a client");
            let there = ChannelWebsock::new_server(&there, &with(server)).expect("a server");
            let echo = thread::spawn(move || {
                while let Some(message) = there.receive().expect("a message") {
                    there.send(message.kind(), message.data()).expect("sent");
                }
            });
            for size in [0, 1, 2, 100, 65_536, 65_537, 300_000] {
                let data = sample(size);
                here.send(WebsockMessageKind::Text, &data).expect("sent");
                let message = here.receive().expect("received").expect("a message");
                assert_eq!(message.data(), &data, "{client:?} {server:?} {size}");
            }
            here.bye(1000, "").expect("closed");
            echo.join().expect("no panic");
        }
    });
}

#[test]
fn a_compressed_stream_of_bytes_is_read_in_pieces_of_any_size() {
    in_time(|| {
        let options = with(WebsockDeflate::default());
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let here = ChannelWebsock::new_client(&here, URI, &options).expect("a client");
        let there = ChannelWebsock::new_server(&there, &options).expect("a server");
        let data = sample(1 << 20);
        let sent = data.clone();
        let writer = thread::spawn(move || there.write_all(&sent).map(|()| there));
        let mut received = Vec::new();
        for size in [1, 3, 7, 1000, 100_000].into_iter().cycle() {
            let bytes = here.read_bytes(size).expect("data");
            received.extend_from_slice(&bytes);
            if received.len() == data.len() {
                break;
            }
        }
        assert!(received == data[..]);
        drop(writer.join());
    });
}

/// A server with compression, and a client of raw bytes.
pub(super) fn open(options: &WebsockOptions) -> (std::os::unix::net::UnixStream, ChannelWebsock) {
    let (mut far, server) = raw_client(options);
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let request = REQUEST.replace("\r\n\r\n", offer);
    far.write_all(request.as_bytes()).expect("written");
    server.handshake().expect("accepted");
    let head = read_head(&mut far);
    assert!(
        head.contains("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        "{head}"
    );
    (far, server)
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    in_time(|| {
        let options = with(WebsockDeflate::default());
        // RFC 7692, sections 7.2.3.1 to 7.2.3.5: of one block, with context, without compression,
        // with a final block, and of two blocks.
        for payload in [
            &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
            b"\xf2\x00\x11\x00\x00",
            b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
        ] {
            let (mut far, server) = open(&options);
            if payload.len() == 5 {
                let before = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
                far.write_all(&frame(0xc1, before)).expect("written");
                assert_eq!(
                    server.receive().expect("received").expect("one").text(),
                    Some("Hello")
                );
            }
            let (first, second) = payload.split_at(3);
            far.write_all(&frame(0x41, first)).expect("written");
            far.write_all(&frame(0x80, second)).expect("written");
            let message = server.receive().expect("received").expect("a message");
            assert_eq!(message.text(), Some("Hello"), "{payload:x?}");
        }
    });
}

#[test]
fn small_messages_and_those_that_would_grow_are_not_compressed() {
    in_time(|| {
        let (mut far, server) = open(&with(WebsockDeflate::default()));
        server.send_text(&"a".repeat(63)).expect("sent");
        assert_eq!(read_frame(&mut far).0, 0x81);
        server.send_text(&"a".repeat(64)).expect("sent");
        assert_eq!(read_frame(&mut far).0, 0xc1);
        let mut random = [0; 1000];
        openssl::rand::rand_bytes(&mut random).expect("random");
        server
            .send(WebsockMessageKind::Binary, &Bytes::from(&random))
            .expect("sent");
        assert_eq!(read_frame(&mut far), (0x82, random.to_vec()));
    });
}

#[test]
fn with_a_threshold_of_0_messages_that_grow_are_compressed_too() {
    in_time(|| {
        let (mut far, server) = open(&with(WebsockDeflate::default().threshold(0)));
        let mut random = [0; 1000];
        openssl::rand::rand_bytes(&mut random).expect("random");
        let mut expander = flate2::Decompress::new(false);
        for size in [0, 1, 16, 1000] {
            let data = &random[..size];
            server
                .send(WebsockMessageKind::Binary, &Bytes::from(data))
                .expect("sent");
            let (first, payload) = read_frame(&mut far);
            assert_eq!(first, 0xc2, "{size}");
            let input = [&payload[..], &[0, 0, 0xff, 0xff]].concat();
            let mut out = Vec::with_capacity(2000);
            let flush = flate2::FlushDecompress::Sync;
            expander
                .decompress_vec(&input, &mut out, flush)
                .expect("expanded");
            assert_eq!(out, data);
        }
    });
}

#[test]
fn messages_below_the_threshold_are_not_compressed_whatever_their_size() {
    in_time(|| {
        for (threshold, size, expected) in [
            (usize::MAX, 100, 0x82),
            (usize::MAX, 200_000, 0x82),
            (200_001, 200_000, 0x82),
            (200_000, 200_000, 0x42),
        ] {
            let (mut far, server) = open(&with(WebsockDeflate::default().threshold(threshold)));
            server.set_blocking(false).expect("non-blocking");
            let data = sample(size);
            server
                .send(WebsockMessageKind::Binary, &data)
                .expect("taken");
            assert_eq!(read_frame_while_flushing(&mut far, &server).0, expected);
        }
    });
}

/// Reads a frame, while this thread sends what the server has pending.
fn read_frame_while_flushing(
    far: &mut std::os::unix::net::UnixStream,
    server: &ChannelWebsock,
) -> (u8, Vec<u8>) {
    thread::scope(|scope| {
        let reading = scope.spawn(|| read_frame(far));
        while !reading.is_finished() {
            let _ = server.flush();
            thread::yield_now();
        }
        reading.join().expect("a frame")
    })
}

#[test]
fn a_threshold_of_the_largest_number_compresses_nothing_that_a_message_writer_writes() {
    in_time(|| {
        for (threshold, expected) in [(usize::MAX, [0x02, 0x80]), (1 << 20, [0x42, 0x80])] {
            let (mut far, server) = open(&with(WebsockDeflate::default().threshold(threshold)));
            let mut writer = server
                .message_writer(WebsockMessageKind::Binary)
                .expect("a writer");
            writer.write_all(b"data").expect("written");
            writer.flush().expect("sent");
            writer.finish().expect("finished");
            let frames = [read_frame(&mut far).0, read_frame(&mut far).0];
            assert_eq!(frames, expected, "{threshold}");
        }
    });
}

#[test]
fn compressed_data_that_is_invalid_or_unexpected_ends_the_connection() {
    in_time(|| {
        for (bytes, code) in [
            (frame(0xc1, b"\xff\xff\xff"), 1007),
            (
                [frame(0x41, b"\xf2\x48"), frame(0xc0, b"\xcd")].concat(),
                1002,
            ),
            (frame(0xc9, b""), 1002),
        ] {
            let (mut far, server) = open(&with(WebsockDeflate::default()));
            far.write_all(&bytes).expect("written");
            let error = to_glib_error(&server.receive().expect_err("broken"));
            assert_eq!(
                error.kind::<WebsockError>().map(WebsockError::code),
                Some(code)
            );
            assert_eq!(i32::from(read_close(&mut far).0), code);
        }
    });
}

#[test]
fn a_small_message_that_expands_to_much_is_refused_at_the_limit_and_read_in_pieces() {
    in_time(|| {
        let options = WebsockOptions::builder()
            .deflate(WebsockDeflate::default())
            .max_message_size(1 << 20)
            .build()
            .expect("good options");
        let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
        let mut bomb = Vec::with_capacity(1 << 20);
        let zeros = vec![0; 64 << 20];
        let flush = flate2::FlushCompress::Sync;
        compress
            .compress_vec(&zeros, &mut bomb, flush)
            .expect("compressed");
        assert_eq!(compress.total_in(), 64 << 20);
        bomb.truncate(bomb.len() - 4);
        let bomb = frame(0xc2, &bomb);

        let (far, server) = open(&options);
        let sender = feed(far, bomb.clone());
        let error = to_glib_error(&server.receive().expect_err("too large"));
        assert_eq!(
            error.kind::<WebsockError>().map(WebsockError::code),
            Some(1009)
        );
        server.close().expect("closed");
        sender.join().expect("no panic");

        let (far, server) = open(&options);
        let sender = feed(far, bomb);
        let mut left = 64 << 20;
        while left > 0 {
            let bytes = server.read_bytes(100_000).expect("data");
            assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
            left -= bytes.len();
        }
        server.close().expect("closed");
        sender.join().expect("no panic");
    });
}

/// Writes bytes, as far as they are read.
fn feed(mut far: std::os::unix::net::UnixStream, bytes: Vec<u8>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let _ = far.write_all(&bytes);
        let mut sink = std::io::sink();
        let _ = std::io::copy(&mut far, &mut sink);
    })
}
