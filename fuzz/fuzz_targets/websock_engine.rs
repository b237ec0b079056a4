//! Whatever an end receives after the opening handshake: it makes the same of it in whatever pieces
//! that arrives, fails otherwise than by would-block once and for all, sends valid frames, uses
//! bounded memory, and is freed when nothing refers to it.
//!
//! The first three bytes of the input are the setting, and the pieces in which data is read and
//! written. The rest are the frames of the peer.
#![no_main]

#[path = "websock/frames.rs"]
mod frames;
#[path = "tls/limits.rs"]
mod limits;
#[path = "websock/opening.rs"]
#[allow(dead_code)] // other targets use the rest
mod opening;
#[path = "tls/wire.rs"]
#[allow(dead_code)] // the targets for TLS use the rest
mod wire;

use std::io;

use glib::prelude::*;
use libfuzzer_sys::fuzz_target;
use qio::{
    ChannelWebsock, WebsockDeflate, WebsockError, WebsockMessageKind, WebsockOptions, prelude::*,
    to_glib_error,
};

use self::wire::Wire;

/// How often an end is called: far more often than there are pieces, and frames.
const TURNS: usize = 100_000;

/// As much as an end may have at a time with what it has received: compressed data expands to a
/// thousand times its size at most.
const MEMORY: usize = 16 << 20;

/// What the frames of the peer are to a reader.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    messages: Vec<(WebsockMessageKind, Vec<u8>)>,
    /// What was read as a stream.
    data: Vec<u8>,
    /// The code of the error at the end; 0 for an error without one.
    error: Option<i32>,
}

#[derive(Debug, Clone, Copy)]
struct Setting(u8);

impl Setting {
    fn is_client(self) -> bool {
        self.0 & 1 != 0
    }

    fn by_message(self) -> bool {
        self.0 & 2 != 0
    }

    fn options(self) -> WebsockOptions {
        let options = WebsockOptions::builder();
        let options = match self.0 & 4 != 0 {
            true => options.deflate(WebsockDeflate::default().threshold(0)),
            false => options,
        };
        let options = match self.0 & 8 != 0 {
            true => options.binary_only(),
            false => options,
        };
        options.build().expect("good options")
    }

    /// An end after the opening handshake, and the frames behind it.
    fn open(self, wire: &Wire, frames: &[u8]) -> ChannelWebsock {
        let extensions = match self.0 & 4 != 0 {
            true => "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            false => "\r\n",
        };
        let (channel, head) = match self.is_client() {
            true => {
                let (client, key) = opening::client(wire, &self.options());
                let accept = opening::accept_of(&key);
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{extensions}"
                );
                (client, head)
            }
            false => {
                let server = opening::server(wire, &self.options());
                (server, format!("{}{extensions}", opening::REQUEST))
            }
        };
        wire.put(head.as_bytes());
        wire.put(frames);
        channel
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&[setting, reading, writing], frames)) = input.split_first_chunk() else {
        return;
    };
    let setting = Setting(setting);
    limits::begin();
    let whole = run(setting, (0, 0), frames);
    let split = run(setting, (reading, writing), frames);
    assert_eq!(whole.messages, split.messages);
    assert_eq!(whole.error, split.error);
    // What precedes invalid data in the same piece may be lost with it.
    let common = whole.data.len().min(split.data.len());
    assert_eq!(whole.data[..common], split.data[..common]);
    assert!(whole.error.is_some() || whole.data.len() == split.data.len());
    let peak = limits::peak();
    assert!(peak < MEMORY, "{peak} bytes");
});

/// What an end makes of the frames in these pieces.
fn run(setting: Setting, pieces: (u8, u8), frames: &[u8]) -> Outcome {
    let wire = Wire::new(pieces.0, pieces.1);
    let channel = setting.open(&wire, frames);
    let mut outcome = Outcome::default();
    for turn in 0.. {
        assert!(turn < TURNS, "there is no end to it");
        let error = match step(setting, &channel, &mut outcome) {
            Ok(true) => continue,
            Ok(false) => break,
            Err(error) => error,
        };
        if error.kind() == io::ErrorKind::WouldBlock {
            if !wire.is_readable() {
                wire.end();
            }
            continue;
        }
        let again = step(setting, &channel, &mut outcome).expect_err("it stays");
        assert_eq!(again.to_string(), error.to_string());
        let error = to_glib_error(&error);
        outcome.error = Some(error.kind::<WebsockError>().map_or(0, WebsockError::code));
        break;
    }
    for _ in 0..TURNS {
        let flushed = channel.flush();
        if !flushed.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock) {
            break;
        }
    }
    let _ = channel.close();
    check_output(setting, &wire.take().0);
    let weak = (channel.downgrade(), wire.downgrade());
    drop((channel, wire));
    assert!(weak.0.upgrade().is_none() && weak.1.upgrade().is_none());
    outcome
}

/// Reads something. `false`: the end.
fn step(setting: Setting, channel: &ChannelWebsock, outcome: &mut Outcome) -> io::Result<bool> {
    if !setting.by_message() {
        let data = channel.read_bytes(5000)?;
        outcome.data.extend_from_slice(&data);
        return Ok(!data.is_empty());
    }
    let Some(message) = channel.receive()? else {
        return Ok(false);
    };
    if message.kind() == WebsockMessageKind::Text {
        assert!(message.text().is_some(), "text that is not UTF-8");
    }
    let kind = message.kind();
    outcome.messages.push((kind, message.data().to_vec()));
    Ok(true)
}

/// The end has sent no data: its head, pongs and a close frame.
fn check_output(setting: Setting, output: &[u8]) {
    let frames = match setting.is_client() {
        true => output,
        false => {
            let end = output.windows(4).position(|it| it == b"\r\n\r\n");
            &output[end.map_or(output.len(), |at| at + 4)..]
        }
    };
    for frame in frames::parse(frames, setting.is_client()) {
        assert!(matches!(frame.opcode, 8 | 10), "{frame:?}");
    }
}
