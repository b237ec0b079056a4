//! The integration tests, one binary that mirrors `src/`.

mod channel;
mod common;
mod coroutine;
mod error;
mod hub;
mod net;
mod transport;
mod types;
mod watch;
