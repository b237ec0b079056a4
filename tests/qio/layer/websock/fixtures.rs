//! Both ends of a WebSocket, and a peer of raw bytes.

use std::{
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

use qio::{ChannelSocket, ChannelWebsock, WebsockOptions};

pub(crate) const URI: &str = "ws://example.org/chat";

/// The request of a client, with the key of the RFC.
pub(crate) const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A client and a server, before the handshake.
pub(crate) fn pair_with(options: &WebsockOptions) -> (ChannelWebsock, ChannelWebsock) {
    let (here, there) = ChannelSocket::pair().expect("a pair");
    let client = ChannelWebsock::new_client(&here, URI, options).expect("a client");
    let server = ChannelWebsock::new_server(&there, options).expect("a server");
    (client, server)
}

pub(crate) fn pair() -> (ChannelWebsock, ChannelWebsock) {
    pair_with(&WebsockOptions::default())
}

/// A server, and the other end of its lower channel.
pub(crate) fn raw_client(options: &WebsockOptions) -> (UnixStream, ChannelWebsock) {
    let (near, far) = UnixStream::pair().expect("a pair");
    far.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    let channel = ChannelSocket::new_fd(OwnedFd::from(near)).expect("a socket");
    let server = ChannelWebsock::new_server(&channel, options).expect("a server");
    (far, server)
}

/// As [`raw_client`], after the opening handshake.
pub(crate) fn open_client(options: &WebsockOptions) -> (UnixStream, ChannelWebsock) {
    let (mut far, server) = raw_client(options);
    far.write_all(REQUEST.as_bytes()).expect("written");
    server.handshake().expect("accepted");
    let head = read_head(&mut far);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    (far, server)
}

/// A client, and the other end of its lower channel, before the opening handshake.
pub(crate) fn raw_server(options: &WebsockOptions) -> (ChannelWebsock, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let channel = ChannelSocket::new_fd(OwnedFd::from(near)).expect("a socket");
    let client = ChannelWebsock::new_client(&channel, URI, options).expect("a client");
    (client, far)
}

/// Reads a head, byte by byte.
pub(crate) fn read_head(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("ASCII")
}

/// A frame of a client, with the masking key 0: the payload is as it is.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Reads a frame of a server: its first byte and its payload.
pub(crate) fn read_frame(stream: &mut UnixStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("a header");
    let len = match head[1] {
        126 => {
            let mut len = [0; 2];
            stream.read_exact(&mut len).expect("a length");
            u16::from_be_bytes(len).into()
        }
        127 => {
            let mut len = [0; 8];
            stream.read_exact(&mut len).expect("a length");
            u64::from_be_bytes(len)
        }
        len => u64::from(len),
    };
    let mut payload = vec![0; len as usize];
    stream.read_exact(&mut payload).expect("a payload");
    (head[0], payload)
}

/// Reads the close frame of a server: its code and reason.
pub(crate) fn read_close(stream: &mut UnixStream) -> (u16, String) {
    let (first, payload) = read_frame(stream);
    assert_eq!(first, 0x88, "a close frame");
    let (code, reason) = payload.split_at(2);
    let reason = String::from_utf8(reason.to_vec()).expect("UTF-8");
    (u16::from_be_bytes([code[0], code[1]]), reason)
}

/// The response that accepts the request of a client (RFC 6455, section 4.2.2).
pub(crate) fn acceptance(request: &str) -> String {
    let key = request.split("Sec-WebSocket-Key: ").nth(1).expect("a key");
    let key = key.split("\r\n").next().expect("a line");
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = openssl::base64::encode_block(&openssl::sha::sha1(text.as_bytes()));
    format!(
        "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Reads the request of a client, and accepts it.
pub(crate) fn accept(stream: &mut UnixStream) {
    let response = acceptance(&read_head(stream));
    stream.write_all(response.as_bytes()).expect("written");
}

/// The processor time of this thread.
pub(crate) fn cpu_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    nix::time::clock_gettime(clock).expect("a clock").into()
}
