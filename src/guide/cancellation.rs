//! Timeouts, cancellables, and dropped futures.
//!
//! # Dropping a future cancels it
//!
//! At once, and without losing data: bytes that a dropped read has received are pushed back, and
//! the next read returns them first. Every future of this crate may therefore be dropped at any
//! `await`, by `select!`, a timeout or an aborted task. `close` discards pushed-back data.
//!
//! ```
//! use std::{io, time::Duration};
//! use qio::{ChannelSocket, prelude::*};
//!
//! # fn main() -> io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! glib::MainContext::default().block_on(async {
//!     let mut buf = [0; 10];
//!     there.write_all_future(b"hello").await?;
//!     let read = here.read_all_future(&mut buf);
//!     let error = read.or_timeout(Duration::from_millis(10)).await.unwrap_err();
//!     assert_eq!(error.kind(), io::ErrorKind::TimedOut);
//!
//!     there.write_all_future(b"world").await?;
//!     here.read_all_future(&mut buf).await?;
//!     assert_eq!(&buf, b"helloworld");
//!     Ok(())
//! })
//! # }
//! ```
//!
//! A dropped write has sent a prefix of its data, or nothing: what was written stays written. Where
//! the protocol cannot continue after a prefix, [`abort`](crate::ChannelExt::abort) the channel.
//!
//! # Cancellables
//!
//! [`or_cancelled`](crate::IoFutureExt::or_cancelled) ends a future with
//! [`Cancelled`](gio::IOErrorEnum::Cancelled) when a `GCancellable` is cancelled, from any thread.
//! Both limits work on every future whose output is an `io::Result`, also on an `async` block.
//!
//! ```
//! use qio::{ChannelSocket, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, _there) = ChannelSocket::pair()?;
//! let cancellable = gio::Cancellable::new();
//! let stop = cancellable.clone();
//! std::thread::spawn(move || stop.cancel());
//! let result = glib::MainContext::default().block_on(async {
//!     here.read_future(&mut [0]).or_cancelled(&cancellable).await
//! });
//! assert!(qio::is_cancelled(&result.unwrap_err()));
//! # Ok(())
//! # }
//! ```
//!
//! # Blocking calls and coroutines
//!
//! [`wait_timeout`](crate::ChannelWatchExt::wait_timeout) and
//! [`wait_cancellable`](crate::ChannelWatchExt::wait_cancellable) limit a blocking wait; a blocked
//! call returns when another thread closes the channel or shuts it down.
//! [`JoinHandle::abort`](crate::JoinHandle::abort) drops a task; for a coroutine it unwinds the
//! stack, so that values on it are dropped. Waits of C code in such a coroutine fail.
//!
//! # Connecting and accepting
//!
//! A dropped connect has closed its sockets when `drop` returns. A dropped
//! [`accept_future`](crate::NetListener::accept_future) leaves the connection in the queue. A
//! dropped TLS handshake continues with the next call.
