//! Channels that wrap another channel: they know the base class, and no transport.

mod tls;

pub use tls::{
    ChannelTls, ChannelTlsImpl, QIOChannelTLS, QIOChannelTLSClass, QIOTlsCreds, QIOTlsCredsClass,
    TlsCreds, TlsCredsBuilder, TlsCredsImpl, TlsEndpoint, TlsPskHash,
};
