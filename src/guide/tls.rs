//! TLS over any channel.
//!
//! Credentials are validated when they are built, and shared by any number of connections;
//! [`ChannelTls`](crate::ChannelTls) takes ownership of the lower channel. The first read or write
//! performs the handshake. The file `docs/tls.md` has a client and a server with certificates, and
//! `docs/tls-security.md` the defaults and threats.
//!
//! # Client and server
//!
//! A client without other settings verifies the server against the system trust store, for the
//! name that it passes. A pre-shared key needs no certificate:
//!
//! ```
//! use std::time::Duration;
//! use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let creds = |end| TlsCreds::builder(end).psk("alice", *b"sixteen bytes...").build();
//! let (here, there) = ChannelSocket::pair()?;
//! let client = ChannelTls::new_client(&here, &creds(TlsEndpoint::Client)?, None)?;
//! let server = ChannelTls::new_server(&there, &creds(TlsEndpoint::Server)?)?;
//! glib::MainContext::default().block_on(async move {
//!     let served = qio::spawn_local(async move {
//!         server.handshake_future().or_timeout(Duration::from_secs(10)).await?;
//!         server.write_all_future(b"hello").await?;
//!         server.close_future().await // sends close_notify
//!     });
//!     let mut buf = [0; 5];
//!     client.read_all_future(&mut buf).await?; // performs the handshake
//!     assert_eq!(&buf, b"hello");
//!     assert_eq!(client.read_future(&mut buf).await?, 0); // close_notify received
//!     served.await.expect("no panic")
//! })
//! # }
//! ```
//!
//! # What the application decides
//!
//! - **A time limit for the handshake.** There is no default: use
//!   [`or_timeout`](crate::IoFutureExt::or_timeout).
//! - **Authorization.** A verified certificate identifies the peer;
//!   [`connect_authorize_peer`](crate::ChannelTls::connect_authorize_peer) decides whether it is
//!   accepted. A handler returns `false`, or panics, to reject it.
//! - **Client certificates.** Default: not requested;
//!   [`client_certificates`](crate::TlsCredsBuilder::client_certificates) requests or requires
//!   them.
//!
//! # The end of a stream
//!
//! End-of-file without close_notify may be a truncation attack. Reads then fail with
//! `G_TLS_ERROR_EOF` ([`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof)). For protocols that
//! mark the end of their data,
//! [`set_require_close_notify`](crate::ChannelTls::set_require_close_notify) turns it off;
//! [`RELAXED_EOF`](crate::ReadFlags::RELAXED_EOF) does so for one read. Closing the lower channel
//! directly is such a truncation.
//!
//! `close` sends close_notify: in blocking mode within 5 s, in non-blocking mode as far as it does
//! not block. [`bye_future`](crate::ChannelTls::bye_future) waits until it was sent. In blocking
//! mode, and as `close_future`, `close` also waits until TCP has delivered all data.
//!
//! # Pending output
//!
//! In non-blocking mode a write may encrypt more than the lower channel accepts. The rest is sent
//! by the next read, write or wait, or by the main context. [`flush`](crate::ChannelExt::flush)
//! waits for it. Unsent data is an error of `close`.
//!
//! # STARTTLS
//!
//! Read exactly to the end of the plain-text dialog, then create the `ChannelTls`: data that was
//! read before is not part of the TLS stream.
//!
//! # Errors
//!
//! Errors of a handshake are final, and name the peer and the reason.
//! [`to_glib_error`](crate::to_glib_error) gives the code of `G_TLS_ERROR`:
//! `qio::to_glib_error(&e).matches(gio::TlsError::BadCertificate)`.
