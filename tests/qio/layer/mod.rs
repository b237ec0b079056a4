//! `src/layer/`: channels that wrap another channel.

mod tls;
