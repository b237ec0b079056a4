//! Listening on several addresses at once.
//!
//! `imp` is the instance state, `settings` has the options of the user; `open` opens the sockets,
//! `stale` removes stale unix sockets; `accept` accepts connections, for every style of waiting,
//! `callback` calls callbacks with them; `admission` decides whether a connection may be accepted.

mod accept;
mod admission;
mod callback;
mod imp;
mod open;
mod settings;
mod stale;

pub use accept::Incoming;

use std::{future::Future, io};

use gio::prelude::*;
use glib::{subclass::prelude::*, thread_guard::ThreadGuard};

use crate::{
    channel::{ChannelExt as _, ffi::derived_class},
    error::{io_error, not_supported},
    transport::{ChannelSocket, resolve, resolve_sync},
    types::Feature,
};
use callback::Func;
use open::Opening;

derived_class!(
    NetListener,
    imp::NetListener,
    NetListenerImpl: glib::subclass::object::ObjectImpl,
    QIONetListener: gobject_sys::GObject,
    QIONetListenerClass: gobject_sys::GObjectClass
);

glib::wrapper! {
    /// Listens on several sockets at once, and accepts connections.
    ///
    /// Connections are accepted in a callback ([`set_client_func`](Self::set_client_func)), in a
    /// future ([`accept_future`](Self::accept_future)), as a stream ([`incoming`](Self::incoming)),
    /// or blocking ([`wait_client`](Self::wait_client)). Each connection is delivered once.
    ///
    /// After a resource exhaustion (`EMFILE`, `ENFILE`, `ENOMEM`) all acceptors wait, and none gets
    /// an error: the connections stay in the queue of the kernel. The first time a warning is
    /// logged, and the signal `accept-error` is emitted every time. The wait ends when a connection
    /// is closed, or after a back-off of at most one second.
    ///
    /// A listener can be used from any thread. Dropping it disconnects it. With a callback it stays
    /// alive until it is disconnected, the callback is unset, or the context of the callback is
    /// destroyed.
    ///
    /// # Properties
    ///
    /// | name | type | |
    /// | --- | --- | --- |
    /// | `name` | string | readable, writable |
    /// | `connected` | boolean | readable: [`is_connected`](Self::is_connected) |
    /// | `max-clients` | unsigned integer | readable, writable: [`set_max_clients`](Self::set_max_clients) |
    /// | `max-handshakes` | unsigned integer | readable, writable: [`set_max_handshakes`](Self::set_max_handshakes) |
    /// | `clients` | unsigned integer | readable, changes without notice: [`clients`](Self::clients) |
    /// | `reuse-port` | boolean | readable, writable: [`set_reuse_port`](Self::set_reuse_port) |
    /// | `replace-stale` | boolean | readable, writable: [`set_replace_stale`](Self::set_replace_stale) |
    /// | `path-mode` | unsigned integer | readable, writable: [`set_path_mode`](Self::set_path_mode) |
    ///
    /// # Signals
    ///
    /// `accept-error`, with a [`glib::Error`]: accepting has failed, and is tried again. Emitted in
    /// the thread that accepts.
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::{ChannelSocket, NetListener, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let listener = NetListener::new();
    /// // Over IPv4 and IPv6, with the same port.
    /// listener.open_sync(&gio::NetworkAddress::new("localhost", 0), 128)?;
    ///
    /// let main_loop = glib::MainLoop::new(None, false);
    /// let quit = main_loop.clone();
    /// listener.set_client_func_local(move |listener, client| {
    ///     client.write_all(b"hello\n").expect("the send buffer is empty");
    ///     listener.disconnect();
    ///     quit.quit();
    /// });
    ///
    /// let client = ChannelSocket::connect(&listener.local_addresses()[0])?;
    /// main_loop.run();
    /// let mut greeting = [0; 6];
    /// client.read_all(&mut greeting)?;
    /// assert_eq!(&greeting, b"hello\n");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "QIONetListener")]
    pub struct NetListener(ObjectSubclass<imp::NetListener>);
}

static_assertions::assert_impl_all!(NetListener: Send, Sync);

/// Opening and closing.
impl NetListener {
    /// Creates a listener without sockets.
    #[doc(alias = "qio_net_listener_new")]
    #[must_use]
    pub fn new() -> Self {
        glib::Object::new()
    }

    /// Listens on every address of a name as well.
    ///
    /// Each socket has at most `backlog` connections waiting to be accepted. Blocks during name
    /// resolution; in a [coroutine](crate::coroutine), suspends that.
    ///
    /// With port 0 the kernel chooses one, which is the same for all addresses:
    /// [`local_addresses`](Self::local_addresses) returns it. If there are IPv4 and IPv6 addresses,
    /// IPv6 sockets get `IPV6_V6ONLY`. Addresses of a family that the machine does not have are
    /// skipped, if there are others.
    ///
    /// # Errors
    ///
    /// The error of the system call for any other address, with the address, or that of the
    /// resolver; then no socket is added.
    #[doc(alias = "qio_net_listener_open_sync")]
    pub fn open_sync(
        &self,
        address: &impl IsA<gio::SocketConnectable>,
        backlog: u32,
    ) -> io::Result<()> {
        self.open(&resolve_sync(address.as_ref())?, backlog)
    }

    /// Listens on every address of a name as well, without blocking.
    ///
    /// See [`open_sync`](Self::open_sync). The future must be polled in one thread.
    ///
    /// # Errors
    ///
    /// As [`open_sync`](Self::open_sync).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future opens no socket.
    #[doc(alias = "qio_net_listener_open_async")]
    #[doc(alias = "qio_net_listener_open_finish")]
    pub fn open_future<A: IsA<gio::SocketConnectable>>(
        &self,
        address: &A,
        backlog: u32,
    ) -> impl Future<Output = io::Result<()>> + use<A> {
        let (this, addresses) = (self.clone(), resolve(address.as_ref()));
        async move {
            let opening = Opening::new(&this, &addresses.await?, backlog);
            this.imp().attach(opening.open_future().await?)
        }
    }

    /// Listens on a port of all interfaces as well, and returns the port.
    ///
    /// Over IPv4 and IPv6, as far as the machine has them. With port 0 the kernel chooses one.
    ///
    /// # Errors
    ///
    /// The error of the system call, with the address.
    #[doc(alias = "qio_net_listener_open_port")]
    pub fn open_port(&self, port: u16, backlog: u32) -> io::Result<u16> {
        let families = [gio::SocketFamily::Ipv6, gio::SocketFamily::Ipv4];
        let addresses = families.map(|family| {
            gio::InetSocketAddress::new(&gio::InetAddress::new_any(family), port).upcast()
        });
        let channels = Opening::new(self, &addresses, backlog).open()?;
        let port = channels[0].local_address().ok().and_then(|address| {
            let address = address.downcast::<gio::InetSocketAddress>().ok()?;
            Some(address.port())
        });
        self.imp().attach(channels)?;
        Ok(port.unwrap_or_default())
    }

    /// Listens on the sockets that a service manager has opened as well.
    ///
    /// On all that have not been taken, or those with a name. Returns their number, which may be 0.
    /// See [`activation`](super::activation).
    ///
    /// # Errors
    ///
    /// As [`activation::sockets`](super::activation::sockets).
    #[doc(alias = "qio_net_listener_open_activated")]
    pub fn open_activated(&self, name: Option<&str>) -> io::Result<usize> {
        let channels = super::activation::take(name)?;
        let count = channels.len();
        let channels = channels.into_iter().map(|(_, channel)| channel);
        self.imp().attach(channels.collect())?;
        Ok(count)
    }

    /// Listens on a socket of the caller as well.
    ///
    /// It is set to non-blocking mode, and is closed when the listener is disconnected.
    ///
    /// # Errors
    ///
    /// Unsupported without [`Feature::LISTEN`]; [`AlreadyExists`](io::ErrorKind::AlreadyExists) if
    /// the listener has this socket.
    #[doc(alias = "qio_net_listener_add")]
    pub fn add(&self, channel: &ChannelSocket) -> io::Result<()> {
        if !channel.has_feature(Feature::LISTEN) {
            return Err(not_supported("Channel does not listen for connections"));
        }
        if self.imp().channels().contains(channel) {
            return Err(io_error(
                gio::IOErrorEnum::Exists,
                "Listener has this channel already",
            ));
        }
        self.imp().attach(vec![channel.clone()])
    }

    /// Closes all sockets, and removes their unix paths.
    ///
    /// All waiting acceptors, in any thread, fail with [`Closed`](gio::IOErrorEnum::Closed), and
    /// streams end; the callback is not called any more, except for a call in progress in another
    /// thread. Accepted connections are not affected.
    ///
    /// The listener can be opened again. The callback stays set.
    #[doc(alias = "qio_net_listener_disconnect")]
    pub fn disconnect(&self) {
        self.imp().disconnect();
    }

    /// Returns whether it has listening sockets.
    #[doc(alias = "qio_net_listener_is_connected")]
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.imp().is_connected()
    }

    /// Returns the addresses that it listens on, in the order of opening.
    #[doc(alias = "qio_net_listener_get_local_addresses")]
    #[must_use]
    pub fn local_addresses(&self) -> Vec<gio::SocketAddress> {
        let channels = self.imp().channels();
        let addresses = channels.iter().map(ChannelSocket::local_address);
        addresses.filter_map(Result::ok).collect()
    }

    /// Returns a connection that was not used, for another acceptor.
    pub(in crate::net) fn return_client(&self, client: ChannelSocket) {
        self.imp().return_client(client);
    }

    fn open(&self, addresses: &[gio::SocketAddress], backlog: u32) -> io::Result<()> {
        let channels = Opening::new(self, addresses, backlog).open()?;
        self.imp().attach(channels)
    }
}

