//! The closing handshake, and other ends of a connection.

use std::{
    io::{self, Read as _, Write as _},
    sync::Arc,
    thread,
    time::Duration,
};

use qio::{
    ChannelSocket, ChannelWebsock, Shutdown, WebsockError, WebsockOptions, prelude::*,
    to_glib_error,
};

use super::fixtures::{
    URI, accept, acceptance, cpu_time, frame, open_client, pair, raw_server, read_close, read_frame,
};
use crate::{
    common::{blocked::Blocked, in_time, on_loop},
    layer::tls,
};

fn code(error: &io::Error) -> Option<i32> {
    to_glib_error(error)
        .kind::<WebsockError>()
        .map(WebsockError::code)
}

#[test]
fn a_close_frame_is_answered_with_its_code_and_ends_the_stream() {
    in_time(|| {
        for (payload, echo, is_end) in [
            (&b""[..], &b""[..], true),
            (b"\x03\xe8done", b"\x03\xe8", true),
            (b"\x03\xe9", b"\x03\xe9", true),
            (b"\x0b\xb8why", b"\x0b\xb8", false),
        ] {
            let (mut far, server) = open_client(&WebsockOptions::default());
            far.write_all(&frame(0x82, b"x")).expect("written");
            far.write_all(&frame(0x88, payload)).expect("written");
            assert_eq!(&server.read_bytes(9).expect("data")[..], b"x");
            let end = server.read(&mut [0]);
            match is_end {
                true => assert_eq!(end.expect("the end"), 0),
                false => {
                    let error = end.expect_err("an error");
                    assert_eq!(code(&error), Some(3000));
                    assert!(error.to_string().contains("why"), "{error}");
                }
            }
            assert_eq!(read_frame(&mut far), (0x88, echo.to_vec()));
            assert_eq!(far.read(&mut [0]).expect("the server ends the stream"), 0);
        }
    });
}

