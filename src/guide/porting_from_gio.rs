//! Counterparts of GIO's streams and sockets.
//!
//! | GIO | qio |
//! | --- | --- |
//! | `GIOStream` with its two streams | one [`Channel`](crate::Channel) for both directions |
//! | `GInputStream.read_async` | [`read_future`] |
//! | `GOutputStream.write_all_async` | [`write_all_future`] |
//! | `GPollableInputStream.create_source` | [`create_watch`](crate::ChannelWatchExt::create_watch) |
//! | `GOutputStream.splice` | [`splice_to`](crate::ChannelExt::splice_to) |
//! | `GSocketClient.connect_async` | [`connect_future`](crate::ChannelSocket::connect_future) |
//! | `GSocketService`, `GSocketListener` | [`NetListener`](crate::NetListener) |
//! | `GTlsClientConnection` | [`ChannelTls::new_client`](crate::ChannelTls::new_client) |
//! | `accept-certificate` | `accept-certificate` of [`ChannelTls`](crate::ChannelTls) |
//! | `GTlsDatabase` | the trust settings of [`TlsCredsBuilder`](crate::TlsCredsBuilder) |
//! | `GSubprocess` | [`ChannelCommand`](crate::ChannelCommand) |
//! | `GUnixConnection.send_fd` | [`writev_full_all`](crate::ChannelExt::writev_full_all) |
//! | `GUnixConnection.receive_credentials` | [`credentials`](crate::ChannelExt::credentials) |
//! | `GDataInputStream.read_line` | [`read_line`](crate::ChannelFramingExt::read_line) |
//! | `GFilterInputStream`, `GFilterOutputStream` | [`ChannelFilter`](crate::ChannelFilter) |
//! | a `GIOStream` that another library returns | [`channel_for_stream`](crate::channel_for_stream) |
//! | a function that takes a `GIOStream` | [`io_stream`](crate::ChannelGioExt::io_stream) |
//! | `GMemoryInputStream`, `GMemoryOutputStream` | [`ChannelBuffer`](crate::ChannelBuffer) |
//! | `GCancellable` argument | [`or_cancelled`](crate::IoFutureExt::or_cancelled) |
//! | `GSocket:timeout` | [`or_timeout`](crate::IoFutureExt::or_timeout) |
//! | `GConverterInputStream` | a [coroutine](crate::coroutine) with a library for `std::io` |
//!
//! GIO's addresses, certificates and errors are used as they are: `GSocketConnectable`,
//! `GTlsCertificate`, `G_IO_ERROR`.
//!
//! # Examples
//!
//! A connection, a request and its response, limited by a cancellable and a timeout:
//!
//! ```
//! use std::{io, time::Duration};
//! use qio::{ChannelSocket, Shutdown, prelude::*};
//!
//! async fn request(
//!     server: &gio::SocketAddress,
//!     cancellable: &gio::Cancellable,
//! ) -> io::Result<Vec<u8>> {
//!     let request = async {
//!         let channel = ChannelSocket::connect_future(server).await?;
//!         channel.write_all_future(b"ping").await?;
//!         channel.shutdown_future(Shutdown::Write).await?;
//!         let (mut response, mut buf) = (Vec::new(), [0; 4096]);
//!         while let n @ 1.. = channel.read_future(&mut buf).await? {
//!             response.extend_from_slice(&buf[..n]);
//!         }
//!         Ok(response)
//!     };
//!     request.or_timeout(Duration::from_secs(10)).or_cancelled(cancellable).await
//! }
//! # fn main() -> io::Result<()> {
//! # let listener = qio::NetListener::new();
//! # listener.open_sync(&gio::InetSocketAddress::from_string("127.0.0.1", 0).unwrap(), 1)?;
//! # let server = listener.local_addresses()[0].clone();
//! # let answering = std::thread::spawn(move || {
//! #     let client = listener.wait_client()?;
//! #     client.read_all(&mut [0; 4])?;
//! #     client.write_all(b"pong")
//! # });
//! # let cancellable = gio::Cancellable::new();
//! # let response = glib::MainContext::default().block_on(request(&server, &cancellable))?;
//! # assert_eq!(response, b"pong");
//! # answering.join().expect("no panic")
//! # }
//! ```
//!
//! # Differences
//!
//! - **A read does not have to be the only one.** GIO fails with `G_IO_ERROR_PENDING`; here several
//!   operations may be in progress, and each gets a part of the data.
//! - **A cancelled read loses no data:** see [`cancellation`](super::cancellation).
//! - **Closing** works while operations are in progress, which then fail. In GIO it is an error.
//! - **Writes never raise `SIGPIPE`,** also on pipes.
//! - **Blocking is a mode** of the channel, `set_blocking`, for the calls that are no futures;
//!   GIO's streams have blocking and asynchronous methods.
//! - **`authorize-peer` is in addition:** it can reject a peer whose certificate was verified, or
//!   accepted by `accept-certificate`.
//! - **There is no buffering** in channels, but for what lines and frames read ahead:
//!   `std::io::BufReader` works over [`ChannelSocket`](crate::ChannelSocket) and its siblings.
//! - **The end of a TLS stream** without close_notify is an error in both, and can be accepted by
//!   the same property, `require-close-notify`.
//!
//! [`read_future`]: crate::ChannelFutureExt::read_future
//! [`write_all_future`]: crate::ChannelFutureExt::write_all_future
