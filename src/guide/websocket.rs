//! WebSocket over any channel.
//!
//! [`ChannelWebsock`](crate::ChannelWebsock) takes ownership of the lower channel, which has to be
//! connected: a socket, or a [`ChannelTls`](crate::ChannelTls) for `wss:`. The first read or write
//! performs the opening handshake.
//!
//! # Server and client
//!
//! ```
//! use std::time::Duration;
//! use qio::{ChannelSocket, ChannelWebsock, WebsockOptions, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! let options = WebsockOptions::builder().protocol("chat").build()?;
//! let client = ChannelWebsock::new_client(&here, "ws://example.org/chat", &options)?;
//! let server = ChannelWebsock::new_server(&there, &options)?;
//! glib::MainContext::default().block_on(async move {
//!     let served = qio::spawn_local(async move {
//!         server.handshake_future().or_timeout(Duration::from_secs(10)).await?;
//!         while let Some(message) = server.receive_future().await? {
//!             server.send_future(message.kind(), message.data()).await?;
//!         }
//!         server.close_future().await
//!     });
//!     let text = glib::Bytes::from_static(b"hello");
//!     client.send_future(qio::WebsockMessageKind::Text, &text).await?;
//!     let message = client.receive_future().await?.expect("not the end");
//!     assert_eq!(message.text(), Some("hello"));
//!     client.bye_future(1000, "").await?;
//!     served.await.expect("no panic")
//! })
//! # }
//! ```
//!
//! # Bytes or messages
//!
//! Reads and writes transfer a stream of bytes, in binary messages, as QEMU and noVNC do: a relay,
//! TLS or lines work over it. [`receive`](crate::ChannelWebsock::receive) and
//! [`send`](crate::ChannelWebsock::send) transfer whole messages, up to
//! [`max_message_size`](crate::WebsockOptionsBuilder::max_message_size). Reads have no such limit,
//! nor have [`next_message`](crate::ChannelWebsock::next_message) and
//! [`message_writer`](crate::ChannelWebsock::message_writer), which transfer one message as a
//! stream in bounded memory.
//!
//! [`connect_to_uri`](crate::ChannelWebsock::connect_to_uri) connects, and performs TLS for `wss:`.
//!
//! # What the application decides
//!
//! - **A time limit for the handshake.** There is no default: use
//!   [`or_timeout`](crate::IoFutureExt::or_timeout).
//! - **Origins.** A server refuses pages of other hosts:
//!   [`origins`](crate::WebsockOptionsBuilder::origins) or
//!   [`any_origin`](crate::WebsockOptionsBuilder::any_origin) change that.
//! - **Requests.** [`receive_request`](crate::ChannelWebsock::receive_request) reads one; then
//!   [`accept`](crate::ChannelWebsock::accept) opens the connection, or
//!   [`refuse`](crate::ChannelWebsock::refuse) answers with another status, such as a page.
//!   `examples/vnc.rs` serves noVNC's page and its WebSocket like that, `examples/webchat.rs` its
//!   own page.
//! - **Keep-alive.** Off by default. Proxies end connections that are idle for a minute:
//!   [`ping_interval`](crate::WebsockOptionsBuilder::ping_interval) of 30 s is enough.
//! - **Compression.** Off by default: [`WebsockDeflate`](crate::WebsockDeflate).
//!
//! # The end
//!
//! [`bye`](crate::ChannelWebsock::bye) performs the closing handshake, with a code and a reason,
//! which the peer finds in [`close_code`](crate::ChannelWebsock::close_code) and
//! [`close_reason`](crate::ChannelWebsock::close_reason). A stream that ends with another code than
//! 1000 or 1001 is an error with that code in [`WebsockError`](crate::WebsockError); one that ends
//! without a closing handshake is truncated.
