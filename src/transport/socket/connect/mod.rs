//! Connecting: sequentially and blocking, or concurrently and in a future.
//!
//! `client` makes GIO connect, which supports names and proxies, by one `operation` or more;
//! `direct` connects to single addresses of types that need neither, and that GIO supports only in
//! part.

mod client;
mod direct;
mod operation;
mod progress;

pub use progress::ConnectStage;
pub(super) use progress::signals;

use std::{
    future::{Future, poll_fn},
    io,
    os::fd::OwnedFd,
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
};

use gio::prelude::*;
use glib::subclass::prelude::*;

use super::{
    ChannelSocket,
    resolve::{each_address, name, text, unused},
};
use crate::{
    channel::{Channel, observed},
    coroutine,
    error::{closed, not_supported, with_context},
    hub::Hub,
    log::{self, Activity},
    sys::{address::Native, socket},
    watch::{ChannelState, WakeOn},
};

/// A socket that is connected, and blocking.
enum Connected {
    /// Of this family and type, by the numbers of the kernel.
    Direct(OwnedFd, (i32, i32)),
    ByGio(OwnedFd),
}

impl ChannelSocket {
    /// Creates a channel and connects it. See [`connect_sync`](Self::connect_sync).
    ///
    /// # Errors
    ///
    /// As [`connect_sync`](Self::connect_sync).
    pub fn connect(address: &impl IsA<gio::SocketConnectable>) -> io::Result<Self> {
        let this = Self::new();
        this.connect_sync(address)?;
        Ok(this)
    }

    /// Creates a channel and connects it, in a future, also through proxies.
    ///
    /// See [`connect_async`](Self::connect_async).
    ///
    /// # Errors
    ///
    /// As [`connect_async`](Self::connect_async).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the attempt and closes its sockets.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    /// # let any = gio::InetSocketAddress::new(&loopback, 0);
    /// # let listener = ChannelSocket::listen(&any, 16)?;
    /// # let port = listener.local_address()?.downcast::<gio::InetSocketAddress>().unwrap().port();
    /// let server = gio::NetworkAddress::new("localhost", port);
    /// glib::MainContext::default().block_on(async {
    ///     let connecting = ChannelSocket::connect_future(&server);
    ///     let channel = connecting.or_timeout(Duration::from_secs(10)).await?;
    ///     channel.write_all_future(b"hello").await
    /// })
    /// # }
    /// ```
    pub fn connect_future<A>(address: &A) -> impl Future<Output = io::Result<Self>> + use<A>
    where
        A: IsA<gio::SocketConnectable>,
    {
        let address: gio::SocketConnectable = address.clone().upcast();
        async move {
            let this = Self::new();
            this.connect_async(&address, None).await?;
            Ok(this)
        }
    }

    /// Connects, blocking; in a [coroutine](crate::coroutine), suspends that.
    ///
    /// If a name has several addresses, they are tried sequentially; in a coroutine, concurrently
    /// if one does not answer at once. Proxies are not used.
    ///
    /// # Errors
    ///
    /// That of the last address, with the address; of the resolver; or
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the channel was opened before.
    #[doc(alias = "qio_channel_socket_connect_sync")]
    pub fn connect_sync(&self, address: &impl IsA<gio::SocketConnectable>) -> io::Result<()> {
        if coroutine::in_coroutine() {
            let client = gio::SocketClient::new();
            client.set_enable_proxy(false);
            return coroutine::wait_for(self.connect_async(address, Some(&client)))?;
        }
        self.imp().fd.check_unopened()?;
        let (address, kind) = (address.as_ref(), self.imp().kind());
        let connect = |native: &Native| socket::connect(native, kind);
        let unable = |e, next: Option<&gio::SocketAddress>| {
            let e = unable(e, &target(address, next));
            // Another address may succeed.
            log::failure(self, &e, || "one address has failed".to_owned());
            e
        };
        let connect = || each_address(address, connect, unable);
        let connect = || log::within(Activity::Connect, self, connect);
        let fd = observed::call(self.upcast_ref(), "a connect", connect)?;
        self.imp().open(fd)?;
        self.report_connected(address);
        Ok(())
    }

