//! Connecting: in turn and blocking, or side by side and in a future.
//!
//! `client` has GIO connect, which knows names and proxies, by one `operation` or more; `direct`
//! connects to single addresses of the kinds that need neither, and that GIO knows only in part.

mod client;
mod direct;
mod operation;

use std::{
    future::{Future, poll_fn},
    io,
    os::fd::OwnedFd,
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Poll, Waker},
};

use gio::prelude::*;
use glib::{
    SignalHandlerId,
    subclass::{Signal, prelude::*},
};

use super::{
    ChannelSocket,
    names::{each_address, name, text, unused},
};
use crate::{
    channel::Channel,
    coroutine,
    error::{closed, not_supported, with_context},
    hub::Hub,
    sys::{address::Native, socket},
    watch::Waiters,
};

/// How far a connect has come: see [`connect_connect_progress`]. Those of
/// [`gio::SocketClientEvent`] that there can be, with its numbers.
///
/// [`connect_connect_progress`]: ChannelSocket::connect_connect_progress
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "QIOChannelConnectStage")]
#[doc(alias = "QIOChannelConnectStage")]
#[repr(i32)]
pub enum ConnectStage {
    /// The addresses are being looked up.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_RESOLVING", nick = "resolving")]
    Resolving = 0,
    /// There is an address; others may follow.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_RESOLVED", nick = "resolved")]
    Resolved = 1,
    /// An address is being tried: that of the proxy, if there is one. Others may be tried beside it.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_CONNECTING", nick = "connecting")]
    Connecting = 2,
    /// The address has answered.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_CONNECTED", nick = "connected")]
    Connected = 3,
    /// The proxy has been asked to connect.
    #[enum_value(
        name = "QIO_CHANNEL_CONNECT_STAGE_PROXY_NEGOTIATING",
        nick = "proxy-negotiating"
    )]
    ProxyNegotiating = 4,
    /// The proxy has connected.
    #[enum_value(
        name = "QIO_CHANNEL_CONNECT_STAGE_PROXY_NEGOTIATED",
        nick = "proxy-negotiated"
    )]
    ProxyNegotiated = 5,
    /// The end: the channel is open, if there is an address, or the connect has failed.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_COMPLETE", nick = "complete")]
    Complete = 8,
}

/// The name of the signal.
const PROGRESS: &str = "connect-progress";

/// The signals of the class.
pub(super) fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<[Signal; 1]> = LazyLock::new(|| {
        [Signal::builder(PROGRESS)
            .param_types([
                ConnectStage::static_type(),
                gio::SocketConnectable::static_type(),
                gio::SocketAddress::static_type(),
            ])
            .run_last()
            .build()]
    });
    &*SIGNALS
}

impl ChannelSocket {
    /// Connects a new channel. See [`connect_sync`](Self::connect_sync).
    ///
    /// # Errors
    ///
    /// As [`connect_sync`](Self::connect_sync).
    pub fn connect(address: &impl IsA<gio::SocketConnectable>) -> io::Result<Self> {
        let this = Self::new();
        this.connect_sync(address)?;
        Ok(this)
    }

    /// Connects a new channel without holding up the main loop, also through the proxies of the
    /// desktop's settings. See [`connect_async`](Self::connect_async).
    ///
    /// # Errors
    ///
    /// As [`connect_async`](Self::connect_async).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use qio::{ChannelSocket, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let any = gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4), 0);
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

