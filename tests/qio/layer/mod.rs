//! `src/layer/`: channels that wrap another channel.

mod filter;
mod gzip;
pub(crate) mod tls;
mod websock;
