//! Bounded memory, whatever the peer does.

use std::{
    io::{self, Write as _},
    thread,
};

use glib::Bytes;
use qio::{ChannelWebsock, WebsockMessageKind, WebsockOptions, prelude::*};

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
        let pongs = while_flushing(&server, move || {
            let mut left = written;
            while left > 0 {
                let (first, payload) = read_frame(&mut far);
                assert_eq!(first, 0x82);
                left -= payload.len();
            }
            let mut pongs = 1;
            while read_frame(&mut far) != (0x8a, 999u32.to_be_bytes().to_vec()) {
                pongs += 1;
            }
            pongs
        });
        assert!(pongs < 1000, "{pongs}");
    });
}

/// Runs `reader` in a thread, and sends what the server has pending meanwhile.
fn while_flushing<T: Send + 'static>(
    server: &ChannelWebsock,
    reader: impl FnOnce() -> T + Send + 'static,
) -> T {
    let reading = thread::spawn(reader);
    while !reading.is_finished() {
        let _ = server.flush();
        thread::yield_now();
    }
    reading.join().expect("all is read")
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
        let ((first, payload), _far) = while_flushing(&server, move || (read_frame(&mut far), far));
        assert_eq!((first, payload.len()), (0x82, 16 << 20));
        assert_eq!(server.buffered(), 0);
        server.send_text("next").expect("taken");
    });
}
