//! `src/layer/tls/`.

mod classes;
mod contexts;
mod creds;
mod ends;
mod floods;
mod gnutls;
mod handshake;
mod hostile;
mod keys;
mod leaks;
mod matrix;
mod meetings;
mod pair;
mod peers;
mod relay;
mod sharing;
