//! Python's `websockets`, by `websockets_peer.py`.

use super::{Setting, connect, serve};
use crate::common::in_time;

fn settings() -> impl Iterator<Item = Setting> {
    let each = [
        ("plain", "none"),
        ("plain", "deflate"),
        ("plain", "small"),
        ("tls", "deflate"),
    ];
    each.into_iter().map(|(transport, compression)| Setting {
        script: "websockets_peer.py",
        transport,
        compression,
    })
}

#[test]
fn clients_of_websockets_are_served() {
    needs!("python3-gi", "tlslite-ng");
    in_time(|| {
        for setting in settings() {
            let extensions = match setting.compression {
                "none" => "none",
                "deflate" => "permessage-deflate",
                _ => {
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                     server_max_window_bits=9; client_max_window_bits=9"
                }
            };
            serve(setting, extensions, ["3001 ", "4000 as requested"]);
        }
    });
}

#[test]
fn servers_of_websockets_serve_clients() {
    needs!("python3-gi", "tlslite-ng");
    in_time(|| {
        for setting in settings() {
            let extensions = match setting.compression {
                "none" => None,
                "deflate" => {
                    Some("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12")
                }
                _ => Some(
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                     server_max_window_bits=9; client_max_window_bits=9",
                ),
            };
            connect(setting, extensions);
        }
    });
}
