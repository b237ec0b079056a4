//! Over channels of other classes.

use std::{io::IoSlice, net::TcpListener, os::fd::OwnedFd, thread};

use glib::Bytes;
use nix::{
    sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
    unistd::write,
};
use qio::{
    ChannelCommand, ChannelSocket, ChannelWebsock, WebsockDeflate, WebsockMessageKind,
    WebsockOptions, prelude::*,
};

use super::fixtures::{REQUEST, URI, frame};
use crate::common::{classes::Drip, in_time};

/// A client and a server over a class that transfers so many bytes at a time.
fn over_drips(sizes: &[usize], options: &WebsockOptions) -> (ChannelWebsock, ChannelWebsock) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let (here, there) = (Drip::new(here, sizes), Drip::new(there, sizes));
    let client = ChannelWebsock::new_client(&here, URI, options).expect("a client");
    let server = ChannelWebsock::new_server(&there, options).expect("a server");
    (client, server)
}

fn deflate() -> WebsockOptions {
    let options = WebsockOptions::builder().deflate(WebsockDeflate::default());
    options.build().expect("good options")
}

#[test]
fn packets_arrive_whole_that_end_behind_a_large_payload() {
    in_time(|| {
        let (near, far) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::empty(),
        )
        .expect("a pair");
        let channel = ChannelSocket::new_fd(near).expect("a socket");
        let server = ChannelWebsock::new_server(&channel, &WebsockOptions::default());
        let server = server.expect("a server");
        let send = |packet: &[u8]| write(&far, packet).expect("sent");
        send(REQUEST.as_bytes());
        server.handshake().expect("accepted");
        let (first, second) = (frame(0x82, &[1; 40_000]), frame(0x82, &[2; 20_000]));
        send(&first[..10]);
        send(&[&first[10..], &second].concat());
        for expected in [vec![1; 40_000], vec![2; 20_000]] {
            let message = server.receive().expect("received").expect("a message");
            assert!(message.data()[..] == *expected);
        }
    });
}

#[test]
fn dropping_a_websocket_before_its_handshake_reads_nothing_of_the_lower_channel() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let options = WebsockOptions::default();
        for is_client in [false, true] {
            here.write_all(b"not for it").expect("written");
            drop(match is_client {
                true => ChannelWebsock::new_client(&there, URI, &options).expect("a client"),
                false => ChannelWebsock::new_server(&there, &options).expect("a server"),
            });
            there.set_blocking(true).expect("blocking");
            let mut data = [0; 10];
            there.read_all(&mut data).expect("read");
            assert_eq!(&data, b"not for it");
        }
    });
}

#[test]
fn a_reader_and_a_writer_work_over_a_class_that_transfers_single_bytes() {
    const TOTAL: usize = 40_000;
    in_time(|| {
        let plain = WebsockOptions::default();
        for (options, sizes) in [(&plain, [1, 1]), (&deflate(), [1, 1]), (&plain, [1, 5000])] {
            let (client, server) = over_drips(&sizes, options);
            let ends = [client, server];
            // Each end has a thread that writes and one that reads.
            thread::scope(|scope| {
                for end in &ends {
                    scope.spawn(|| {
                        let block: Vec<u8> = (0..=249).cycle().take(TOTAL / 16).collect();
                        for _ in 0..16 {
                            end.write_all(&block).expect("written");
                        }
                        end.flush().expect("sent");
                    });
                    scope.spawn(|| {
                        let mut data = vec![0; TOTAL];
                        end.read_all(&mut data).expect("all arrives");
                        let mut numbered = data.iter().enumerate();
                        assert!(numbered.all(|(i, byte)| usize::from(*byte) == i % 250));
                    });
                }
            });
        }
    });
}

#[test]
fn payload_that_is_sent_in_place_arrives_however_much_the_lower_channel_takes() {
    in_time(|| {
        for sizes in [&[1][..], &[5], &[4095, 1], &[3, 5000], &[70_000]] {
            let (client, server) = over_drips(sizes, &WebsockOptions::default());
            let lengths = [4095, 4096, 4097, 10_000, 65_535, 65_536, 65_537];
            let sent = thread::spawn(move || {
                for len in lengths {
                    let data: Vec<u8> = (0..=250).cycle().take(len).collect();
                    // Empty buffers among others.
                    let (first, rest) = data.split_at(len / 3);
                    let iov = [&[], first, &[], rest].map(IoSlice::new);
                    server.writev_all(&iov).expect("written");
                    server.ping(b"between").expect("sent");
                    let data = Bytes::from_owned(data);
                    server
                        .send(WebsockMessageKind::Binary, &data)
                        .expect("sent");
                }
                server.close().expect("closed");
            });
            for len in lengths {
                let expected: Vec<u8> = (0..=250).cycle().take(len).collect();
                let mut data = vec![0; len];
                client.read_all(&mut data).expect("read");
                assert!(data == expected, "{len} by {sizes:?}");
                let message = client.receive().expect("received").expect("a message");
                assert!(message.data()[..] == expected, "{len} by {sizes:?}");
            }
            assert!(client.receive().expect("the end").is_none());
            sent.join().expect("no panic");
        }
    });
}

#[test]
fn messages_and_pings_arrive_in_single_bytes() {
    in_time(|| {
        for options in [WebsockOptions::default(), deflate()] {
            let (client, server) = over_drips(&[1], &options);
            let echo = thread::spawn(move || {
                while let Some(message) = server.receive().expect("received") {
                    server.send(message.kind(), message.data()).expect("sent");
                }
                server.close_code()
            });
            for size in [0, 1, 125, 126, 20_000] {
                let text: String = "größer € ".chars().cycle().take(size).collect();
                client.ping(b"between messages").expect("sent");
                client.send_text(&text).expect("sent");
                let message = client.receive().expect("received").expect("a message");
                assert_eq!(message.text(), Some(&*text));
            }
            client.bye(1000, "done").expect("answered");
            assert_eq!(echo.join().expect("no panic"), Some(1000));
        }
    });
}

#[test]
fn a_command_connects_a_client_to_a_server() {
    needs!("socat");
    in_time(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let command = ChannelCommand::builder(["socat", "STDIO", &format!("TCP:{address}")]);
        let command = command.spawn().expect("socat");
        let options = WebsockOptions::default();
        let client = ChannelWebsock::new_client(&command, URI, &options).expect("a client");
        let (stream, _) = listener.accept().expect("a connection");
        let socket = ChannelSocket::new_fd(OwnedFd::from(stream)).expect("a socket");
        let server = ChannelWebsock::new_server(&socket, &options).expect("a server");
        let echo = thread::spawn(move || {
            while let Some(message) = server.receive().expect("received") {
                server.send(message.kind(), message.data()).expect("sent");
            }
            server.close().expect("closed");
        });
        for size in [0, 1, 70_000, 1 << 20] {
            let data: Vec<u8> = (0..=250).cycle().take(size).collect();
            let data = Bytes::from_owned(data);
            let kind = WebsockMessageKind::Binary;
            client.send(kind, &data).expect("sent");
            let message = client.receive().expect("received").expect("a message");
            assert!(message.data() == &data, "{size}");
        }
        client.bye(1000, "").expect("answered");
        client.close().expect("closed");
        echo.join().expect("no panic");
    });
}
