//! Bounded memory, whatever the peer does.

use std::io::{self, Write as _};

use glib::Bytes;
use qio::{WebsockMessageKind, WebsockOptions, prelude::*};

use super::fixtures::{frame, open_client, read_frame};
use crate::common::in_time;

#[test]
fn a_peer_that_reads_nothing_gets_64_kib_and_one_pong() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        server.set_blocking(false).expect("non-blocking");
        let mut written = 0;
        loop {
            match server.write(&[0; 100_000]) {
                Ok(count) => written += count,
                Err(e) => break assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(written > 0 && server.buffered() <= 64 * 1024 + 14);
        // A flood of pings is answered with the last one.
        for i in 0..1000u32 {
            far.write_all(&frame(0x89, &i.to_be_bytes()))
                .expect("written");
            let none = server.read(&mut [0; 9]).expect_err("no data");
            assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
        }
        assert!(server.buffered() <= 64 * 1024 + 14 + 4096 + 131);
        let mut left = written;
        while left > 0 {
            let (first, payload) = read_frame_of(&server, &mut far);
            assert_eq!(first, 0x82);
            left -= payload.len();
        }
        let mut pongs = 0;
        loop {
            let (first, payload) = read_frame_of(&server, &mut far);
            assert_eq!(first, 0x8a);
            pongs += 1;
            if payload == 999u32.to_be_bytes() {
                break;
            }
        }
        assert!(pongs < 1000, "{pongs}");
    });
}

/// Reads a frame, whose rest the server may have to send.
fn read_frame_of(
    server: &qio::ChannelWebsock,
    far: &mut std::os::unix::net::UnixStream,
) -> (u8, Vec<u8>) {
    let mut copy = far.try_clone().expect("a copy");
    let reading = std::thread::spawn(move || read_frame(&mut copy));
    while !reading.is_finished() {
        let _ = server.flush();
        std::thread::yield_now();
    }
    reading.join().expect("a frame")
}

#[test]
fn a_large_message_is_held_by_reference_until_it_is_sent() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        server.set_blocking(false).expect("non-blocking");
        let data = Bytes::from_owned(vec![7; 16 << 20]);
        server
            .send(WebsockMessageKind::Binary, &data)
            .expect("taken");
        let other = server.send_text("next").expect_err("one at a time");
        assert_eq!(other.kind(), io::ErrorKind::WouldBlock);
        assert!(server.buffered() > 15 << 20);
        let (first, payload) = read_frame_of(&server, &mut far);
        assert_eq!((first, payload.len()), (0x82, 16 << 20));
        assert_eq!(server.buffered(), 0);
        server.send_text("next").expect("taken");
    });
}