/// Accepting connections.
impl NetListener {
    /// Sets the function that the global default context calls for each connection.
    ///
    /// Replaces the function set before. See [`set_client_func_full`](Self::set_client_func_full).
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn).
    #[doc(alias = "qio_net_listener_set_client_func")]
    pub fn set_client_func<F>(&self, func: F)
    where
        F: FnMut(&Self, ChannelSocket) + Send + 'static,
    {
        self.set_client_func_full(func, None);
    }

    /// Sets the function that is called for each connection, in a context.
    ///
    /// `None` is the global default context. Replaces the function set before. After this has
    /// returned no call begins in another context, and no connection is lost: to move a listener to
    /// another context, set its callback there.
    ///
    /// A panic of the callback is logged as a critical warning, and the next connection is
    /// accepted.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn).
    #[doc(alias = "qio_net_listener_set_client_func_full")]
    pub fn set_client_func_full<F>(&self, func: F, context: Option<&glib::MainContext>)
    where
        F: FnMut(&Self, ChannelSocket) + Send + 'static,
    {
        self.set_func(Func::Anywhere(Box::new(func)), context);
    }

    /// Sets a callback as [`set_client_func`](Self::set_client_func), which stays in this thread.
    ///
    /// # Panics
    ///
    /// As [`spawn_local_in`](crate::spawn_local_in).
    pub fn set_client_func_local<F>(&self, func: F)
    where
        F: FnMut(&Self, ChannelSocket) + 'static,
    {
        self.set_client_func_full_local(func, None);
    }

    /// Sets a callback as [`set_client_func_full`](Self::set_client_func_full), for a local
    /// function.
    ///
    /// The callback must stay in this thread, which must own the context, unless no thread does.
    ///
    /// # Panics
    ///
    /// As [`spawn_local_in`](crate::spawn_local_in).
    pub fn set_client_func_full_local<F>(&self, func: F, context: Option<&glib::MainContext>)
    where
        F: FnMut(&Self, ChannelSocket) + 'static,
    {
        self.set_func(Func::Here(ThreadGuard::new(Box::new(func))), context);
    }

    /// Unsets the callback. Connections stay in the queue for other acceptors.
    pub fn unset_client_func(&self) {
        self.imp().set_callback(None);
    }

    fn set_func(&self, func: Func, context: Option<&glib::MainContext>) {
        // Not `unwrap_or_default`: the `Default` of a context is a new one.
        let context = context.cloned().unwrap_or_else(glib::MainContext::default);
        self.imp().set_callback(Some((func, &context)));
    }

    /// Blocks until there is a connection, and returns it.
    ///
    /// The callback gets none meanwhile. In a coroutine, suspends that.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the listener is not open, or is
    /// disconnected meanwhile; and errors of the system call that are not temporary.
    #[doc(alias = "qio_net_listener_wait_client")]
    pub fn wait_client(&self) -> io::Result<ChannelSocket> {
        accept::wait(self)
    }

    /// Accepts one connection.
    ///
    /// # Errors
    ///
    /// As [`wait_client`](Self::wait_client).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, the connection stays in the queue.
    #[doc(alias = "qio_net_listener_accept_async")]
    #[doc(alias = "qio_net_listener_accept_finish")]
    pub fn accept_future(&self) -> impl Future<Output = io::Result<ChannelSocket>> + Send + use<> {
        accept::in_future(self.clone())
    }

    /// Returns the connections as a stream.
    ///
    /// It ends when the listener is disconnected.
    #[must_use]
    pub fn incoming(&self) -> Incoming {
        Incoming::new(self)
    }
}

impl Default for NetListener {
    fn default() -> Self {
        Self::new()
    }
}
