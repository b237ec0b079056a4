//! The integration tests, one binary that mirrors `src/`.

#[macro_use]
#[path = "common/skip.rs"]
mod skip;

mod channel;
mod common;
mod coroutine;
mod error;
mod gio;
mod hub;
mod hyper;
mod layer;
mod log;
mod monitor;
mod net;
mod peers;
mod sync;
mod transport;
mod types;
mod watch;