    fn report_connected(&self, address: &gio::SocketConnectable) {
        observed::connected(self.upcast_ref());
        log::event(self, || {
            let other_end = self.remote_address().ok();
            format!("connected to {}", target(address, other_end.as_ref()))
        });
    }

    /// Connects without blocking the main loop, whichever context that runs.
    ///
    /// As operations of GIO are not `Send`, neither is the future: use
    /// [`spawn_local`](crate::spawn_local).
    ///
    /// The address may be a name ([`gio::NetworkAddress`]), a service whose hosts the name server
    /// has ([`gio::NetworkService`]), any [`gio::SocketAddress`] (over IP, a unix path, an abstract
    /// name, or a [`gio::NativeSocketAddress`] such as one of vsock) or a connectable of the
    /// application, which must return an address or an error: GIO aborts the process otherwise. Of
    /// several addresses, the next one is tried concurrently when the others have not answered
    /// within a quarter of a second; the first connection is used (Happy Eyeballs).
    ///
    /// `client` has the options of GIO: a timeout in seconds, for each address and step; the local
    /// address; the type of socket, for a channel that is to be a stream; whether to use proxies,
    /// and the proxy resolver. Default: no timeout but the kernel's, and the proxies of the
    /// desktop's settings: SOCKS and HTTP. The client is not retained, and may be used for other
    /// connections at the same time. Unix sockets and native addresses have no proxies.
    /// [`or_timeout`](crate::IoFutureExt::or_timeout) limits the whole.
    ///
    /// The new connection is blocking, like every new channel, and close-on-exec.
    /// [`connect_connect_progress`](Self::connect_connect_progress) reports the progress.
    ///
    /// # Errors
    ///
    /// They keep the domain and the code of GIO and have the target, with the address that failed,
    /// or the proxy, if that is known: `Unable to connect to example.org:80 (192.0.2.7:80):
    /// Connection refused`. Of several addresses it is the one that failed last.
    ///
    /// [`gio::ResolverError`] for names that cannot be resolved; `ProxyFailed`, `ProxyAuthFailed`
    /// and others of [`gio::IOErrorEnum`]; [`TimedOut`](io::ErrorKind::TimedOut);
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the channel was opened before, and
    /// [`Closed`](gio::IOErrorEnum::Closed) as soon as it is closed.
    /// [`Unsupported`](io::ErrorKind::Unsupported) for a client with TLS, which a socket does not
    /// do, for a proxy that is itself behind TLS, for a local address of anything but IP, and in a
    /// thread that does not run its main context while another one does: the operation would not be
    /// continued.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the attempt at once: all its sockets are closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use gio::prelude::*;
    /// use qio::{ChannelSocket, ConnectStage};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    /// # let any = gio::InetSocketAddress::new(&loopback, 0);
    /// # let address = ChannelSocket::listen(&any, 16)?.local_address()?;
    /// let client = gio::SocketClient::new();
    /// client.set_timeout(5);
    /// client.set_enable_proxy(false);
    ///
    /// let channel = ChannelSocket::new();
    /// channel.connect_connect_progress(|_, stage, _, address| match (stage, address) {
    ///     (ConnectStage::Connecting, Some(address)) => println!("trying {}", address.to_string()),
    ///     _ => println!("{stage:?}"),
    /// });
    /// let connecting = channel.connect_async(&address, Some(&client));
    /// let error = glib::MainContext::default().block_on(connecting).unwrap_err();
    /// assert!(error.to_string().ends_with(": Connection refused")); // it listens no more
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "qio_channel_socket_connect_async")]
    #[doc(alias = "qio_channel_socket_connect_finish")]
    pub fn connect_async<'a, A>(
        &'a self,
        address: &A,
        client: Option<&gio::SocketClient>,
    ) -> impl Future<Output = io::Result<()>> + use<'a, A>
    where
        A: IsA<gio::SocketConnectable>,
    {
        let address: gio::SocketConnectable = address.clone().upcast();
        let client = client.cloned();
        async move {
            self.imp().fd.check_unopened()?;
            let connecting = self.unless_closed(self.socket_to(&address, client.as_ref()));
            let result = log::in_span(Activity::Connect, self, connecting).await;
            let result = result.and_then(|connected| match connected {
                Connected::Direct(fd, kind) => self.imp().open_created(fd, kind),
                Connected::ByGio(fd) => self.imp().open(fd),
            });
            match &result {
                Ok(()) => self.report_connected(&address),
                Err(e) => log::failure(self, e, || "not connected".to_owned()),
            }
            self.report(ConnectStage::Complete, &address, || {
                result
                    .as_ref()
                    .ok()
                    .and_then(|()| self.remote_address().ok())
            });
            result
        }
    }

    async fn socket_to(
        &self,
        address: &gio::SocketConnectable,
        client: Option<&gio::SocketClient>,
    ) -> io::Result<Connected> {
        if client.is_some_and(gio::SocketClient::is_tls) {
            return Err(not_supported(
                "ChannelSocket does not support TLS: disable it in the GSocketClient",
            ));
        }
        let kind = match self.socket_type() {
            gio::SocketType::Stream => {
                client.map_or(gio::SocketType::Stream, |it| it.socket_type())
            }
            own => own,
        };
        let report =
            |stage, at: Option<&gio::SocketAddress>| self.report(stage, address, || at.cloned());
        match address.downcast_ref::<gio::SocketAddress>() {
            Some(one) if direct::suits(one, kind, client) => {
                let result = direct::connect(one, kind, client, report).await;
                let connected = result.map_err(|e| unable(e, &text(one)))?;
                Ok(Connected::Direct(connected.0, connected.1))
            }
            _ => {
                let report = |stage, at: Option<&gio::SocketAddress>| {
                    report(stage, at);
                };
                let fd = client::connect(&unused(address), kind, client, report).await?;
                Ok(Connected::ByGio(fd))
            }
        }
    }

    /// The result of a future, or the error of a closed channel, as soon as it is closed.
    pub(crate) async fn unless_closed<T>(
        &self,
        future: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let channel: &Channel = self.upcast_ref();
        let mut close_waker = Closer {
            channel_state: &channel.imp().channel_state,
            waker: None,
        };
        let mut future = pin!(future);
        poll_fn(move |cx| match close_waker.enter(cx.waker()) {
            true => Poll::Ready(Err(closed())),
            false => future.as_mut().poll(cx),
        })
        .await
    }
}

