//! WebSocket (RFC 6455).
//!
//! | module | purpose |
//! | --- | --- |
//! | `channel`, `info`, `imp` | the class of channels, and its properties |
//! | `request`, `messages`, `closing` | the methods for the opening handshake, messages, and the closing handshake |
//! | `message_reader`, `message_writer` | one message as a stream |
//! | `steps` | operations that are repeated until they are done |
//! | `keep_alive` | pings to a peer from which nothing comes |
//! | `options` | what an end offers, requires and allows |
//! | `connection` | reads and writes, by `layer::wire` |
//! | `engine` | the state machine between messages and frames in memory |
//! | `frame`, `mask`, `text` | frame headers, masking, UTF-8 in pieces |
//! | `head`, `server`, `client` | heads of HTTP/1.1, and what each end requires of them |
//! | `extension`, `deflate` | the negotiation of compression, and compression |
//! | `error` | the errors, whose codes are those of the protocol |

mod channel;
mod client;
mod closing;
mod connection;
mod deflate;
mod engine;
mod error;
mod extension;
mod frame;
mod head;
mod imp;
mod info;
mod keep_alive;
mod mask;
mod message_reader;
mod message_writer;
mod messages;
mod options;
mod request;
mod server;
mod steps;
mod text;

pub use channel::{
    ChannelWebsock, ChannelWebsockImpl, QIOChannelWebsock, QIOChannelWebsockClass,
    WebsockMessageKind,
};
pub(crate) use client::is_secure;
pub use error::WebsockError;
pub use extension::WebsockDeflate;
pub use message_reader::WebsockMessageReader;
pub use message_writer::WebsockMessageWriter;
pub use messages::{WebsockMessage, WebsockMessages};
#[cfg(feature = "capi")]
pub(crate) use options::Settings as QIOWebsockOptions;
pub use options::{WebsockOptions, WebsockOptionsBuilder};
