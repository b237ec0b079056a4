//! The example `webchat`: a page and its WebSocket at one port, and clients that exchange messages.

use std::{
    net::TcpStream,
    process::{Command, Stdio},
};

use glib::Bytes;
use qio::{ChannelWebsock, WebsockDeflate, WebsockMessageKind, WebsockOptions, prelude::*};

use crate::{
    process::Running,
    start,
    web::{Certificates, Web},
};

fn server() -> Web {
    Web::start("webchat", &["127.0.0.1:0"])
}

/// A client in a topic, which has received the number of clients there.
#[track_caller]
fn client(server: &Web, topic: &str, count: usize) -> ChannelWebsock {
    let options = WebsockOptions::builder().deflate(WebsockDeflate::default());
    let options = options.build().expect("good options");
    let client = server.websocket(&format!("/chat?{topic}"), &options);
    receives(&client, &format!("{{\"clients\":{count}}}"));
    client
}

#[track_caller]
fn receives(client: &ChannelWebsock, text: &str) {
    let message = client.receive().expect("received").expect("not the end");
    assert_eq!(message.text(), Some(text));
}

/// The server closes the connection.
#[track_caller]
fn is_closed(client: &ChannelWebsock, code: u16, reason: &str) {
    while let Ok(Some(_)) = client.receive() {}
    assert_eq!(client.close_code(), Some(code));
    assert_eq!(client.close_reason().as_deref(), Some(reason));
}

#[test]
fn the_page_of_webchat_may_connect_to_its_server_alone() {
    let server = server();
    let response = server.request("GET /?topic");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert!(response.contains("connect-src 'self'\r\n"), "{response}");
    assert!(response.contains("new WebSocket(uri)"), "{response}");
    for (line, status) in [
        ("GET /other", "404 Not Found"),
        ("GET /chat", "404 Not Found"),
        ("POST /", "405 Method Not Allowed"),
    ] {
        let response = server.request(line);
        let expected = format!("HTTP/1.1 {status}\r\n");
        assert!(response.starts_with(&expected), "{line}: {response}");
    }
}

#[test]
fn clients_of_a_topic_exchange_messages_with_permessage_deflate() {
    needs!("tlslite-ng");
    let server = server();
    let (one, other) = (client(&server, "a", 1), client(&server, "b", 1));
    let root = env!("CARGO_MANIFEST_DIR");
    let mut python = Command::new(format!("{root}/.ci/python"));
    python
        .arg(format!("{root}/tests/examples/webchat.py"))
        .arg(format!("ws://{}/chat?a", server.address))
        .stdin(Stdio::null());
    let mut python = Running::new(&mut python);
    let extensions = python.until("\n");
    assert_eq!(
        extensions,
        "extensions permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    );
    assert_eq!(python.until("\n"), "{\"clients\":2}");
    receives(&one, "{\"clients\":2}");
    let agreed = one.response_header("Sec-WebSocket-Extensions");
    let agreed = agreed.expect("compression");
    assert!(agreed.starts_with("permessage-deflate"), "{agreed}");

    let text = format!("from qio {}", "grün ".repeat(100));
    one.send_text(&text).expect("sent");
    receives(&one, &text);
    assert_eq!(python.until("\n"), text);
    receives(&one, &format!("from Python {}", "grün ".repeat(100)));
    drop(python);
    receives(&one, "{\"clients\":1}");
    // Nothing of that has reached the other topic.
    other.send_text("alone").expect("sent");
    receives(&other, "alone");
    for client in [one, other] {
        client.bye(1000, "").expect("the closing handshake");
    }
}

#[test]
fn a_client_that_reads_nothing_is_closed_and_the_others_continue() {
    let server = server();
    let slow = client(&server, "", 1);
    let fast = client(&server, "", 2);
    // Which compression does not shorten.
    let (mut seed, mut text) = (1_u32, String::new());
    while text.len() < 4000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push(char::from(b'!' + (seed >> 24) as u8 % 90));
    }
    // Buffers of the kernel come first: of a few MiB.
    let is_left_alone = (0..20_000).any(|_| {
        fast.send_text(&text).expect("sent");
        let message = fast.receive().expect("received").expect("not the end");
        message.text() == Some("{\"clients\":1}")
    });
    assert!(is_left_alone);
    receives(&fast, &text);
    is_closed(&slow, 1013, "too slow");
    fast.bye(1000, "").expect("the closing handshake");
}

#[test]
fn messages_that_webchat_does_not_accept_end_the_connection() {
    let server = server();
    let binary = client(&server, "", 1);
    let data = Bytes::from_static(b"data");
    binary
        .send(WebsockMessageKind::Binary, &data)
        .expect("sent");
    is_closed(&binary, 1003, "text only");
    binary.close().expect("closed");

    let large = client(&server, "", 1);
    large.send_text(&"long ".repeat(1000)).expect("sent");
    while let Ok(Some(_)) = large.receive() {}
    assert_eq!(large.close_code(), Some(1009));
}

#[test]
fn a_page_of_another_host_cannot_join_a_chat() {
    let mut server = server();
    // A connection without a request is no error: browsers open some in advance.
    drop(TcpStream::connect(&server.address).expect("it listens"));
    let foreign = WebsockOptions::builder().header("Origin", "https://evil.example");
    let foreign = foreign.build().expect("good options");
    let own = WebsockOptions::builder().header("Origin", "http://127.0.0.1:8080");
    let own = own.build().expect("good options");
    let error = server.websocket("/chat", &foreign).handshake();
    let error = error.expect_err("refused").to_string();
    assert_eq!(error, "The server answered 403 Forbidden");
    let log = server.process.wait_for_log("webchat: ");
    assert!(log.contains("https://evil.example"), "{log}");
    server
        .websocket("/chat", &own)
        .handshake()
        .expect("accepted");
}

#[test]
fn a_chat_is_served_over_tls() {
    let certificates = Certificates::new();
    let [cert, key] = certificates.files();
    let server = Web::start("webchat", &["127.0.0.1:0", &cert, &key]);
    let uri = format!("wss://{}/chat", server.address);
    let (lower, options) = (certificates.connect(&server), WebsockOptions::default());
    let client = ChannelWebsock::new_client(&lower, &uri, &options).expect("a client");
    receives(&client, "{\"clients\":1}");
    client.send_text("hello").expect("sent");
    receives(&client, "hello");
    client.bye(1000, "").expect("the closing handshake");
}

#[test]
fn wrong_usage_of_webchat_is_an_error_with_a_reason() {
    for (arguments, reason) in [
        (&[][..], "usage: webchat "),
        (&["127.0.0.1:0", "cert"], "usage: webchat "),
        (&["127.0.0.1:x"], "expected a port"),
        (&["127.0.0.1:0", "/nowhere", "/nowhere"], "/nowhere"),
    ] {
        let ended = start("webchat", arguments).end();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
        assert!(ended.errors.contains(reason), "{}", ended.errors);
    }
}
