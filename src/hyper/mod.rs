//! HTTP by [hyper](https://docs.rs/hyper) on the main loop, over any channel: feature `hyper`.
//!
//! hyper brings the protocol and no runtime. This module has what it requires of one: [`Io`], the
//! connection; [`Executor`], for the tasks of HTTP/2; [`Timer`], for timeouts. There is no other
//! event loop. `examples/http.rs` is a server and a client with TLS, where ALPN chooses between
//! HTTP/2 and HTTP/1.1.
//!
//! A connection is closed in three steps. hyper calls
//! [`poll_shutdown`](hyper::rt::Write::poll_shutdown), by which the peer reads end-of-file, over
//! TLS after close_notify; it drops the [`Io`]; and the application closes the channel by
//! [`close_future`](crate::ChannelFutureExt::close_future), which discards late input until TCP has
//! delivered all data. A channel that is only dropped may be reset, and the end of a response lost.
//!
//! # Examples
//!
//! ```
//! use std::convert::Infallible;
//!
//! use hyper::{Request, Response, body::Incoming, service::service_fn};
//! use qio::{ChannelSocket, prelude::*};
//!
//! async fn hello(_request: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new("hello".to_owned()))
//! }
//!
//! async fn serve(channel: ChannelSocket) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut http = hyper::server::conn::http1::Builder::new();
//!     http.timer(qio::hyper::Timer);
//!     let io = qio::hyper::Io::new(&channel);
//!     http.serve_connection(io, service_fn(hello)).await?;
//!     Ok(channel.close_future().await?)
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let (here, there) = ChannelSocket::pair()?;
//! glib::MainContext::default().block_on(async {
//!     let server = qio::spawn_local(serve(there));
//!     here.write_all_future(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await?;
//!     let answer = here.read_to_end_future(1000).await?;
//!     assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"hello"));
//!     server.await.expect("no panic").expect("no error");
//!     Ok(())
//! })
//! # }
//! ```

mod io;
mod timer;

pub use io::Io;
pub use timer::Timer;

use std::future::Future;

use glib::Priority;

use crate::hub::spawn_local_with_priority;

/// Runs the tasks of hyper on the main context of the thread that needs them.
///
/// As [`spawn_local_with_priority`]: the futures need not be `Send`, and are dropped with the
/// context.
///
/// # Panics
///
/// As [`spawn_local`](crate::spawn_local), in a thread that does not own its main context.
#[derive(Debug, Clone, Copy)]
pub struct Executor {
    priority: Priority,
}

impl Executor {
    /// Creates an executor at the default priority.
    #[must_use]
    pub fn new() -> Self {
        Self::with_priority(Priority::DEFAULT)
    }

    /// Creates an executor at a priority.
    ///
    /// HTTP at a lower priority than GTK's redraw (`GDK_PRIORITY_REDRAW`, 120) does not delay its
    /// frames.
    #[must_use]
    pub fn with_priority(priority: Priority) -> Self {
        Self { priority }
    }
}

impl Default for Executor {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> ::hyper::rt::Executor<F> for Executor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        drop(spawn_local_with_priority(self.priority, future));
    }
}