/// Wakes a future when the channel is closed.
struct Closer<'a> {
    channel_state: &'a Arc<ChannelState>,
    waker: Option<Waker>,
}

impl Closer<'_> {
    /// Enters the waker. Returns whether the channel is closed.
    fn enter(&mut self, waker: &Waker) -> bool {
        self.leave();
        // Any thread may close the channel.
        let waker = Hub::current().remote_waker(waker);
        self.waker = Some(waker.clone());
        self.channel_state.add_waker(WakeOn::Close, waker);
        self.channel_state.is_closed()
    }

    fn leave(&mut self) {
        if let Some(waker) = self.waker.take() {
            self.channel_state.remove_waker(WakeOn::Close, &waker);
        }
    }
}

impl Drop for Closer<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

fn unable(error: io::Error, target: &str) -> io::Error {
    with_context(error, format!("Unable to connect to {target}"))
}

/// The target in messages, with the address that the message is about.
fn target(connectable: &gio::SocketConnectable, address: Option<&gio::SocketAddress>) -> String {
    let name = name(connectable);
    match address {
        Some(address) if address.is::<gio::ProxyAddress>() => through(connectable, address),
        Some(address) if text(address) != name => format!("{name} ({})", text(address)),
        _ => name,
    }
}

fn through(connectable: &gio::SocketConnectable, proxy: &gio::SocketAddress) -> String {
    let name = name(connectable);
    format!("{name} through the proxy {}", text(proxy))
}
