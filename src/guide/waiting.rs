//! Four ways to wait for a channel.
//!
//! Every operation is tried first. A channel in blocking mode, the default, then waits; in
//! non-blocking mode the call fails with [`WouldBlock`](std::io::ErrorKind::WouldBlock). Futures
//! and coroutines never block their thread, whatever the mode is.
//!
//! # Blocking
//!
//! [`wait`](crate::ChannelWatchExt::wait) blocks the thread until a condition holds. The `_all`
//! methods wait in either mode.
//!
//! ```
//! use std::{io, time::Duration};
//! use glib::IOCondition;
//! use qio::{ChannelSocket, prelude::*};
//!
//! # fn main() -> io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! let error = here.wait_timeout(IOCondition::IN, Duration::from_millis(10)).unwrap_err();
//! assert_eq!(error.kind(), io::ErrorKind::TimedOut);
//! there.write_all(b"!")?;
//! assert!(here.wait(IOCondition::IN)?.contains(IOCondition::IN));
//! # Ok(())
//! # }
//! ```
//!
//! # Watches
//!
//! A watch is a `GSource`: it has a priority, belongs to one main context, and is level-triggered.
//! It always reports `HUP`, `ERR` and `NVAL`. A callback reads until would-block or end-of-file,
//! whatever the condition is: the end of a pipe may be reported as `HUP` alone. `NVAL` is reported
//! once, after [`close`](crate::ChannelExt::close), and ends the watch.
//!
//! ```
//! use glib::{ControlFlow, IOCondition};
//! use qio::{ChannelSocket, Shutdown, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! here.set_blocking(false)?;
//! there.write_all(b"hello")?;
//! there.shutdown(Shutdown::Write)?;
//! let main_loop = glib::MainLoop::new(None, false);
//! let quit = main_loop.clone();
//! here.add_watch_local(IOCondition::IN, move |channel, _| {
//!     match channel.read(&mut [0; 4096]) {
//!         Ok(0) => quit.quit(), // end-of-file
//!         Ok(n) => println!("{n} bytes"),
//!         Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
//!         Err(e) => panic!("unable to read: {e}"),
//!     }
//!     ControlFlow::Continue
//! });
//! main_loop.run();
//! # Ok(())
//! # }
//! ```
//!
//! # Futures
//!
//! Futures wait on the hub of the running main context: one epoll instance for all its channels.
//! They run under [`spawn_local`](crate::spawn_local), which is the cheapest, and under any other
//! executor of the context. See [`cancellation`](super::cancellation) for limits.
//!
//! ```
//! use qio::{ChannelSocket, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! glib::MainContext::default().block_on(async {
//!     let writer = qio::spawn_local(async move { there.write_all_future(b"hello").await });
//!     let mut buf = [0; 5];
//!     here.read_all_future(&mut buf).await?;
//!     writer.await.expect("no panic")
//! })
//! # }
//! ```
//!
//! # Coroutines
//!
//! In a [coroutine](crate::coroutine) the blocking methods suspend: code for blocking streams runs
//! on the main loop unchanged.
//!
//! ```
//! use qio::{ChannelSocket, coroutine, prelude::*};
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! coroutine::spawn(move || there.write_all(b"hello"));
//! let reader = coroutine::spawn(move || {
//!     let mut buf = [0; 5];
//!     here.read_all(&mut buf).map(|()| buf)
//! });
//! let buf = glib::MainContext::default().block_on(reader).expect("no panic")?;
//! assert_eq!(&buf, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Spurious readiness
//!
//! A condition means that an attempt is worthwhile, not that it succeeds: another reader may be
//! faster, and TLS may have received a part of a record only. Use non-blocking mode with watches,
//! and treat would-block as "wait again".