#[test]
fn a_stream_that_ends_without_a_close_frame_is_truncated() {
    in_time(|| {
        for bytes in [&[][..], &[0x82], &frame(0x82, b"abc")[..7]] {
            let (mut far, server) = open_client(&WebsockOptions::default());
            far.write_all(bytes).expect("written");
            drop(far);
            let error = loop {
                match server.read(&mut [0; 9]) {
                    Ok(count) => assert_ne!(count, 0),
                    Err(e) => break e,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{bytes:x?}");
            assert_eq!(code(&error), Some(1006));
            assert_eq!(server.close_code(), Some(1006));
            server.set_require_close(false);
            assert_eq!(server.read(&mut [0]).expect("the end"), 0);
        }
    });
}

#[test]
fn both_ends_perform_the_closing_handshake() {
    in_time(|| {
        let (client, server) = pair();
        let serving = thread::spawn(move || {
            server.write_all(b"unread").expect("written");
            let data = server.read_bytes(9).expect("data");
            assert_eq!(server.read(&mut [0]).expect("the end"), 0);
            (data, server)
        });
        client.write_all(b"x").expect("written");
        client.bye(1001, "gone").expect("closed");
        let (_, server) = serving.join().expect("no panic");
        assert_eq!(server.close_code(), Some(1001));
        assert_eq!(server.close_reason().as_deref(), Some("gone"));
        assert_eq!(client.close_code(), Some(1001));
        let error = client.write(b"y").expect_err("closed");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn closing_handshakes_of_both_ends_at_once_end_both() {
    on_loop(|| async {
        let (client, server) = pair();
        let opened =
            futures_util::future::join(client.handshake_future(), server.handshake_future());
        let (here, there) = opened.await;
        here.and(there).expect("opened");
        let (here, there) =
            futures_util::future::join(client.bye_future(1000, ""), server.bye_future(3000, ""))
                .await;
        here.and(there).expect("closed");
        // Each has the code of the other one, unless that has answered first.
        assert!(client.close_code().is_some() && server.close_code().is_some());
    });
}

#[test]
fn a_peer_that_does_not_answer_a_close_frame_is_waited_for_until_the_timeout() {
    in_time(|| {
        let options = WebsockOptions::builder().close_timeout(Duration::from_millis(50));
        let (mut far, server) = open_client(&options.build().expect("good options"));
        let error = server.bye(4000, "").expect_err("no answer");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(read_close(&mut far), (4000, String::new()));
    });
}

#[test]
fn codes_that_may_not_be_sent_and_long_reasons_are_refused() {
    let (client, _server) = pair();
    for (code, reason) in [(999, ""), (1005, ""), (1006, ""), (1015, ""), (5000, "")] {
        let error = client.bye(code, reason).expect_err("invalid");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{code}");
    }
    client.bye(1000, &"x".repeat(124)).expect_err("too long");
}

#[test]
fn closing_sends_a_close_frame_and_dropping_sends_1001() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        let closing = thread::spawn(move || server.close());
        assert_eq!(read_close(&mut far).0, 1000);
        drop(far);
        closing.join().expect("no panic").expect("closed");

        let (mut far, server) = open_client(&WebsockOptions::default());
        drop(server);
        assert_eq!(read_close(&mut far).0, 1001);
    });
}

#[test]
fn shutting_down_writing_sends_a_close_frame_and_reading_goes_on() {
    in_time(|| {
        let (mut far, server) = open_client(&WebsockOptions::default());
        server.shutdown(Shutdown::Write).expect("shut down");
        assert_eq!(read_close(&mut far).0, 1000);
        far.write_all(&frame(0x82, b"late")).expect("written");
        assert_eq!(&server.read_bytes(9).expect("data")[..], b"late");
    });
}

#[test]
fn another_thread_that_closes_ends_a_handshake_and_a_read() {
    in_time(|| {
        for opened in [false, true] {
            let (_far, server) = match opened {
                true => open_client(&WebsockOptions::default()),
                false => super::fixtures::raw_client(&WebsockOptions::default()),
            };
            let blocked = Arc::new(Blocked::default());
            let (reader, about) = (server.clone(), blocked.clone());
            let reading = thread::spawn(move || {
                about.soon();
                reader.read(&mut [0])
            });
            blocked.wait();
            let _ = server.close();
            reading.join().expect("no panic").expect_err("closed");
        }
    });
}

#[test]
fn a_client_waits_for_the_end_of_the_stream_without_spinning() {
    for by_future in [false, true] {
        on_loop(move || async move {
            let options = WebsockOptions::builder().close_timeout(Duration::from_millis(500));
            let options = options.build().expect("good options");
            let (client, mut far) = raw_server(&options);
            let server = thread::spawn(move || {
                accept(&mut far);
                far.write_all(b"\x88\x02\x03\xe8").expect("written");
                far
            });
            let before = cpu_time();
            let ended = match by_future {
                true => client.bye_future(1000, "").await,
                false => client.bye(1000, ""),
            };
            let spent = cpu_time() - before;
            assert_eq!(ended.expect_err("no end").kind(), io::ErrorKind::TimedOut);
            assert!(spent < Duration::from_millis(250), "{spent:?}");
            drop(server.join());
        });
    }
}

/// Python's servers end TLS without close_notify.
#[test]
fn an_error_below_after_the_closing_handshake_is_no_error_of_it() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let (here, there) = tls::fixtures::over((here, there));
        let client = ChannelWebsock::new_client(&here, URI, &WebsockOptions::default());
        let client = client.expect("a client");
        let server = thread::spawn(move || {
            let mut head = String::new();
            while let Some(line) = there.read_line(1000).expect("a line")
                && !line.is_empty()
            {
                head += str::from_utf8(&line).expect("ASCII");
                head += "\r\n";
            }
            let response = acceptance(&head);
            there.write_all(response.as_bytes()).expect("written");
            // The client's close frame, and the answer to it.
            there.read_all(&mut [0; 8]).expect("a frame");
            there.write_all(b"\x88\x02\x03\xe8").expect("written");
            there.master().close().expect("cut");
        });
        client.bye(1000, "").expect("answered");
        assert_eq!(client.close_code(), Some(1000));
        server.join().expect("no panic");
    });
}

#[test]
fn a_peer_that_never_stops_sending_does_not_extend_a_closing_handshake() {
    for (by_future, closes) in [(false, false), (true, false), (false, true), (true, true)] {
        on_loop(move || async move {
            let options = WebsockOptions::builder().close_timeout(Duration::from_millis(200));
            let options = options.build().expect("good options");
            let (client, mut far) = raw_server(&options);
            let server = thread::spawn(move || {
                accept(&mut far);
                if closes {
                    far.write_all(b"\x88\x02\x03\xe8").expect("written");
                }
                let message = [&b"\x82\x7e\xff\xff"[..], &[0; 0xffff]].concat();
                while far.write_all(&message).is_ok() {}
            });
            let ended = match by_future {
                true => client.bye_future(1000, "").await,
                false => client.bye(1000, ""),
            };
            assert_eq!(ended.expect_err("no end").kind(), io::ErrorKind::TimedOut);
            drop(client);
            server.join().expect("no panic");
        });
    }
}
