//! `src/layer/websock/message_reader.rs`.

use std::{
    io::{self, Read as _, Write as _},
    thread,
};

use futures_util::future;
use glib::Bytes;
use qio::{ChannelWebsock, WebsockDeflate, WebsockMessageKind, WebsockOptions, prelude::*};

use super::fixtures::{frame, open_client, pair, pair_with};
use crate::common::{alone::alone, in_time, memory::allocated, on_loop};

pub(super) const BINARY: WebsockMessageKind = WebsockMessageKind::Binary;

pub(super) fn with_deflate() -> WebsockOptions {
    let deflate = WebsockDeflate::default().threshold(0);
    let options = WebsockOptions::builder().deflate(deflate);
    options.build().expect("good options")
}

/// Bytes that do not compress to nothing.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * i / 7) as u8).collect()
}

fn next(websock: &ChannelWebsock) -> qio::WebsockMessageReader {
    let reader = websock.next_message().expect("received");
    reader.expect("a message")
}

fn read_all(mut reader: impl io::Read) -> Vec<u8> {
    let mut data = Vec::new();
    reader.read_to_end(&mut data).expect("read");
    data
}

#[test]
fn messages_that_are_written_in_fragments_are_received_as_a_whole() {
    for options in [WebsockOptions::default(), with_deflate()] {
        in_time(move || {
            let (client, server) = pair_with(&options);
            let sizes: [&[usize]; 5] = [&[], &[0, 0], &[1], &[10, 0, 70_000], &[200_000, 3]];
            let exchange = |from: &ChannelWebsock, to: &ChannelWebsock| {
                let from = from.clone();
                let sent = thread::spawn(move || {
                    for pieces in sizes {
                        let mut writer = from.message_writer(BINARY).expect("a writer");
                        for len in pieces {
                            writer.write_all(&pattern(*len)).expect("written");
                        }
                        writer.flush().expect("flushed");
                        writer.finish().expect("finished");
                        writer.finish().expect("finished before");
                    }
                });
                for pieces in sizes {
                    let each = pieces.iter().map(|len| pattern(*len));
                    let expected = each.collect::<Vec<_>>().concat();
                    let message = to.receive().expect("received").expect("a message");
                    assert!(message.data()[..] == expected[..], "{pieces:?}");
                }
                sent.join().expect("no panic");
            };
            let opening = {
                let client = client.clone();
                thread::spawn(move || client.handshake())
            };
            server.handshake().expect("accepted");
            opening.join().expect("no panic").expect("opened");
            exchange(&client, &server);
            exchange(&server, &client);
        });
    }
}

#[test]
fn a_message_is_read_as_a_stream_which_ends_with_it() {
    in_time(|| {
        let (client, server) = pair();
        let sent = thread::spawn(move || {
            for len in [0, 1, 300_000] {
                let data = Bytes::from_owned(pattern(len));
                server.send(BINARY, &data).expect("sent");
            }
            server.send_text("last").expect("sent");
            server.bye(1000, "").expect("closed");
        });
        for len in [0, 1, 300_000] {
            let reader = next(&client);
            assert_eq!(reader.kind(), BINARY);
            assert!(read_all(reader) == pattern(len), "{len}");
        }
        let mut reader = next(&client);
        assert_eq!(reader.kind(), WebsockMessageKind::Text);
        assert_eq!(reader.read(&mut []).expect("nothing"), 0);
        assert_eq!(read_all(&mut reader), b"last");
        assert_eq!(reader.read(&mut [0]).expect("the end again"), 0);
        assert!(client.next_message().expect("the end").is_none());
        client.bye(1000, "").expect("closed");
        sent.join().expect("no panic");
    });
}

#[test]
fn a_message_larger_than_the_limit_of_receive_is_read_in_bounded_memory() {
    let name = "layer::websock::message_reader::\
        a_message_larger_than_the_limit_of_receive_is_read_in_bounded_memory";
    alone(name, || {
        const PIECES: usize = 640;
        let (client, server) = pair();
        client.set_max_message_size(10);
        let sent = thread::spawn(move || {
            let mut writer = server.message_writer(BINARY).expect("a writer");
            for _ in 0..PIECES {
                writer.write_all(&[7; 100_000]).expect("written");
            }
            writer.finish().expect("finished");
            server
        });
        let mut reader = next(&client);
        let (mut total, mut buf, before) = (0, vec![0; 4096], allocated());
        let mut most = 0;
        loop {
            let count = reader.read(&mut buf).expect("read");
            if count == 0 {
                break;
            }
            total += count;
            most = most.max(allocated().saturating_sub(before));
        }
        assert_eq!(total, PIECES * 100_000);
        // Both ends: pending output, buffered input, and spare buffers of two threads.
        assert!(most < 2 << 20, "{most} bytes");
        sent.join().expect("no panic");
    });
}

#[test]
fn a_reader_that_is_dropped_discards_the_rest_of_its_message_alone() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        far.write_all(&frame(0x02, b"begin")).expect("written");
        let mut reader = next(&server);
        assert_eq!(reader.read(&mut [0; 2]).expect("data"), 2);
        drop(reader);
        let rest = [
            frame(0x00, b"more"),
            frame(0x80, b"end"),
            frame(0x82, b"next"),
            frame(0x82, b"last"),
        ];
        far.write_all(&rest.concat()).expect("written");
        let message = server.receive().expect("received").expect("a message");
        assert_eq!(&**message.data(), b"next");
        // Of a reader that has come to the end of its message nothing is left to discard.
        let mut reader = next(&server);
        assert_eq!(read_all(&mut reader), b"last");
        far.write_all(&frame(0x82, b"behind")).expect("written");
        let mut data = [0; 6];
        server.read_all(&mut data).expect("data");
        drop(reader);
        assert_eq!(&data, b"behind");
    });
}

