//! The package ws for Node, by `ws_peer.cjs`.

use super::{Setting, connect, serve};
use crate::common::in_time;

fn setting(transport: &'static str, compression: &'static str) -> Setting {
    Setting {
        script: "ws_peer.cjs",
        transport,
        compression,
    }
}

#[test]
fn clients_of_ws_are_served() {
    needs!("ws");
    in_time(|| {
        let closes = ["3001 ", "4000 as requested"];
        serve(setting("plain", "none"), "none", closes);
        serve(setting("plain", "deflate"), "permessage-deflate", closes);
        let small = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                     server_max_window_bits=9; client_max_window_bits=9";
        serve(setting("plain", "small"), small, closes);
        serve(setting("tls", "deflate"), "permessage-deflate", closes);
    });
}

#[test]
fn servers_of_ws_serve_clients() {
    needs!("ws");
    in_time(|| {
        connect(setting("plain", "none"), None);
        connect(setting("plain", "deflate"), Some("permessage-deflate"));
        let small = "permessage-deflate; client_max_window_bits=9; server_no_context_takeover; \
                     client_no_context_takeover; server_max_window_bits=9";
        connect(setting("plain", "small"), Some(small));
        connect(setting("tls", "deflate"), Some("permessage-deflate"));
    });
}
