//! The opening handshake.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use qio::{ChannelSocket, ChannelWebsock, WebsockError, WebsockOptions, prelude::*, to_glib_error};

use super::fixtures::{REQUEST, URI, pair_with, raw_client, raw_server, read_head};
use crate::common::in_time;

fn code(error: &io::Error) -> Option<i32> {
    to_glib_error(error)
        .kind::<WebsockError>()
        .map(WebsockError::code)
}

#[test]
fn both_ends_agree_on_a_subprotocol_and_have_the_headers_of_each_other() {
    in_time(|| {
        let options = WebsockOptions::builder()
            .protocol("chat")
            .header("X-Token", "a b")
            .build()
            .expect("good options");
        let (client, server) = pair_with(&options);
        let opening = {
            let client = client.clone();
            thread::spawn(move || client.handshake())
        };
        server.handshake().expect("accepted");
        opening.join().expect("no panic").expect("opened");
        assert!(client.is_handshake_done() && server.is_handshake_done());
        assert_eq!(client.protocol().as_deref(), Some("chat"));
        assert_eq!(server.protocol().as_deref(), Some("chat"));
        assert_eq!((client.extensions(), server.extensions()), (None, None));
        assert_eq!(client.response_header("x-token").as_deref(), Some("a b"));
        assert_eq!(server.request_header("X-TOKEN").as_deref(), Some("a b"));
        assert_eq!(server.path().as_deref(), Some("/chat"));
        assert_eq!(client.uri().as_deref(), Some(URI));
        assert!(client.master().is::<ChannelSocket>());
        assert_eq!((client.is_client(), server.is_client()), (true, false));
    });
}

#[test]
fn a_request_is_accepted_at_every_split_with_the_frames_behind_it() {
    in_time(|| {
        let bytes = [REQUEST.as_bytes(), &super::fixtures::frame(0x82, b"x")].concat();
        for split in 1..bytes.len() {
            let (mut far, server) = raw_client(&WebsockOptions::default());
            server.set_blocking(false).expect("non-blocking");
            far.write_all(&bytes[..split]).expect("written");
            let early = server.read(&mut [0; 9]);
            assert_eq!(
                early.expect_err("incomplete").kind(),
                io::ErrorKind::WouldBlock
            );
            far.write_all(&bytes[split..]).expect("written");
            let mut data = [0; 9];
            assert_eq!(server.read(&mut data).expect("data"), 1, "{split}");
        }
    });
}

#[test]
fn a_refused_request_gets_its_status_and_both_ends_have_it_as_the_code_of_an_error() {
    in_time(|| {
        let server_options = WebsockOptions::builder().path("/other").build();
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let options = WebsockOptions::default();
        let client = ChannelWebsock::new_client(&here, URI, &options).expect("a client");
        let server_options = server_options.expect("good options");
        let server = ChannelWebsock::new_server(&there, &server_options).expect("a server");
        let refusing = thread::spawn(move || (server.handshake().expect_err("refused"), server));
        let error = client.handshake().expect_err("refused");
        assert_eq!(code(&error), Some(404));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string(), "The server answered 404 Not Found");
        let again = client.read(&mut [0]).expect_err("final");
        assert_eq!(code(&again), Some(404));
        let (refused, server) = refusing.join().expect("no panic");
        assert_eq!(code(&refused), Some(404));
        server.close().expect("closed");
    });
}

