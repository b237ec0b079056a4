//! `src/layer/tls/`.

mod alerts;
mod audit;
mod authorize_peer;
mod backpressure;
mod certificates;
mod classes;
mod close_notify;
mod concurrent_handshake;
mod contexts;
mod creds;
mod creds_interop;
mod delivery;
mod denial;
mod dos;
mod extended_master_secret;
mod faults;
pub(crate) mod fixtures;
mod forks;
mod gnutls;
mod handshake;
mod hello_retry;
mod identities;
mod io;
mod key_update;
mod leaks;
mod limits;
mod malformed_records;
mod names;
mod openssl_peer;
mod peers;
mod protocol_violations;
mod python;
mod readiness;
mod relay;
mod secrets;
mod sharing;
mod verification;

/// Whether OpenSSL, as it is loaded, is of this version or a later one.
fn openssl_since(major: i64, minor: i64) -> bool {
    openssl::version::number() >= major << 28 | minor << 20
}
