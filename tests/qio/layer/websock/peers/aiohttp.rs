//! Python's aiohttp, by `aiohttp_peer.py`.

use super::{Setting, connect, serve};
use crate::common::in_time;

fn setting(transport: &'static str, compression: &'static str) -> Setting {
    Setting {
        script: "aiohttp_peer.py",
        transport,
        compression,
    }
}

#[test]
fn clients_of_aiohttp_are_served() {
    needs!("python3-gi", "aiohttp");
    in_time(|| {
        let closes = ["3001 ", "4000 as requested"];
        let small = "permessage-deflate; server_max_window_bits=9";
        serve(setting("plain", "none"), "none", closes);
        serve(setting("plain", "deflate"), "permessage-deflate", closes);
        serve(setting("plain", "small"), small, closes);
        serve(setting("tls", "deflate"), "permessage-deflate", closes);
    });
}

#[test]
fn servers_of_aiohttp_serve_clients() {
    needs!("python3-gi", "aiohttp");
    in_time(|| {
        connect(setting("plain", "none"), None);
        connect(setting("plain", "deflate"), Some("permessage-deflate"));
        connect(setting("tls", "deflate"), Some("permessage-deflate"));
    });
}
