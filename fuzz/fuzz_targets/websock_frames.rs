//! Messages of arbitrary sizes between a client and a server with arbitrary parameters of
//! compression, in whatever pieces: each arrives as it was sent, and another reader finds valid
//! frames with the same content.
//!
//! The first four bytes of the input are the parameters of both ends, and the pieces. The rest are
//! messages of three bytes each: the end and the kind, and the size.
#![no_main]

#[path = "websock/frames.rs"]
mod frames;
#[path = "websock/opening.rs"]
#[allow(dead_code)] // other targets use the rest
mod opening;
#[path = "tls/wire.rs"]
#[allow(dead_code)] // the targets for TLS use the rest
mod wire;

use std::{collections::VecDeque, io};

use glib::Bytes;
use libfuzzer_sys::fuzz_target;
use qio::{ChannelWebsock, WebsockDeflate, WebsockMessageKind, WebsockOptions, prelude::*};

use self::wire::Wire;

/// How often the ends are called for a message: far more often than there are pieces.
const TURNS: usize = 2_000_000;

/// How many messages there are at most.
const MESSAGES: usize = 12;

fuzz_target!(|input: &[u8]| {
    let Some((&[client, server, reading, writing], rest)) = input.split_first_chunk() else {
        return;
    };
    let (here, there) = (Wire::new(reading, writing), Wire::new(writing, reading));
    let client = ChannelWebsock::new_client(&here, opening::URI, &options(client));
    let mut ends = [
        End::new(client.expect("a client"), here),
        End::new(opening::server(&there, &options(server)), there),
    ];
    let (messages, _) = rest.as_chunks::<3>();
    for &[what, high, low] in messages.iter().take(MESSAGES) {
        let len = usize::from(u16::from_be_bytes([high, low]));
        // Small pieces take long.
        let len = match (reading, writing) {
            (0, 0) => len,
            _ => len % 3000,
        };
        let [one, other] = &mut ends;
        match what & 1 {
            0 => one.transfer(other, what, len),
            _ => other.transfer(one, what, len),
        }
    }
    let [client, server] = &mut ends;
    client.finish(server);
});

fn options(setting: u8) -> WebsockOptions {
    let options = WebsockOptions::builder();
    if setting & 0x80 != 0 {
        return options.build().expect("good options");
    }
    let bits = 9 + setting % 7;
    let mut deflate = WebsockDeflate::default().level(1 + u32::from(setting) % 9);
    if setting & 0x08 != 0 {
        deflate = deflate.client_no_context_takeover().threshold(0);
    }
    if setting & 0x10 != 0 {
        deflate = deflate.server_no_context_takeover();
    }
    if setting & 0x20 != 0 {
        deflate = deflate.client_max_window_bits(bits);
    }
    if setting & 0x40 != 0 {
        deflate = deflate.server_max_window_bits(bits);
    }
    options.deflate(deflate).build().expect("good options")
}

struct End {
    channel: ChannelWebsock,
    wire: Wire,
    /// All that it has written.
    output: Vec<u8>,
    /// What it has sent.
    sent: Vec<(WebsockMessageKind, Vec<u8>)>,
}

impl End {
    fn new(channel: ChannelWebsock, wire: Wire) -> Self {
        channel.set_blocking(false).expect("it never blocks");
        Self {
            channel,
            wire,
            output: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Moves what it has written to the other end.
    fn carry(&mut self, other: &Self) {
        let (bytes, goes_on) = self.wire.take();
        other.wire.put(&bytes);
        self.output.extend(bytes);
        if !goes_on {
            other.wire.end();
        }
    }

    /// Sends a message, and receives it at the other end.
    fn transfer(&mut self, other: &mut Self, what: u8, len: usize) {
        let mut message = message(what, len);
        let (mut is_sent, mut is_received) = (false, false);
        for turn in 0.. {
            assert!(turn < TURNS, "a message never arrives");
            if !is_sent {
                match send(&self.channel, what, &message.1) {
                    Ok(count) => {
                        message.1.truncate(count);
                        is_sent = true;
                    }
                    Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}"),
                }
            }
            let _ = self.channel.flush();
            self.carry(other);
            match other.channel.receive() {
                Ok(Some(received)) => {
                    assert_eq!(received.kind(), message.0);
                    assert!(received.data()[..] == message.1[..], "the message differs");
                    is_received = true;
                }
                Ok(None) => panic!("the end"),
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}"),
            }
            other.carry(self);
            if is_received {
                break;
            }
            // Its handshake, and pongs.
            let none = self.channel.receive().expect_err("nothing was sent");
            assert_eq!(none.kind(), io::ErrorKind::WouldBlock, "{none}");
        }
        self.sent.push(message);
    }

    /// Performs the closing handshake, and examines what both ends have written.
    fn finish(&mut self, server: &mut Self) {
        let (mut is_closed, mut has_ended) = (false, false);
        for turn in 0.. {
            assert!(turn < TURNS, "the closing handshake has no end");
            if !is_closed {
                match self.channel.bye(1000, "done") {
                    Ok(()) => is_closed = true,
                    Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}"),
                }
            }
            self.carry(server);
            match server.channel.receive() {
                Ok(None) => has_ended = true,
                Ok(Some(_)) => panic!("a message that was not sent"),
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}"),
            }
            if has_ended && server.channel.flush().is_ok() {
                let _ = server.channel.close();
            }
            server.carry(self);
            if is_closed && has_ended {
                break;
            }
        }
        self.check_output(true);
        server.check_output(false);
    }

    fn check_output(&self, is_client: bool) {
        let end = self.output.windows(4).position(|it| it == b"\r\n\r\n");
        let end = end.expect("a head") + 4;
        let mut sent: VecDeque<_> = self.sent.iter().collect();
        let mut payload = Vec::new();
        let mut is_compressed = false;
        for frame in frames::parse(&self.output[end..], is_client) {
            if frame.opcode >= 8 {
                continue;
            }
            is_compressed |= frame.rsv1;
            payload.extend(frame.payload);
            if frame.fin {
                let (_, data) = sent.pop_front().expect("a message that was not sent");
                assert!(is_compressed || *data == payload, "the message differs");
                payload.clear();
                is_compressed = false;
            }
        }
        assert!(sent.is_empty(), "all messages are written");
    }
}

fn message(what: u8, len: usize) -> (WebsockMessageKind, Vec<u8>) {
    match what & 2 {
        0 => {
            let text = ["größer ", "a€", "\0", "same "][usize::from(what >> 6)];
            let text: String = text.chars().cycle().take(len).collect();
            (WebsockMessageKind::Text, text.into_bytes())
        }
        _ => {
            let byte = |i: usize| {
                (i as u8)
                    .wrapping_mul(what)
                    .wrapping_add((i >> (what >> 4)) as u8)
            };
            (WebsockMessageKind::Binary, (0..len).map(byte).collect())
        }
    }
}

/// Returns how much was sent: a write makes a message of a part, and none of nothing.
fn send(channel: &ChannelWebsock, what: u8, data: &[u8]) -> io::Result<usize> {
    if what & 4 != 0 && what & 2 != 0 && !data.is_empty() {
        return channel.write(data);
    }
    let kind = match what & 2 {
        0 => WebsockMessageKind::Text,
        _ => WebsockMessageKind::Binary,
    };
    channel.send(kind, &Bytes::from(data))?;
    if what & 8 != 0 {
        // It is not sent while the message is.
        let _ = channel.ping(&data[..data.len().min(125)]);
    }
    Ok(data.len())
}