#[test]
fn a_server_decides_about_a_request_itself() {
    in_time(|| {
        let (mut far, server) = raw_client(&WebsockOptions::default());
        let error = server.accept(None, &[]).expect_err("too early");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let request = REQUEST.replace("/chat", "/chat?topic=1");
        far.write_all(request.as_bytes()).expect("written");
        server.receive_request().expect("received");
        assert!(server.is_upgrade() && !server.is_handshake_done());
        assert_eq!(server.method().as_deref(), Some("GET"));
        assert_eq!(server.target().as_deref(), Some("/chat?topic=1"));
        assert_eq!(server.query().as_deref(), Some("topic=1"));
        for (name, value) in [("Upgrade", "x"), ("a b", "x"), ("A", "x\r\nB: y")] {
            let error = server.accept(None, &[(name, value)]).expect_err("invalid");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        let error = server.accept(Some("chat"), &[]).expect_err("not offered");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        server
            .accept(None, &[("Set-Cookie", "a=b")])
            .expect("accepted");
        let head = read_head(&mut far);
        assert!(head.contains("\r\nSet-Cookie: a=b\r\n"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        let error = server.accept(None, &[]).expect_err("twice");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn a_server_answers_plain_requests_with_a_page() {
    in_time(|| {
        let (mut far, server) = raw_client(&WebsockOptions::default());
        far.write_all(b"GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n")
            .expect("written");
        server.receive_request().expect("received");
        assert!(!server.is_upgrade());
        let page = vec![b'x'; 1 << 20];
        let reader = thread::spawn(move || {
            let mut response = Vec::new();
            far.read_to_end(&mut response).expect("to its end");
            response
        });
        server
            .refuse(200, &[("Content-Type", "text/html")], &page)
            .expect("sent");
        server.close().expect("closed");
        let response = reader.join().expect("no panic");
        assert!(response.starts_with(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"));
        assert!(response.ends_with(&page));
    });
}

#[test]
fn malformed_requests_get_a_status_and_no_connection() {
    in_time(|| {
        let long = format!("GET / HTTP/1.1\r\nCookie: {}", "a".repeat(16 * 1024));
        for (request, status) in [
            ("\r\n\r\n\r\n", 400),
            ("GET / HTTP/1.1\nHost: a\n\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            (&long, 431),
        ] {
            let (mut far, server) = raw_client(&WebsockOptions::default());
            far.write_all(request.as_bytes()).expect("written");
            let error = server.handshake().expect_err("refused");
            assert_eq!(code(&error), Some(status), "{request:.40}");
            let head = read_head(&mut far);
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains("Connection: close\r\n"), "{head}");
        }
    });
}

#[test]
fn a_peer_that_ends_the_connection_in_the_handshake_is_an_error_and_no_busy_loop() {
    in_time(|| {
        let (mut far, server) = raw_client(&WebsockOptions::default());
        far.write_all(b"GET / HTTP/1.1\r\n").expect("written");
        far.shutdown(Shutdown::Write).expect("ended");
        let error = server.handshake().expect_err("ended");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(code(&error), Some(WebsockError::BAD_REQUEST.code()));
    });
}

#[test]
fn a_client_refuses_an_invalid_answer() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.0 101 Switching Protocols\r\n\r\n",
    ] {
        in_time(move || {
            let (client, mut far) = raw_server(&WebsockOptions::default());
            far.write_all(answer.as_bytes()).expect("written");
            let error = client.handshake().expect_err("invalid");
            assert_eq!(
                code(&error),
                Some(WebsockError::BAD_ANSWER.code()),
                "{answer}"
            );
        });
    }
}

#[test]
fn invalid_options_are_refused_by_name() {
    for (builder, name) in [
        (WebsockOptions::builder().protocol("a b"), "a b"),
        (
            WebsockOptions::builder().protocol("a").protocol("a"),
            "\"a\"",
        ),
        (WebsockOptions::builder().header("Host", "x"), "Host"),
        (
            WebsockOptions::builder().header("sec-websocket-key", "x"),
            "sec-websocket-key",
        ),
        (WebsockOptions::builder().header("X", "a\nb"), "X"),
        (WebsockOptions::builder().path("chat"), "chat"),
    ] {
        let error = builder.build().expect_err(name);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn clients_that_send_a_request_and_leave_are_no_fault() {
    in_time(|| {
        for _ in 0..100 {
            let (mut far, server) = raw_client(&WebsockOptions::default());
            far.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("written");
            drop(far);
            let closer = server.clone();
            let closing = thread::spawn(move || closer.close());
            let _ = server.handshake();
            let _ = closing.join().expect("no panic");
        }
    });
}

#[test]
fn threads_that_open_a_connection_at_once_report_it_once() {
    in_time(|| {
        for _ in 0..50 {
            let (client, server) = pair_with(&WebsockOptions::default());
            let count = Arc::new(AtomicUsize::new(0));
            for channel in [&client, &server] {
                let count = count.clone();
                channel.connect_notify(Some("handshake-done"), move |_, _| {
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
            thread::scope(|scope| {
                for channel in [&client, &client, &server, &server] {
                    scope.spawn(|| channel.handshake().expect("opened"));
                }
            });
            assert_eq!(count.load(Ordering::Relaxed), 2);
        }
    });
}
