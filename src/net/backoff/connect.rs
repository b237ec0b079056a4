//! Connecting, again after failures.

use std::{future::Future, io};

use gio::prelude::*;

use super::Backoff;
use crate::{
    channel::{Channel, cancellable_future},
    coroutine,
    hub::block_on,
    net::NetAddress,
    transport::ChannelSocket,
};

/// Connecting again after failures.
impl ChannelSocket {
    /// Connects, and tries again after failures. Blocks; in a coroutine, suspends that.
    ///
    /// As [`connect_with_backoff_async`](Self::connect_with_backoff_async), without proxies. The
    /// cancellable ends an attempt, or a delay, at once; any thread may cancel it.
    ///
    /// # Errors
    ///
    /// As [`connect_with_backoff_async`](Self::connect_with_backoff_async), and
    /// [`Cancelled`](gio::IOErrorEnum::Cancelled).
    #[doc(alias = "qio_channel_socket_connect_with_backoff_sync")]
    pub fn connect_with_backoff_sync(
        &self,
        address: &impl IsA<gio::SocketConnectable>,
        backoff: &Backoff,
        cancellable: Option<&gio::Cancellable>,
    ) -> io::Result<()> {
        let client = gio::SocketClient::new();
        client.set_enable_proxy(false);
        let connecting = self.connect_with_backoff_async(address, backoff, Some(&client));
        wait_for(connecting, cancellable)
    }

    /// Connects as [`connect_async`](Self::connect_async), and tries again after failures.
    ///
    /// Names are resolved again for each attempt. A channel can be connected once: to reconnect
    /// after the connection was lost, use a new one.
    ///
    /// # Errors
    ///
    /// That of the last attempt, with the number of attempts: [`RetryError`](crate::RetryError);
    /// [`Backoff`] has those that end the attempts at once, as
    /// [`Closed`](gio::IOErrorEnum::Closed) does, as soon as the channel is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the attempt at once: all its sockets are closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use qio::{Backoff, ChannelSocket, RetryError, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    /// # let any = gio::InetSocketAddress::new(&loopback, 0);
    /// # let address = ChannelSocket::listen(&any, 16)?.local_address()?;
    /// let backoff = Backoff::new().attempts(3).delays(Duration::from_millis(5), Duration::MAX);
    /// let channel = ChannelSocket::new();
    /// let connecting = channel.connect_with_backoff_async(&address, &backoff, None);
    /// let error = glib::MainContext::default().block_on(connecting).unwrap_err();
    /// assert!(error.to_string().ends_with("Connection refused (3 attempts)"));
    /// assert_eq!(RetryError::of(&error).map(RetryError::attempts), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "qio_channel_socket_connect_with_backoff_async")]
    #[doc(alias = "qio_channel_socket_connect_with_backoff_finish")]
    pub fn connect_with_backoff_async<'a, A>(
        &'a self,
        address: &A,
        backoff: &Backoff,
        client: Option<&gio::SocketClient>,
    ) -> impl Future<Output = io::Result<()>> + use<'a, A>
    where
        A: IsA<gio::SocketConnectable>,
    {
        let address: gio::SocketConnectable = address.clone().upcast();
        let (client, backoff) = (client.cloned(), *backoff);
        async move {
            let attempt = async |_| self.connect_async(&address, client.as_ref()).await;
            // A delay ends as well when the channel is closed.
            self.unless_closed(backoff.retry(attempt)).await
        }
    }
}

/// Connecting again after failures.
impl NetAddress {
    /// Connects to the address, and tries again after failures. Blocks; in a coroutine, suspends
    /// that.
    ///
    /// See [`ChannelSocket::connect_with_backoff_sync`]. A descriptor, `fd:`, is used once.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), for the last attempt: [`RetryError`](crate::RetryError).
    pub fn connect_with_backoff(&self, backoff: &Backoff) -> io::Result<Channel> {
        if self.scheme() == "fd" {
            return self.connect();
        }
        let channel = ChannelSocket::new();
        channel.connect_with_backoff_sync(&self.to_peer()?, backoff, None)?;
        Ok(channel.upcast())
    }

    /// Connects to the address in a future, and tries again after failures.
    ///
    /// As [`connect_future`](Self::connect_future) for each attempt. A descriptor, `fd:`, is used
    /// once. In C, `qio_channel_socket_connect_with_backoff_async()` connects to the result of
    /// `qio_net_address_get_connectable()`.
    ///
    /// # Errors
    ///
    /// As [`connect_future`](Self::connect_future), for the last attempt:
    /// [`RetryError`](crate::RetryError).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the attempt: no channel is created.
    pub fn connect_with_backoff_future(
        &self,
        backoff: &Backoff,
    ) -> impl Future<Output = io::Result<Channel>> + use<> {
        let (this, backoff) = (self.clone(), *backoff);
        async move {
            if this.scheme() == "fd" {
                return this.connect();
            }
            let channel = ChannelSocket::new();
            let peer = this.to_peer()?;
            let connecting = channel.connect_with_backoff_async(&peer, &backoff, None);
            connecting.await?;
            Ok(channel.upcast())
        }
    }
}

/// Waits for a future that connects: suspends the coroutine, or blocks the thread.
fn wait_for(
    connecting: impl Future<Output = io::Result<()>>,
    cancellable: Option<&gio::Cancellable>,
) -> io::Result<()> {
    let cancellable = cancellable.cloned().unwrap_or_default();
    let connecting = cancellable_future(connecting, cancellable);
    if coroutine::in_coroutine() {
        return coroutine::wait_for(connecting)?;
    }
    block_on(connecting)?
}
