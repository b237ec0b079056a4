//! Accepting connections.
//!
//! A [`NetListener`](crate::NetListener) has any number of listening sockets. Connections are
//! accepted by a callback, a future, a stream or a blocked thread; all of them share one limit.
//!
//! ```
//! use qio::{ChannelSocket, NetListener, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = NetListener::new();
//! listener.open_sync(&gio::InetSocketAddress::from_string("127.0.0.1", 0).unwrap(), 128)?;
//! listener.set_max_clients(1_000); // Default: 0, unlimited
//! let address = listener.local_addresses()[0].clone(); // port 0: chosen by the system
//!
//! let server = listener.clone();
//! qio::spawn_local(async move {
//!     while let Ok(client) = server.accept_future().await {
//!         qio::spawn_local(async move { client.write_all_future(b"hello").await });
//!     }
//! });
//! glib::MainContext::default().block_on(async {
//!     let client = ChannelSocket::connect_future(&address).await?;
//!     let mut buf = [0; 5];
//!     client.read_all_future(&mut buf).await?;
//!     assert_eq!(&buf, b"hello");
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # Callbacks
//!
//! [`set_client_func`](crate::NetListener::set_client_func) calls a function for each connection,
//! in the default main context or another one. A listener with a callback keeps itself alive while
//! it is open. Setting the callback in another context moves the listener without losing a
//! connection.
//!
//! # Addresses
//!
//! [`open_sync`](crate::NetListener::open_sync) listens on all addresses of a name, with one port,
//! or on none of them. [`open_port`](crate::NetListener::open_port) listens on all interfaces, IPv4
//! and IPv6. [`NetAddress`](crate::NetAddress) parses `tcp:HOST:PORT`, `unix:PATH` and others.
//!
//! # Unix socket paths
//!
//! Mode ([`set_path_mode`](crate::NetListener::set_path_mode)) and owner take effect before the
//! first connection is possible. [`set_replace_stale`](crate::NetListener::set_replace_stale)
//! replaces a socket that no process listens on; a live one is never replaced. Closing removes the
//! path.
//!
//! # Socket activation
//!
//! [`open_activated`](crate::NetListener::open_activated) takes over the sockets of a service
//! manager (`LISTEN_FDS`).
//!
//! # Running out of descriptors
//!
//! After `EMFILE`, `ENFILE`, `ENOMEM` or `ENOBUFS` accepting is suspended, for 10 ms at first and
//! for 1 s at most, with a warning once a minute; connections stay in the queue.
//! [`connect_accept_error`](crate::NetListener::connect_accept_error) reports each pause. Errors of
//! a single connection are skipped. A connection counts for the limit until its channel is closed
//! or dropped.
//!
//! # Several threads
//!
//! A [`ContextPool`](crate::ContextPool) has threads that run a main context each, and
//! [`serve_on`](crate::NetListener::serve_on) serves each connection by a task in one of them. The
//! task stays in its thread:
//!
//! ```no_run
//! use std::time::Duration;
//! use qio::{ChannelSocket, ContextPool, NetListener, prelude::*};
//!
//! async fn echo(client: ChannelSocket) {
//!     let mut buf = [0; 4096];
//!     while let Ok(count @ 1..) = client.read_future(&mut buf).await {
//!         if client.write_all_future(&buf[..count]).await.is_err() {
//!             return;
//!         }
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let pool = ContextPool::new(0)?; // one thread per processor
//! let listener = NetListener::new();
//! listener.open_port(8080, 1024)?;
//! listener.serve_on(&pool, echo)?;
//! // Later: no more connections, and at most 10 s for those that there are.
//! pool.shutdown(Some(Duration::from_secs(10)))?;
//! # Ok(())
//! # }
//! ```
//!
//! # TLS
//!
//! Create a [`ChannelTls`](crate::ChannelTls) in the task of the connection, with a timeout, so
//! that a silent client delays no other:
//!
//! ```no_run
//! use std::{io, time::Duration};
//! use qio::{ChannelSocket, ChannelTls, TlsCreds, prelude::*};
//!
//! async fn serve(client: ChannelSocket, creds: TlsCreds) -> io::Result<()> {
//!     let tls = ChannelTls::new_server(&client, &creds)?;
//!     tls.handshake_future().or_timeout(Duration::from_secs(10)).await?;
//!     tls.write_all_future(b"hello").await?;
//!     tls.close_future().await
//! }
//! ```
