//! libsoup, by `soup_peer.py`.

use super::{Setting, connect, serve};
use crate::common::in_time;

fn setting(compression: &'static str) -> Setting {
    Setting {
        script: "soup_peer.py",
        transport: "plain",
        compression,
    }
}

#[test]
fn clients_of_libsoup_are_served() {
    needs!("python3-gi", "gobject-introspection", "gir1.2-soup-3.0");
    in_time(|| {
        let closes = ["3001 ", "4000 as requested"];
        serve(setting("none"), "none", closes);
        serve(setting("deflate"), "permessage-deflate", closes);
    });
}

#[test]
fn servers_of_libsoup_serve_clients() {
    needs!("python3-gi", "gobject-introspection", "gir1.2-soup-3.0");
    in_time(|| {
        connect(setting("none"), None);
        let extensions = "permessage-deflate; client_max_window_bits=15";
        connect(setting("deflate"), Some(extensions));
    });
}
