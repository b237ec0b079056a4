//! Reading and writing as a stream of bytes.

use std::{
    io::{self, Write as _},
    thread,
};

use qio::{
    ChannelSocket, ChannelTls, ChannelWebsock, WebsockMessageKind, WebsockOptions, prelude::*,
};

use super::fixtures::{URI, frame, open_client, pair};
use crate::{
    common::{
        in_time, on_loop,
        pattern::{transfer_both_modes, transfer_by_futures},
    },
    layer::tls::fixtures::{NAME, client_creds, server_creds},
};

#[test]
fn bytes_go_both_ways_in_both_modes() {
    in_time(|| {
        let (client, server) = pair();
        transfer_both_modes(&client, &server);
        let (client, server) = pair();
        transfer_both_modes(&server, &client);
    });
}

#[test]
fn bytes_go_both_ways_by_futures() {
    on_loop(|| async {
        let (client, server) = pair();
        transfer_by_futures(&client, &server, true).await;
        let (client, server) = pair();
        transfer_by_futures(&server, &client, false).await;
    });
}

#[test]
fn bytes_go_both_ways_over_tls() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let here = ChannelTls::new_client(&here, &client_creds(), NAME).expect("a client");
        let there = ChannelTls::new_server(&there, &server_creds()).expect("a server");
        let options = WebsockOptions::default();
        let client = ChannelWebsock::new_client(&here, URI, &options).expect("a client");
        let server = ChannelWebsock::new_server(&there, &options).expect("a server");
        transfer_both_modes(&client, &server);
    });
}

#[test]
fn a_read_returns_what_has_arrived_of_a_frame_of_any_length() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        let mut header = vec![0x82, 0xff];
        header.extend_from_slice(&(1u64 << 40).to_be_bytes());
        header.extend_from_slice(&[0; 4]);
        far.write_all(&header).expect("written");
        for piece in [&b"a"[..], b"bcd"] {
            far.write_all(piece).expect("written");
            let bytes = server.read_bytes(100).expect("data");
            assert_eq!(&bytes[..], piece);
        }
        server.set_blocking(false).expect("non-blocking");
        let error = server.read(&mut [0; 9]).expect_err("nothing");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    });
}

#[test]
fn empty_messages_and_control_frames_are_no_end_of_the_stream() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        for bytes in [
            frame(0x82, b""),
            frame(0x89, b""),
            frame(0x8a, b"unsolicited"),
            frame(0x01, b""),
            frame(0x89, b"between"),
            frame(0x80, b"x"),
        ] {
            far.write_all(&bytes).expect("written");
        }
        assert_eq!(&server.read_bytes(9).expect("data")[..], b"x");
    });
}

#[test]
fn input_in_single_bytes_is_read_as_it_was_written() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        let bytes = [frame(0x02, b"ab"), frame(0x89, b"p"), frame(0x80, b"cd")].concat();
        let writer = thread::spawn(move || {
            for byte in bytes {
                far.write_all(&[byte]).expect("written");
            }
            far
        });
        let mut data = [0; 4];
        server.read_all(&mut data).expect("data");
        assert_eq!(&data, b"abcd");
        drop(writer.join());
    });
}

#[test]
fn text_is_written_in_whole_characters() {
    in_time(|| {
        let (client, server) = pair();
        client.set_message_kind(WebsockMessageKind::Text);
        let reader = thread::spawn(move || server.receive().map(|message| (message, server)));
        let error = client.write(&[0xff]).expect_err("no text");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(
            client.write("a€".split_at(1).0.as_bytes()).expect("text"),
            1
        );
        let error = client.write(b"\xe2\x82").expect_err("half a character");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let (message, _server) = reader.join().expect("no panic").expect("received");
        assert_eq!(message.expect("a message").text(), Some("a"));
    });
}

#[test]
fn a_reader_and_a_writer_work_at_the_same_time() {
    const TOTAL: usize = 8 << 20;
    in_time(|| {
        let (client, server) = pair();
        let echo = thread::spawn(move || {
            let mut left = TOTAL;
            while left > 0 {
                let bytes = server.read_bytes(100_000).expect("data");
                left -= bytes.len();
                server.write_all(&bytes).expect("written");
            }
            server
        });
        let writer = client.clone();
        let writing = thread::spawn(move || {
            let block: Vec<u8> = (0..=255).cycle().take(TOTAL / 64).collect();
            for _ in 0..64 {
                writer.write_all(&block).expect("written");
            }
        });
        let mut data = vec![0; TOTAL];
        client.read_all(&mut data).expect("all comes back");
        assert!(data.iter().enumerate().all(|(i, byte)| *byte == i as u8));
        writing.join().expect("no panic");
        drop(echo.join());
    });
}
