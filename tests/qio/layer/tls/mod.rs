//! `src/layer/tls/`.

mod audit;
mod choked;
mod classes;
mod contexts;
mod creds;
mod crossing;
mod delivery;
mod denial;
mod endings;
mod ends;
mod extended_master_secret;
mod faults;
mod floods;
mod forks;
mod gnutls;
mod handshake;
mod hostile;
mod identities;
mod judging;
mod keys;
mod leaks;
mod limits;
mod matrix;
mod meetings;
mod mischief;
mod names;
mod pair;
mod peers;
mod python;
mod relay;
mod retry;
mod secrets;
mod sharing;
mod verification;
mod waits;

/// Whether OpenSSL, as it is loaded, is of this version or a later one.
fn openssl_since(major: i64, minor: i64) -> bool {
    openssl::version::number() >= major << 28 | minor << 20
}
