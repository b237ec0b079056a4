//! Which calls work from which thread; what `close` does.
//!
//! # Threads
//!
//! A channel is `Send + Sync`. All methods may be called from any thread, also at the same time;
//! two readers each get a part of the data. A watch, a `spawn_local` task and a coroutine run in
//! the thread of their main context. A future of a channel may be sent; it waits in the context in
//! which it is polled, or in that of [`attach_context`](crate::ChannelWatchExt::attach_context).
//! Futures that connect or resolve names stay in their thread.
//!
//! Threads that run code of this library alone block the signals of the process. Those that run
//! code of the application do not, as those of GLib and tokio: the threads of a
//! [`ContextPool`](crate::ContextPool), and those for calls that may block. A program that reads
//! signals from a signalfd blocks them before it starts any thread.
//!
//! # Close
//!
//! [`close`](crate::ChannelExt::close) may be called at any time:
//!
//! | what waits | what happens |
//! | --- | --- |
//! | blocked `read`, `write` | returns: with an error, or a socket's `read` with 0 |
//! | `wait` | returns `NVAL` |
//! | future | fails with [`Closed`](gio::IOErrorEnum::Closed) |
//! | watch | its callback is called once with `NVAL`, then it is destroyed |
//!
//! The number of the descriptor is released after the last operation on it has returned, so that no
//! operation reaches another file. Closing succeeds without a free descriptor, and the channel is
//! closed also when `close` returns an error. A second call does nothing.
//!
//! ```
//! use qio::{ChannelSocket, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, _there) = ChannelSocket::pair()?;
//! let channel = here.clone();
//! let reader = std::thread::spawn(move || channel.read(&mut [0; 10]));
//! here.close()?;
//! assert!(matches!(reader.join().expect("no panic"), Ok(0) | Err(_))); // it returns
//! # Ok(())
//! # }
//! ```
//!
//! # Close, shut down, abort, drop
//!
//! | call | effect |
//! | --- | --- |
//! | [`shutdown`](crate::ChannelExt::shutdown) | ends one direction, or both, for all processes |
//! | `close` | ends the channel; the connection ends with its last descriptor |
//! | [`abort`](crate::ChannelExt::abort) | TCP reset, no close_notify, a killed command |
//! | dropping the last reference | releases the descriptor, without waiting; errors are lost |
//!
//! `close` of a [`ChannelCommand`](crate::ChannelCommand) waits for the child and fails if the
//! child failed. `close` of a [`ChannelTls`](crate::ChannelTls) sends close_notify. Neither is done
//! when only dropped, as far as it would block: close channels whose errors matter.
//!
//! # Forks
//!
//! A forked child may close the channels of its parent, and use those that no other thread was
//! changing at the moment of the fork. `close` and dropping in the child neither shut a connection
//! of the parent down nor wait for its commands. TLS channels can only be closed, which sends
//! nothing.
