//! Channels that wrap another channel: they use the base class, and no transport.

mod filter;
mod lower;
mod tls;
mod websock;
mod wire;

pub use filter::{
    ChannelFilter, ChannelFilterExt, ChannelFilterImpl, QIOChannelFilter, QIOChannelFilterClass,
};
#[cfg(feature = "capi")]
pub(crate) use tls::cleanse;
pub use tls::{
    ChannelTls, ChannelTlsImpl, QIOChannelTLS, QIOChannelTLSClass, QIOTlsCreds, QIOTlsCredsClass,
    TlsCreds, TlsCredsBuilder, TlsCredsImpl, TlsEndpoint, TlsPskHash,
};
#[cfg(feature = "capi")]
pub(crate) use websock::QIOWebsockOptions;
pub(crate) use websock::is_secure;
pub use websock::{
    ChannelWebsock, ChannelWebsockImpl, QIOChannelWebsock, QIOChannelWebsockClass, WebsockDeflate,
    WebsockError, WebsockMessage, WebsockMessageKind, WebsockMessageReader, WebsockMessageWriter,
    WebsockMessages, WebsockOptions, WebsockOptionsBuilder,
};
