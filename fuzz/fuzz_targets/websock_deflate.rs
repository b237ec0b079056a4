//! Whatever a client offers as extensions: the connection is accepted, and the response has
//! parameters that were offered, each once.
//!
//! The first byte of the input is what the server sets. The rest is the value of the header.
#![no_main]

#[path = "websock/opening.rs"]
#[allow(dead_code)] // other targets use the rest
mod opening;
#[path = "tls/wire.rs"]
#[allow(dead_code)] // the targets for TLS use the rest
mod wire;

use libfuzzer_sys::fuzz_target;
use qio::{WebsockDeflate, WebsockMessageKind, WebsockOptions};

use self::wire::Wire;

fuzz_target!(|input: &[u8]| {
    let Some((&setting, offers)) = input.split_first() else {
        return;
    };
    let is_value = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let Some(offers) = str::from_utf8(offers)
        .ok()
        .filter(|it| it.bytes().all(|byte| is_value(&byte)))
    else {
        return;
    };
    let response = serve(setting, offers);
    // The case of the name does not matter.
    let offers = offers.to_ascii_lowercase();
    if let Some(value) = opening::header(&response, "Sec-WebSocket-Extensions") {
        check(value, &offers);
    }
    connect(setting, &offers);
});

fn options(setting: u8) -> WebsockOptions {
    let mut deflate = WebsockDeflate::default().threshold(0);
    if setting & 1 != 0 {
        deflate = deflate.client_no_context_takeover();
    }
    if setting & 2 != 0 {
        deflate = deflate.server_no_context_takeover();
    }
    deflate = deflate.client_max_window_bits(9 + (setting >> 2) % 7);
    deflate = deflate.server_max_window_bits(9 + (setting >> 5) % 7);
    let options = WebsockOptions::builder().deflate(deflate);
    options.build().expect("good options")
}

fn serve(setting: u8, offers: &str) -> String {
    let wire = Wire::new(0, 0);
    let server = opening::server(&wire, &options(setting));
    let request = opening::REQUEST;
    wire.put(format!("{request}Sec-WebSocket-Extensions: {offers}\r\n\r\n").as_bytes());
    let (result, response) = opening::finish(&server, &wire);
    result.expect("unknown extensions are no error");
    // What was agreed on can be used.
    let kind = WebsockMessageKind::Binary;
    server
        .send(kind, &glib::Bytes::from_static(&[7; 1000]))
        .expect("sent");
    assert!(!wire.take().0.is_empty());
    String::from_utf8(response).expect("ASCII")
}

/// Checks a response to offers.
fn check(value: &str, offers: &str) {
    let mut parts = value.split("; ");
    assert_eq!(parts.next(), Some("permessage-deflate"), "{value}");
    assert!(offers.contains("permessage-deflate"), "{offers:?}");
    let mut names = Vec::new();
    for part in parts {
        let (name, bits) = match part.split_once('=') {
            Some((name, bits)) => (name, Some(bits.parse::<u8>().expect("a number"))),
            None => (part, None),
        };
        match (name, bits) {
            ("client_no_context_takeover" | "server_no_context_takeover", None) => {}
            ("client_max_window_bits", Some(8..=15)) => {
                assert!(offers.contains(name), "{offers:?}")
            }
            ("server_max_window_bits", Some(9..=15)) => {}
            _ => panic!("{value}"),
        }
        assert!(!names.contains(&name), "{value}");
        names.push(name);
    }
}

/// The same as what a server responds to a client.
fn connect(setting: u8, value: &str) {
    let wire = Wire::new(0, 0);
    let (client, key) = opening::client(&wire, &options(setting));
    let accept = opening::accept_of(&key);
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Extensions: {value}\r\n\r\n"
    );
    wire.put(response.as_bytes());
    let (result, _) = opening::finish(&client, &wire);
    if result.is_ok() {
        let is_empty = value
            .split(',')
            .all(|it| it.trim_matches([' ', '\t']).is_empty());
        assert!(
            is_empty || value.contains("permessage-deflate"),
            "{value:?}"
        );
        let kind = WebsockMessageKind::Binary;
        client
            .send(kind, &glib::Bytes::from_static(&[7; 1000]))
            .expect("sent");
    }
}
