//! `src/layer/websock/messages.rs`.

use std::{
    io::{self, Write as _},
    thread,
    time::Duration,
};

use futures_util::{StreamExt as _, future};
use glib::Bytes;
use qio::{WebsockError, WebsockMessageKind, WebsockOptions, coroutine, prelude::*, to_glib_error};

use super::fixtures::{cpu_time, frame, open_client, pair, read_close};
use crate::common::{in_loop, in_time, on_loop};

#[test]
fn messages_of_all_sizes_are_received_as_they_were_sent() {
    in_time(|| {
        let (client, server) = pair();
        let sizes = [0, 1, 125, 126, 65_535, 65_536, 65_537, 1 << 20];
        let echo = thread::spawn(move || {
            while let Some(message) = server.receive().expect("a message") {
                server.send(message.kind(), message.data()).expect("sent");
            }
        });
        for size in sizes {
            for kind in [WebsockMessageKind::Text, WebsockMessageKind::Binary] {
                let data = Bytes::from_owned(vec![b'a'; size]);
                client.send(kind, &data).expect("sent");
                let message = client.receive().expect("received").expect("a message");
                assert_eq!((message.kind(), message.data()), (kind, &data), "{size}");
            }
        }
        client.bye(1000, "").expect("closed");
        echo.join().expect("no panic");
    });
}

#[test]
fn messages_are_a_stream_which_ends_with_the_connection() {
    on_loop(|| async {
        let (client, server) = pair();
        let sending = async {
            for text in ["a", "b", "c"] {
                let data = Bytes::from_static(text.as_bytes());
                let sent = server.send_future(WebsockMessageKind::Text, &data).await;
                sent.expect("sent");
            }
            server.bye_future(1001, "later").await.expect("closed");
        };
        let receiving = client.messages().map(|message| {
            let message = message.expect("a message");
            message.text().expect("text").to_owned()
        });
        let (texts, ()) = future::join(receiving.collect::<Vec<_>>(), sending).await;
        assert_eq!(texts, ["a", "b", "c"]);
        assert_eq!(client.close_code(), Some(1001));
        assert_eq!(client.close_reason().as_deref(), Some("later"));
    });
}

#[test]
fn a_receive_that_is_dropped_in_the_middle_of_a_message_loses_nothing() {
    on_loop(|| async {
        let (mut far, server) = open_client(&WebsockOptions::default());
        server.set_blocking(false).expect("non-blocking");
        for piece in [frame(0x01, b"ab"), frame(0x00, b"cd")] {
            far.write_all(&piece).expect("written");
            let receiving = std::pin::pin!(server.receive_future());
            assert!(futures_util::poll!(receiving).is_pending());
        }
        let mut two = [0; 1];
        assert_eq!(
            server.read(&mut two).expect("data"),
            1,
            "what was collected"
        );
        assert_eq!(&two, b"a");
        far.write_all(&frame(0x80, b"e")).expect("written");
        let message = server.receive_future().await.expect("received");
        assert_eq!(message.expect("a message").text(), Some("bcde"));
    });
}

#[test]
fn large_payloads_are_received_whole_in_whatever_pieces_they_arrive() {
    in_time(|| {
        let text = "1€".repeat(25_000);
        let (first, rest) = text.as_bytes().split_at(50_000);
        let frames = [
            frame(0x81, b"short"),
            frame(0x82, &[1; 16_384]),
            frame(0x82, &[2; 65_536]),
            frame(0x01, first),
            frame(0x89, b"ping"),
            frame(0x80, rest),
            frame(0x82, &[3; 200_000]),
            frame(0x82, b""),
            frame(0x81, text.as_bytes()),
        ]
        .concat();
        for piece in [1_000, 4_096, 65_536, 65_550, 100_000, usize::MAX] {
            let (mut far, server) = open_client(&WebsockOptions::default());
            let frames = frames.clone();
            let sending = thread::spawn(move || {
                for piece in frames.chunks(piece.min(frames.len())) {
                    far.write_all(piece).expect("written");
                }
                far
            });
            let expected: [&[u8]; 7] = [
                b"short",
                &[1; 16_384],
                &[2; 65_536],
                text.as_bytes(),
                &[3; 200_000],
                b"",
                text.as_bytes(),
            ];
            for expected in expected {
                let message = server.receive().expect("received").expect("a message");
                assert!(message.data()[..] == *expected, "{piece}");
            }
            let (first, payload) = super::fixtures::read_frame(&mut sending.join().expect("sent"));
            assert_eq!((first, &payload[..]), (0x8a, &b"ping"[..]));
        }
    });
}

#[test]
fn what_a_dropped_receive_has_of_a_large_message_is_read_as_a_stream_or_by_the_next_one() {
    on_loop(|| async {
        let (mut far, server) = open_client(&WebsockOptions::default());
        server.set_blocking(false).expect("non-blocking");
        let data: Vec<u8> = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
        let bytes = frame(0x82, &data);
        let mut read = Vec::new();
        for piece in bytes.chunks(30_000) {
            far.write_all(piece).expect("written");
            if piece.len() < 30_000 {
                break;
            }
            let receiving = std::pin::pin!(server.receive_future());
            assert!(futures_util::poll!(receiving).is_pending());
            let mut some = [0; 7_000];
            server.read_all(&mut some).expect("what was collected");
            read.extend_from_slice(&some);
        }
        let message = server.receive_future().await.expect("received");
        read.extend_from_slice(message.expect("the rest").data());
        assert!(read == data);
    });
}

