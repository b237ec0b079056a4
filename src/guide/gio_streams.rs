//! Channels for code that takes streams of GIO, and streams of GIO as channels.
//!
//! [`io_stream`](crate::ChannelGioExt::io_stream) makes a [`gio::IOStream`] of any channel, also of
//! TLS, of a command, or of a class of an application:
//!
//! | for | with |
//! | --- | --- |
//! | D-Bus between two processes | [`gio::DBusConnection::new`] |
//! | HTTP and WebSockets of libsoup | `soup_server_accept_iostream` |
//! | compression | [`gio::ConverterInputStream`] |
//! | GIO's own TLS | [`gio::TlsClientConnection::new`] |
//! | players, browsers | elements and functions that take a [`gio::InputStream`] |
//!
//! # A server of libsoup over a channel
//!
//! ```c
//! static void
//! on_client (QIONetListener *listener, QIOChannelSocket *client, gpointer user_data)
//! {
//!   SoupServer *server = user_data;
//!   g_autoptr (QIOIOStream) stream = qio_io_stream_new (QIO_CHANNEL (client));
//!   g_autoptr (GSocketAddress) local = qio_channel_socket_get_local_address (client, NULL);
//!   g_autoptr (GSocketAddress) remote = qio_channel_socket_get_remote_address (client, NULL);
//!   g_autoptr (GError) error = NULL;
//!
//!   if (!soup_server_accept_iostream (server, G_IO_STREAM (stream), local, remote, &error))
//!     g_warning ("%s", error->message);
//! }
//! ```
//!
//! `examples/c/soup.c` is the whole program, with TLS. WebSockets of libsoup work over any channel,
//! at either end: pass the stream to `soup_websocket_connection_new`.
//!
//! # Waiting
//!
//! The halves are pollable, so that GIO starts no threads: asynchronous calls wait on the main loop
//! of the caller. The mode of the channel does not matter and does not change. A file on disk is
//! not pollable: its calls are made in threads. A blocking call suspends the coroutine that makes
//! it if it has no cancellable; with one it blocks the thread, because GIO keeps the cancellable on
//! a stack of the thread meanwhile.
//!
//! # Closing
//!
//! Closing the stream sends what is buffered and closes the channel. Closing its output half shuts
//! down writing, so that the peer reads end-of-file. Dropping a stream does neither.
//!
//! # Reading ahead
//!
//! [`gio::DataInputStream`], [`gio::BufferedInputStream`] and converters read more than they
//! return, and what they hold is lost for the channel. The functions of
//! [`lines_and_frames`](super::lines_and_frames) lose nothing.
//!
//! # Descriptors and credentials
//!
//! A stream carries bytes only. A [`gio::DBusConnection`] over it authenticates by cookie or
//! anonymously, and passes no descriptors. For these,
//! [`to_connection`](crate::ChannelSocket::to_connection) makes a `GUnixConnection` with a
//! duplicate of the descriptor of a socket.
//!
//! # Streams of GIO as channels
//!
//! [`channel_for_stream`](crate::channel_for_stream) makes a channel of any [`gio::IOStream`], and
//! [`ChannelIoStream::new_pair`](crate::ChannelIoStream::new_pair) one of two streams: the pipes of
//! a [`gio::Subprocess`], a connection that libsoup or WebKit has handed over, a decompressor, a
//! file of gvfs. TLS and [`relay`](crate::relay) work over it, as do watches and futures:
//!
//! ```
//! use gio::SubprocessFlags;
//! use qio::{ChannelIoStream, prelude::*};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let flags = SubprocessFlags::STDOUT_PIPE;
//! let process = gio::Subprocess::newv(&["echo".as_ref(), "hello".as_ref()], flags)?;
//! let output = process.stdout_pipe();
//! let channel = ChannelIoStream::new_pair(output.as_ref(), gio::OutputStream::NONE)?;
//! assert_eq!(channel.read_line(100)?.as_deref(), Some(&b"hello"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! A stream that GIO cannot poll, as that of a file or of a class in Python, is read and written by
//! a thread. Its data are not lost when the caller stops waiting; an error of a write that was
//! accepted is reported by the next write, by [`flush`](crate::ChannelExt::flush) or by
//! [`close_future`](crate::ChannelFutureExt::close_future).
