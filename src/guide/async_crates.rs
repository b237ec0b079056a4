//! Crates of asynchronous Rust on the main loop: HTTP, D-Bus, codecs.
//!
//! Most crates that need "an async runtime" need three things of it: streams, tasks and timers. A
//! channel is the stream, [`spawn_local`](crate::spawn_local) runs the tasks on the main context of
//! GTK or of a daemon, and the timers are those of the same context. There is no second event loop.
//!
//! | crate | how | seen in |
//! | --- | --- | --- |
//! | `hyper` | feature `hyper`: `qio::hyper::{Io, Executor, Timer}` | `examples/http.rs` |
//! | `zbus` | its traits `Socket` and `Runtime`, in the application | `examples/dbus.rs` |
//! | traits of `futures` | [`async_stream`](crate::ChannelExt::async_stream) | [`AsyncStream`](crate::AsyncStream) |
//! | traits of `tokio` | `channel.async_stream().compat()`, of `tokio-util` | |
//! | `std::io` in a coroutine | [`blocking_io`](crate::ChannelExt::blocking_io) | `examples/coroutine.rs` |
//!
//! # HTTP on GTK
//!
//! With the feature `hyper` a channel is a connection of hyper: a socket, TLS, or any other class.
//! HTTP/2 runs its tasks by `Executor`; timeouts need `Timer`.
//!
//! ```no_run
//! use hyper::{Request, client::conn::http2};
//! use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, prelude::*};
//! use qio::hyper::{Executor, Io};
//!
//! # async fn get(request: Request<String>) -> Result<(), Box<dyn std::error::Error>> {
//! let creds = TlsCreds::builder(TlsEndpoint::Client).alpn_protocols(["h2"]).build()?;
//! let server = gio::NetworkAddress::new("example.org", 443);
//! let socket = ChannelSocket::connect_future(&server).await?;
//! let tls = ChannelTls::new_client(&socket, &creds, "example.org")?;
//! let (mut sender, connection) = http2::handshake(Executor::new(), Io::new(&tls)).await?;
//! qio::spawn_local(connection);
//! let response = sender.send_request(request).await?;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/http.rs` is a server and a client, with HTTP/1.1 as well, a graceful shutdown and
//! timeouts. reqwest cannot be used: its connector and its timers need tokio's reactor. The client
//! of `hyper-util` (`client::legacy::Client`), which keeps a pool of connections, can: with
//! `Executor`, `Timer`, and a connector that returns `Io` in a type that implements `Connection`.
//! The future of a connector must be `Send`: it awaits the handle of a task that connects.
//!
//! tonic's features `channel` and `server`, together `transport`, sleep and open sockets by tokio,
//! and need its runtime. Without them its clients and services are generic over the transport, for
//! connections of hyper over `Io`; there is no example of that.
//!
//! # D-Bus
//!
//! zbus takes any transport that implements its `Socket`, and any runtime that implements its
//! `Runtime`. Over a unix [`ChannelSocket`](crate::ChannelSocket) it passes file descriptors; over
//! TLS, a command or a class of an application it does not. `examples/dbus.rs` has both traits, 120
//! lines, for two peers and for a message bus. Without the features `default-rt` and `tokio` zbus
//! starts no thread.