#[test]
fn a_large_text_is_refused_at_its_first_wrong_byte() {
    on_loop(|| async {
        let (mut far, server) = open_client(&WebsockOptions::default());
        server.set_blocking(false).expect("non-blocking");
        let mut text = vec![b'a'; 100_000];
        text[60_000] = 0xff;
        far.write_all(&frame(0x81, &text)[..50_000])
            .expect("written");
        let receiving = std::pin::pin!(server.receive_future());
        assert!(futures_util::poll!(receiving).is_pending());
        far.write_all(&frame(0x81, &text)[50_000..70_000])
            .expect("written");
        server.receive_future().await.expect_err("no text");
        assert_eq!(read_close(&mut far).0, 1007);
    });
}

#[test]
fn a_message_over_the_limit_ends_the_connection_and_the_same_data_can_be_read_as_a_stream() {
    in_time(|| {
        let options = WebsockOptions::builder().max_message_size(1000);
        let options = options.build().expect("good options");
        let (mut far, server) = open_client(&options);
        far.write_all(&frame(0x82, &[7; 1001])).expect("written");
        let error = to_glib_error(&server.receive().expect_err("too large"));
        assert_eq!(
            error.kind::<WebsockError>().map(WebsockError::code),
            Some(1009)
        );
        assert_eq!(read_close(&mut far).0, 1009);

        let (mut far, server) = open_client(&options);
        far.write_all(&frame(0x82, &[7; 1001])).expect("written");
        server.read_all(&mut [0; 1001]).expect("no limit");
    });
}

#[test]
fn a_receive_in_a_coroutine_suspends_it() {
    in_loop(|context| {
        let (client, server) = pair();
        let receiving = coroutine::spawn(move || {
            server
                .receive()
                .expect("received")
                .map(|message| message.into_data())
        });
        let data = context.block_on(async {
            let data = Bytes::from_static(b"to a coroutine");
            let sent = client.send_future(WebsockMessageKind::Binary, &data).await;
            sent.expect("sent");
            receiving.await
        });
        assert_eq!(
            data.expect("no panic").as_deref(),
            Some(&b"to a coroutine"[..])
        );
    });
}

#[test]
fn text_that_is_not_utf_8_is_not_sent() {
    let (client, _server) = pair();
    client.set_blocking(false).expect("non-blocking");
    // The handshake is not done: nothing can be sent yet.
    let data = Bytes::from_static(b"\xff");
    let error = client
        .send(WebsockMessageKind::Text, &data)
        .expect_err("no text");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_pong_has_the_payload_of_its_ping_alone() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        let bytes = [frame(0x89, b"hi"), frame(0x82, b"and data behind it")].concat();
        far.write_all(&bytes).expect("written");
        let message = server.receive().expect("received").expect("a message");
        assert_eq!(&message.data()[..], b"and data behind it");
        let (first, payload) = super::fixtures::read_frame(&mut far);
        assert_eq!((first, &payload[..]), (0x8a, &b"hi"[..]));
    });
}

#[test]
fn a_pong_is_signalled_with_its_payload() {
    in_time(|| {
        let (client, server) = pair();
        let (sender, pongs) = std::sync::mpsc::channel();
        client.connect_pong(move |_, payload| sender.send(payload.to_vec()).expect("kept"));
        let answering = thread::spawn(move || {
            let message = server.receive().expect("received");
            server.send_text("done").expect("sent");
            (message, server)
        });
        client.ping(b"now").expect("sent");
        let error = client.ping(&[0; 126]).expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        client.send_text("hello").expect("sent");
        client.receive().expect("received");
        assert_eq!(pongs.try_recv().as_deref(), Ok(&b"now"[..]));
        drop(answering.join());
    });
}

#[test]
fn a_receive_that_has_a_part_of_a_message_waits_for_the_rest_without_spinning() {
    on_loop(|| async {
        let (mut far, server) = open_client(&WebsockOptions::default());
        far.write_all(&frame(0x01, b"a part")).expect("written");
        let before = cpu_time();
        let receiving = server
            .receive_future()
            .or_timeout(Duration::from_millis(500));
        let error = receiving.await.expect_err("incomplete");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let spent = cpu_time() - before;
        assert!(spent < Duration::from_millis(250), "{spent:?}");
        assert_eq!(&server.read_bytes(9).expect("data")[..], b"a part");
    });
}

#[test]
fn in_a_coroutine_a_message_is_sent_once_whatever_the_mode_is() {
    in_loop(|context| {
        let (client, server) = pair();
        client.set_blocking(false).expect("non-blocking");
        let sending = coroutine::spawn(move || {
            for len in [1 << 20, 60_000, 1 << 20, 3] {
                let data = Bytes::from_owned(vec![b'x'; len]);
                client.send(WebsockMessageKind::Binary, &data)?;
            }
            client.bye(1000, "")
        });
        let receiving = async {
            let mut lengths = Vec::new();
            while let Some(message) = server.receive_future().await.expect("received") {
                lengths.push(message.data().len());
            }
            lengths
        };
        let (sent, lengths) = context.block_on(future::join(sending, receiving));
        sent.expect("no panic").expect("sent");
        assert_eq!(lengths, [1 << 20, 60_000, 1 << 20, 3]);
    });
}