#[test]
fn a_reader_gets_nothing_more_once_its_message_has_another_one() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        far.write_all(&frame(0x02, b"one")).expect("written");
        let mut first = next(&server);
        assert_eq!(first.read(&mut [0; 1]).expect("data"), 1);
        let mut second = next(&server);
        assert_eq!(first.read(&mut [0; 9]).expect("nothing more"), 0);
        drop(first);
        assert_eq!(second.read(&mut [0; 9]).expect("data"), 2);
        far.write_all(&frame(0x80, b"two")).expect("written");
        assert_eq!(read_all(&mut second), b"two");
    });
}

#[test]
fn what_is_left_of_a_message_is_not_a_message_if_it_is_nothing() {
    in_time(|| {
        for by_reader in [false, true] {
            let (mut far, server) = open_client(&WebsockOptions::default());
            let messages = [
                frame(0x82, b"abc"),
                frame(0x82, b"de"),
                frame(0x82, b""),
                frame(0x82, b"f"),
            ];
            far.write_all(&messages.concat()).expect("written");
            server.read_all(&mut [0; 3]).expect("the first one");
            server
                .read_all(&mut [0; 1])
                .expect("a part of the second one");
            let receive = || match by_reader {
                true => read_all(next(&server)),
                false => {
                    let message = server.receive().expect("received");
                    message.expect("a message").into_data().to_vec()
                }
            };
            let expected: [&[u8]; 3] = [b"e", b"", b"f"];
            assert_eq!([receive(), receive(), receive()], expected);
        }
    });
}

#[test]
fn a_reader_gets_what_a_receive_has_collected() {
    on_loop(|| async {
        let (mut far, server) = open_client(&WebsockOptions::default());
        far.write_all(&frame(0x02, b"one ")).expect("written");
        {
            let mut receiving = Box::pin(server.receive_future());
            assert!(future::poll_immediate(&mut receiving).await.is_none());
        }
        far.write_all(&frame(0x80, b"two")).expect("written");
        let reader = server.next_message_future().await.expect("received");
        let mut data = Vec::new();
        let mut reader = reader.expect("a message");
        futures_util::AsyncReadExt::read_to_end(&mut reader, &mut data)
            .await
            .expect("read");
        assert_eq!(data, b"one two");
    });
}

#[test]
fn an_end_of_the_connection_within_a_message_is_an_error_of_its_reader() {
    in_time(|| {
        for closes in [false, true] {
            let (mut far, server) = open_client(&WebsockOptions::default());
            far.write_all(&frame(0x02, b"part")).expect("written");
            if closes {
                far.write_all(&frame(0x88, &1000_u16.to_be_bytes()))
                    .expect("written");
            } else {
                server.set_require_close(false);
                far.shutdown(std::net::Shutdown::Write).expect("shut down");
            }
            let mut reader = next(&server);
            assert_eq!(reader.read(&mut [0; 9]).expect("data"), 4);
            let errors = [
                reader.read(&mut [0; 9]).expect_err("too early"),
                server.receive().expect_err("too early"),
            ];
            for error in errors {
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                let text = "The client has ended the connection within a message";
                assert_eq!(error.to_string(), text);
            }
            // A stream of bytes has no messages.
            assert_eq!(server.read(&mut [0; 9]).expect("the end"), 0);
        }
    });
}

#[test]
fn futures_transfer_messages_in_fragments_with_backpressure() {
    for options in [WebsockOptions::default(), with_deflate()] {
        on_loop(move || async move {
            let (client, server) = pair_with(&options);
            let data = pattern(1 << 20);
            let sending = async {
                let mut writer = client.message_writer(BINARY).expect("a writer");
                futures_util::AsyncWriteExt::write_all(&mut writer, &data)
                    .await
                    .expect("written");
                futures_util::AsyncWriteExt::flush(&mut writer)
                    .await
                    .expect("flushed");
                futures_util::AsyncWriteExt::close(&mut writer)
                    .await
                    .expect("finished");
                writer.finish_future().await.expect("finished before");
                let last = Bytes::from_static(b"z");
                let sent = client.send_future(WebsockMessageKind::Text, &last);
                sent.await.expect("sent");
            };
            let receiving = async {
                let reader = server.next_message_future().await.expect("received");
                let mut all = Vec::new();
                let mut reader = reader.expect("a message");
                futures_util::AsyncReadExt::read_to_end(&mut reader, &mut all)
                    .await
                    .expect("read");
                let last = server.receive_future().await.expect("received");
                assert_eq!(last.expect("a message").text(), Some("z"));
                all
            };
            let ((), received) = future::join(sending, receiving).await;
            assert!(received == data);
        });
    }
}

#[test]
fn a_discarded_message_without_end_does_not_hold_the_loop() {
    on_loop(|| async {
        let (mut far, server) = open_client(&WebsockOptions::default());
        far.write_all(&frame(0x02, b"begin")).expect("written");
        drop(server.next_message_future().await.expect("received"));
        let peer = thread::spawn(move || {
            let piece = frame(0x00, &[0; 60_000]);
            let mut sent = 0_usize;
            // Until this end closes.
            while far.write_all(&piece).is_ok() {
                sent += 1;
            }
            sent
        });
        let receiving = server.receive_future();
        let ticks = async {
            for _ in 0..5 {
                glib::timeout_future(std::time::Duration::from_millis(1)).await;
            }
        };
        let receiving = std::pin::pin!(receiving);
        match future::select(receiving, Box::pin(ticks)).await {
            future::Either::Left((message, _)) => panic!("{message:?}"),
            future::Either::Right(_) => {}
        }
        server.close().expect("closed");
        assert!(peer.join().expect("no panic") > 0);
    });
}
