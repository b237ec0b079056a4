//! `src/layer/`: channels that wrap another channel.

mod filter;
pub(crate) mod tls;
mod websock;
