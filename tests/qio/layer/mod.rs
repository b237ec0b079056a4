//! Channels that wrap another channel.

mod tls;
