//! Messages of which a part is pending when either end closes.

use std::{
    io::{self, Write as _},
    thread,
    time::Duration,
};

use glib::Bytes;
use qio::{ChannelWebsock, Shutdown, WebsockMessageKind, WebsockOptions, prelude::*};

use super::{
    fixtures::{accept, cpu_time, frame, open_client, pair_with, raw_server, read_frame},
    message_reader::with_deflate,
};
use crate::common::{in_time, on_loop};

/// A client and a server after the handshake, and a message of which the client has sent a part.
fn with_pending_message(options: &WebsockOptions) -> (ChannelWebsock, ChannelWebsock, Bytes) {
    let (client, server) = pair_with(options);
    let (client, server) = thread::scope(|scope| {
        scope.spawn(|| client.handshake().expect("opened"));
        server.handshake().expect("opened");
        (&client, &server)
    });
    client.set_blocking(false).expect("non-blocking");
    let mut data = vec![0; 4 << 20];
    openssl::rand::rand_bytes(&mut data).expect("random");
    let data = Bytes::from_owned(data);
    let kind = WebsockMessageKind::Binary;
    client.send(kind, &data).expect("taken");
    assert!(client.buffered() > 1 << 20);
    (client.clone(), server.clone(), data)
}

#[test]
fn shutting_down_writing_sends_the_close_frame_behind_a_pending_message() {
    in_time(|| {
        for options in [WebsockOptions::default(), with_deflate()] {
            let (client, server, data) = with_pending_message(&options);
            client.shutdown(Shutdown::Write).expect("shut down");
            let reading = thread::spawn(move || {
                let message = server.receive().expect("received").expect("a message");
                let end = server.receive().expect("the end");
                (message.into_data(), end, server.close_code())
            });
            while !reading.is_finished() {
                let _ = client.flush();
                thread::yield_now();
            }
            let (message, end, code) = reading.join().expect("all is read");
            assert!(message == data && end.is_none());
            assert_eq!(code, Some(1000));
        }
    });
}

#[test]
fn a_message_that_the_close_frame_of_the_peer_has_cut_is_reported_as_epipe() {
    in_time(|| {
        for blocking in [true, false] {
            let (client, mut far) = raw_server(&WebsockOptions::default());
            let server = thread::spawn(move || {
                accept(&mut far);
                far
            });
            client.handshake().expect("opened");
            let mut far = server.join().expect("no panic");
            client.set_blocking(blocking).expect("set");
            let data = Bytes::from_owned(vec![7; 4 << 20]);
            let sender = client.clone();
            let send = move || sender.send(WebsockMessageKind::Binary, &data);
            let sending = match blocking {
                true => Some(thread::spawn(send)),
                false => {
                    send().expect("taken");
                    None
                }
            };
            while client.buffered() == 0 {
                thread::yield_now();
            }
            far.write_all(b"\x88\x02\x03\xe8").expect("written");
            assert_eq!(client.read(&mut [0; 9]).expect("the end"), 0);
            let reading = thread::spawn(move || io::copy(&mut far, &mut io::sink()));
            let result = match sending {
                Some(sending) => sending.join().expect("no panic"),
                None => loop {
                    match client.flush() {
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
                        result => break result.map(|_| ()),
                    }
                },
            };
            let error = result.expect_err("a part was sent");
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error}");
            let error = client.close().expect_err("a part was sent");
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error}");
            reading.join().expect("no panic").expect("read");
        }
    });
}

#[test]
fn the_close_frame_of_a_closing_handshake_is_queued_behind_a_pending_message_at_once() {
    on_loop(|| async {
        let (client, server, data) = with_pending_message(&WebsockOptions::default());
        let mut closing = Box::pin(client.bye_future(1000, ""));
        assert!(futures_util::poll!(closing.as_mut()).is_pending());
        // The context sends what is queued.
        drop(closing);
        let receiving = server.receive_future().or_timeout(Duration::from_secs(20));
        let message = receiving.await.expect("received").expect("a message");
        assert!(message.data() == &data);
        let end = server.receive_future().or_timeout(Duration::from_secs(5));
        assert!(end.await.expect("a close frame").is_none());
        assert_eq!(server.close_code(), Some(1000));
    });
}

#[test]
fn a_closing_handshake_reads_while_the_peer_does_not() {
    for by_future in [false, true] {
        on_loop(move || async move {
            let options = WebsockOptions::builder().close_timeout(Duration::from_secs(5));
            let options = options.build().expect("good options");
            let (mut far, server) = open_client(&options);
            let peer = thread::spawn(move || {
                // First it sends more than the system takes.
                let message = frame(0x82, &[7; 0xffff]);
                (0..64).for_each(|_| far.write_all(&message).expect("written"));
                while read_frame(&mut far).0 != 0x88 {}
                far.write_all(&frame(0x88, b"\x03\xe8")).expect("written");
                far
            });
            server.set_blocking(false).expect("non-blocking");
            let data = Bytes::from_owned(vec![7; 4 << 20]);
            server
                .send(WebsockMessageKind::Binary, &data)
                .expect("taken");
            let before = cpu_time();
            let closed = match by_future {
                true => server.bye_future(1000, "").await,
                false => {
                    server.set_blocking(true).expect("blocking");
                    server.bye(1000, "")
                }
            };
            closed.expect("answered");
            assert!(cpu_time() - before < Duration::from_secs(2));
            assert_eq!(server.close_code(), Some(1000));
            drop(peer.join().expect("no panic"));
        });
    }
}
