//! Whatever a client of TLS receives: it never fails otherwise than by an error that stays the
//! same, takes bounded memory and time, and is freed when nothing refers to it.
//!
//! The first four bytes of the input are the setting (`tls/configs.rs`), the order of calls, and in
//! which pieces data is read and written. The rest is what the server sends: recorded, or
//! generated. A man in the middle is in `tls_server`.
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
#[path = "tls/wire.rs"]
mod wire;

use libfuzzer_sys::fuzz_target;
use qio::ChannelTls;

use self::{
    alone::listen,
    endpoint::End,
    configs::{NAME, Setting, restart_chance},
    wire::Wire,
};

/// As much as a client may have at a time, with what is on the wire, and the buffers that stay for
/// the next one.
const MEMORY: usize = 2 << 20;

/// How often it is driven: far more often than there are pieces.
const TURNS: usize = 40_000;

/// The client's data begins with this.
const SALT: u8 = 0x55;

fuzz_target!(|input: &[u8]| {
    let Some((&[setting, calls, reading, writing], rest)) = input.split_first_chunk() else {
        return;
    };
    let creds = Setting::of(setting).client();
    restart_chance(0);
    limits::begin();
    let wire = Wire::new(reading, writing);
    let tls = ChannelTls::new_client(&wire, &creds, NAME).expect("a client");
    listen(End::new(tls, wire, (SALT, None), 100, calls), rest, TURNS);
    let peak = limits::peak();
    assert!(peak < MEMORY, "{peak} bytes");
});
