//! Bounded memory, whatever the peer does.

use std::{
    io::{self, Read as _, Write as _},
    thread,
    time::Duration,
};

use futures_util::future;
use glib::Bytes;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use qio::{ChannelWebsock, WebsockDeflate, WebsockMessageKind, WebsockOptions, prelude::*};

use super::{
    deflate,
    fixtures::{frame, open_client, raw_client, read_frame},
};
use crate::common::{alone::alone, fds, in_time, memory, on_loop};

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

#[test]
fn memory_stays_bounded_if_each_receive_ends_within_a_frame_header() {
    alone(
        "layer::websock::limits::memory_stays_bounded_if_each_receive_ends_within_a_frame_header",
        || {
            in_time(|| {
                let (mut far, server) = open_client(&WebsockOptions::default());
                server.set_blocking(false).expect("non-blocking");
                let message = frame(0x82, &[7; 1_000]);
                let (first, rest) = message.split_at(1);
                far.write_all(first).expect("written");
                let round = [rest, &message.repeat(30), first].concat();
                let mut receive_all = |rounds: usize| {
                    for _ in 0..rounds {
                        far.write_all(&round).expect("written");
                        for _ in 0..31 {
                            let message = server.receive().expect("received").expect("one");
                            assert_eq!(message.data().len(), 1_000);
                        }
                        let none = server.receive().expect_err("a part of a header");
                        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
                    }
                };
                receive_all(4);
                let grown = memory::growth(|| receive_all(600));
                assert!(grown < 4 << 20, "{grown} bytes");
            });
        },
    );
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

#[test]
fn a_thousand_silent_clients_are_closed_at_their_deadlines() {
    alone(
        "layer::websock::limits::a_thousand_silent_clients_are_closed_at_their_deadlines",
        || {
            const COUNT: usize = 1000;
            let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a known limit");
            let needed = 3 * COUNT as u64;
            setrlimit(Resource::RLIMIT_NOFILE, soft.max(needed.min(hard)), hard).expect("raised");
            on_loop(|| async {
                // What the first one opens stays open.
                silent_clients(1).await;
                let before = fds::count();
                silent_clients(COUNT).await;
                assert_eq!(fds::count(), before);
            });
        },
    );
}

/// Servers whose clients have sent nothing, or a part of a request, or no frame after it.
async fn silent_clients(count: usize) {
    let options = WebsockOptions::default();
    let (mut clients, servers): (Vec<_>, Vec<_>) = (0..count)
        .map(|i| {
            let (mut far, server) = raw_client(&options);
            let request = super::fixtures::REQUEST.as_bytes();
            let sent = [0, 40, request.len()][i % 3];
            far.write_all(&request[..sent]).expect("written");
            (far, server)
        })
        .unzip();
    let refusals = servers.iter().map(|server| async {
        let first = server
            .receive_future()
            .or_timeout(Duration::from_millis(100));
        let error = first.await.expect_err("nothing is received");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        server.set_blocking(false).expect("non-blocking");
        server.close_future().await.expect("closed");
    });
    future::join_all(refusals).await;
    for far in &mut clients {
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).expect("the end");
    }
}

#[test]
fn small_messages_that_are_kept_take_little_memory() {
    alone(
        "layer::websock::limits::small_messages_that_are_kept_take_little_memory",
        || {
            in_time(|| {
                const COUNT: usize = 4000;
                let compressed = WebsockOptions::builder().deflate(WebsockDeflate::default());
                let compressed = compressed.build().expect("good options");
                let ends = [
                    (
                        open_client(&WebsockOptions::default()),
                        frame(0x81, b"Hello"),
                    ),
                    // RFC 7692, section 7.2.3.1.
                    (
                        deflate::open(&compressed),
                        frame(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
                    ),
                ];
                for ((mut far, server), frame) in ends {
                    far.write_all(&frame.repeat(COUNT)).expect("written");
                    let grown = memory::growth(|| {
                        let receive = |_| server.receive().expect("received").expect("one");
                        let kept: Vec<_> = (0..COUNT).map(receive).collect();
                        assert!(kept.iter().all(|it| it.text() == Some("Hello")));
                    });
                    assert!(grown < 8 << 20, "{grown} bytes");
                }
            });
        },
    );
}
