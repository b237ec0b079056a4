//! Whatever comes as a request or as a response: an end makes the same of it in whatever pieces,
//! and what it accepts is what another reader finds to be valid, with exactly one key.
//!
//! The first three bytes of the input are the end, and the pieces. The rest is the head. In a
//! response `@` stands for the value of `Sec-WebSocket-Accept`.
#![no_main]

#[path = "websock/opening.rs"]
#[allow(dead_code)] // other targets use the rest
mod opening;
#[path = "tls/wire.rs"]
#[allow(dead_code)] // the targets for TLS use the rest
mod wire;

use libfuzzer_sys::fuzz_target;
use qio::{WebsockDeflate, WebsockOptions};

use self::wire::Wire;

fuzz_target!(|input: &[u8]| {
    let Some((&[end, reading, writing], head)) = input.split_first_chunk() else {
        return;
    };
    let run = match end & 1 {
        0 => serve,
        _ => connect,
    };
    let whole = run((0, 0), head);
    assert_eq!(whole, run((reading, writing), head));
});

fn options() -> WebsockOptions {
    let options = WebsockOptions::builder()
        .protocol("one")
        .protocol("two")
        .deflate(WebsockDeflate::default());
    options.build().expect("good options")
}

fn check_message(error: &std::io::Error) {
    let message = error.to_string();
    assert!(!message.is_empty() && message.len() < 20_000, "{message:?}");
}

/// The response of a server.
fn serve(pieces: (u8, u8), head: &[u8]) -> String {
    let wire = Wire::new(pieces.0, pieces.1);
    let server = opening::server(&wire, &options());
    wire.put(head);
    let (result, response) = opening::finish(&server, &wire);
    let response = String::from_utf8(response).expect("ASCII");
    match result {
        Ok(()) => check_request(head, &response),
        Err(e) => {
            check_message(&e);
            check_refusal(&response);
        }
    }
    response
}

/// The values of a header, by a reader that is not qio's.
fn values<'a>(head: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    head.split("\r\n").skip(1).filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then_some(value.trim_matches([' ', '\t']))
    })
}

fn check_request(head: &[u8], response: &str) {
    let end = head.windows(4).position(|it| it == b"\r\n\r\n");
    let head = String::from_utf8_lossy(&head[..end.expect("a whole head")]);
    // Empty lines before a request are allowed.
    let head = head.trim_start_matches("\r\n");
    assert!(head.starts_with("GET "), "{head:?}");
    let line = head.split("\r\n").next().unwrap_or_default();
    assert!(line.ends_with(" HTTP/1.1"), "{line:?}");
    for name in ["Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version"] {
        assert_eq!(values(head, name).count(), 1, "{name}");
    }
    assert_eq!(values(head, "Sec-WebSocket-Version").next(), Some("13"));
    let key = values(head, "Sec-WebSocket-Key").next().expect("a key");
    let bytes = openssl::base64::decode_block(key).expect("base64");
    assert_eq!((key.len(), bytes.len()), (24, 16));
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    let accept = values(response, "Sec-WebSocket-Accept").next();
    assert_eq!(accept, Some(&*opening::accept_of(key)));
}

fn check_refusal(response: &str) {
    if response.is_empty() {
        return;
    }
    let (head, body) = response.split_once("\r\n\r\n").expect("a whole head");
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|it| it.get(..3));
    let status: u16 = status.and_then(|it| it.parse().ok()).expect("a status");
    assert!((400..=505).contains(&status), "{response}");
    assert_eq!(opening::header(head, "Connection"), Some("close"));
    let len = opening::header(head, "Content-Length").expect("a length");
    assert_eq!(len.parse(), Ok(body.len()), "{response}");
}

/// Whether a client accepts a response.
fn connect(pieces: (u8, u8), head: &[u8]) -> String {
    let wire = Wire::new(pieces.0, pieces.1);
    let (client, key) = opening::client(&wire, &options());
    let accept = opening::accept_of(&key);
    for part in head.split_inclusive(|byte| *byte == b'@') {
        match part.strip_suffix(b"@") {
            Some(part) => {
                wire.put(part);
                wire.put(accept.as_bytes());
            }
            None => wire.put(part),
        }
    }
    let (result, _) = opening::finish(&client, &wire);
    match result {
        Ok(()) => {
            let head = String::from_utf8_lossy(head);
            assert!(head.contains(" 101") && head.contains('@'), "{head:?}");
            "accepted".to_owned()
        }
        Err(e) => {
            check_message(&e);
            // The keys differ from one client to the next.
            e.kind().to_string()
        }
    }
}
