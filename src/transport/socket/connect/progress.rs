//! The signal `connect-progress`.

use std::sync::LazyLock;

use gio::prelude::*;
use glib::{SignalHandlerId, signal::signal_has_handler_pending, subclass::Signal};

use crate::transport::socket::ChannelSocket;

/// The stage of a connection attempt: see [`connect_connect_progress`].
///
/// A subset of [`gio::SocketClientEvent`], with the same numbers.
///
/// [`connect_connect_progress`]: ChannelSocket::connect_connect_progress
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, glib::Enum)]
#[enum_type(name = "QIOChannelConnectStage")]
#[doc(alias = "QIOChannelConnectStage")]
#[repr(i32)]
pub enum ConnectStage {
    /// The addresses are being resolved.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_RESOLVING", nick = "resolving")]
    Resolving = 0,
    /// There is an address; others may follow.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_RESOLVED", nick = "resolved")]
    Resolved = 1,
    /// An attempt for an address is in progress: that of the proxy, if there is one. Others may be
    /// in progress concurrently.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_CONNECTING", nick = "connecting")]
    Connecting = 2,
    /// The address has accepted the connection.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_CONNECTED", nick = "connected")]
    Connected = 3,
    /// The request was sent to the proxy.
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
    /// The end: the channel is open, if there is an address, or the attempt has failed.
    #[enum_value(name = "QIO_CHANNEL_CONNECT_STAGE_COMPLETE", nick = "complete")]
    Complete = 8,
}

/// The name of the signal.
const PROGRESS: &str = "connect-progress";

/// The signals of the class.
pub(in crate::transport::socket) fn signals() -> &'static [Signal] {
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
    /// Emits the signal, if it has a handler. Returns whether it has one.
    pub(super) fn report(
        &self,
        stage: ConnectStage,
        connectable: &gio::SocketConnectable,
        address: impl FnOnce() -> Option<gio::SocketAddress>,
    ) -> bool {
        let signal = signals()[0].signal_id();
        let has_handler = signal_has_handler_pending(self, signal, None, false);
        if has_handler {
            self.emit::<()>(signal, &[&stage, connectable, &address()]);
        }
        has_handler
    }

    /// Calls `func` at each stage of [`connect_async`](Self::connect_async), in its thread.
    ///
    /// `func` gets the target, and the address if the stage is about one. The last stage is
    /// [`Complete`](ConnectStage::Complete), with the address of the peer, or without one on
    /// failure; a dropped attempt reports no further stage.
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
