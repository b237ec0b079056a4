//! `src/layer/`: channels that wrap another channel.

pub(crate) mod tls;