    /// Connects, blocking; in a [coroutine](crate::coroutine), suspends that. Where a name has
    /// several addresses, each is tried in turn; in a coroutine, beside the others if it does not
    /// answer at once. Proxies are not used.
    ///
    /// # Errors
    ///
    /// That of the last address, with the address; of the resolver; or
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the channel has been opened.
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
        let unable = |e, next: Option<&gio::SocketAddress>| unable(e, &target(address, next));
        let fd = each_address(address, connect, unable)?;
        self.imp().open(fd)
    }

    /// Connects without holding up the main loop, whatever context that runs. As all that is GIO's,
    /// the future stays in its thread: [`spawn_local`](crate::spawn_local).
    ///
    /// The address may be a name ([`gio::NetworkAddress`]), a service whose hosts the name server
    /// knows ([`gio::NetworkService`]), any [`gio::SocketAddress`] (over IP, a unix path, an
    /// abstract name, or a [`gio::NativeSocketAddress`] such as one of vsock) or a connectable of your
    /// own, which must give an address or an error: GIO ends the process otherwise. Where there are
    /// several addresses, the next one is tried beside the others when they have not answered
    /// within a quarter of a second; the first that answers is taken.
    ///
    /// `client` has the options, as GIO knows them: a timeout in seconds, for each address and step;
    /// the local address; the type of socket, for a channel that is to be a stream; whether to use proxies, and whom to ask for
    /// them. Without it there is no timeout but the system's, and proxies are those of the
    /// desktop's settings: SOCKS and HTTP. Nothing is kept of it, and it may be used for other
    /// connects at the same time. To unix sockets and native addresses there are no proxies.
    /// [`or_timeout`](crate::IoFutureExt::or_timeout) limits the whole.
    ///
    /// The new connection is blocking, like every new channel, and close-on-exec.
    /// [`connect_connect_progress`](Self::connect_connect_progress) tells how far it is.
    ///
    /// Dropping the future cancels at once: all that was being tried is closed.
    ///
    /// # Errors
    ///
    /// They keep the domain and the code of GIO and name what could not be connected to, with the
    /// address that failed, or the proxy, where that is known: `Unable to connect to
    /// example.org:80 (192.0.2.7:80): Connection refused`. Of several addresses it is the one
    /// that failed last.
    ///
    /// [`gio::ResolverError`] for names that cannot be looked up; `ProxyFailed`, `ProxyAuthFailed`
    /// and the like of [`gio::IOErrorEnum`]; [`TimedOut`](io::ErrorKind::TimedOut);
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the channel has been opened, and
    /// [`Closed`](gio::IOErrorEnum::Closed) as soon as it is closed.
    /// [`Unsupported`](io::ErrorKind::Unsupported) for a client that wants TLS, which is not for a
    /// socket to do, for a proxy that is itself behind TLS, for a local address of anything
    /// but IP, and in a thread that does not run its main context while another one does: nobody
    /// would go on with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use gio::prelude::*;
    /// use qio::{ChannelSocket, ConnectStage};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let any = gio::InetSocketAddress::new(&gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4), 0);
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
            let result = self.unless_closed(self.socket_to(&address, client.as_ref()));
            let result = result.await.and_then(|fd| self.imp().open(fd));
            let other_end = result
                .as_ref()
                .ok()
                .and_then(|()| self.remote_address().ok());
            self.tell(ConnectStage::Complete, &address, other_end.as_ref());
            result
        }
    }

    async fn socket_to(
        &self,
        address: &gio::SocketConnectable,
        client: Option<&gio::SocketClient>,
    ) -> io::Result<OwnedFd> {
        if client.is_some_and(gio::SocketClient::is_tls) {
            return Err(not_supported(
                "A socket does not speak TLS: turn it off in the client",
            ));
        }
        let kind = match self.socket_type() {
            gio::SocketType::Stream => {
                client.map_or(gio::SocketType::Stream, |it| it.socket_type())
            }
            own => own,
        };
        let tell = |stage, at: Option<&gio::SocketAddress>| self.tell(stage, address, at);
        match address.downcast_ref::<gio::SocketAddress>() {
            Some(one) if !one.is::<gio::InetSocketAddress>() => {
                let result = direct::connect(one, kind, client, tell).await;
                result.map_err(|e| unable(e, &text(one)))
            }
            _ => client::connect(&unused(address), kind, client, tell).await,
        }
    }

    /// The result of a future, or that the channel is closed, as soon as it is.
    async fn unless_closed<T>(&self, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let channel: &Channel = self.upcast_ref();
        let mut close_waker = Closer {
            waiters: &channel.imp().waiters,
            waker: None,
        };
        let mut future = pin!(future);
        poll_fn(move |cx| match close_waker.enter(cx.waker()) {
            true => Poll::Ready(Err(closed())),
            false => future.as_mut().poll(cx),
        })
        .await
    }

    fn tell(
        &self,
        stage: ConnectStage,
        connectable: &gio::SocketConnectable,
        address: Option<&gio::SocketAddress>,
    ) {
        let address = address.cloned();
        self.emit_by_name::<()>(PROGRESS, &[&stage, connectable, &address]);
    }

    /// Calls `func`, in the thread that waits, when [`connect_async`](Self::connect_async) has come to
    /// another stage: with what is being connected to, and the address where it is about one. The
    /// last stage is [`Complete`](ConnectStage::Complete), with the address of the other end, or without
    /// one on failure; a connect that is dropped says nothing more.
    ///
    /// Several addresses may be tried at the same time. The address of a proxy is a
    /// [`gio::ProxyAddress`] while it is being connected to.
    pub fn connect_connect_progress<F>(&self, func: F) -> SignalHandlerId
    where
        F: Fn(&Self, ConnectStage, &gio::SocketConnectable, Option<&gio::SocketAddress>)
            + Send
            + Sync
            + 'static,
    {
        self.connect_closure(
            PROGRESS,
            false,
            glib::RustClosure::new(move |values| {
                let [this, stage, connectable, address] = values else {
                    unreachable!("the signal has three arguments");
                };
                func(
                    &this.get::<Self>().expect("a socket"),
                    stage.get().expect("a stage"),
                    &connectable
                        .get::<gio::SocketConnectable>()
                        .expect("not NULL"),
                    address
                        .get::<Option<gio::SocketAddress>>()
                        .expect("an address")
                        .as_ref(),
                );
                None
            }),
        )
    }
}

/// Has a future woken when the channel is closed.
struct Closer<'a> {
    waiters: &'a Arc<Waiters>,
    waker: Option<Waker>,
}

impl Closer<'_> {
    /// From now on. Says whether it is closed.
    fn enter(&mut self, waker: &Waker) -> bool {
        self.leave();
        // Any thread may close the channel.
        let waker = Hub::current().remote_waker(waker);
        self.waker = Some(waker.clone());
        self.waiters.until_closed(waker)
    }

    fn leave(&mut self) {
        if let Some(waker) = self.waker.take() {
            self.waiters.forget_close_waker(&waker);
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

/// What is being connected to, in messages, with the address that it is about.
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
