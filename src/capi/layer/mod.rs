//! The channels that wrap another channel, and what they need.

mod filter;
mod tls;
mod tls_creds;
