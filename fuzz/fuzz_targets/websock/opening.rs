//! The opening handshake of either end, by a peer that is not qio.

use openssl::{base64, sha};
use qio::{ChannelWebsock, WebsockOptions, prelude::*};

use super::wire::Wire;

pub const URI: &str = "ws://fuzz.test/chat";

/// How often a handshake is continued: more often than there are pieces.
const TURNS: usize = 100_000;

/// A request up to its extensions.
pub const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: fuzz.test\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// RFC 6455, section 4.2.2.
pub fn accept_of(key: &str) -> String {
    let mut hash = sha::Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::encode_block(&hash.finish())
}

/// The value of a header of a head.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// A client that has sent its request, and the key of that.
pub fn client(wire: &Wire, options: &WebsockOptions) -> (ChannelWebsock, String) {
    let client = ChannelWebsock::new_client(wire, URI, options).expect("a client");
    client.set_blocking(false).expect("it never blocks");
    let mut request = Vec::new();
    for turn in 0.. {
        assert!(turn < TURNS, "the request is never sent");
        let none = client.handshake().expect_err("there is no answer");
        assert_eq!(none.kind(), std::io::ErrorKind::WouldBlock, "{none}");
        request.extend(wire.take().0);
        if request.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let request = String::from_utf8(request).expect("ASCII");
    let key = header(&request, "Sec-WebSocket-Key").expect("a key");
    (client, key.to_owned())
}

/// A server that has received nothing.
pub fn server(wire: &Wire, options: &WebsockOptions) -> ChannelWebsock {
    let server = ChannelWebsock::new_server(wire, options).expect("a server");
    server.set_blocking(false).expect("it never blocks");
    server
}

/// Continues a handshake to its end, for which there is enough to read. Returns what was written.
pub fn finish(channel: &ChannelWebsock, wire: &Wire) -> (std::io::Result<()>, Vec<u8>) {
    let mut written = Vec::new();
    for _ in 0..TURNS {
        let result = channel.handshake();
        written.extend(wire.take().0);
        match result {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                if !wire.is_readable() {
                    wire.end();
                }
            }
            result => {
                for _ in 0..TURNS {
                    let flushed = channel.flush();
                    written.extend(wire.take().0);
                    match flushed {
                        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                        _ => return (result, written),
                    }
                }
            }
        }
    }
    panic!("the handshake has no end");
}
