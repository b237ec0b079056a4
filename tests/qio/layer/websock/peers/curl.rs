//! libcurl, by `curl_peer.py`. It is a client only, and has no compression.

use super::{Setting, serve};
use crate::common::in_time;

#[test]
fn clients_of_libcurl_are_served() {
    needs!("python3-gi", "aiohttp");
    in_time(|| {
        for transport in ["plain", "tls"] {
            let setting = Setting {
                script: "curl_peer.py",
                transport,
                compression: "none",
            };
            serve(setting, "none", ["3001 ", "4000 as requested"]);
        }
    });
}
