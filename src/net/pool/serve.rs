//! Connections of a listener, each served by a task in a thread of a pool.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use futures_core::Stream as _;
use glib::subclass::prelude::*;

#[cfg(feature = "capi")]
use super::signal::Signal;
use super::{
    ContextPool,
    threads::{Choice, Threads},
};
use crate::{error::io_error, net::NetListener, transport::ChannelSocket};

/// More than one thread.
impl NetListener {
    /// Accepts connections in the threads of a pool, and calls `serve` with each.
    ///
    /// The future that it returns is a task of the pool, in the thread with the fewest: `serve` is
    /// called there. The future may be local to its thread.
    ///
    /// This ends when the listener is disconnected, and when the pool is shut down, which waits for
    /// the tasks; until then the listener stays alive. Other ways to accept connections get theirs
    /// as well.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the listener is not open, or the pool is
    /// being shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use qio::{ChannelSocket, ContextPool, NetListener, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let pool = ContextPool::new(2)?;
    /// let listener = NetListener::new();
    /// listener.open_sync(&gio::InetSocketAddress::from_string("127.0.0.1", 0).unwrap(), 128)?;
    /// listener.serve_on(&pool, async |client| {
    ///     let _ = client.write_all_future(b"hello").await;
    /// })?;
    ///
    /// let client = ChannelSocket::connect(&listener.local_addresses()[0])?;
    /// let mut greeting = [0; 5];
    /// client.read_all(&mut greeting)?;
    /// assert_eq!(&greeting, b"hello");
    /// pool.shutdown(Some(Duration::from_secs(10)))?; // waits for the task
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "qio_net_listener_serve_on")]
    pub fn serve_on<F, T>(&self, pool: &ContextPool, serve: F) -> io::Result<()>
    where
        F: Fn(ChannelSocket) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + 'static,
    {
        let closed = || io_error(gio::IOErrorEnum::Closed, "Context pool is shut down");
        let threads = pool.imp().threads.get().ok_or_else(closed)?;
        if !self.is_connected() {
            return Err(io_error(
                gio::IOErrorEnum::NotConnected,
                "Listener is not open",
            ));
        }
        let (this, serve) = (self.clone(), Arc::new(serve));
        let theirs = Arc::downgrade(threads);
        let is_open = threads.spawn_in_each(move |place| {
            let (this, serve, threads) = (this.clone(), serve.clone(), theirs.clone());
            async move {
                if let Some(threads) = threads.upgrade() {
                    accept(this, (threads, place), serve).await;
                }
            }
        });
        match is_open {
            true => Ok(()),
            false => Err(closed()),
        }
    }
}

/// For C, whose functions return while the connection is in use.
#[cfg(feature = "capi")]
impl NetListener {
    /// As [`serve_on`](Self::serve_on): a connection is a task until its channel is closed, or
    /// released.
    pub(crate) fn call_on<F>(&self, pool: &ContextPool, func: F) -> io::Result<()>
    where
        F: Fn(&Self, &ChannelSocket) + Send + Sync + 'static,
    {
        use glib::prelude::*;

        let (this, func) = (self.clone(), Arc::new(func));
        self.serve_on(pool, move |client| {
            let (this, func) = (this.clone(), func.clone());
            async move {
                let closed: Arc<Signal> = Arc::default();
                let (signal, weak) = (closed.clone(), closed.clone());
                client.connect_notify(Some("closed"), move |_, _| signal.set());
                client.add_weak_ref_notify(move || weak.set());
                func(&this, &client);
                drop((this, client));
                closed.wait().await;
            }
        })
    }
}

/// Accepts until the listener is disconnected, or the pool is being shut down.
async fn accept<F, T>(listener: NetListener, (threads, place): (Arc<Threads>, usize), serve: Arc<F>)
where
    F: Fn(ChannelSocket) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + 'static,
{
    let (mut incoming, mut closing) = (listener.incoming(), threads.closing.wait());
    let mut next = async || {
        poll_fn(|cx| match Pin::new(&mut closing).poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => Pin::new(&mut incoming).poll_next(cx),
        })
        .await
    };
    while let Some(client) = next().await {
        match client {
            Ok(client) => match threads.reserve(Choice::FewestTasksNear(place)) {
                Some(reserved) => {
                    let serve = serve.clone();
                    drop(reserved.spawn(move || serve(client)));
                }
                // It was accepted while shutting down began.
                None => listener.return_client(client),
            },
            // The socket will never accept again.
            Err(e) => return glib::g_warning!("Qio", "{}", e),
        }
    }
}
