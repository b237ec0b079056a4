//! For any input of a TLS server: it fails only by an error, which stays the same, uses bounded
//! memory and time, returns only data of the peer, and is finalized with its last reference.
//!
//! The first five bytes of the input select the configuration (`tls/configs.rs`), whether to a
//! recorded or generated client or to a real one with a man in the middle, what is called when, and
//! in which pieces. The rest is what the client sends, or the actions of the man in the middle
//! (`tls/mitm.rs`).
#![no_main]

#[path = "tls/alone.rs"]
mod alone;
#[path = "tls/endpoint.rs"]
mod endpoint;
#[path = "tls/configs.rs"]
#[allow(dead_code)] // the program that writes the corpus uses the rest
mod configs;
#[path = "tls/limits.rs"]
mod limits;
#[path = "tls/mitm.rs"]
mod mitm;
#[path = "tls/wire.rs"]
mod wire;

use libfuzzer_sys::fuzz_target;
use qio::ChannelTls;

use self::{
    alone::listen,
    endpoint::End,
    configs::{NAME, Setting, restart_chance},
    mitm::Middle,
    wire::Wire,
};

/// As much as both ends may have at a time, with what is on the wire, and four buffers of at most
/// 256 KiB that stay for the next ones.
const MEMORY: usize = 2 << 20;

/// The maximum number of steps of both ends: far more than there are pieces.
const TURNS: usize = 40_000;

/// How much each end sends, if its data is known.
const WORDS: usize = 1000;

/// The data of the two ends is derived from these.
const SALTS: (u8, u8) = (0x55, 0x0f);

fuzz_target!(|input: &[u8]| {
    let Some((&[setting, mode, calls, reading, writing], rest)) = input.split_first_chunk()
    else {
        return;
    };
    let setting = Setting::of(setting);
    let (server_creds, client_creds) = (setting.server(), setting.client());
    restart_chance(0);
    limits::begin();
    let pieces = (reading, writing);
    match mode % 2 {
        0 => {
            let wire = Wire::new(reading, writing);
            let tls = ChannelTls::new_server(&wire, &server_creds).expect("a server");
            listen(
                End::new(tls, wire, (SALTS.1, None), 100, calls),
                rest,
                TURNS,
            );
        }
        _ => {
            let connect = |pieces: (u8, u8), calls| {
                let (a, b) = (Wire::new(pieces.0, pieces.1), Wire::new(pieces.1, pieces.0));
                let client = ChannelTls::new_client(&a, &client_creds, NAME).expect("a client");
                let server = ChannelTls::new_server(&b, &server_creds).expect("a server");
                let (here, there) = SALTS;
                (
                    End::new(client, a, (here, Some(there)), WORDS, calls),
                    End::new(server, b, (there, Some(here)), WORDS, calls.wrapping_mul(3)),
                )
            };
            if setting.resumes() {
                // The session to resume.
                let (client, server) = connect((0, 0), 0);
                talk(client, server, Middle::new(&[]));
            }
            let (client, server) = connect(pieces, calls);
            talk(client, server, Middle::new(rest));
        }
    }
    let peak = limits::peak();
    assert!(peak < MEMORY, "{peak} bytes");
});

/// Two ends talk, as well as they can.
fn talk(mut client: End, mut server: End, mut middle: Middle) {
    for ended in [false, true] {
        if ended {
            // Nothing moves any more: the connection is cut.
            client.wire.end();
            server.wire.end();
        }
        for turn in 0.. {
            assert!(turn < TURNS, "there is no end to it");
            let works = [client.step(), server.step()];
            let moves = middle.carry(&client.wire, &server.wire);
            if works == [false; 2] && !moves {
                break;
            }
        }
    }
    for (end, peer) in [(&client, &server), (&server, &client)] {
        assert!(end.is_over(), "the end is reported");
        assert!(end.got <= peer.written, "more data than the peer has sent");
        assert!(!end.ended || peer.sent_close_notify, "end of stream without close_notify");
        if middle.is_passive() {
            assert_eq!(end.error, None, "an error without an attack");
            assert!(end.ended && end.got == WORDS, "{} bytes", end.got);
        }
    }
    if client.tls.is_handshake_done() && server.tls.is_handshake_done() {
        let agreed = |end: &End| {
            let tls = &end.tls;
            (
                tls.protocol_version(),
                tls.cipher(),
                tls.alpn_protocol(),
                tls.is_resumed(),
            )
        };
        assert_eq!(agreed(&client), agreed(&server));
    }
    client.finish();
    server.finish();
}
