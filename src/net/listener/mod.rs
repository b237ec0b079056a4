//! Listening on several addresses at once.
//!
//! `imp` is what a listener carries, `settings` are its user's; `open` opens its sockets, `stale` makes
//! room for them; `accept` takes clients, in whatever style, `serve` calls callbacks with them;
//! `gate` says when nobody may come in.

mod accept;
mod gate;
mod imp;
mod open;
mod serve;
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
use open::Opening;
use serve::Func;

derived_class!(
    NetListener,
    imp::NetListener,
    NetListenerImpl: glib::subclass::object::ObjectImpl,
    QIONetListener: gobject_sys::GObject,
    QIONetListenerClass: gobject_sys::GObjectClass
);

glib::wrapper! {
    /// Listens on all addresses of a name, or on any sockets at once, and accepts clients: in a
    /// callback ([`set_client_func`](Self::set_client_func)), in a future
    /// ([`accept_future`](Self::accept_future)), as a stream ([`incoming`](Self::incoming)), or
    /// blocking ([`wait_client`](Self::wait_client)). Each client goes to one of them.
    ///
    /// When descriptors or memory are short, whoever accepts waits, and is never told: the clients
    /// stay in the queue of the system. The first time a warning is logged, and the signal
    /// `accept-error` is emitted every time. A client that goes, or a pause that gets longer up to
    /// one second, ends the wait.
    ///
    /// A listener can be used from any thread. Dropping it disconnects it, but with a callback it
    /// stays alive until it is disconnected, or the callback is taken away, or its context goes.
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
    ///     client.write_all(b"hello\n").expect("room for a few bytes");
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
    /// Makes a listener that is still to be opened.
    #[doc(alias = "qio_net_listener_new")]
    #[must_use]
    pub fn new() -> Self {
        glib::Object::new()
    }

    /// Listens on every address of a name as well, each with at most `backlog` clients waiting to be
    /// accepted. Blocks while the name is looked up; in a [coroutine](crate::coroutine), suspends
    /// that.
    ///
    /// With port 0 the system chooses one, which is the same for all addresses:
    /// [`local_addresses`](Self::local_addresses) tells it. Where there are IPv4 and IPv6 addresses,
    /// sockets of IPv6 leave IPv4 alone. Addresses of a family that the machine does not have are
    /// passed over, if there are others.
    ///
    /// # Errors
    ///
    /// What the system says of any other address, with the address, or the resolver of the name;
    /// then none of them is listened on.
    #[doc(alias = "qio_net_listener_open_sync")]
    pub fn open_sync(
        &self,
        address: &impl IsA<gio::SocketConnectable>,
        backlog: u32,
    ) -> io::Result<()> {
        self.open(&resolve_sync(address.as_ref())?, backlog)
    }

    /// As [`open_sync`](Self::open_sync), without blocking. Stays in the thread where it is polled
    /// first.
    ///
    /// # Errors
    ///
    /// As [`open_sync`](Self::open_sync).
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

    /// Listens on a port of all interfaces as well, over IPv4 and IPv6 as far as the machine has
    /// them, and returns the port, which the system chooses if it is 0.
    ///
    /// # Errors
    ///
    /// What the system says, with the address.
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

    /// Listens on the sockets as well that a service manager has opened for this process: all that
    /// are left, or those of a name. Returns how many they are, which may be none. See
    /// [`activation`](super::activation).
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

    /// Listens on a socket of the caller's as well. It does not block from now on, and is closed
    /// when the listener is disconnected.
    ///
    /// # Errors
    ///
    /// Unsupported without [`Feature::LISTEN`];
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if the listener has it already.
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

    /// Closes all sockets, which removes unix paths. Whoever is about to accept, in whatever thread,
    /// fails with [`Closed`](gio::IOErrorEnum::Closed), and streams end; the callback is not called
    /// any more, but for a call that is under way in another thread. Clients that were accepted are
    /// left alone.
    ///
    /// The listener can be opened again. The callback stays set.
    #[doc(alias = "qio_net_listener_disconnect")]
    pub fn disconnect(&self) {
        self.imp().disconnect();
    }

    /// Whether it listens on anything.
    #[doc(alias = "qio_net_listener_is_connected")]
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.imp().is_connected()
    }

    /// The addresses that it listens on, in the order in which they were opened.
    #[doc(alias = "qio_net_listener_get_local_addresses")]
    #[must_use]
    pub fn local_addresses(&self) -> Vec<gio::SocketAddress> {
        let channels = self.imp().channels();
        let addresses = channels.iter().map(ChannelSocket::local_address);
        addresses.filter_map(Result::ok).collect()
    }

    fn open(&self, addresses: &[gio::SocketAddress], backlog: u32) -> io::Result<()> {
        let channels = Opening::new(self, addresses, backlog).open()?;
        self.imp().attach(channels)
    }
}

/// Accepting clients.
impl NetListener {
    /// Calls `func` for each client, in the global default context, in place of what was called
    /// before. See [`set_client_func_full`](Self::set_client_func_full).
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

    /// Calls `func` for each client, in a context, or in the global default one, in place of what
    /// was called before. When this returns no call begins that is not to be in this context, and
    /// no client is lost: moving a listener to another context is setting its callback there.
    ///
    /// A panic of the callback is logged as a critical warning, and the next client is served.
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

    /// As [`set_client_func`](Self::set_client_func), for a callback that stays in this thread.
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

    /// As [`set_client_func_full`](Self::set_client_func_full), for a callback that stays in this
    /// thread, whose context it must be, or nobody's yet.
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

    /// Calls nothing any more. Clients stay in the queue for whoever accepts them.
    pub fn unset_client_func(&self) {
        self.imp().set_server(None);
    }

    fn set_func(&self, func: Func, context: Option<&glib::MainContext>) {
        // Not `unwrap_or_default`: the `Default` of a context is a new one.
        let context = context.cloned().unwrap_or_else(glib::MainContext::default);
        self.imp().set_server(Some((func, &context)));
    }

    /// Blocks until there is a client, and returns it. The callback gets none meanwhile. In a
    /// coroutine, suspends that.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the listener is not open, or is disconnected
    /// meanwhile; and what the system says, unless that passes by itself.
    #[doc(alias = "qio_net_listener_wait_client")]
    pub fn wait_client(&self) -> io::Result<ChannelSocket> {
        accept::wait(self)
    }

    /// Accepts one client, once there is one. Dropping it leaves the client in the queue.
    ///
    /// # Errors
    ///
    /// As [`wait_client`](Self::wait_client).
    #[doc(alias = "qio_net_listener_accept_async")]
    #[doc(alias = "qio_net_listener_accept_finish")]
    pub fn accept_future(&self) -> impl Future<Output = io::Result<ChannelSocket>> + Send + use<> {
        accept::in_future(self.clone())
    }

    /// The clients as a stream, which ends when the listener is disconnected.
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
